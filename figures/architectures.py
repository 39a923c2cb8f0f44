"""Every published saving in prediction of a large network is one that ranks can reach; the savings
published beside it for training are not.

Counted, not trained. The weights of a network have the same share of their full rank each, and stay
dense where factors would be no smaller. Curves: what is saved of the parameters, with K = U S and V
stored, and of the multiply-adds of a prediction, kernels folded to (filters) × (pixels and
channels). Points: published savings (table beside the figure), at the share that reaches them.
"""

import math

from lowrank_ode.compression import count_weights
from lowrank_ode.compression.kernels import folded_shapes, windows
from lowrank_ode.compression.totals import (
    folded_totals,
    multiply_adds,
    share_of_ranks,
    total_parameters,
)
from lowrank_ode.nets.architectures import ARCHITECTURES, vgg16, wide_resnet

from . import _style
from ._published import NETWORKS

SPATIAL = "spatial_transposed"          # columns of filters, then rows
NETS = {**ARCHITECTURES, "vgg16_10": lambda: vgg16(classes=10), "wrn16_8": wide_resnet}
LABELS = {"resnet20": "ResNet-20 A", "resnet20b": "ResNet-20 B", "resnet32": "ResNet-32 A",
          "vgg16_cifar": "VGG16, CIFAR", "resnet18": "ResNet-18", "resnet50": "ResNet-50",
          "resnet50_1x1": "ResNet-50, stride in 1 × 1", "vgg16": "VGG16", "alexnet": "AlexNet",
          "alexnet_caffe": "AlexNet, Caffe", "vgg16_10": "VGG16, 10 classes",
          "wrn16_8": "WRN16-8"}
SOURCES = {"slides": "slides of [SZKCT22]", "LMFR21": "[LMFR21]", "IC20": "[IC20]",
           "TRP": "poster of [XLZWW19]", "SYS25": "[SYS25]"}
DEFAULT = {"shares": [k / 100 for k in range(101)], "grid": 10_000}
SETTINGS = {"small": {**DEFAULT, "shares": [0, 0.5, 1]}, "default": DEFAULT, "full": DEFAULT}
COLOURS = dict(zip(LABELS, ("#9fc5e8", "#1f6fb4", "#0b3d66", "#d9822b", "#2a8f4e", "#b5314a",
                            "#e8a0ae", "#6a4fb0", "#12908f", "#8c6d1f", "#e06c9f", "#a8a12a"),
                   strict=True))


