"""LeNet5 with nine of ten weights gone is as accurate as the dense network to about a percentage
point; the published counts leave out a factor of each layer, and are 1.5 to 2.7 times too small.

LeNet5 (430,500 weights) on MNIST by DLRT with relative tolerance θ, the last layer dense: test
accuracy against the number of weights for prediction, K = U S and V stored, mean and standard
deviation over seeds. Published: nine values of θ, accuracies and counts as printed, and the same
networks counted in full [CODE22]. The epoch is chosen on validation images, a sixth of the training
set. Default: 5,000 real MNIST images, one seed, which the published networks are not to be compared
with; --full: MNIST with its official 10,000 test images.
"""

import numpy as np

from lowrank_ode.compression import count_weights
from lowrank_ode.data import load
from lowrank_ode.nets import lenet5

from . import _style
from ._published import LENET_DENSE, LENET_SHAPES, LENET_SLIDES, LENET_WEIGHTS
from ._training import best_on_validation, dlrt_or_dense, margins, mean_and_deviation

DEFAULT = {"data": "mnist5k", "theta": [None, 0.09, 0.2, 0.45], "seeds": [0],
           "start_ranks": [15, 40, 100, None], "lr": [0.1, 0.1, 0.05], "batch": 32, "epochs": 5}
SETTINGS = {"small": {**DEFAULT, "theta": [0.2], "start_ranks": [5, 8, 10, None], "lr": 0.1,
                      "epochs": 1, "batch": 512},
            "default": DEFAULT,
            "full": {**DEFAULT, "data": "mnist", "theta": [None, *list(LENET_SLIDES)[1:]],
                     "seeds": [0, 1, 2, 3, 4],
                     "lr": [0.1, 0.1, 0.05, 0.02], "batch": 64, "epochs": 6}}
HEAD = ("| θ | published: accuracy, % | weights as printed | counted in full | ranks "
        "| here: accuracy, % | weights for prediction | ranks, first seed |")


def trained(data, theta, seed, start_ranks, lr, batch, epochs):
    net, data = lenet5(), load(data)
    start = net.init(np.random.default_rng(seed), start_ranks if theta else None, np.float32)
    return best_on_validation(net, start, data, dlrt_or_dense(theta), lr, batch, epochs, seed)


def compute(settings, run):
    options = {name: settings[name] for name in ("data", "start_ranks", "lr", "batch", "epochs")}
    cases = [(theta, seed) for theta in settings["theta"] for seed in settings["seeds"]]
    found = run(trained, {f"theta {theta}, seed {seed}": {**options, "theta": theta, "seed": seed}
                          for theta, seed in cases})
    return {"data": load(settings["data"]).name,
            "runs": [{"theta": theta, "seed": seed, **found[f"theta {theta}, seed {seed}"]}
                     for theta, seed in cases],
            "published": [{"theta": theta, "ranks": ranks, "accuracy": accuracy,
                           "deviation": deviation, "weights": weights,
                           "corrected": count_weights(LENET_SHAPES, [*ranks, None])}
                          for theta, row in LENET_SLIDES.items()
                          for ranks, accuracy, deviation, weights, _ in [row]]}


def ours(data):
    """Of each θ: accuracies in %, mean and deviation, and mean on validation images; mean of the
    weights for prediction; ranks of the first seed."""
    for theta in data["settings"]["theta"]:
        runs = [run for run in data["runs"] if run["theta"] == theta]
        weights = [count_weights(LENET_SHAPES, [*run["ranks"], None] if theta else [None] * 4)
                   for run in runs]
        mean, deviation = mean_and_deviation([100 * run["accuracy"] for run in runs])
        yield {"theta": theta, "accuracy": mean, "deviation": deviation,
               "validation": float(np.mean([run["validation"] for run in runs])),
               "weights": float(np.mean(weights)), "ranks": runs[0]["ranks"]}


def table(data):
    """Rows of a Markdown table: θ, published accuracy and weights as printed and in full, ours."""
    accuracy, deviation = LENET_DENSE
    dense = {"accuracy": accuracy, "deviation": deviation, "weights": LENET_WEIGHTS,
             "corrected": LENET_WEIGHTS, "ranks": ["full"]}
    published = {None: dense, **{row["theta"]: row for row in data["published"]}}
    for row in ours(data):
        theirs = published[row["theta"]]
        yield (f"| {row['theta'] or 'dense'} | {_accuracy(theirs)} | {theirs['weights']:,} | "
               f"{theirs['corrected']:,} | {', '.join(map(str, theirs['ranks']))} | "
               f"{_accuracy(row)} | {row['weights']:,.0f} | "
               f"{', '.join(map(str, row['ranks'])) or 'full'} |")


def _accuracy(row):
    return f"{row['accuracy']:.2f}" + (f" ± {row['deviation']:.2f}" if row["deviation"] else "")


def draw(data):
    figure, ax = _style.axes(1, 1, (6.4, 4.2))
    rows, published = list(ours(data)), data["published"]
    for count, style, text in (("weights", ":", "published (full MNIST), as printed"),
                               ("corrected", "--", "published, counted in full")):
        ax.errorbar([row[count] for row in published], [row["accuracy"] for row in published],
                    [row["deviation"] for row in published],
                    ls=style, marker="s", ms=3, color="#777777", capsize=2, lw=1, label=text)
    ax.errorbar([LENET_WEIGHTS], [LENET_DENSE[0]], [LENET_DENSE[1]], marker="s", ms=3, ls="",
                color="#777777", capsize=2)
    low = [row for row in rows if row["theta"]]
    ax.errorbar([row["weights"] for row in low], [row["accuracy"] for row in low],
                [row["deviation"] for row in low], marker="o", color=_style.COLOURS["DLRT"],
                capsize=2, label=f"DLRT, here ({data['settings']['data']}), θ beside it")
    for row in low:
        ax.annotate(row["theta"], (row["weights"], row["accuracy"] + row["deviation"]),
                    xytext=(-3, 4), textcoords="offset points", fontsize=7.5, rotation=60)
    for row in rows:
        if not row["theta"]:
            ax.errorbar([row["weights"]], [row["accuracy"]], [row["deviation"]], marker="o", ls="",
                        color=_style.COLOURS["dense"], capsize=2, label="dense, here")
    ax.set(title="LeNet5", xlabel="weights for prediction", ylabel="test accuracy, %", xscale="log")
    ax.margins(y=0.1)
    ax.legend(loc="lower right", fontsize=8)
    return figure


def nine_of_ten_weights_go(data):
    rows = {row["theta"]: row for row in ours(data)}
    ratios = [row["corrected"] / row["weights"] for row in data["published"]]
    return (rows[0.2]["weights"] <= 0.1 * rows[None]["weights"]
            and rows[0.2]["accuracy"] >= rows[None]["accuracy"] - 1.5
            and 1.5 <= min(ratios) and max(ratios) <= 2.7)


def ahead(data):
    """{θ of a published network: by how many points the mean accuracy here is ahead}, of those here
    with no more weights, counted in full."""
    return margins({row["theta"]: (row["corrected"], row["accuracy"])
                    for row in data["published"]}, list(ours(data)))


def is_within_a_tenth_of_every_published_network_but_the_smallest(data):
    *others, smallest = ahead(data).values()
    return None not in others and min(others) >= -0.1 and smallest is None


CLAIMS = {"default": (nine_of_ten_weights_go,),
          "full": (is_within_a_tenth_of_every_published_network_but_the_smallest,)}
