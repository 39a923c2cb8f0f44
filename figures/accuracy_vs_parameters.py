"""The larger τ, the fewer weights DLRT keeps: on 5,000 images, to go without half of them costs
less than two percentage points of test accuracy, without nine of ten less than six; fine-tuning at
the ranks found gains a point and more.

The network 784-500-500-500-500-10, trained by DLRT with relative tolerance τ from random cores of
rank 150, the last layer dense; then, as the published networks were, further at the ranks found,
here by GeoLoRA, part of the inputs of each batch set to 0 (front.py). Dense networks in the same
two phases. Test accuracy against the number of weights for prediction (K = U S and V stored), left,
and for training as the paper counts (bases and core of twice the rank). The epoch is chosen on
validation images, a sixth of the training set. Published: [SZKCT22]. Default: 5,000 real MNIST
images, not to be compared with the published numbers; --full: MNIST. One seed.
"""

import numpy as np

from lowrank_ode.compression import count_weights
from lowrank_ode.data import load
from lowrank_ode.integrators import GeoLoRA

from . import _style
from ._published import DENSE_NET_WEIGHTS, DENSE_NETS, published
from ._training import (
    RECIPES,
    best_and_params,
    best_on_validation,
    best_within,
    dlrt_or_dense,
    margins,
    network,
    rows_of_recipes,
)

DEFAULT = {"data": "mnist5k", "widths": [500], "tau": [None, 0.03, 0.07, 0.11, 0.17],
           "start_rank": 150, "seed": 0, "lr": [0.1, 0.1, 0.05], "batch": 32, "epochs": 9,
           "fine_tuning": {"drop": 0.2, "lr": [0.2, 0.1, 0.05], "batch": 50, "epochs": 12},
           "tried": {"tau": 0.17, "recipes": [{"drop": 0.0}]}}
FULL = {"data": "mnist", "widths": [500, 784], "tau": [None, *DENSE_NETS[500][1], 0.21],
        "lr": [0.2, 0.1, 0.05, 0.02], "batch": 64, "epochs": 12,
        "fine_tuning": {"drop": 0.3, "lr": [0.2, 0.1, 0.05, 0.02], "batch": 128, "epochs": 36},
        "tried": {"tau": 0.15, "recipes": [{"drop": 0.0}, {"lr": [0.4, 0.2, 0.1, 0.04]}]}}
SMALL = {"data": "digits", "widths": [40], "tau": [None, 0.1], "start_rank": 20,
         "lr": 0.1, "epochs": 2,
         "fine_tuning": {"drop": 0.2, "lr": 0.05, "batch": 50, "epochs": 2},
         "tried": {"tau": 0.1, "recipes": [{"drop": 0.0}]}}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": {**DEFAULT, **FULL}}
KINDS = {"eval_KV": "prediction", "train_paper": "training"}
HEAD = ("| width | τ | published: accuracy, % | ranks | weights for prediction "
        "| here: accuracy, % | fine-tuned, % | ranks | weights for prediction "
        "| the best here within the published weights, % (τ) |")


def trained(data, width, tau, start_rank, seed, lr, batch, epochs, fine_tuning):
    data, method = load(data), dlrt_or_dense(tau)
    net = network(data, [width] * 4)
    start = net.init(np.random.default_rng(seed), tau and start_rank, np.float32)
    found, params = best_and_params(net, start, data, method, lr, batch, epochs, seed)
    ranks = [*found["ranks"], None] if tau else [None] * 5
    if tau:
        method = GeoLoRA(0, max_rank=found["ranks"])
    return {**found, "fine_tuned": _fine_tuned(net, params, data, method, seed, **fine_tuning),
            "weights": {kind: count_weights(net.weight_shapes, ranks, kind) for kind in KINDS}}


def _fine_tuned(net, params, data, method, seed, lr, **others):
    """`best_on_validation`; where it diverges with lr, with half of it, or a quarter: "halved"."""
    for halved in (0, 1, 2):
        try:
            found = best_on_validation(net, params, data, method,
                                       list(np.atleast_1d(lr) / 2**halved), seed=seed, **others)
            return {**found, **({"halved": halved} if halved else {})}
        except ValueError:          # of train: the loss, or a matrix of a step, is not finite
            if halved == 2:
                raise


def compute(settings, run):
    options = {name: settings[name]
               for name in ("data", "start_rank", "seed", "lr", "batch", "epochs", "fine_tuning")}
    width, tau = settings["widths"][0], settings["tried"]["tau"]
    again = {f"width {width}, tau {tau}, fine-tuning {other}": {
        "width": width, "tau": tau, "fine_tuning": {**settings["fine_tuning"], **other}}
        for other in settings["tried"]["recipes"]}
    cases = {f"width {width}, tau {tau}": {"width": width, "tau": tau}
             for width in settings["widths"] for tau in settings["tau"]}
    found = run(trained, {key: {**options, **case} for key, case in (cases | again).items()})
    return {"data": load(settings["data"]).name,
            **{name: [{**case, **found[key]} for key, case in some.items()]
               for name, some in (("runs", cases), ("tried", again))}}


def fine_tuned(data, width):
    """The networks of a width as fine-tuned, accuracies in %, weights those for prediction."""
    return [{"tau": run["tau"], "weights": run["weights"]["eval_KV"],
             "validation": run["fine_tuned"]["validation"],
             "accuracy": 100 * run["fine_tuned"]["accuracy"]}
            for run in data["runs"] if run["width"] == width]


