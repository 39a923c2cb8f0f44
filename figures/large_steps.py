"""On one batch of random images of their real size the loss of every large network falls over
three low-rank steps, by DLRT and by GeoLoRA.

Hidden weights of rank 16, single precision, two images a batch (eight for networks of 32 × 32
pixels), `python -m lowrank_ode.steps`. Nothing is learned: images and labels are random. The table
has seconds of a step, the least of three, on a machine that did other work, too; the memory that
was said before, and what the arrays took. Step sizes were found in trials.
"""

import tracemalloc
from itertools import pairwise

from lowrank_ode.integrators import BY_NAME
from lowrank_ode.nets import buffers
from lowrank_ode.nets.architectures import ARCHITECTURES
from lowrank_ode.steps import GIB, LR, first_steps, memory, problem, ranks_of

from . import _style
from .architectures import COLOURS, LABELS

METHODS = {"DLRT": "dlrt", "GeoLoRA": "geolora"}
BATCHES = {name: 8 if "cifar" in name or name in ("resnet20", "resnet20b", "resnet32") else 2
           for name in ARCHITECTURES}
DEFAULT = {"batches": BATCHES, "rank": 16, "steps": 3, "seed": 0}
SETTINGS = {"small": {**DEFAULT, "batches": {"resnet20": 2}}, "default": DEFAULT, "full": DEFAULT}
HEAD = ("| network | images | h | loss before, and after each step: DLRT | GeoLoRA "
        "| s a step: DLRT | GeoLoRA | GiB said before | taken |")


def taken(settings, name):
    """Losses and seconds of both methods, bytes said before and taken by DLRT."""
    net, lr, batch = ARCHITECTURES[name](), LR.get(name, 0.01), settings["batches"][name]
    found = {"lr": lr, "batch": batch,
             "said": int(memory(net, ranks_of(net, settings["rank"]), batch))}
    for label, method in METHODS.items():
        start = problem(net, settings["rank"], batch, settings["seed"])
        step = BY_NAME[method](0, max_rank=settings["rank"])
        _, losses, seconds = first_steps(net, *start, step, lr, settings["steps"])
        found[label] = {"losses": losses, "seconds": seconds}
    del start
    buffers._free.clear()
    tracemalloc.start()
    first_steps(net, *problem(net, settings["rank"], batch, settings["seed"]),
                BY_NAME["dlrt"](0, max_rank=settings["rank"]), lr, 1)
    found["taken"] = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def compute(settings, run):
    return {"nets": run(taken, {name: {"settings": settings, "name": name}
                                for name in settings["batches"]})}


def table(data):
    for name, net in data["nets"].items():
        losses = [", ".join(f"{loss:.2f}" for loss in net[method]["losses"]) for method in METHODS]
        seconds = [f"{min(net[method]['seconds']):.2f}" for method in METHODS]
        yield (f"| {LABELS[name]} | {net['batch']} | {net['lr']:g} | {' | '.join(losses)} "
               f"| {' | '.join(seconds)} | {net['said'] / GIB:.2f} | {net['taken'] / GIB:.2f} |")


def draw(data):
    figure, panels = _style.axes(1, 2, (9, 3.6), sharey=True)
    for ax, method in zip(panels, METHODS, strict=True):
        for name, net in data["nets"].items():
            losses = net[method]["losses"]
            ax.plot([loss / losses[0] for loss in losses], "o-", color=COLOURS[name],
                    label=LABELS[name])
        ax.set(title=method, xlabel="steps", xticks=range(data["settings"]["steps"] + 1),
               ylim=(0, 1.02))
    panels[0].set_ylabel("loss, over that of the start")
    panels[1].legend(fontsize=7)
    return figure


def every_loss_falls(data):
    return all(later < sooner for net in data["nets"].values() for method in METHODS
               for sooner, later in pairwise(net[method]["losses"]))


def no_more_memory_is_taken_than_was_said(data):
    return all(net["taken"] <= net["said"] <= 3 * net["taken"] for net in data["nets"].values())


CLAIMS = {"default": (every_loss_falls, no_more_memory_is_taken_than_was_said)}
