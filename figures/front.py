"""On full MNIST there is, for every published network 784-w-w-w-w-10, one here of the same width
with no more weights that is at least as accurate, in the mean of three seeds: ranks fixed in
advance, GeoLoRA for 36 epochs, and part of the inputs dropped in training.

Hidden layers at one fixed rank, trained by GeoLoRA from a random dense start cut to this rank, the
last layer dense; in each batch a part of the inputs, drawn anew, is set to 0 [SHKSS14]. Test
accuracy against the number of weights for prediction (K = U S and V stored), mean and standard
deviation over seeds. Beside it DLRT with relative tolerance τ, and fine-tuned at the ranks found
(accuracy_vs_parameters.py), and the published networks [SZKCT22], found by DLRT and then trained
for 100 epochs with Adam. The epoch is chosen on validation images, a sixth of the training set, and
so is, of ours, the one beside a published network. The smallest margins are 0 to 5 of the 10,000
test images, less than seeds differ by. Default: 5,000 real MNIST images and 12 epochs, one seed,
not to be compared with the published numbers; --full: MNIST.
"""

import numpy as np

from lowrank_ode.compression import count_weights
from lowrank_ode.data import load
from lowrank_ode.integrators import GeoLoRA

from . import _style
from ._made import read
from ._places import found
from ._published import published
from ._training import (
    RECIPE,
    RECIPES,
    best_on_validation,
    best_within,
    dense_start_cut,
    margins,
    mean_and_deviation,
    network,
    rows_of_recipes,
)

DEFAULT = {"data": "mnist5k", "ranks": {"500": [10, 20, 34, 60]}, "drop": 0.2,
           "whole": [[500, 34]], "seeds": [0], "lr": [0.4, 0.2, 0.1], "batch": 50, "epochs": 12,
           "tried": [{"lr": [0.2, 0.1, 0.05]}, {"lr": [0.3, 0.15, 0.08]}]}
SMALL = {"data": "digits", "ranks": {"40": [5, 10]}, "whole": [[40, 5]], "lr": 0.1, "epochs": 2,
         "tried": [{"lr": 0.05}]}
FULL = {"data": "mnist", "ranks": {"500": [10, 19, 34, 65], "784": [10, 21, 33, 61, 82]},
        "drop": 0.3, "seeds": [0, 1, 2], "lr": [0.4, 0.2, 0.1, 0.04], "batch": 128, "epochs": 36,
        "tried": [{"drop": 0.2}, {"drop": 0.4}, {"lr": [0.2, 0.1, 0.05, 0.02]},
                  {"lr": [0.6, 0.3, 0.15, 0.06]}, {"epochs": 24},
                  {"lr": [0.2, 0.1, 0.05, 0.02], "batch": 64}]}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": {**DEFAULT, **FULL}}
HEAD = ("| width | rank | inputs dropped | weights | accuracy, % "
        "| published networks that it is beside, τ: points ahead |")


def trained(data, width, rank, seed, drop, lr, batch, epochs):
    data = load(data)
    net = network(data, [width] * 4)
    start = dense_start_cut(net, rank, np.random.default_rng(seed))
    found = best_on_validation(net, start, data, GeoLoRA(0, max_rank=rank), lr, batch,
                               epochs, seed, drop)
    return {**found, "weights": count_weights(net.weight_shapes, [rank] * 4 + [None])}


def compute(settings, run):
    """"tried": other recipes for the first of the networks trained on whole inputs, first seed."""
    recipe, first = {name: settings[name] for name in RECIPE}, settings["seeds"][0]
    nets = [(int(width), rank) for width, ranks in settings["ranks"].items() for rank in ranks]
    runs = [{"width": width, "rank": rank, "seed": seed, **recipe, **other}
            for seed in settings["seeds"]
            for some, other in ((nets, {}), (settings["whole"], {"drop": 0.0}))
            for width, rank in some]
    (width, rank), *_ = settings["whole"]
    others = [{"width": width, "rank": rank, "seed": first, **recipe, **other}
              for other in settings["tried"]]
    found = run(trained, {_key(case): {"data": settings["data"], **case}
                          for case in others + runs})
    return {"data": load(settings["data"]).name,
            **{name: [{**case, **found[_key(case)]} for case in cases]
               for name, cases in (("runs", runs), ("tried", others))}}


def _key(case):
    return ", ".join(f"{name} {value}" for name, value in case.items())


def means(data):
    """Of each network and part of the inputs dropped, over seeds: accuracy in %, its deviation, and
    that on validation images."""
    keys = "width", "rank", "drop", "weights"
    for case in dict.fromkeys(tuple(run[key] for key in keys) for run in data["runs"]):
        runs = [run for run in data["runs"] if tuple(run[key] for key in keys) == case]
        mean, deviation = mean_and_deviation([100 * run["accuracy"] for run in runs])
        yield {**dict(zip(keys, case, strict=True)), "accuracy": mean, "deviation": deviation,
               "validation": float(np.mean([run["validation"] for run in runs]))}


