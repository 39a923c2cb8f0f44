"""A low-rank training step takes at most 2.5 times as long as its matrix products alone, and is cheaper than a dense one up to a rank that
the third panel names.

The network 784-w-w-w-w-10 in float32, w = 500 and 5120, batch 256: seconds of one DLRT step of fixed rank (tau 0, max_rank r; gradient,
basis update and truncation), of one step with dense weights, and of a prediction for 1,000 images, medians. The floor is the time of the
matrix products that such a step consists of, alone, on arrays of the same shapes. With PyTorch at hand, the three-pass scheme of the paper
and the dense step in PyTorch are timed in turn with ours. Right: training and prediction relative to the dense network, here and as
published [SZKCT22] (TensorFlow, batch 500, other hardware). Figures are of one machine; ratios are what to look at.
"""

import os
import statistics
import time
from itertools import pairwise

import numpy as np
from joblib import parallel_config

from lowrank_ode import DLRT, Dense
from lowrank_ode.compression import merged
from lowrank_ode.nets import mlp
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field

from . import _style
from ._published import TIMINGS

try:
    from . import _torch_baseline as baseline
except ImportError:
    baseline = None

DEFAULT = {"seed": 0, "batch": 256, "images": 1000, "lr": 1e-3, "repeats": 5,
           "ranks": {"500": [5, 10, 20, 50, 100], "5120": [10, 40, 160, 400]}, "predict_ranks": [10, 160, 640, 1280, 2200]}
SETTINGS = {"small": {**DEFAULT, "repeats": 2, "ranks": {"60": [5, 10]}, "predict_ranks": [5]}, "default": DEFAULT, "full": DEFAULT}


def products(widths, r, b, rng):
    """The matrix products of one DLRT step of rank r on these widths, the last layer dense, batch b, and nothing else: a job."""
    def random(*shape):
        return rng.random(shape, np.float32)

    shapes = list(pairwise(widths))
    layers = [{"Z": random(b, m).T, "D": random(b, n).T, "U": random(n, r), "V": random(m, r), "S": random(r, r), "U1": random(n, 2 * r),
               "V1": random(m, 2 * r), "P": random(2 * r, r), "small": random(b, r)} for m, n in shapes]

    def job():
        for number, x in enumerate(layers[:-1]):
            Z, D, U, V, S, P, small = x["Z"], x["D"], x["U"], x["V"], x["S"], x["P"], x["small"]
            Z.T @ V, S @ small.T, U @ small.T                                           # forward
            D.T @ U                                                                     # backward
            if number:
                small @ S, V @ small.T
            D @ small, Z @ small                                                        # G V0, Gᵀ U0
            for B, B1 in ((U, x["U1"]), (V, x["V1"])):
                for _ in range(2):                                                      # augment: orthogonalise, normalise, twice
                    B.T @ B, B @ S, B.T @ B, B @ S
                B1 @ P, B.T @ B                                                         # new basis, and how orthonormal it is
            both = np.hstack([D.T @ U, small])
            both.T @ np.hstack([Z.T @ V, small])                                        # Ûᵀ G V̂
        Z, D = layers[-1]["Z"], layers[-1]["D"]
        W = D @ Z.T
        W @ Z, W.T @ D
    return job


def seconds(jobs, repeats):
    """Median seconds of each job, run in turn, after one run that does not count; a job is a function without arguments."""
    taken = {name: [] for name in jobs}
    for k in range(repeats + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            taken[name] += [time.perf_counter() - start] if k else []
    return {name: statistics.median(times) for name, times in taken.items()}


class Stepping:
    """A job that takes one step from where the last one ended."""

    def __init__(self, step, state):
        self.step, self.state = step, state

    def __call__(self):
        self.state = self.step(self.state)


def training_jobs(width, rank, settings):
    """One step by our code (of this rank; None for dense), by PyTorch if there, and, for a rank, its products alone."""
    widths, rng, lr = [784, *[width] * 4, 10], np.random.default_rng(settings["seed"]), settings["lr"]
    net, (x, labels) = mlp(widths), _batch(rng, settings["batch"])
    F, method = gradient_field(net, x, labels), DLRT(0, max_rank=rank) if rank else Dense(euler)
    jobs = {"ours": Stepping(lambda P: method.step(P, 0, lr, F), net.init(rng, rank, np.float32))}
    if rank:
        jobs["floor"] = products(widths, rank, settings["batch"], rng)
    if baseline:
        x, labels = (baseline.torch.from_numpy(X) for X in (x, labels))
        step = (lambda P: baseline.three_pass_step(P, x, labels, lr, rank)) if rank else lambda P: baseline.dense_step(P, x, labels, lr)
        jobs["torch"] = Stepping(step, baseline.network(widths, rank))
    return jobs


def prediction_job(width, rank, settings):
    rng, net = np.random.default_rng(settings["seed"]), mlp([784, *[width] * 4, 10])
    ranks = rank and [min(rank, 784), rank, rank, rank, None]
    (x, _), params = _batch(rng, settings["images"]), merged(net.init(rng, ranks, np.float32))
    return {"ours": lambda: net.outputs(params, x)}


def _batch(rng, size):
    """As sparse and as large as MNIST images."""
    return (rng.random((size, 784)) * (rng.random((size, 784)) < 0.2)).astype(np.float32), rng.integers(0, 10, size)


def measure(settings, what, width, rank):
    make = {"train": training_jobs, "predict": prediction_job}[what]
    return {"what": what, "width": width, "rank": rank, "seconds": seconds(make(width, rank, settings), settings["repeats"])}


def compute(settings, run):
    cases = [("train", int(width), rank) for width, ranks in settings["ranks"].items() for rank in [None, *ranks]]
    cases += [("predict", int(max(settings["ranks"], key=int)), rank) for rank in [None, *settings["predict_ranks"]]]
    with parallel_config("sequential"):                         # what is timed runs alone
        rows = run(measure, {case: {"settings": settings, "what": case[0], "width": case[1], "rank": case[2]} for case in cases})
    threads = {"cores": os.cpu_count(), "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS")}
    return {"rows": list(rows.values()), "threads": threads, "torch": baseline and baseline.torch.__version__}