def tucker_ranks(net, share):
    """A rank for outputs and one for channels of each kernel, a rank for each other weight, that
    share of the full ones; first and last weight dense, and where the count is no smaller."""
    ranks = []
    for (n, m), patches in zip(net.weight_shapes, windows(net), strict=True):
        pixels = math.prod(patches.kernel)
        most = (n, m // pixels) if pixels > 1 else (min(n, m),)
        rank = tuple(max(1, round(share * k)) for k in most)
        rank = rank if pixels > 1 else rank[0]
        count = count_weights([(n, m)], [rank], "eval_Tucker", [patches.kernel])
        ranks.append(rank if count < n * m else None)
    return [None, *ranks[1:-1], None]


def spatial_ranks(net, share):
    """That share of the full rank of each folded weight, None where factors are no smaller."""
    ranks = []
    for shape, patches in zip(net.weight_shapes, windows(net), strict=True):
        (folded,) = folded_shapes(shape, patches.kernel, SPATIAL)
        rank = max(1, round(share * min(folded)))
        ranks.append(rank if rank * sum(folded) < math.prod(shape) else None)
    return ranks


def saving(net, what, share):
    """(saving in %, ranks) at that share of the full ranks."""
    shapes = net.weight_shapes
    kernels = [patches.kernel for patches in windows(net)]
    choose = {"Tucker weights": tucker_ranks, "multiply-adds, spatial": spatial_ranks}
    ranks = choose.get(what, share_of_ranks)(net, share)

    def count(ranks):
        if what == "multiply-adds, spatial":
            return folded_totals(net, ranks, SPATIAL)[1]
        if what == "multiply-adds":
            return multiply_adds(net, ranks)
        if what == "parameters":
            return total_parameters(net, ranks)
        conventions = {"weights": "eval_KV", "training": "train_paper",
                       "Tucker weights": "eval_Tucker"}
        return count_weights(shapes, ranks, conventions[what], kernels)

    return 100 * (1 - count(ranks) / count([None] * len(shapes))), ranks


def reaching(net, what, wanted, grid):
    """The largest share k/grid that saves so much, None if rank one does not."""
    low, high = 0, grid + 1
    if saving(net, what, 0)[0] < wanted:
        return None
    while high - low > 1:                       # what is saved falls with the share
        middle = (low + high) // 2
        low, high = ((middle, high) if saving(net, what, middle / grid)[0] >= wanted
                     else (low, middle))
    return low / grid


def published(row, grid):
    """What our count makes of a published row. bound: what is saved in training is less, for all
    ranks, if all weights are in factors: 2 r (n + m) + 4 r² > 2 r (n + m)."""
    name, method, source, what, wanted, beside = row
    net = NETS[name]()
    share = reaching(net, what, wanted, grid)
    found = {"net": name, "method": method, "source": source, "what": what, "published": wanted,
             "beside": beside, "at rank one": saving(net, what, 0)[0], "share": share}
    if share is not None:
        here, ranks = saving(net, what, share)
        numbers = [k for r in ranks if r is not None for k in (r if isinstance(r, tuple) else [r])]
        found |= {"here": here, "ranks": [min(numbers), max(numbers)],
                  "dense": sum(r is None for r in ranks),
                  "beside here": saving(net, beside[0], share)[0] if beside else None,
                  "bound": 2 * wanted - 100 if beside and beside[0] == "training" else None}
    return found


def compute(settings, run):
    nets = {}
    for name, make in NETS.items():
        net = make()
        nets[name] = {"weights": sum(map(math.prod, net.weight_shapes)),
                      "parameters": total_parameters(net), "multiply-adds": multiply_adds(net),
                      "saved": {what: [saving(net, what, share)[0] for share in settings["shares"]]
                                for what in ("parameters", "multiply-adds")}}
    return {"nets": nets, "rows": [published(row, settings["grid"]) for row in NETWORKS]}


def counts(data):
    for name, net in data["nets"].items():
        yield (f"| {LABELS[name]} | {net['weights']:,} | {net['parameters']:,} "
               f"| {net['multiply-adds']:,} |")


def savings(data):
    for row in data["rows"]:
        beside, at = row["beside"], row.get("beside here")
        yield (f"| {LABELS[row['net']]} | {row['method']} | {SOURCES[row['source']]} "
               f"| {row['what']} | {row['published']:.2f} | " + (
                   "not at rank one" if row["share"] is None else
                   f"{row['here']:.2f} | {row['share']:.3f} | {row['ranks'][0]} to "
                   f"{row['ranks'][1]}; {row['dense']} dense") +
               f" | {row['at rank one']:.1f} | " + (
                   f"{beside[0]}: {beside[1]:.1f}; here {at:.1f}" if beside else "") + (
                   f", below {row['bound']:.1f} at any |" if row.get("bound") else " |"))


TABLES = {"_counts": ("| network | weights | parameters | multiply-adds of a prediction |", counts),
          "_savings": ("| network | method | source | of | published, % | here, % | share of full "
                       "rank | ranks | at rank one, % | and at these ranks, % |", savings)}


def draw(data):
    figure, panels = _style.axes(1, 2, (9, 4), sharey=True)
    shares = data["settings"]["shares"]
    for ax, what in zip(panels, ("parameters", "multiply-adds"), strict=True):
        for name, net in data["nets"].items():
            if name in {row["net"] for row in data["rows"]} - {"vgg16_10"}:
                ax.plot(shares, net["saved"][what], color=COLOURS[name], label=LABELS[name])
        for row in data["rows"]:
            same = row["what"] == what or (what, row["what"]) == ("parameters", "weights")
            if same and row["share"] is not None:
                ax.plot(row["share"], row["published"], "o", color=COLOURS[row["net"]])
        ax.set(title=f"saved of the {what}", xlabel="share of the full rank", xlim=(0, 0.6),
               ylim=(0, 100))
    panels[0].set_ylabel("saved, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6,
                  fontsize=7.5)
    return figure


def published_savings_are_reached(data):
    """Each in prediction is one of ours, at the largest share that has it."""
    step = 1 / data["settings"]["grid"]
    for row in data["rows"]:
        if row["share"] is None or not row["published"] <= row["here"] <= row["at rank one"]:
            return False
        if saving(NETS[row["net"]](), row["what"], row["share"] + step)[0] >= row["published"]:
            return False
    return True


def those_for_training_are_not(data):
    return all(row["beside here"] < row["bound"] < row["beside"][1]
               for row in data["rows"] if row["bound"] is not None)


CLAIMS = {"default": (published_savings_are_reached, those_for_training_are_not)}
