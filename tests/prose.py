"""Sentences of captions and pages, each text on one line."""

import importlib
import re

from figures._pages import PAGES
from figures._places import FOLDER

DOCS = {page.stem: page for page in [*PAGES, FOLDER.parent / "README.md"]}


def one_line(text):
    return re.sub(r"\s+", " ", text)


def caption(name):
    return one_line(importlib.import_module(f"figures.{name}").__doc__)


def page(stem):
    return one_line(DOCS[stem].read_text("utf-8"))
