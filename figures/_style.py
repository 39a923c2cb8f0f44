"""One look for all figures: a colour a method, thin slopes, a dashed floor, labels on curves."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator

COLOURS = {"projector splitting": "#1f6fb4", "projector splitting, order 2": "#6a4fb0",
           "BUG": "#d9822b", "adaptive BUG": "#2a8f4e", "DLRT": "#b5314a",
           "parallel BUG": "#a8a12a", "parallel BUG, order 2": "#8c6d1f", "midpoint BUG": "#12908f",
           "midpoint BUG, 4r": "#0b5c6b", "abc-PSI": "#6fa8dc", "GeoLoRA": "#e06c9f",
           "projected RK, order 1": "#9b7fd1", "projected RK, order 2": "#8a4f9e",
           "projected RK, order 3": "#4b2e83", "S⁻¹ factor ODE": "#555555", "dense": "#000000"}
MARKERS = dict(zip(COLOURS, "os^vDP*X<>pdhH8s", strict=True))

plt.rcParams.update({"figure.dpi": 110, "savefig.dpi": 160, "font.size": 9,
                     "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9.5,
                     "axes.titleweight": "bold", "legend.frameon": False, "lines.linewidth": 1.4,
                     "lines.markersize": 3.5, "axes.grid": True, "grid.color": "#eeeeee",
                     "axes.axisbelow": True})


def axes(rows, columns, size, **options):
    """A figure and its axes, laid out without overlaps."""
    return plt.subplots(rows, columns, figsize=size, layout="constrained", **options)


def shades(colour, n):
    """n shades of a colour, from light to full."""
    r, g, b = matplotlib.colors.to_rgb(colour)
    return [tuple(1 - (1 - c) * (0.35 + 0.65 * k / max(1, n - 1)) for c in (r, g, b))
            for k in range(n)]


def plain_numbers(axis):
    """1, 2, 5, 10, … along a logarithmic axis of few decades."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:,.12g}")
    axis.set_minor_formatter("")


def slope(ax, x, y, order):
    """A thin reference line of slope `order` through the last point of (x, y), labelled."""
    line = [y * (s / x[-1]) ** order for s in x]
    ax.plot(x, line, color="#999999", lw=0.7, zorder=0)
    label(ax, "h" if order == 1 else f"h{'⁰¹²³⁴'[order]}", (x[0], line[0]), "#777777", (3, -8))


def label(ax, text, point, colour, offset=(4, 0)):
    """A word on a curve at a point, moved by offset in points; white-edged over other curves."""
    ax.annotate(text, point, color=colour, fontsize=7.5, xytext=offset, textcoords="offset points",
                va="center", zorder=4,
                path_effects=[withStroke(linewidth=2, foreground="#ffffff")]).set_in_layout(False)


def floor(ax, level, text=None, **options):
    """A dashed floor: what no matrix of this rank can beat."""
    ax.axhline(level, color="#333333", lw=0.9, ls="--", zorder=0, **options)
    if text:
        ax.annotate(text, (0.98, level), xycoords=("axes fraction", "data"), fontsize=7.5,
                    color="#333333", ha="right", va="top",
                    xytext=(0, -2), textcoords="offset points").set_in_layout(False)
