"""What a picture shows, as numbers and words, and what the stored results say it should show."""

import math
from dataclasses import dataclass, field

import numpy as np

EXPECTED = {}       # figure: function of its data that gives the Panels it should have


def panels_of(name):
    def enter(function):
        EXPECTED[name] = function
        return function
    return enter


@dataclass
class Panel:
    """Title, axis labels; lines {label: (x, y)}, those of error bars, too, and bars {label: half
    their lengths}; words [(text, (x, y))], what stands beside points; marks [(marker, (x, y))], of
    lines without label, "ring" for an empty circle; levels {"x" or "y": places of straight lines};
    ticks, the words along the y-axis."""

    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    lines: dict = field(default_factory=dict)
    bars: dict = field(default_factory=dict)
    words: list = field(default_factory=list)
    marks: list = field(default_factory=list)
    levels: dict = field(default_factory=dict)
    ticks: list = field(default_factory=list)


def shown(figure):
    """The Panels of a drawn figure."""
    return [_panel(ax) for ax in figure.axes]


def _panel(ax):
    panel = Panel(ax.get_title(), ax.get_xlabel(), ax.get_ylabel(),
                  levels={"x": [], "y": []}, ticks=[t.get_text() for t in ax.get_yticklabels()])
    named, caps = {}, []
    for container in ax.containers:
        line, ends, bars = container.lines
        named[line] = container.get_label()
        caps += ends
        panel.bars[container.get_label()] = [np.ptp(part, axis=0)[1] / 2
                                             for part in bars[0].get_segments()]
    for line in [line for line in ax.lines if line not in caps]:
        x, y = (np.asarray(a, float) for a in line.get_data())
        label = named.get(line, line.get_label())
        if line.get_transform() == ax.get_xaxis_transform():
            panel.levels["x"].append(x[0])
        elif line.get_transform() == ax.get_yaxis_transform():
            panel.levels["y"].append(y[0])
        elif label.startswith("_"):
            panel.marks += _marks(line)
        elif label in panel.lines:
            panel.lines[label] = tuple(np.r_[old, new] for old, new in
                                       zip(panel.lines[label], (x, y), strict=True))
        else:
            panel.lines[label] = x, y
    panel.words = [(text.get_text(), text.xy) for text in ax.texts if hasattr(text, "xy")]
    return panel


def _marks(line):
    marker = "ring" if line.get_markerfacecolor() == "none" else line.get_marker()
    return [(marker, point) for point in line.get_xydata() if marker != "None"]


def agree(drawn, expected):
    """Whether panels show what is expected: as many, the same lines and marks and no others, each
    to rounding; of words and levels those that are expected, among others."""
    return len(drawn) == len(expected) and all(map(_agrees, drawn, expected))


def _agrees(panel, expected):
    said = all(not word or getattr(panel, of) == word for of, word in (
        ("title", expected.title), ("xlabel", expected.xlabel), ("ylabel", expected.ylabel)))
    return (said and panel.lines.keys() == expected.lines.keys()
            and all(_close(panel.lines[label], line) for label, line in expected.lines.items())
            and all(_close(panel.bars[label], bars) for label, bars in expected.bars.items())
            and len(panel.marks) == len(expected.marks)
            and _among(expected.words, panel.words) and _among(expected.marks, panel.marks)
            and _among(panel.marks, expected.marks)
            and all(any(_close(level, other) for other in panel.levels[axis])
                    for axis, levels in expected.levels.items() for level in levels)
            and (not expected.ticks or panel.ticks == expected.ticks))


def _among(some, others):
    return all(any(word == other and all(map(_near, place, there)) for other, there in others)
               for word, place in some)


def _near(a, b):
    return math.isclose(a, b, rel_tol=1e-9)


def _close(found, expected):
    found, expected = (np.asarray(a, float) for a in (found, expected))
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-9, atol=0,
                                                         equal_nan=True)