def ahead(data):
    """{(width, τ) of a published network: by how many points the fine-tuned one here is ahead}, of
    those here of this width with no more weights; None if there is none."""
    found = {}
    for width in data["settings"]["widths"]:
        found |= margins(published(width), fine_tuned(data, width))
    return found


def table(data):
    """Rows of a Markdown table: width, τ; accuracy, ranks and weights for prediction, published and
    ours; of ours with no more weights than published the best on validation images."""
    for run in data["runs"]:
        accuracy, rows = DENSE_NETS.get(run["width"], ("", {}))
        dense = (["full"], accuracy, DENSE_NET_WEIGHTS.get(run["width"], 0), None)
        ranks, best, weights, _ = {None: dense, **rows}.get(run["tau"], ([], "", 0, None))
        own = best_within(weights, fine_tuned(data, run["width"]))
        yield (f"| {run['width']} | {run['tau'] or 'dense'} | {best} | "
               f"{', '.join(map(str, ranks))} | "
               f"{format(weights, ',') if weights else ''} | {100 * run['accuracy']:.2f} | "
               f"{100 * run['fine_tuned']['accuracy']:.2f} | "
               f"{', '.join(map(str, run['ranks'])) or 'full'} | "
               f"{run['weights']['eval_KV']:,} | "
               + (f"{own['accuracy']:.2f} ({own['tau'] or 'dense'}) |" if own else " |"))


def tried(data):
    """Rows of a Markdown table: other recipes of fine-tuning for one network."""
    tau = data["settings"]["tried"]["tau"]
    one = next(run for run in data["runs"] if run["tau"] == tau)
    return rows_of_recipes((run.get("fine_tuning", data["settings"]["fine_tuning"]),
                            run["fine_tuned"]) for run in (one, *data["tried"]))


TABLES = {"": (HEAD, table), "_tried": (RECIPES, tried)}


def draw(data):
    figure, panels = _style.axes(1, 2, (10, 4.4), sharey=True)
    for ax, (k, (kind, text)) in zip(panels, enumerate(KINDS.items()), strict=True):
        for j, width in enumerate(data["settings"]["widths"]):
            _draw_width(ax, [run for run in data["runs"] if run["width"] == width], kind, j)
            _, rows = DENSE_NETS.get(width, (None, {}))
            if rows:
                ax.semilogx([row[2 + k] for row in rows.values()],
                            [row[1] for row in rows.values()], ("s-", "s--")[j], ms=2.5,
                            lw=0.9, color="#888888", label=f"published, full MNIST, w = {width}")
        ax.set(title=f"weights for {text}", xlabel="weights")
        _style.plain_numbers(ax.xaxis)
        ax.margins(y=0.12)
    panels[0].set_ylabel(f"test accuracy, % ({data['settings']['data']})")
    names = sorted(zip(*panels[0].get_legend_handles_labels(), strict=True),
                   key=lambda pair: pair[1].partition(", w")[0])     # a column for both widths
    figure.legend(*zip(*names, strict=True), loc="outside lower center", ncol=5, fontsize=7.5)
    return figure


def _draw_width(ax, runs, kind, j):
    """The networks of one width, the j-th."""
    low, dense = ([run for run in runs if bool(run["tau"]) == some] for some in (True, False))
    for text, marker, colour, some, accuracy in (
            ("DLRT", ("o-", "o--")[j], "DLRT", low, lambda run: run["accuracy"]),
            ("then fine-tuned", ("v-", "v--")[j], "GeoLoRA", low, _fine_tuned_accuracy),
            ("dense", "Dd"[j], "dense", dense, lambda run: run["accuracy"]),
            ("dense, fine-tuned", "Pp"[j], "dense", dense, _fine_tuned_accuracy)):
        ax.semilogx([run["weights"][kind] for run in some], [100 * accuracy(run) for run in some],
                    marker, color=_style.shades(_style.COLOURS[colour], 2)[1 - j],
                    label=f"{text}, w = {runs[0]['width']}")
    for run, offset in ((low[0], (5, -7)), (low[-1], (0, -14))):
        _style.label(ax, f"τ = {run['tau']}", (run["weights"][kind], 100 * run["accuracy"]),
                     _style.COLOURS["DLRT"], offset)


def _fine_tuned_accuracy(run):
    return run["fine_tuned"]["accuracy"]


def tau_trades_weights_for_accuracy(data):
    dense, *runs = data["runs"]
    weights = [run["weights"]["eval_KV"] for run in (dense, *runs)]
    accuracy = [run["accuracy"] for run in (dense, *runs)]
    half = next((k for k, count in enumerate(weights) if count <= 0.5 * weights[0]), 0)
    return (weights == sorted(weights, reverse=True) and weights[-1] <= 0.1 * weights[0]
            and accuracy[-1] >= accuracy[0] - 0.06 and accuracy[half] >= accuracy[0] - 0.02)


def fine_tuning_gains_a_point(data):
    """At each τ, on 5,000 images."""
    return all(run["fine_tuned"]["accuracy"] >= run["accuracy"] + 0.01
               for run in data["runs"] if run["tau"])


def fine_tuned_ones_are_ahead_of_the_smaller_published_networks(data):
    """And no more than a quarter of a point behind the larger ones."""
    found = ahead(data)
    return (None not in found.values() and min(found.values()) >= -0.25
            and all((margin >= 0) == (tau >= 0.11) for (_, tau), margin in found.items()))


CLAIMS = {"default": (tau_trades_weights_for_accuracy, fine_tuning_gains_a_point),
          "full": (fine_tuned_ones_are_ahead_of_the_smaller_published_networks,)}
