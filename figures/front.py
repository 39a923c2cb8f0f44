"""On full MNIST there is, for each network found by DLRT with a tolerance, a smaller and more accurate one of a rank fixed in advance,
trained by GeoLoRA; at ranks 20 and 34 it is ahead of the published networks that are no larger, at 60 and 100 up to 0.4 points behind.

The network 784-500-500-500-500-10, its hidden layers at one fixed rank, trained by GeoLoRA from a random dense start cut to this rank, the
last layer dense: test accuracy against the number of weights for prediction (K = U S and V stored). Beside it DLRT with relative tolerance
τ (accuracy_vs_parameters.py) and the published networks [SZKCT22], found by DLRT and then trained for 100 epochs with Adam. The epoch is
chosen on validation images, a sixth of the training set. Default: 5,000 real MNIST images, not to be compared with the published numbers;
--full: MNIST. One seed.
"""

from pathlib import Path

import numpy as np

from lowrank_ode.compression import count_weights, pruned
from lowrank_ode.data import load
from lowrank_ode.integrators import GeoLoRA
from lowrank_ode.nets import mlp
from lowrank_ode.results import read_json

from . import _style
from ._published import DENSE_NETS
from ._training import best_on_validation

DEFAULT = {"data": "mnist5k", "width": 500, "ranks": [10, 20, 34, 60], "seed": 0, "lr": [0.2, 0.1, 0.05], "batch": 50, "epochs": 12}
SMALL = {"data": "digits", "width": 40, "ranks": [5, 10], "lr": 0.1, "epochs": 2}
FULL = {"data": "mnist", "ranks": [10, 20, 34, 60, 100], "lr": [0.2, 0.1, 0.05, 0.02], "batch": 64, "epochs": 16}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": {**DEFAULT, **FULL}}
BESIDE = {"default": "accuracy_vs_parameters.json", "full": "accuracy_vs_parameters_full.json"}
HEAD = "| rank | weights for prediction | accuracy, % | accuracy of the largest published network with no more weights, % |"


def trained(data, width, rank, seed, lr, batch, epochs):
    data = load(data)
    net = mlp([data.x.shape[1], *[width] * 4, data.classes])
    start = pruned(net.init(np.random.default_rng(seed), dtype=np.float32), rank)
    found = best_on_validation(net, start, data, GeoLoRA(0, max_rank=rank), lr, batch, epochs, seed)
    return {**found, "weights": count_weights(net.weight_shapes, [rank] * 4 + [None])}


def compute(settings, run):
    common = {name: value for name, value in settings.items() if name != "ranks"}
    found = run(trained, {f"rank {rank}": {**common, "rank": rank} for rank in settings["ranks"]})
    return {"data": load(settings["data"]).name, "runs": [{"rank": rank, **found[f"rank {rank}"]} for rank in settings["ranks"]]}


def published():
    """(weights for prediction, accuracy in %) of the published networks of width 500, the smallest first."""
    return sorted((row[2], row[1]) for row in DENSE_NETS[500][1].values())


def table(data):
    """Rows of a Markdown table: rank, weights, accuracy here, and of the largest published network that is no larger."""
    for run in data["runs"]:
        smaller = [accuracy for weights, accuracy in published() if weights <= run["weights"]]
        yield f"| {run['rank']} | {run['weights']:,} | {100 * run['accuracy']:.2f} | {smaller[-1] if smaller else ''} |"


def draw(data):
    figure, ax = _style.axes(1, 1, (6.4, 4))
    runs = data["runs"]
    ax.semilogx([run["weights"] for run in runs], [100 * run["accuracy"] for run in runs], "o-", color=_style.COLOURS["GeoLoRA"],
                label=f"GeoLoRA at a fixed rank ({data['settings']['data']})")
    for run in runs:
        _style.label(ax, f"r = {run['rank']}", (run["weights"], 100 * run["accuracy"]), _style.COLOURS["GeoLoRA"], (-26, 7))
    if data["scale"] in BESIDE:
        found = [run for run in read_json(Path(__file__).with_name(BESIDE[data["scale"]]))["runs"] if run["tau"]]
        ax.semilogx([run["weights"]["eval_KV"] for run in found], [100 * run["accuracy"] for run in found], "o-",
                    color=_style.COLOURS["DLRT"], label=f"DLRT with τ ({data['settings']['data']})")
    ax.semilogx(*zip(*published(), strict=True), "s-", ms=2.5, lw=0.9, color="#888888", label="published, full MNIST")
    ax.set(xlabel="weights for prediction", ylabel="test accuracy, %")
    ax.legend(loc="lower right", fontsize=8)
    return figure
