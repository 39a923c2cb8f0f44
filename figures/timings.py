"""With one thread a low-rank training step takes half as long as three passes in PyTorch or less
at six points; at width 5120 it is cheaper than a dense one up to rank 160 at least.

The network 784-w-w-w-w-10 in float32, w = 500 and 5120, batch 256: seconds of one DLRT step of
fixed rank (tau 0, max_rank r), of one by GeoLoRA, of one with dense weights, and of a prediction
for 250 images (K = U S and V stored), of what takes less than 0.2 s the second of two in a row.
The floor is the time of the matrix products that such a step has taken: recorded, and taken once
more, on the same arrays, with nothing between them. With PyTorch at hand, the three-pass scheme of
the paper and the dense step in PyTorch are timed as well. All that is timed at a width takes
turns, with one thread and with two of BLAS: a time is the median over these rounds, and the ratio
of two times the median of their ratios in a round, which other work of the machine changes less.
ResNet-20, 128 images of 32 × 32, has one thread, and its time is that of the processor.
Drawn are processes with one thread. Right: training and prediction relative to the dense network,
here and as published [SZKCT22] (TensorFlow, batch 500, other hardware). Figures are of one
machine. Default and --full are the same.
"""

import os
from statistics import median

import numpy as np
from joblib import parallel_config

from . import _style
from ._published import TIMINGS
from ._steps import INTEGRATORS, THREADS, baseline, measure

DEFAULT = {"seed": 0, "clock": "perf_counter", "batch": 256, "images": 250, "lenet_batch": 128,
           "resnet_batch": 128, "resnet_ranks": [8], "resnet_clock": "process_time",
           "lr": 1e-3, "repeats": 3, "seconds": 10,
           "ranks": {"500": [5, 10, 20, 50, 100], "5120": [10, 40, 160, 400]},
           "predict_ranks": [10, 160, 640, 1280, 2200, 2500], "lenet_ranks": [10, 40],
           "methods": [[500, 10], [500, 50], [5120, 40]],
           "points": [[500, 10], [500, 50], [500, 100], [5120, 10], [5120, 40], [5120, 160]]}
SMALL = {"repeats": 2, "seconds": 0, "ranks": {"60": [5, 10]}, "predict_ranks": [5],
         "lenet_ranks": [5], "lenet_batch": 8, "resnet_ranks": [2],
         "resnet_batch": 2, "points": [[60, 5]], "methods": [[60, 5]]}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": DEFAULT}


def compute(settings, run):
    points, widest = settings["points"], max(map(int, settings["ranks"]))
    jobs = {("train", int(width)): {"one": [None, *ranks],
                                    "two": [rank for w, rank in points if w == int(width)]}
            for width, ranks in settings["ranks"].items()}
    jobs["predict", widest] = {"one": [None, *settings["predict_ranks"]]}
    for width, rank in settings["methods"]:
        jobs.setdefault(("methods", width), {"one": []})["one"].append(rank)
    jobs["LeNet5", None] = {threads: [None, *settings["lenet_ranks"]] for threads in THREADS}
    jobs["ResNet-20", None] = {"one": [None, *settings["resnet_ranks"]]}
    by_processor = {**settings, "clock": settings["resnet_clock"]}
    with parallel_config("sequential"):                         # what is timed runs alone
        found = run(measure, {f"{what}, {width}": {
            "settings": by_processor if what == "ResNet-20" else settings, "what": what,
            "width": width, "ranks": ranks} for (what, width), ranks in jobs.items()})
    rows = [{"what": what, "threads": threads, "width": width, "rank": rank, "seconds": seconds}
            for (what, width), ranks in jobs.items() for threads, among in ranks.items()
            for rank, seconds in zip(among, found[f"{what}, {width}"][threads], strict=True)]
    return {"rows": rows, "cores": os.cpu_count(), "threads": THREADS,
            "torch": baseline and baseline.torch.__version__}


def rows_of(data, what, width=None, threads="one"):
    return [row for row in data["rows"]
            if (row["what"], row["width"], row["threads"]) == (what, width, threads)]


def seconds(row, who):
    return median(row["seconds"][who])


def over(row, who, what, base=None):
    """How many times as long `who` takes as `what` of another row, or of this one: the median of
    their ratios in a round."""
    return median(np.divide(row["seconds"][who], (base or row)["seconds"][what]))


