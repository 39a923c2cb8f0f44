"""What a picture shows, as numbers and words, and what the stored results say it should show."""

import math
from dataclasses import dataclass, field

import numpy as np
from matplotlib.colors import to_hex

EXPECTED = {}       # figure: function of its data that gives the Panels it should have


def panels_of(name):
    def enter(function):
        EXPECTED[name] = function
        return function
    return enter


@dataclass
class Panel:
    """Title, axis labels; lines {label: (x, y)}, those of error bars, too, and bars {label: (lower
    ends, upper ends)}, or {label: half their lengths} if that is expected; words [(text, (x, y))],
    what stands beside points; of lines without label marks [(marker, (x, y))], "ring" for an empty
    circle, "hollow s" for an empty square, or, without markers, links [(x, y)]; levels {"x", "y" or
    a label: places of straight lines}; ticks, the words along the y-axis; markers {label: that of
    the line}."""

    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    lines: dict = field(default_factory=dict)
    bars: dict = field(default_factory=dict)
    words: list = field(default_factory=list)
    marks: list = field(default_factory=list)
    levels: dict = field(default_factory=dict)
    ticks: list = field(default_factory=list)
    markers: dict = field(default_factory=dict)
    links: list = field(default_factory=list)


def shown(figure):
    """The Panels of a drawn figure."""
    return [_panel(ax) for ax in figure.axes]


def _panel(ax):
    panel = Panel(ax.get_title(), ax.get_xlabel(), ax.get_ylabel(),
                  levels={"x": [], "y": []}, ticks=[t.get_text() for t in ax.get_yticklabels()])
    caps = []
    for container in ax.containers:
        _, ends, bars = container.lines
        caps += ends
        panel.bars[container.get_label()] = np.sort(
            [part[:, 1] for part in bars[0].get_segments()]).T
    for line, label in _labelled(ax):
        x, y = (np.asarray(a, float) for a in line.get_data())
        if line in caps:
            continue
        if line.get_transform() == ax.get_xaxis_transform():
            _add_level(panel, "x", label, x[0])
        elif line.get_transform() == ax.get_yaxis_transform():
            _add_level(panel, "y", label, y[0])
        elif label.startswith("_") and line.get_marker() == "None":
            panel.links.append((x, y))
        elif label.startswith("_"):
            panel.marks += [(_marker(line), point) for point in line.get_xydata()]
        elif label in panel.lines:
            panel.lines[label] = tuple(np.r_[old, new] for old, new in
                                       zip(panel.lines[label], (x, y), strict=True))
        else:
            panel.lines[label], panel.markers[label] = (x, y), _marker(line)
    panel.words = [(text.get_text(), text.xy) for text in ax.texts if hasattr(text, "xy")]
    return panel


def _add_level(panel, axis, label, place):
    for key in [axis, label] if label[0] != "_" else [axis]:
        panel.levels.setdefault(key, []).append(place)


def _marker(line):
    if line.get_markerfacecolor() != "none":
        return line.get_marker()
    return "ring" if line.get_marker() == "o" else f"hollow {line.get_marker()}"


def nameless(figure, colour=True):
    """Labels of lines that stand in no legend and beside no line of the figure, in their colour."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    said = [pair for legend in legends
            for pair in zip(legend.get_texts(), legend.legend_handles, strict=True)]
    said += [(text, text) for ax in figure.axes for text in ax.texts]

    def look(label, line):
        return label, colour and to_hex(line.get_color())
    names = {look(text.get_text(), line) for text, line in said}
    return {label for ax in figure.axes for line, label in _labelled(ax)
            if label[0] != "_" and look(label, line) not in names}


def _labelled(ax):
    """(line, its label, or that of its error bars)."""
    named = {container.lines[0]: container.get_label() for container in ax.containers}
    return [(line, named.get(line, line.get_label())) for line in ax.lines]


def agree(drawn, expected):
    """Whether panels show what is expected: as many, the same lines and marks and no others, each
    to rounding; of words, levels and links those that are expected, among others."""
    return len(drawn) == len(expected) and all(map(_agrees, drawn, expected))


def _agrees(panel, expected):
    said = all(not word or getattr(panel, of) == word for of, word in (
        ("title", expected.title), ("xlabel", expected.xlabel), ("ylabel", expected.ylabel)))
    return (said and panel.lines.keys() == expected.lines.keys()
            and all(_close(panel.lines[label], line) for label, line in expected.lines.items())
            and all(_close(panel.bars[label], _ends(expected.lines[label][1], bars))
                    for label, bars in expected.bars.items())
            and all(panel.markers[label] == kind for label, kind in expected.markers.items())
            and len(panel.marks) == len(expected.marks)
            and _among(expected.words, panel.words) and _among(expected.marks, panel.marks)
            and _among(panel.marks, expected.marks)
            and all(any(_close(link, other) for other in panel.links) for link in expected.links)
            and all(any(_close(level, other) for other in panel.levels.get(of, []))
                    for of, levels in expected.levels.items() for level in levels)
            and (not expected.ticks or panel.ticks == expected.ticks))


def _ends(middles, bars):
    return bars if np.ndim(bars) == 2 else (np.subtract(middles, bars), np.add(middles, bars))


def _among(some, others):
    return all(any(word == other and all(map(_near, place, there)) for other, there in others)
               for word, place in some)


def _near(a, b):
    return math.isclose(a, b, rel_tol=1e-9)


def _close(found, expected):
    found, expected = (np.asarray(a, float) for a in (found, expected))
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-9, atol=0,
                                                         equal_nan=True)
