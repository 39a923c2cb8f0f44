"""The how-to pages: each block of code, which pytest runs, is a task in 20 lines; the README links
all pages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(ROOT.glob("docs/how-to/*.md"))
MOST = 20


def too_long(page):
    """The numbers of lines of code in the blocks that have more than MOST."""
    counts = [len(re.findall(r"^(?:>>>|\.\.\.)", block, re.M))
              for block in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)]
    assert counts and min(counts) > 0
    return [count for count in counts if count > MOST]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_task_is_done_in_20_lines_and_the_page_is_linked(path):
    assert too_long(path.read_text(encoding="utf-8")) == []
    assert f"](docs/how-to/{path.name})" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_long_task_is_seen():
    lines = ">>> x = 1\n" + "... y\n" * MOST
    assert too_long(f"```python\n{lines}```\n") == [MOST + 1]
    assert too_long(f"```python\n{lines[:-6]}1\n```\n") == []
