"""DLRT finds its ranks within a hundred steps: from 150 they fall steeply, to fewer for the larger
τ, and then change by a few only, while the test accuracy still rises.

The 5-layer network 784-500-500-500-500-10 of the paper (relu, softmax cross-entropy; the last layer
is dense), DLRT with relative tolerance τ, step sizes and batches as in the JSON. Ranks of the four
low-rank layers against the training step, one line a layer, and test accuracy against epochs, with
the dense network by the same code. Default: 5,000 real MNIST images; --full: the full MNIST.
"""

import numpy as np

from lowrank_ode import DLRT, Dense
from lowrank_ode.compression import count_parameters
from lowrank_ode.data import load
from lowrank_ode.nets import mlp
from lowrank_ode.substeps import euler
from lowrank_ode.training import train

from . import _style

RUNS = {"0.05": {"tau": 0.05, "epochs": 13, "lr": [0.2, 0.2, 0.1, 0.1, 0.03], "batch": 64},
        "0.15": {"tau": 0.15, "epochs": 10, "lr": [0.2, 0.1, 0.03], "batch": 64},
        "dense": {"tau": None, "epochs": 15, "lr": [0.2, 0.1, 0.05], "batch": 128}}
DEFAULT = {"data": "mnist5k", "widths": [500] * 4, "start_rank": 150, "seed": 0, "every": 5,
           "runs": {name: {**run, "epochs": 8} for name, run in RUNS.items()}}
SMALL = {"data": "digits", "widths": [60] * 4, "start_rank": 30,
         "runs": {name: {**run, "epochs": 5} for name, run in RUNS.items()}}
SETTINGS = {"small": {**DEFAULT, **SMALL},
            "default": DEFAULT, "full": {**DEFAULT, "data": "mnist", "every": 20, "runs": RUNS}}


def compute(settings, run):
    common = {name: settings[name] for name in ("data", "widths", "start_rank", "seed", "every")}
    data, net = data_and_net(settings["data"], settings["widths"])
    return {"data": data.name,
            "dense_parameters": count_parameters(net.init(np.random.default_rng(0))),
            "runs": run(trained, {name: {**common, **options}
                                  for name, options in settings["runs"].items()})}


def data_and_net(data, widths):
    data = load(data)
    return data, mlp([data.x.shape[1], *widths, data.classes])


def trained(data, widths, start_rank, seed, every, tau, epochs, lr, batch):
    """The records of one training run, by DLRT or, where tau is None, of the dense network, and the
    number of its parameters."""
    (data, net), rng = data_and_net(data, widths), np.random.default_rng(seed)
    params = net.init(rng, tau and start_rank, np.float32)
    method = DLRT(tau) if tau else Dense(euler)
    records = list(train(net, params, data, method, lr, batch, epochs, rng, every))
    return {"records": [record.summary() for record in records],
            "parameters": count_parameters(records[-1].params)}


def last_of_epochs(records):
    """The last record of each epoch."""
    return list({record["epoch"]: record for record in records}.values())


def table(data):
    """Rows of a Markdown table: run; at its end epochs, test accuracy, ranks, parameters,
    compression."""
    for name, run in data["runs"].items():
        last, count = run["records"][-1], run["parameters"]
        yield (f"| {'dense' if name == 'dense' else f'τ = {name}'} | {last['epoch']} | "
               f"{100 * last['accuracy']:.2f} % | "
               f"{', '.join(map(str, last['ranks'])) or 'full'} | {count:,} | "
               f"{100 * (1 - count / data['dense_parameters']):.1f} % |")


def draw(data):
    figure, panels = _style.axes(1, 3, (11, 3.4))
    settings, shades = data["settings"], _style.shades(_style.COLOURS["DLRT"], 4)
    for ax, name in zip(panels, ("0.05", "0.15"), strict=False):
        records, start = data["runs"][name]["records"], settings["start_rank"]
        final = records[-1]
        for layer, shade in enumerate(shades):
            ax.plot([0] + [r["step"] for r in records],
                    [start] + [r["ranks"][layer] for r in records], color=shade,
                    label=f"layer {layer + 1}")
        ax.set(title=f"τ = {name}: ranks", xlabel="training step", ylim=(0, 1.05 * start))
        ax.set_xscale("symlog", linthresh=settings["every"])
        ax.set_xlim(0, final["step"])
        ax.annotate(f"at the end: {', '.join(map(str, final['ranks']))}\n"
                    f"test accuracy {100 * final['accuracy']:.2f} %", (0.97, 0.9),
                    xycoords="axes fraction", ha="right", fontsize=8)
    panels[0].legend(loc="lower left")
    panels[0].set_ylabel("rank")
    for name, method, style in (("0.05", "DLRT", "-"), ("0.15", "DLRT", ":"),
                                ("dense", "dense", "-")):
        epochs = last_of_epochs(data["runs"][name]["records"])
        panels[2].plot([r["epoch"] for r in epochs], [100 * r["accuracy"] for r in epochs], style,
                       color=_style.COLOURS[method], marker="o",
                       label="dense" if name == "dense" else f"τ = {name}")
    panels[2].set(title="test accuracy", xlabel="epoch", ylabel="%")
    panels[2].legend(loc="lower right")
    return figure


def ranks_are_found_in_a_hundred_steps(data):
    """To 5 % of the rank at the start, while the accuracy still rises; the larger τ, the lower."""
    final, still = {}, 0.05 * data["settings"]["start_rank"]
    for name in ("0.05", "0.15"):
        last = data["runs"][name]["records"][-1]
        early = next(record for record in data["runs"][name]["records"] if record["step"] >= 100)
        final[name] = np.array(last["ranks"])
        if (early["step"] != 100 or (np.array(early["ranks"]) - final[name] > still).any()
                or last["accuracy"] <= early["accuracy"]):
            return False
    return ((final["0.15"] < final["0.05"]).all()
            and (final["0.05"] < data["settings"]["start_rank"]).all())


def reaches_its_numbers_on_full_mnist(data):
    last = {name: run["records"][-1] for name, run in data["runs"].items()}
    return ("60000 train / 10000 test" in data["data"]
            and last["0.15"]["accuracy"] >= 0.972 and last["0.15"]["epoch"] <= 10
            and max(last["0.15"]["ranks"]) <= 40
            and last["0.05"]["accuracy"] >= 0.982 and last["0.05"]["epoch"] <= 30
            and last["dense"]["accuracy"] >= 0.982)


CLAIMS = {"default": (ranks_are_found_in_a_hundred_steps,),
          "full": (ranks_are_found_in_a_hundred_steps, reaches_its_numbers_on_full_mnist)}
