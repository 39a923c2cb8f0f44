"""Each speed-up that is kept is worth 5 % of a training step or more at two of eight points.

Time of a step by DLRT (left) and by GeoLoRA (right) without the speed-up, its slow and obvious twin
in its place (figures/_twins.py), over the time with it: at w = 500 and 5120 of the network
784-w-w-w-w-10, batch 256, and for LeNet5, batch 128; float32, ranks fixed (tau 0, max_rank), after
some steps of training on MNIST images. CPU time of one thread; all variants of a point take turns,
and a number is the median of the ratios in a round. Grey: less than 5 %. Default and --full are the
same.
"""

from statistics import median

import numpy as np
from joblib import parallel_config

from . import _style
from ._steps import measure

POINTS = [[500, 10], [500, 50], [500, 100], [5120, 10], [5120, 40], [5120, 160],
          ["LeNet5", 10], ["LeNet5", 40]]
DEFAULT = {"seed": 0, "clock": "thread_time", "batch": 256, "lenet_batch": 128, "warm": 40,
           "lr": {"500": 0.05, "5120": 0.01, "LeNet5": 0.05}, "points": POINTS,
           "repeats": 5, "seconds": 40}
SMALL = {"points": [[60, 5], ["LeNet5", 4]], "lr": {"60": 0.05, "LeNet5": 0.05}, "lenet_batch": 8,
         "warm": 3, "repeats": 2, "seconds": 0}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": DEFAULT}
METHODS = ("DLRT", "GeoLoRA")
WORTH = 1.05


def compute(settings, run):
    with parallel_config("sequential"):                         # what is timed runs alone
        found = run(measure, {f"{width}, {rank}": {"settings": settings, "what": "ablation",
                                                   "width": width, "ranks": {"one": [rank]}}
                              for width, rank in settings["points"]})
    return {"data": "MNIST, 5,000 images",
            "rows": [{"width": width, "rank": rank, "seconds": found[f"{width}, {rank}"]["one"][0]}
                     for width, rank in settings["points"]]}


def ratio(row, method, speed_up):
    """Time without over time with: the median of the ratios in a round."""
    without, all_on = (row["seconds"][who] for who in (f"{method}, without {speed_up}", method))
    return median(np.divide(without, all_on))


def worth(data):
    """{speed-up: {(method, width, rank): ratio}}, the one of the largest ratios first."""
    names = dict.fromkeys(who.partition(", without ")[2] for who in data["rows"][0]["seconds"])
    found = {name: {(method, row["width"], row["rank"]): ratio(row, method, name)
                    for row in data["rows"] for method in METHODS} for name in names if name}
    return dict(sorted(found.items(), key=lambda pair: -np.mean(np.log([*pair[1].values()]))))


HEAD = "| without | " + " | ".join(f"{width}, r = {rank}" for width, rank in POINTS) + " |"


def table(data):
    """Rows of a Markdown table: a speed-up; DLRT / GeoLoRA without it over with it, by point."""
    for name, found in worth(data).items():
        pairs = (" / ".join(f"{found[method, row['width'], row['rank']]:.2f}" for method in METHODS)
                 for row in data["rows"])
        yield f"| {name} | {' | '.join(pairs)} |"


def draw(data):
    figure, panels = _style.axes(1, 2, (10.5, 4.0), sharey=True)
    found, points = worth(data), [(row["width"], row["rank"]) for row in data["rows"]]
    widths = [*dict.fromkeys(width for width, _ in points)]
    colour = dict(zip(widths, ("#1f6fb4", "#b5314a", "#2a8f4e"), strict=False))
    shade = {point: shades for width in widths for point, shades in zip(
        [point for point in points if point[0] == width],
        _style.shades(colour[width], sum(w == width for w, _ in points)), strict=True)}
    for ax, method in zip(panels, METHODS, strict=True):
        for k, point in enumerate(points):
            name = f"w = {point[0]}" if isinstance(point[0], int) else point[0]
            ratios = [by[method, *point] for by in found.values()]
            ax.plot(ratios, np.arange(len(found)) + 0.08 * (k - len(points) / 2), "o", ms=4.5,
                    color=shade[point], label=f"{name}, r = {point[1]}")
        ax.axvspan(ax.get_xlim()[0], WORTH, color="#eeeeee", zorder=0)
        ax.axvline(1, color="#333333", lw=0.9)
        ax.set(title=f"{method}: time of a step without, over with", xscale="log", xlabel="ratio")
        _style.plain_numbers(ax.xaxis)
    panels[0].set_yticks(range(len(found)), found)
    panels[0].invert_yaxis()
    panels[1].legend(fontsize=7.5, loc="lower right")
    return figure


def each_is_worth_its_price(data):
    """5 % or more at two points, by one method at least."""
    return all(max(sum(x >= WORTH for (who, *_), x in found.items() if who == method)
                   for method in METHODS) >= 2 for found in worth(data).values())


CLAIMS = {"default": (each_is_worth_its_price,)}
