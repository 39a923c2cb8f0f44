"""Within one point of the dense accuracy PCA, and on fully connected networks ALDS, compress
without any retraining as far as the same part of the energy and the filters that PFP chooses do
after a third as many epochs again, or further; and further than the same part of all ranks then.

The largest compression, 100 (1 − numbers / dense numbers) %, with which a network is at most one
point less accurate than the dense one it comes from, on the images held out of training, against
the epochs of retraining, a part of those of the dense training ("learning-rate rewinding", as in
figures/retrain.py). Budgets are tried from the smallest up, and the first that is good enough
counts: a grid, so that the compressions are points of it, about. Test accuracies are in the table.
DLRT and GeoLoRA train at low rank from the start, for as many epochs as the dense networks, at
several τ, the smallest network counting alike; they are not retrained, a horizontal line, and come
from the stored results of figures/compress_only.py, or are computed for it. Points are means over
three seeds, bars from the least to the largest. Default: 5,000 real MNIST images, 784-300-100-10;
--full: full MNIST, and with fewer methods and a coarser grid 784-500×4-10 and LeNet5.
"""

import numpy as np

from . import _style, compress_only
from ._compression import (
    LOOKS,
    LOW_RANK,
    cases,
    dense_results,
    loaded,
    name_of,
    seeds_of,
    shrunk,
    stored,
)
from .compress_only import DEEP

ALL, FEWER = ["SVD", "SVD-Energy", "PCA", "ALDS √k", "PFP"], ["SVD-Energy", "PCA", "ALDS √k"]
COARSE = [0.02, 0.04, 0.08, 0.16, 0.3, 0.6, 1.0]
DEFAULT = {**{key: compress_only.DEFAULT[key] for key in
              ("data", "nets", "seeds", "starts", "train")},
           "results": "default", "points": 0.01, "methods": {"300-100": ALL},
           "budgets": {"300-100": [0.03, 0.05, 0.08, 0.12, 0.18, 0.28, 0.45, 0.7, 1.0]},
           "again": {"300-100": [0, 1, 4]}}
SMALL = {**{key: compress_only.SMALL[key] for key in ("data", "nets", "seeds", "train")},
         "results": "small", "methods": {"40-20": ALL}, "budgets": {"40-20": [0.25, 0.5, 1.0]},
         "again": {"40-20": [0, 2]}}
FULL = {**{key: compress_only.FULL[key] for key in ("data", "nets", "seeds", "train")},
        "results": "full", "methods": {"300-100": ALL, DEEP: FEWER, "lenet5": FEWER},
        "budgets": {"300-100": [0.015, 0.02, 0.03, 0.045, 0.065, 0.1, 0.14, 0.2, 0.28, 0.4, 0.55,
                                0.75, 1.0], DEEP: COARSE, "lenet5": COARSE},
        "again": {"300-100": [0, 1, 4], DEEP: [0, 2], "lenet5": [0, 1]}}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": {**DEFAULT, **FULL}}
HEAD = "| network | method | epochs again | compression, % | test accuracy minus dense, points |"


def smallest(case, method, budgets, again, least):
    """The row of the first budget with at least this accuracy on held-out images; and all tried."""
    return first((shrunk(case, method, budget, again) for budget in budgets), least)


def first(rows, least):
    tried = []
    for row in rows:
        tried.append(row)
        if row and row["held out"] >= least:
            return {"found": row, "tried": tried}
    return {"found": None, "tried": tried}


def compute(settings, run):
    low = {(done["net"], done["seed"]): done["low rank"]
           for done in stored(compress_only, settings["results"])["runs"] if done["low rank"]}
    return {"data": loaded(settings["data"]).name,
            "runs": [found for net in settings["nets"]
                     for found in runs_of(net, settings, low, run)]}


def runs_of(net, settings, low, run):
    """A network, from each seed; low: rows trained at low rank, by network and seed."""
    mine = cases(settings, net, ["small"])
    methods, budgets, agains = (settings[key][net] for key in ("methods", "budgets", "again"))
    dense = run(dense_results, {f"{key}, dense": {"case": case} for key, case in mine.items()})
    least = {key: dense[f"{key}, dense"]["held out"] - settings["points"] for key in mine}
    found = run(smallest, {f"{key}, {method}, {again} epochs":
                           {"case": case, "method": method, "budgets": budgets, "again": again,
                            "least": least[key]}
                           for key, case in mine.items() for method in methods
                           for again in agains})
    return [{"net": net, "seed": case["seed"], "dense": dense[f"{key}, dense"],
             "methods": {method: [found[f"{key}, {method}, {again} epochs"] for again in agains]
                         for method in methods},
             "low rank": {name: first(sorted(low[net, case["seed"]][name],
                                             key=lambda row: row["numbers"]), least[key])
                          for name in LOW_RANK}}
            for key, case in mine.items()]