def ahead(data):
    """{(width, τ) of a published network: by how many points the mean accuracy here is ahead}, of
    those here of this width with no more weights."""
    found = {}
    for width in map(int, data["settings"]["ranks"]):
        found |= margins(published(width), [own for own in means(data) if own["width"] == width])
    return found


def table(data):
    """Rows of a Markdown table: width, rank, part of the inputs dropped, weights, accuracy; of the
    published networks beside which it stands (`ahead`), τ and margin."""
    every, points = list(means(data)), ahead(data)
    for own in every:
        width = own["width"]
        same = [other for other in every if other["width"] == width]
        beside = (f"{key[1]}: {points[key]:+.2f}" for key, (weights, _) in published(width).items()
                  if best_within(weights, same) is own)
        deviation = f" ± {own['deviation']:.2f}" if own["deviation"] else ""
        yield (f"| {width} | {own['rank']} | {own['drop'] or 'none'} | {own['weights']:,} | "
               f"{own['accuracy']:.2f}{deviation} | {', '.join(beside)} |")


def recipes(data):
    """The runs of one network and seed that tell recipes apart."""
    one = data["tried"][0]
    return [run for run in data["runs"] + data["tried"]
            if all(run[key] == one[key] for key in ("width", "rank", "seed"))]


def tried(data):
    return rows_of_recipes((run, run) for run in recipes(data))


TABLES = {"": (HEAD, table), "_tried": (RECIPES, tried)}


def draw(data):
    widths = [int(width) for width in data["settings"]["ranks"]]
    figure, panels = _style.axes(1, len(widths), (5.4 * len(widths), 4), sharey=True)
    for ax, width in zip(np.atleast_1d(panels), widths, strict=True):
        _draw_ours(ax, [own for own in means(data) if own["width"] == width])
        found = [run for run in _with_tau(data["scale"]) if run["width"] == width]
        for what, marker, text in ((lambda run: run, "o-", "DLRT with τ"),
                                   (lambda run: run["fine_tuned"], "v-", "then fine-tuned")):
            if found:
                ax.semilogx([run["weights"]["eval_KV"] for run in found],
                            [100 * what(run)["accuracy"] for run in found], marker, lw=0.9,
                            color=_style.COLOURS["DLRT"],
                            label=f"{text} ({data['settings']['data']}, one seed)")
        if published(width):
            ax.semilogx(*zip(*published(width).values(), strict=True), "s-", ms=2.5, lw=0.9,
                        color="#888888", label="published, full MNIST")
        ax.set(title=f"width {width}", xlabel="weights for prediction", xscale="log")
        _style.plain_numbers(ax.xaxis)
        ax.margins(x=0.1)
        ax.legend(loc="lower right", fontsize=8)
    np.atleast_1d(panels)[0].set_ylabel("test accuracy, %")
    return figure


def _draw_ours(ax, nets):
    """The networks of fixed rank of one width."""
    for whole, style, text in ((False, "o-", "inputs dropped"), (True, "D", "all inputs")):
        some = [own for own in nets if (own["drop"] == 0) == whole]
        if some:
            ax.errorbar([own["weights"] for own in some], [own["accuracy"] for own in some],
                        [own["deviation"] for own in some], fmt=style, capsize=2,
                        mfc="none" if whole else None, color=_style.COLOURS["GeoLoRA"],
                        label=f"GeoLoRA at a fixed rank, {text}")
    dropped = [own for own in nets if own["drop"]]
    for own in dropped:
        _style.label(ax, f"r = {own['rank']}", (own["weights"], own["accuracy"]),
                     _style.COLOURS["GeoLoRA"], (-4 if own is dropped[-1] else -26, 7))


def _with_tau(scale):
    if scale == "small":
        return []
    return [run for run in read(found("accuracy_vs_parameters", scale)[0])["runs"] if run["tau"]]


def half_the_step_sizes_are_worse_on_validation_images(data):
    own, half = (next(run for run in recipes(data) if run["drop"] and run["lr"] == lr)
                 for lr in (data["settings"]["lr"], data["settings"]["tried"][0]["lr"]))
    return half["validation"] < own["validation"]


def no_recipe_tried_is_ahead_by_more_than_the_standard_error(data):
    """On the 10,000 validation images, one seed."""
    own, *others = [run["validation"] for run in recipes(data)]
    return max(others) <= own + (own * (1 - own) / 10000) ** 0.5


def there_is_one_for_every_published_network(data):
    """No less accurate, in the mean of the seeds."""
    found = ahead(data).values()
    return None not in found and min(found) >= 0


CLAIMS = {"default": (half_the_step_sizes_are_worse_on_validation_images,),
          "full": (no_recipe_tried_is_ahead_by_more_than_the_standard_error,
                   there_is_one_for_every_published_network)}