def table(data):
    """Rows of a Markdown table: ms of a training step by DLRT, over its products alone, PyTorch's
    three passes over it, it over dense; by GeoLoRA, over its products, PyTorch's over it."""
    for width in map(int, data["settings"]["ranks"]):
        dense, *rows = rows_of(data, "train", width)
        for row in rows:
            gain = {name: f"{over(row, 'torch', name):.1f}" if "torch" in row["seconds"] else ""
                    for name in ("ours", "GeoLoRA")}
            yield (f"| {width} | {row['rank']} | {_ms(row, 'ours')} | "
                   f"{over(row, 'ours', 'floor'):.1f} | {gain['ours']} | "
                   f"{over_dense(row, dense):.2f} | {_ms(row, 'GeoLoRA')} | "
                   f"{over(row, 'GeoLoRA', 'GeoLoRA, floor'):.1f} | {gain['GeoLoRA']} |")


def thread_table(data):
    """Rows of a Markdown table: ms of a training step, DLRT, GeoLoRA and PyTorch's three passes, by
    threads."""
    for width, rank in data["settings"]["points"]:
        by = {threads: next(row for row in rows_of(data, "train", width, threads)
                            if row["rank"] == rank) for threads in THREADS}
        times = [_ms(by[threads], who) for who in ("ours", "GeoLoRA", "torch")
                 for threads in THREADS]
        yield f"| {width} | {rank} | {' | '.join(times)} |"


def method_table(data):
    """Rows of a Markdown table: an integrator; ms of a training step, and that over its products
    alone, by network."""
    rows = [row for width, rank in data["settings"]["methods"]
            for row in rows_of(data, "methods", width) if row["rank"] == rank]
    for name in INTEGRATORS:
        cells = (f"{_ms(row, name)} | {over(row, name, f'{name}, floor'):.1f}" for row in rows)
        yield f"| {name} | {' | '.join(cells)} |"


def lenet_table(data):
    """Rows of a Markdown table: ms of a step of LeNet5, ours and PyTorch's dense, by threads."""
    by_threads = (rows_of(data, "LeNet5", None, threads) for threads in THREADS)
    for both in zip(*by_threads, strict=True):
        times = [_ms(row, who) for who in ("ours", "torch") for row in both]
        yield f"| {both[0]['rank'] or 'dense'} | {' | '.join(times)} |"


def resnet_table(data):
    """Rows of a Markdown table: ms of a step of ResNet-20, ours, by GeoLoRA and PyTorch's dense;
    ours over PyTorch's."""
    for row in rows_of(data, "ResNet-20"):
        ratio = f"{over(row, 'ours', 'torch'):.1f}" if "torch" in row["seconds"] else ""
        times = " | ".join(_ms(row, who) for who in ("ours", "GeoLoRA", "torch"))
        yield f"| {row['rank'] or 'dense'} | {times} | {ratio} |"


def _ms(row, who):
    return f"{1e3 * seconds(row, who):.0f}" if who in row["seconds"] else ""


def over_dense(row, dense, who="ours"):
    """How many times as long `who` takes as the faster dense network, ours or PyTorch's."""
    return over(row, who, min(dense["seconds"], key=lambda name: seconds(dense, name)), dense)


def shares(data, what, width, who="ours"):
    """(ranks, time over that of the dense network) of training or prediction."""
    dense, *rows = rows_of(data, what, width)
    return [row["rank"] for row in rows], [over_dense(row, dense, who) for row in rows]


def break_even(ranks, share):
    """"rank r" where the share reaches 1, between two ranks by straight lines through the
    logarithms; else the last one."""
    if share[-1] < 1 or share[0] >= 1:
        return f"rank {ranks[-1]} and more" if share[-1] < 1 else "no rank"
    return f"rank {round(np.exp(np.interp(0, np.log(share), np.log(ranks))), -1):.0f}"


TABLES = {
    "": ("| w | rank | DLRT: ms | over products | PyTorch / DLRT | DLRT / dense "
         "| GeoLoRA: ms | over products | PyTorch / GeoLoRA |", table),
    "_threads": ("| w | rank | DLRT: one | two | GeoLoRA: one | two | PyTorch: one | two |",
                 thread_table),
    "_methods": ("| | w = 500, rank 10: ms | over products | w = 500, rank 50 | over products "
                 "| w = 5120, rank 40 | over products |", method_table),
    "_lenet": ("| rank | ours: one thread | two | PyTorch, dense: one | two |", lenet_table),
    "_resnet": ("| rank | ours, DLRT or dense | GeoLoRA | PyTorch, dense | ours / PyTorch |",
                resnet_table),
}