def table(data):
    """Rows of a Markdown table: ms of a training step, over its products alone, PyTorch's three passes over ours, ours over dense."""
    training = [row for row in data["rows"] if row["what"] == "train"]
    dense = {row["width"]: min(row["seconds"].values()) for row in training if row["rank"] is None}
    for row in training:
        if row["rank"]:
            took, width = row["seconds"], row["width"]
            gain = f"{took['torch'] / took['ours']:.1f}" if "torch" in took else ""
            yield (f"| {width} | {row['rank']} | {1e3 * took['ours']:.0f} | {took['ours'] / took['floor']:.1f} | {gain} | "
                   f"{took['ours'] / dense[width]:.2f} |")


def shares(data, what, width):
    """(ranks, time over that of the fastest dense network) of training or prediction."""
    rows = [row for row in data["rows"] if row["what"] == what and row["width"] == width]
    dense = min(next(row["seconds"] for row in rows if not row["rank"]).values())
    return [row["rank"] for row in rows if row["rank"]], [row["seconds"]["ours"] / dense for row in rows if row["rank"]]


def break_even(ranks, share):
    """"rank r" where the share reaches 1, between two ranks by straight lines through the logarithms; else the last one."""
    if share[-1] < 1 or share[0] >= 1:
        return f"rank {ranks[-1]} and more" if share[-1] < 1 else "no rank"
    return f"rank {round(np.exp(np.interp(0, np.log(share), np.log(ranks))), -1):.0f}"


def draw(data):
    figure, panels = _style.axes(1, 3, (11.5, 3.7))
    widths = sorted({row["width"] for row in data["rows"]})
    for ax, width in zip(panels, widths, strict=False):
        rows = [row for row in data["rows"] if row["what"] == "train" and row["width"] == width]
        ranks, dense = [row["rank"] for row in rows if row["rank"]], next(row["seconds"] for row in rows if not row["rank"])
        for name, colour, text in (("torch", "#555555", "PyTorch, three passes"), ("ours", _style.COLOURS["DLRT"], "DLRT"),
                                   ("floor", "#bbbbbb", "its matrix products")):
            if name in rows[-1]["seconds"]:
                ax.loglog(ranks, [1e3 * row["seconds"][name] for row in rows if row["rank"]], "o-", color=colour, label=text)
        for name, style in (("ours", "-"), ("torch", ":")):
            if name in dense:
                ax.axhline(1e3 * dense[name], color="#000000", lw=0.9, ls=style, label="dense" + (", PyTorch" if name == "torch" else ""))
        ax.set(title=f"784-{width}×4-10: a training step", xlabel="rank", ylabel="ms")
        ax.legend(fontsize=7.5)
    right, width = panels[2], widths[-1]
    for what, colour in (("train", _style.COLOURS["DLRT"]), ("predict", _style.COLOURS["projector splitting"])):
        ranks, share = shares(data, what, width)
        right.loglog(ranks, share, "o-", color=colour, label=f"{what}, here: cheaper up to {break_even(ranks, share)}")
        ranks, share = list(TIMINGS[what]), np.divide(list(TIMINGS[what].values()), TIMINGS[f"dense_{what}"])
        right.loglog(ranks, share, "o:", color=colour, ms=2.5, label=f"{what}, published: {break_even(ranks, share)}")
    right.axhline(1, color="#000000", lw=0.9)
    right.set(title=f"time over dense, width {width}", xlabel="rank", ylim=(None, 300))
    right.legend(fontsize=7.5, loc="upper left")
    return figure
