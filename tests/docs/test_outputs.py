"""The lines below a command of docs/theorems.md are what it prints: of those that take up to two
seconds. The others have at least the names that they use."""

import ast
import builtins
import contextlib
import io
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/theorems.md").read_text(encoding="utf-8")
COMMAND = r'^ *PYTHONPATH=(\S+) python -c "\n(.*?)"\n(.*?)(?=\n *\n|\Z)'
NUMBER = r"(?<!\S)-?\d[\d.]*(?:e-?\d+)?"
UNITS, SHARE = 3, 0.02      # what others may differ by: rounding errors, and other numbers
ROUNDING = 1e-10            # below, a number is one


def commands(page):
    """{"1.1", section and place in it: (folders, code, lines below it)}."""
    return {f"{section}.{k}": (path.split(":"), textwrap.dedent(code),
                               [line.strip() for line in lines.splitlines()])
            for section, text in re.findall(r"^## (\d+)\. (.*?)(?=^## |\Z)", page, re.S | re.M)
            for k, (path, code, lines) in enumerate(re.findall(COMMAND, text, re.S | re.M), 1)}


COMMANDS = commands(PAGE)
IN_UNITS = {"1.1"}                                  # of EPS
SLOW = {"2.1", "3.1", "3.2", "4.1", "4.2", "5.2", "6.1", "9.1", "10.1", "13.1", "17.1"}
SIGNS = {"3.3"}                                     # of LAPACK, which the page says decide


def agree(printed, lines, units=False):
    """Word by word; numbers to two percent, or, if they are rounding errors, to a factor of three,
    or, if in units of EPS, to three of them."""
    printed, lines = (re.sub(r"[][(),]", " ", " / ".join(text)).split()
                      for text in (printed, lines))
    return len(printed) == len(lines) and all(map(
        lambda a, b: a == b or near(a, b, units), printed, lines))


def near(a, b, units):
    try:
        a, b = float(a), float(b)
    except ValueError:
        return False
    if 0 < b < ROUNDING:
        return b / UNITS <= a <= b * UNITS
    return abs(a - b) <= (UNITS if units else SHARE * abs(b))


def another_first_number(lines):
    text = re.sub(r"[][(),]", " ", "\n".join(lines))
    return re.sub(NUMBER, lambda found: f"{2 * float(found[0]) + 4:g}", text, count=1).split("\n")


@pytest.mark.parametrize("place", sorted(COMMANDS.keys() - SLOW - SIGNS))
def test_a_command_prints_what_stands_below_it(place, monkeypatch):
    """Planted: another first number."""
    (folders, code, lines), printed = COMMANDS[place], io.StringIO()
    for folder in folders:
        monkeypatch.syspath_prepend(ROOT / folder)
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    found = [text.strip() for text in printed.getvalue().splitlines()]
    assert agree(found, lines, place in IN_UNITS), found
    assert not agree(found, another_first_number(lines), place in IN_UNITS)


def unknown(code):
    """Names that neither the imports of a command nor its other lines define."""
    tree, scope = ast.parse(code), {}
    exec("\n".join(ast.unparse(node) for node in tree.body
                   if isinstance(node, ast.Import | ast.ImportFrom)), scope)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)} | {
        node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return {node.id for node in names} - own - scope.keys() - vars(builtins).keys()


@pytest.mark.parametrize("place", sorted(SLOW | SIGNS))
def test_a_slow_one_has_the_names_that_it_uses(place, monkeypatch):
    """Planted: without its imports."""
    folders, code, _ = COMMANDS[place]
    for folder in folders:
        monkeypatch.syspath_prepend(ROOT / folder)
    assert not unknown(code)
    assert unknown(code.split("\n", 1)[1])


def test_every_command_of_the_page_has_lines_below_it():
    assert len(COMMANDS) == PAGE.count("python -c") > 20 and all(
        lines for *_, lines in COMMANDS.values())
