"""Figures: one message a file. The docstring is the caption, and its first sentence a claim that the JSON bears out."""
