"""Figures: one message a file. The docstring is the caption, its first sentence a claim that the
JSON bears out."""