def draw(data):
    figure, panels = _style.axes(1, 3, (11.5, 3.7))
    widths = sorted(map(int, data["settings"]["ranks"]))
    for ax, width in zip(panels, widths, strict=False):
        _draw_steps(ax, width, *rows_of(data, "train", width))
    panels[0].set_ylim(None, 6 * panels[0].get_ylim()[1])
    panels[0].legend(fontsize=7.5, loc="upper left")
    right, width = panels[2], widths[-1]
    for what, of in (("train", "DLRT"), ("predict", "projector splitting")):
        for who, style, (ranks, share) in (
                ("here", "o-", shares(data, what, width)),
                ("published", "o:", (list(TIMINGS[what]), np.divide(
                    list(TIMINGS[what].values()), TIMINGS[f"dense_{what}"])))):
            right.loglog(ranks, share, style, color=_style.COLOURS[of],
                         ms=3.5 if who == "here" else 2.5,
                         label=f"{what}, {who}: cheaper up to {break_even(ranks, share)}")
    right.axhline(1, color="#000000", lw=0.9)
    right.set(title=f"time over dense, width {width}", xlabel="rank", ylim=(None, 300))
    right.legend(fontsize=7.5, loc="upper left")
    return figure


def _draw_steps(ax, width, dense, *rows):
    ranks = [row["rank"] for row in rows]
    for name, colour, text in (("torch", "#555555", "PyTorch, three passes"),
                               ("ours", _style.COLOURS["DLRT"], "DLRT"),
                               ("GeoLoRA", _style.COLOURS["GeoLoRA"], "GeoLoRA"),
                               ("floor", "#bbbbbb", "matrix products of DLRT")):
        if name in rows[-1]["seconds"]:
            ax.loglog(ranks, [1e3 * seconds(row, name) for row in rows], "o-", color=colour,
                      label=text)
    for name, style in (("ours", "-"), ("torch", ":")):
        if name in dense["seconds"]:
            ax.axhline(1e3 * seconds(dense, name), color="#000000", lw=0.9, ls=style,
                       label="dense, PyTorch" if name == "torch" else "dense")
    ax.set(title=f"784-{width}×4-10: a training step", xlabel="rank", ylabel="ms")
    ax.set_xticks(ranks, map(str, ranks))
    ax.xaxis.set_minor_formatter("")
    _style.plain_numbers(ax.yaxis)


def is_cheaper_than_dense_and_than_pytorch(data):
    """Than dense at rank 10 of 500, and 160 of 5120, but not 100 of 500; break-even published < in
    PyTorch < ours; on one thread LeNet5 and PyTorch's."""
    share = {(width, rank): part for width in (500, 5120)
             for rank, part in zip(*shares(data, "train", width), strict=True)}
    published = (list(TIMINGS["train"]),
                 np.divide(list(TIMINGS["train"].values()), TIMINGS["dense_train"]))
    curves = (published, *(shares(data, "train", 5120, who) for who in ("torch", "ours")))
    ranks = [int(break_even(*curve).split()[1]) for curve in curves]
    return (max(share[500, 10], share[5120, 160]) < 1 < share[500, 100]
            and ranks[0] < ranks[1] < ranks[2]
            and all(over(row, "ours", "torch") < 1 for row in rows_of(data, "LeNet5")))


def beats_pytorch(data):
    """The three passes in PyTorch take twice as long, or more, as a step of DLRT and one of GeoLoRA
    at the six points, one thread against one."""
    rows = {(row["width"], row["rank"]): row for row in data["rows"]
            if (row["what"], row["threads"]) == ("train", "one")}
    return all(over(rows[tuple(point)], "torch", who) > 2
               for point in data["settings"]["points"] for who in ("ours", "GeoLoRA"))


def resnet_within_reach(data):
    """A step of ResNet-20 takes less than 3.5 times PyTorch's, and one of low rank, by either
    method, no more than a tenth more than a dense one."""
    dense, low = rows_of(data, "ResNet-20")
    return all(over(row, "ours", "torch") < 3.5 for row in (dense, low)) and all(
        over(low, who, "ours", dense) < 1.1 for who in ("ours", "GeoLoRA"))


CLAIMS = {"default": (is_cheaper_than_dense_and_than_pytorch, beats_pytorch,
                      resnet_within_reach)}
