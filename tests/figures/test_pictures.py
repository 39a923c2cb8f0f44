"""The committed pictures show what their JSON holds: line by line, label by label, without a look
at pixels; and are drawn without computing."""

import copy
import importlib

import numpy as np
import pictures_numerics  # noqa: F401 -- they enter what they expect into EXPECTED
import pictures_training  # noqa: F401
import pytest
from pictures import EXPECTED, agree, shown
from stored import MODULES, stored

from figures import _run, ablation
from figures._style import plt

OWN = {"commensurate", "compress_only", "retrain", "sweep", "trp"}      # see their tests
FULL = [name for name in EXPECTED if _run.paths(name, "full")[0].exists()]


def expected(name, data):
    if name == "ablation":              # in the order of its table
        data = {**data, "names": list(ablation.worth(data))}
    return EXPECTED[name](data)


# ------------------------------------------------------------------------------- planted errors

def two_labels(panel):
    """Of two lines exchanged."""
    one, other = list(panel.lines)[:2]
    panel.lines[one], panel.lines[other] = panel.lines[other], panel.lines[one]


def an_eighth(panel):
    """Of the values of the last line that has any."""
    label, (x, y) = [pair for pair in panel.lines.items() if np.isfinite(pair[1][1]).any()][-1]
    panel.lines[label] = x, [value / 8 for value in y]


def one_line_less(panel):
    panel.lines.popitem()


def another_title(panel):
    panel.title += " "


def marks_elsewhere(panel):
    panel.marks[0] = panel.marks[0][0], panel.marks[0][1] + 0.5


def other_marks(panel):
    """A cross for a dot, a dot for a cross."""
    kind, place = panel.marks[-1]
    panel.marks[-1] = "o" if kind == "x" else "x", place


def other_ticks(panel):
    panel.ticks = panel.ticks[::-1]


def two_words(panel):
    """Beside two points exchanged."""
    (one, here), *rest, (other, there) = panel.words
    panel.words = [(other, here), *rest, (one, there)]


def fits(plant, panel, wanted):
    return {two_labels: len(panel.lines) > 1, an_eighth: panel.lines, one_line_less: panel.lines,
            another_title: wanted.title, marks_elsewhere: panel.marks, other_marks: panel.marks,
            other_ticks: wanted.ticks, two_words: len(wanted.words) > 1}[plant]


PLANTS = (two_labels, an_eighth, one_line_less, another_title, marks_elsewhere, other_marks,
          other_ticks, two_words)


def check(name, figure, data):
    """And no planted error alone is overlooked."""
    panels, wanted = shown(figure), expected(name, data)
    assert agree(panels, wanted)
    seen = 0
    for plant in PLANTS:
        for k, panel in enumerate(panels):
            if fits(plant, panel, wanted[k]):
                wrong = copy.deepcopy(panels)
                plant(wrong[k])
                assert not agree(wrong, wanted), (plant.__name__, k)
                seen += 1
    if len(panels) > 1:
        assert not agree(panels[::-1], wanted)              # planted: panels exchanged
    assert seen >= 2


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_a_picture_is_redrawn_from_its_json_without_computing_and_shows_it(
        module, tmp_path, monkeypatch):
    name, drawn, draw = module.__name__.rpartition(".")[2], [], module.draw
    json_path = _run.paths(name, "default")[0]
    monkeypatch.setattr(module, "compute", None)
    monkeypatch.setattr(module, "draw", lambda data: drawn.append(draw(data)) or drawn[0])
    monkeypatch.setattr(_run, "paths", lambda *_: (json_path, tmp_path / "a.png"))
    data = _run.redraw(module, "default")
    assert data["figure"] == name and (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    monkeypatch.undo()
    if name not in OWN:
        check(name, drawn[0], data)


@pytest.mark.parametrize("name", FULL)
def test_so_does_the_one_of_full_mnist(name):
    data = stored(name, "full")
    figure = importlib.import_module(f"figures.{name}").draw(data)
    check(name, figure, data)
    plt.close(figure)


def test_every_picture_has_its_expectation():
    assert EXPECTED.keys() | OWN == {module.__name__.rpartition(".")[2] for module in MODULES}
