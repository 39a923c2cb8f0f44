"""At equal numbers of gradients the integrators that take one a step, DLRT and GeoLoRA, end at a
lower training loss than abc-PSI, which takes two, and this at a lower one than those that take
three; GeoLoRA and projected Euler are one method, and agree to 5 %.

The network 784-500-500-500-500-10 (relu, softmax cross-entropy), its hidden layers at a fixed rank,
trained from the same random dense start, cut to this rank, by each integrator with Euler substeps,
at equal cost: so many gradients, counted in passes over the training images. A gradient is a
forward and a backward pass of a batch, whatever it is used for. Of two step sizes the one with the
lowest loss on all training images at the end, for integrators of one or two gradients the larger
one. Seconds are those of the steps; with --jobs 2 two runs share the machine. Projected Euler is
projected RK of order 1; "vanilla" is gradient descent on both factors of W = A Bᵀ, and "dense" that
on W, from the same start before it was cut. Default and --full: 5,000 real MNIST images.
"""

import numpy as np

from lowrank_ode.compression import pruned
from lowrank_ode.data import load
from lowrank_ode.training import train

from . import _style
from ._training import METHODS, network

DEFAULT = {"data": "mnist5k", "widths": [500] * 4, "rank": 20, "seed": 0, "lr": [0.1, 0.2],
           "batch": 50, "passes": 12}
SETTINGS = {"small": {**DEFAULT, "data": "digits", "widths": [40] * 2, "rank": 8, "lr": [0.1],
                      "passes": 6}, "default": DEFAULT,
            "full": DEFAULT}
HEAD = "| method | gradients a step | step size | training loss | test accuracy, % | seconds |"


class Counting:
    """A method that counts the gradients which its steps take."""

    def __init__(self, method):
        self.method, self.steps, self.gradients = method, 0, 0

    def step(self, Y, t, h, F):
        def counted(t, Y):
            self.gradients += 1
            return F(t, Y)
        self.steps += 1
        return self.method.step(Y, t, h, counted)


def trained(data, widths, rank, seed, method, lr, batch, passes):
    """After 0, 1, … epochs, as far as `passes` go: passes over the training images, seconds,
    training loss, test accuracy.

    "stopped": what was wrong, if the run came to no end.
    """
    data, rng = load(data), np.random.default_rng(seed)
    net, counting = network(data, widths), Counting(METHODS[method](rank))
    dense = net.init(rng, dtype=np.float32)
    start = dense if method == "dense" else pruned(dense, rank)
    rows = {"passes": [0], "seconds": [0.0], "loss": [net.value(start, data.x, data.labels)],
            "accuracy": [net.accuracy(start, data.test_x, data.test_labels)]}
    records = train(net, start, data, counting, lr, batch, passes, rng)
    try:
        with np.errstate(over="ignore", invalid="ignore"):      # of a run that diverges
            for record in records:
                each = counting.gradients / counting.steps
                new = {"passes": record.epoch * each,
                       "seconds": rows["seconds"][-1] + record.seconds,
                       "loss": net.value(record.params, data.x, data.labels),
                       "accuracy": record.accuracy}
                if not np.isfinite(new["loss"]):
                    raise ValueError(f"the training loss is {new['loss']} "
                                     f"after epoch {record.epoch}")
                for name, value in new.items():
                    rows[name].append(value)
                if each * (record.epoch + 1) > passes:
                    break
    except ValueError as error:
        rows["stopped"] = str(error)
    return {"gradients_a_step": counting.gradients / counting.steps, **rows}


def compute(settings, run):
    options = {name: settings[name]
               for name in ("data", "widths", "rank", "seed", "batch", "passes")}
    cases = [(method, lr) for method in METHODS for lr in settings["lr"]]
    found = run(trained, {f"{method}, {lr}": {**options, "method": method, "lr": lr}
                          for method, lr in cases})
    return {"data": load(settings["data"]).name,
            "runs": [{"method": method, "lr": lr, **found[f"{method}, {lr}"]}
                     for method, lr in cases]}


def best(data):
    """Of each method the run with the lowest training loss at the end, if one came to its end."""
    for method in METHODS:
        if runs := [run for run in data["runs"] if run["method"] == method
                    and "stopped" not in run]:
            yield min(runs, key=lambda run: run["loss"][-1])


def table(data):
    """Rows of a Markdown table: method, gradients a step, step size; at the end training loss, test
    accuracy and seconds."""
    for run in best(data):
        yield (f"| {run['method']} | {run['gradients_a_step']:.0f} | {run['lr']} | "
               f"{run['loss'][-1]:.4f} | "
               f"{100 * run['accuracy'][-1]:.1f} | {run['seconds'][-1]:.1f} |")


def draw(data):
    figure, panels = _style.axes(1, 2, (9, 4), sharey=True)
    colours = {**_style.COLOURS, "projected Euler": _style.COLOURS["projected RK, order 1"],
               "vanilla": "#888888"}
    for ax, cost, label in zip(panels, ("passes", "seconds"),
                               ("gradients, in passes over the training images", "seconds"),
                               strict=True):
        for run in best(data):
            marker = "os^vDP*X<>"[list(METHODS).index(run["method"])]
            ax.semilogy(run[cost], run["loss"], marker + "-", color=colours[run["method"]], lw=1,
                        label=f"{run['method']}, h = {run['lr']}")
        ax.set(xlabel=label)
    panels[0].set_ylabel("training loss")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right", fontsize=7.5)
    return figure


def one_gradient_a_step_is_best(data):
    found = {run["method"]: run for run in best(data)}
    loss = {method: run["loss"][-1] for method, run in found.items()}
    three = [loss[method] for method, run in found.items() if run["gradients_a_step"] == 3]
    sizes = {run["lr"] for method, run in found.items()
             if run["gradients_a_step"] < 3 and method != "vanilla"}
    return (max(loss["DLRT"], loss["GeoLoRA"]) < loss["abc-PSI"] < min(three) and len(three) == 4
            and abs(loss["GeoLoRA"] - loss["projected Euler"]) <= 0.05 * loss["GeoLoRA"]
            and sizes == {max(data["settings"]["lr"])})


CLAIMS = {"default": (one_gradient_a_step_is_best,)}
