"""The committed pictures show what their JSON holds: line by line, label by label, without a look
at pixels; and are drawn without computing."""

import copy
import importlib

import numpy as np
import pictures_compression  # noqa: F401 -- they enter what they expect into EXPECTED
import pictures_dense  # noqa: F401
import pictures_numerics  # noqa: F401
import pictures_training  # noqa: F401
import pytest
from pictures import EXPECTED, agree, nameless, shown
from stored import MODULES, stored

from figures import _run, ablation
from figures._style import plt

FULL = [name for name in EXPECTED if _run.paths(name, "full")[0].exists()]


def expected(name, data):
    if name == "ablation":              # in the order of its table
        data = {**data, "names": list(ablation.worth(data))}
    return EXPECTED[name](data)


# ------------------------------------------------------------------------------- planted errors

def with_values(panel):
    """The labels of its lines that have any."""
    return [label for label, (_, y) in panel.lines.items() if np.isfinite(y).any()]


def two_labels(panel):
    """Of two lines exchanged."""
    one, other, *_ = with_values(panel)
    panel.lines[one], panel.lines[other] = panel.lines[other], panel.lines[one]


def an_eighth(panel):
    """Of the values of the last line that has any."""
    label = with_values(panel)[-1]
    x, y = panel.lines[label]
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


def lower_bars(panel):
    """As long, and all a step below."""
    panel.bars = {label: np.subtract(ends, 1) for label, ends in panel.bars.items()}


def higher_levels(panel):
    panel.levels = {of: [place + 1 for place in places] for of, places in panel.levels.items()}


def two_levels(panel):
    """Of the last two labels exchanged."""
    *_, one, other = panel.levels
    panel.levels[one], panel.levels[other] = panel.levels[other], panel.levels[one]


def another_marker(panel):
    panel.markers = dict.fromkeys(panel.markers, "1")


def higher_links(panel):
    panel.links = [(x, np.add(y, 0.2)) for x, y in panel.links]


PLANTS = {                  # and whether it changes what is said of a panel
    two_labels: lambda panel, wanted: len(with_values(panel)) > 1,
    an_eighth: lambda panel, wanted: with_values(panel),
    one_line_less: lambda panel, wanted: panel.lines,
    another_title: lambda panel, wanted: wanted.title,
    marks_elsewhere: lambda panel, wanted: panel.marks,
    other_marks: lambda panel, wanted: panel.marks,
    other_ticks: lambda panel, wanted: wanted.ticks,
    two_words: lambda panel, wanted: len(wanted.words) > 1,
    lower_bars: lambda panel, wanted: wanted.bars,
    higher_levels: lambda panel, wanted: any(wanted.levels.values()),
    two_levels: lambda panel, wanted: [*wanted.levels] == [*panel.levels][-2:] and (
        len({*map(tuple, wanted.levels.values())}) > 1),
    another_marker: lambda panel, wanted: wanted.markers,
    higher_links: lambda panel, wanted: wanted.links}


def check_names(figure, colour):
    """Planted: another colour, another label, of a line."""
    assert not nameless(figure, colour)
    for line in [line for line in figure.axes[0].lines if line.get_label()[0] != "_"][:1]:
        before = line.get_color()
        line.set_color("#123456")
        assert bool(nameless(figure, colour)) == colour
        line.set(color=before, label="another")
        assert nameless(figure, colour)


def check(name, figure, data):
    """And no planted error alone is overlooked."""
    panels, wanted = shown(figure), expected(name, data)
    assert agree(panels, wanted)
    check_names(figure, colour=name != "singular_values")       # there a shade has the name
    seen = 0
    for plant, changes in PLANTS.items():
        for k, (panel, right) in enumerate(zip(panels, wanted, strict=True)):
            if changes(panel, right):
                wrong = copy.deepcopy(panel)
                plant(wrong)
                assert not agree([wrong], [right]), (plant.__name__, k)
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
    check(name, drawn[0], data)


@pytest.mark.parametrize("name", FULL)
def test_so_does_the_one_of_full_mnist(name):
    data = stored(name, "full")
    figure = importlib.import_module(f"figures.{name}").draw(data)
    check(name, figure, data)
    plt.close(figure)


def test_every_picture_has_its_expectation():
    assert EXPECTED.keys() == {module.__name__.rpartition(".")[2] for module in MODULES}
