"""A start with decaying singular values stalls gradient descent on the factors of W = A Bᵀ, and
hardly touches DLRT; without decay the two are alike, unless kernels are frozen by mistake, as in
the published comparison.

LeNet5 with weights of fixed rank in three layers; singular values of the start |N(0, 1)|, sorted,
the k-th divided by decay^k; test accuracy after each epoch, mean over seeds (band: one standard
deviation). DLRT: cut to the rank of the start. Vanilla: A = U √S, B = V √S, every factor trained.
As published [CODE22]: kernels neither decayed nor trained, only their biases and the dense layers
are. Default: 5,000 real MNIST images, one seed; --full: MNIST, three seeds.
"""

import numpy as np

from lowrank_ode import DLRT, DirectSum, LowRank
from lowrank_ode.data import load
from lowrank_ode.integrators import FactorDescent
from lowrank_ode.nets import lenet5
from lowrank_ode.training import train

from . import _style
from ._published import ROBUST
from ._training import mean_and_deviation

DEFAULT = {"data": "mnist5k", "decay": [1, 10], "methods": ["DLRT", "vanilla", "as published"],
           "seeds": [0], "rank": 20, "lr": 0.05, "batch": 64, "epochs": 4}
SETTINGS = {"small": {**DEFAULT, "rank": 4, "batch": 512, "epochs": 1}, "default": DEFAULT,
            "full": {**DEFAULT, "data": "mnist", "decay": [1, 2, 10], "seeds": [0, 1, 2],
                     "lr": 0.01, "batch": 128, "epochs": 10}}
HEAD = ("| method | decay | runs | epochs | accuracy at the end, % "
        "| published, ten runs of 20 epochs, % |")
KERNELS = 2         # the first layers of LeNet5, which the published baseline freezes


class FrozenKernels:
    """A method that leaves the weights of the kernels as they are."""

    def __init__(self, method):
        self.method = method

    def step(self, Y, t, h, F):
        blocks = self.method.step(Y, t, h, F).blocks
        return DirectSum([Y.blocks[k] if k in range(0, 2 * KERNELS, 2) else block
                          for k, block in enumerate(blocks)])


def with_decay(params, decay, first, rng):
    """The same bases, with singular values that decay, from LowRank block number `first` on."""
    blocks, layer = list(params.blocks), 0
    for k, W in enumerate(blocks):
        if isinstance(W, LowRank):
            sigma = np.sort(np.abs(rng.standard_normal(W.rank)))[::-1]
            sigma /= float(decay if layer >= first else 1) ** np.arange(W.rank)
            blocks[k] = LowRank(W.U, np.diag(sigma).astype(W.dtype), W.V)
            layer += 1
    return DirectSum(blocks)


def trained(data, method, decay, seed, rank, lr, batch, epochs):
    """Test accuracy after each epoch."""
    net, data, rng = lenet5(), load(data), np.random.default_rng(seed)
    published = method == "as published"
    start = with_decay(net.init(rng, rank, np.float32), decay, KERNELS if published else 0, rng)
    descent = FrozenKernels(FactorDescent()) if published else FactorDescent()
    steps = DLRT(0, max_rank=rank) if method == "DLRT" else descent
    return [record.accuracy for record in train(net, start, data, steps, lr, batch, epochs, rng)]


def compute(settings, run):
    options = {name: settings[name] for name in ("data", "rank", "lr", "batch", "epochs")}
    cases = [(method, decay, seed) for seed in settings["seeds"] for method in settings["methods"]
             for decay in settings["decay"]]
    found = run(trained,
                {f"{method}, decay {decay}, seed {seed}": {**options, "method": method,
                                                           "decay": decay, "seed": seed}
                 for method, decay, seed in cases})
    return {"data": load(settings["data"]).name,
            "accuracy": {method: {str(decay): [found[f"{method}, decay {decay}, seed {seed}"]
                                               for seed in settings["seeds"]]
                                  for decay in settings["decay"]}
                         for method in settings["methods"]}}


def table(data):
    """Rows of a Markdown table: method, decay, runs, epochs, accuracy at the end here (mean ±
    standard deviation) and as published."""
    for method, found in data["accuracy"].items():
        for decay, runs in found.items():
            mean, deviation = mean_and_deviation([100 * run[-1] for run in runs])
            here = f"{mean:.1f} ± {deviation:.1f}" if len(runs) > 1 else f"{mean:.1f}"
            known = decay in ROBUST.get(method, {})
            published = "{} ± {}".format(*ROBUST[method][decay]) if known else ""
            yield f"| {method} | {decay} | {len(runs)} | {len(runs[0])} | {here} | {published} |"


def draw(data):
    settings = data["settings"]
    figure, panels = _style.axes(1, len(settings["methods"]), (10.5, 3.4), sharey=True)
    epochs = np.arange(1, settings["epochs"] + 1)
    titles = {"DLRT": "DLRT", "vanilla": "vanilla A Bᵀ, all factors trained",
              "as published": "vanilla as published: kernels frozen"}
    colours = {"DLRT": _style.COLOURS["DLRT"], "vanilla": "#555555", "as published": "#999999"}
    for ax, method in zip(panels, settings["methods"], strict=True):
        for (decay, runs), style in zip(data["accuracy"][method].items(),
                                        ("-", "--", ":"), strict=False):
            runs = 100 * np.array(runs)
            ax.plot(epochs, runs.mean(axis=0), "o" + style, color=colours[method],
                    label=f"decay {decay}")
            if len(runs) > 1:
                mean, deviation = runs.mean(axis=0), runs.std(axis=0, ddof=1)
                ax.fill_between(epochs, mean - deviation, mean + deviation, color=colours[method],
                                alpha=0.15, lw=0)
        ax.set(title=titles[method], xlabel="epoch", ylim=(0, 100), xticks=epochs)
        ax.legend(loc="lower right", fontsize=8)
    panels[0].set_ylabel("test accuracy, %")
    return figure


def decay_stalls_the_factors_only(data):
    last = {method: {decay: runs[0][-1] for decay, runs in found.items()}
            for method, found in data["accuracy"].items()}
    return (last["DLRT"]["10"] >= last["DLRT"]["1"] - 0.05
            and last["vanilla"]["10"] <= 0.5 * last["vanilla"]["1"]
            and abs(last["DLRT"]["1"] - last["vanilla"]["1"]) <= 0.05
            and last["as published"]["1"] <= last["vanilla"]["1"] - 0.1)


def decay_stalls_the_factors_only_on_full_mnist(data):
    """To a percentage point, by means over the seeds."""
    mean = {(method, decay): sum(run[-1] for run in runs) / len(runs)
            for method, found in data["accuracy"].items() for decay, runs in found.items()}
    return (abs(mean["DLRT", "1"] - mean["vanilla", "1"]) <= 0.01
            and min(mean["DLRT", "2"], mean["DLRT", "10"]) >= mean["DLRT", "1"] - 0.01
            and mean["vanilla", "10"] <= mean["vanilla", "2"] - 0.01
            <= mean["vanilla", "1"] - 0.02
            and mean["as published", "1"] <= mean["vanilla", "1"] - 0.04
            and mean["as published", "10"] <= mean["vanilla", "10"] - 0.05)


CLAIMS = {"default": (decay_stalls_the_factors_only,),
          "full": (decay_stalls_the_factors_only_on_full_mnist,)}
