"""Figures: one message a file. The docstring is the caption, its first sentence a claim that the
JSON bears out."""

import os

os.environ["MPLBACKEND"] = "agg"        # a notebook's, inherited, may not exist here