def compression(run, outcome):
    """In %; 0, the dense network, if no budget is good enough."""
    row = outcome["found"]
    return 100 * (1 - row["numbers"] / run["dense"]["numbers"]) if row else 0.0


def loss(run, outcome):
    """Of test accuracy against the dense network, in points."""
    row = outcome["found"]
    return 100 * (row["test"] - run["dense"]["test"]) if row else 0.0


def curves(data, net):
    """(method, epochs again or None, compressions, losses of test accuracy of all runs)."""
    runs = [run for run in data["runs"] if run["net"] == net]
    for method in data["settings"]["methods"][net]:
        for k, again in enumerate(data["settings"]["again"][net]):
            yield (method, again, *([of(run, run["methods"][method][k]) for run in runs]
                                    for of in (compression, loss)))
    for name in LOW_RANK:
        yield (name, None, *([of(run, run["low rank"][name]) for run in runs]
                             for of in (compression, loss)))


def table(data):
    """Rows of a Markdown table: means over the seeds, and the least and the largest."""
    for net in data["settings"]["nets"]:
        runs = [run for run in data["runs"] if run["net"] == net]
        for method, again, found, lost in curves(data, net):
            when = "from the start" if again is None else again
            yield (f"| {name_of(net)}, {seeds_of(runs)} | {method} | {when} | "
                   f"{np.mean(found):.1f} ({min(found):.1f} to {max(found):.1f}) | "
                   f"{np.mean(lost):+.1f} |")


def draw(data):
    nets = data["settings"]["nets"]
    figure, panels = _style.axes(1, len(nets), (2.5 + 4.5 * len(nets), 4.4), squeeze=False,
                                 sharey=True)
    for ax, net in zip(panels[0], nets, strict=True):
        found = list(curves(data, net))
        for method in (*data["settings"]["methods"][net], *LOW_RANK):
            (colour, marker), mine = LOOKS[method], [line for line in found if line[0] == method]
            means = np.array([np.mean(line[2]) for line in mine])
            if method in LOW_RANK:
                ax.axhline(means[0], color=colour, lw=1.8, ls="-" if method == "DLRT" else "--",
                           label=f"{method}, from the start")
                continue
            bars = np.array([[mean - min(line[2]), max(line[2]) - mean]
                             for line, mean in zip(mine, means, strict=True)]).T.clip(0)
            ax.errorbar([line[1] for line in mine], means, bars, marker=marker, color=colour,
                        capsize=2, elinewidth=0.7, label=method)
        epochs = data["settings"]["train"][net]["epochs"]
        ax.set(title=f"{name_of(net)}: within {100 * data['settings']['points']:g} point of dense",
               xlabel=f"epochs of retraining, after {epochs}",
               xticks=data["settings"]["again"][net])
    panels[0][0].set_ylabel("compression, % of the numbers")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4,
                  fontsize=7.5)
    return figure


def what_some_reach_at_once_others_do_not_exceed_by_retraining(data):
    """Run by run, budgets: PCA, and ALDS but for LeNet5, without retraining against the others
    after a third of the epochs, to an epoch."""
    again, train = (data["settings"][key] for key in ("again", "train"))

    def least(run, method, k):
        row = run["methods"][method][k]["found"]
        return row["budget"] if row else np.inf
    return all(least(run, good, 0) < least(run, other, -1) or
               (least(run, good, 0) == least(run, other, -1) and other != "SVD")
               for run in data["runs"]
               for good in ("PCA", "ALDS √k")[:1 if run["net"] == "lenet5" else 2]
               for other in ("SVD", "SVD-Energy", "PFP") if other in run["methods"]) and all(
        abs(3 * again[net][-1] - train[net]["epochs"]) <= 1 for net in data["settings"]["nets"])


CLAIMS = dict.fromkeys(("default", "full"), (
    what_some_reach_at_once_others_do_not_exceed_by_retraining,))
