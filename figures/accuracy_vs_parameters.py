"""The larger τ, the fewer weights DLRT keeps: on 5,000 images, to go without half of them costs
less than two percentage points of test accuracy, without nine of ten less than six.

The network 784-500-500-500-500-10, trained by DLRT with relative tolerance τ from random cores of
rank 150, the last layer dense: test accuracy against the number of weights for prediction (K = U S
and V stored), left, and for training as the paper counts (bases and core of twice the rank). The
epoch is chosen on validation images, a sixth of the training set. Published: [SZKCT22], with
fine-tuning at the ranks found. Default: 5,000 real MNIST images, not to be compared with the
published numbers; --full: MNIST. One seed.
"""

import numpy as np

from lowrank_ode.compression import count_weights
from lowrank_ode.data import load

from . import _style
from ._published import DENSE_NETS
from ._training import best_on_validation, dlrt_or_dense, network

DEFAULT = {"data": "mnist5k", "widths": [500], "tau": [None, 0.03, 0.07, 0.11, 0.17],
           "start_rank": 150, "seed": 0, "lr": [0.1, 0.1, 0.05], "batch": 32, "epochs": 9}
FULL = {"data": "mnist", "widths": [500, 784], "tau": [None, *DENSE_NETS[500][1]],
        "lr": [0.2, 0.1, 0.05, 0.02], "batch": 64, "epochs": 12}
SMALL = {"data": "digits", "widths": [40], "tau": [None, 0.1], "start_rank": 20,
         "lr": 0.1, "epochs": 2}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": {**DEFAULT, **FULL}}
KINDS = {"eval_KV": "prediction", "train_paper": "training"}
HEAD = ("| width | τ | published: accuracy, % | ranks | weights for prediction "
        "| here: accuracy, % | ranks | weights for prediction |")


def trained(data, width, tau, start_rank, seed, lr, batch, epochs):
    data = load(data)
    net = network(data, [width] * 4)
    start = net.init(np.random.default_rng(seed), tau and start_rank, np.float32)
    found = best_on_validation(net, start, data, dlrt_or_dense(tau), lr, batch, epochs, seed)
    ranks = [*found["ranks"], None] if tau else [None] * 5
    return {**found,
            "weights": {kind: count_weights(net.weight_shapes, ranks, kind) for kind in KINDS}}


def compute(settings, run):
    options = {name: settings[name]
               for name in ("data", "start_rank", "seed", "lr", "batch", "epochs")}
    cases = [(width, tau) for width in settings["widths"] for tau in settings["tau"]]
    found = run(trained, {f"width {width}, tau {tau}": {**options, "width": width, "tau": tau}
                          for width, tau in cases})
    return {"data": load(settings["data"]).name,
            "runs": [{"width": width, "tau": tau, **found[f"width {width}, tau {tau}"]}
                     for width, tau in cases]}


def table(data):
    """Rows of a Markdown table: width, τ; accuracy, ranks and weights for prediction, published and
    ours."""
    for run in data["runs"]:
        accuracy, rows = DENSE_NETS.get(run["width"], (None, {}))
        ranks, best, weights, _ = rows.get(run["tau"], ((), accuracy, None, None))
        yield (f"| {run['width']} | {run['tau'] or 'dense'} | {best or ''} | "
               f"{', '.join(map(str, ranks)) or 'full'} | "
               f"{format(weights, ',') if weights else ''} | {100 * run['accuracy']:.2f} | "
               f"{', '.join(map(str, run['ranks'])) or 'full'} | "
               f"{run['weights']['eval_KV']:,} |")


def draw(data):
    figure, panels = _style.axes(1, 2, (9, 3.8), sharey=True)
    widths = data["settings"]["widths"]
    for ax, (k, (kind, text)) in zip(panels, enumerate(KINDS.items()), strict=True):
        for width, shade, style in zip(widths, _style.shades(_style.COLOURS["DLRT"], 2)[::-1],
                                       ("-", "--"), strict=False):
            runs = [run for run in data["runs"] if run["width"] == width]
            low = [run for run in runs if run["tau"]]
            ax.semilogx([run["weights"][kind] for run in low],
                        [100 * run["accuracy"] for run in low], "o" + style, color=shade,
                        label=f"DLRT, here ({data['settings']['data']}), w = {width}")
            for run, offset in ((low[0], (5, -7)), (low[-1], (0, -14))):
                _style.label(ax, f"τ = {run['tau']}", (run["weights"][kind], 100 * run["accuracy"]),
                             shade, offset)
            ax.semilogx([run["weights"][kind] for run in runs if not run["tau"]],
                        [100 * run["accuracy"] for run in runs if not run["tau"]], "D"
                        if width == widths[0] else "d", color=_style.COLOURS["dense"],
                        label=f"dense, here, w = {width}")
            _, published = DENSE_NETS.get(width, (None, {}))
            if published:
                ax.semilogx([row[2 + k] for row in published.values()],
                            [row[1] for row in published.values()], "s" + style, ms=2.5, lw=0.9,
                            color="#888888", label=f"published, full MNIST, w = {width}")
        ax.set(title=f"weights for {text}", xlabel="weights")
        _style.plain_numbers(ax.xaxis)
        ax.margins(y=0.12)
    panels[0].set_ylabel("test accuracy, %")
    panels[0].legend(loc="lower right", fontsize=7.5)
    return figure


def tau_trades_weights_for_accuracy(data):
    dense, *runs = data["runs"]
    weights = [run["weights"]["eval_KV"] for run in (dense, *runs)]
    accuracy = [run["accuracy"] for run in (dense, *runs)]
    half = next((k for k, count in enumerate(weights) if count <= 0.5 * weights[0]), 0)
    return (weights == sorted(weights, reverse=True) and weights[-1] <= 0.1 * weights[0]
            and accuracy[-1] >= accuracy[0] - 0.06 and accuracy[half] >= accuracy[0] - 0.02)


CLAIMS = {"default": (tau_trades_weights_for_accuracy,)}
