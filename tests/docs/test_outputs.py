"""The lines below a command of docs/theorems.md are what it prints: of those that take a second."""

import contextlib
import io
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/theorems.md").read_text(encoding="utf-8")
COMMAND = r'^ *PYTHONPATH=(\S+) python -c "\n(.*?)"\n(.*?)(?=\n *\n|\Z)'
UNITS, SHARE = 3, 0.02      # what others may differ by: rounding errors, and other numbers


def commands(page):
    """(folders, code, lines below it) of each command."""
    return [(path.split(":"), textwrap.dedent(code), [line.strip() for line in lines.splitlines()])
            for path, code, lines in re.findall(COMMAND, page, re.S | re.M)]


# a line of each, and whether its numbers are rounding errors
CHEAP = {"worst = [max(reproduces": True, "promised = h * (1 - p.lipschitz": False,
         "U0, sigma = random_basis(rng, 9, r)": True,
         "S = np.diag(10 ** -rng.uniform(0, 16, r)) @": True, "print(round(missed(augment": False,
         "gamma = norm(p.hamiltonian": False, "print(4 / n, Y.rank": False}


def chosen(line):
    """The one command with this line."""
    (found,) = [command for command in commands(PAGE) if line in command[1]]
    return found


def agree(printed, lines, rounding):
    """Word by word; numbers to two percent, or, if they are rounding errors, to three units of EPS,
    or a factor of three."""
    printed, lines = (" / ".join(text).split() for text in (printed, lines))
    return len(printed) == len(lines) and all(map(
        lambda a, b: a == b or near(a, b, rounding), printed, lines))


def near(a, b, rounding):
    try:
        a, b = float(a), float(b)
    except ValueError:
        return False
    if rounding and b < 1:
        return b / UNITS <= a <= b * UNITS
    return abs(a - b) <= (UNITS if rounding else SHARE * abs(b))


@pytest.mark.parametrize("line", CHEAP)
def test_a_command_prints_what_stands_below_it(line, monkeypatch):
    """Planted: another first number."""
    (folders, code, lines), printed = chosen(line), io.StringIO()
    for folder in folders:
        monkeypatch.syspath_prepend(ROOT / folder)
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    found = printed.getvalue().splitlines()
    assert agree([text.strip() for text in found], lines, CHEAP[line]), found
    first, *rest = lines[0].split()
    wrong = [" ".join([f"{2 * float(first) + 4:g}", *rest]), *lines[1:]]
    assert not agree(found, wrong, CHEAP[line])


def test_every_command_of_the_page_has_lines_below_it():
    found = commands(PAGE)
    assert len(found) == PAGE.count("python -c") > 20 and all(
        lines for *_, lines in found)
