"""ResNet-20 cut after training keeps more accuracy with statistics of its normalisations that are
those of the cut network; and no layer errs by more than the bound that ALDS goes by.

ResNet-20 [HZRS16] with padded shortcuts, batch normalisation and dense weights is trained by
stochastic gradient descent from He's random weights and cut by methods that see the weights alone,
to the same budgets, parts of all numbers, γ and β included. A normalisation is folded into the
weight below it for prediction (docs/8-networks.md), with mean and deviation on so many training
images: solid, of the cut network on them; dotted, of the network before it was cut, as released
code has them. Networks within a point of the dense one are so on a tenth of the training images,
which is left out. Operations are multiplications and additions, normalisations not counted.
Default: 5,000 real MNIST images, two epochs, one seed; --full: full MNIST, cut networks trained for
an epoch more by projected Euler, with the last step size, and DLRT and GeoLoRA from the start.
"""

import numpy as np

from lowrank_ode.compression import count_parameters, pruned
from lowrank_ode.compression.totals import multiply_adds
from lowrank_ode.nets.norms import folded, for_prediction, statistics_of
from lowrank_ode.training import ranks

from . import _compression as common
from . import _style
from ._compression import LOOKS, LOW_RANK, accuracies, last, loaded, problem
from .compress_only import cell

CUT = ["SVD", "SVD-Energy", "L-Rank", "ALDS √k"]
WAYS = {"kept": ":", "anew": "-", "retrained": "--"}    # statistics before the cut, new ones
DEFAULT = {"data": "mnist5k", "net": "resnet20", "seeds": [0], "methods": CUT, "statistics": 250,
           "budgets": [0.85, 0.6, 0.4], "again": 0, "tau": [], "low rank start": 16,
           "points": 0.01,
           "train": {"lr": [0.1, 0.02], "batch_size": 50, "epochs": 2, "decay": 5e-4}}
SMALL = {"data": "digits", "net": "resnet8", "budgets": [0.6, 0.3], "again": 1, "tau": [0.1]}
FULL = {"data": "mnist", "statistics": 1000, "budgets": [0.5, 0.25], "again": 1, "tau": [0.1],
        "train": {"lr": [0.1, 0.02], "batch_size": 128, "epochs": 2, "decay": 5e-4}}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": {**DEFAULT, **FULL}}


def case_of(settings, seed):
    return {**{key: settings[key] for key in ("data", "net", "train")}, "seed": seed, "start": 1}


def dense_results(settings, seed):
    """The row of the dense network."""
    case = case_of(settings, seed)
    net, _, chosen, whole = problem(case)
    params = common.dense_network(case)
    return {**accuracies(*folded(net, params, chosen.x[:settings["statistics"]]), chosen, whole),
            "numbers": count_parameters(params), "flops": 2 * multiply_adds(net)}


def cut_networks(settings, seed, method):
    """The rows of a method, None for an infeasible budget."""
    case = case_of(settings, seed)
    net, _, chosen, whole = problem(case)
    x = chosen.x[:settings["statistics"]]
    old = statistics_of(net, common.dense_network(case), x)

    def judged(net, params, statistics=None):
        return accuracies(*folded(net, params, x, statistics), chosen, whole)

    def row(budget):
        if (found := common.feasible(case, method, budget)) is None:
            return None
        smaller, own, report = found
        row = {"budget": budget, "numbers": report.numbers, "flops": report.flops,
               "ranks": report.ranks, "groups": [layer.groups for layer in report.rows],
               "errors": [layer.error for layer in report.rows],
               "bounds": [layer.bound for layer in report.rows],
               "kept": judged(smaller, own, old), "anew": judged(smaller, own)}
        if settings["again"]:
            row["retrained"] = judged(smaller, common.retrained(case, smaller, own,
                                                                settings["again"]))
        return row

    return [row(budget) for budget in settings["budgets"]]


def trained_at_low_rank(settings, seed, name, tau):
    """The start cut to a rank, and trained by an integrator for all the epochs."""
    case = case_of(settings, seed)
    net, start, chosen, whole = problem(case)
    most = [min(settings["low rank start"], *shape) for shape in net.weight_shapes[:-1]]
    epochs = settings["train"]["epochs"] + settings["again"]
    params = last(case, net, pruned(start, [*most, None], net=net), chosen, LOW_RANK[name](tau),
                  epochs=epochs)
    smaller = for_prediction(net, params, chosen.x[:settings["statistics"]])
    return {"tau": tau, "ranks": ranks(params), "numbers": count_parameters(params),
            "flops": 2 * multiply_adds(net, [*ranks(params), None]),
            "anew": accuracies(*smaller, chosen, whole)}


def compute(settings, run):
    dense = run(dense_results, {f"seed {seed}, dense": {"settings": settings, "seed": seed}
                                for seed in settings["seeds"]})     # first: the others take it
    cut = run(cut_networks, {f"seed {seed}, {method}":
                             {"settings": settings, "seed": seed, "method": method}
                             for seed in settings["seeds"] for method in settings["methods"]})
    low = run(trained_at_low_rank,
              {f"seed {seed}, {name} {tau}": {"settings": settings, "seed": seed, "name": name,
                                              "tau": tau}
               for seed in settings["seeds"] for name in LOW_RANK for tau in settings["tau"]})
    return {"data": loaded(settings["data"]).name, "runs": [
        {"seed": seed, "dense": dense[f"seed {seed}, dense"],
         "methods": {method: cut[f"seed {seed}, {method}"] for method in settings["methods"]},
         "low rank": {name: [low[f"seed {seed}, {name} {tau}"] for tau in settings["tau"]]
                      for name in LOW_RANK}} for seed in settings["seeds"]]}


def curve(data, method, way="anew"):
    """(budget or τ, part of the numbers, part of the operations, test accuracies of all runs), of
    what is feasible in all runs."""
    rows = [{**run["methods"], **run["low rank"]}[method] for run in data["runs"]]
    for at in zip(*rows, strict=True):
        if None not in at:
            parts = [np.mean([row[what] / run["dense"][what] for row, run in
                              zip(at, data["runs"], strict=True)]) for what in ("numbers", "flops")]
            yield (at[0].get("budget", at[0].get("tau")), *parts, [row[way]["test"] for row in at])


def accuracy_table(data):
    """Rows of a Markdown table: a line for a method, at each budget the accuracy with the old
    statistics, with new ones and, where there is such, retrained."""
    settings, dense = data["settings"], cell([run["dense"]["test"] for run in data["runs"]])
    yield row_of("**numbers kept**", [f"{100 * budget:g} %" for budget in settings["budgets"]])
    yield row_of("dense", [dense])
    for method in settings["methods"]:
        at = [{budget: cell(found) for budget, _, _, found in curve(data, method, way)}
              for way in ways_of(settings)]
        yield row_of(method, [" → ".join(found[budget] for found in at) if budget in at[0] else "–"
                              for budget in settings["budgets"]])
    for name in LOW_RANK if settings["tau"] else ():
        yield row_of(name, [f"{100 * part:.1f} %: {cell(found)}"
                            for _, part, _, found in curve(data, name)])


def ways_of(settings):
    return [way for way in WAYS if way != "retrained" or settings["again"]]


def within(data, name, way):
    """Of each run (part of the numbers, test accuracy minus the dense network's) of the smallest
    network that on the images held out is so many points less accurate than the dense one, or
    less; None if there is none."""
    for run in data["runs"]:
        dense = run["dense"]
        rows = [(row["numbers"] / dense["numbers"], row[way]["test"] - dense["test"])
                for row in {**run["methods"], **run["low rank"]}[name] if row and way in row
                and row[way]["held out"] >= dense["held out"] - data["settings"]["points"]]
        yield min(rows, default=None)


def sweep_table(data):
    """Rows of a Markdown table: of each method the parts of `within`, mean over runs."""
    def told(name, way):
        found = list(within(data, name, way))
        if None in found:
            return "–"
        part, more = np.mean(found, axis=0)
        return f"{100 * part:.1f} % ({100 * more:+.2f})"

    for name in [*data["settings"]["methods"], *(LOW_RANK if data["settings"]["tau"] else ())]:
        yield f"| {name} | {told(name, 'anew')} | {told(name, 'retrained')} |"


def count_table(data):
    """Rows of a Markdown table: numbers and operations of the first run; ranks; and the largest
    relative error of a layer beside the largest bound."""
    run = data["runs"][0]
    yield f"| dense | | {run['dense']['numbers']:,} | {run['dense']['flops'] / 1e6:.1f} | | | |"
    for method, rows in run["methods"].items():
        for row in filter(None, rows):
            given = [rank for rank in row["ranks"] if rank is not None]
            bounds = [bound for bound in row["bounds"] if bound is not None]
            yield (f"| {method} | {100 * row['budget']:g} % | {row['numbers']:,} "
                   f"| {row['flops'] / 1e6:.1f} | {min(given)} to {max(given)}"
                   f"{more_of(row)} | {max(row['errors']):.3f} | "
                   f"{f'{max(bounds):.3f}' if bounds else ''} |")


def more_of(row):
    dense, groups = row["ranks"].count(None), max(row["groups"])
    return f"; {dense} dense" * bool(dense) + f"; {groups} groups at most" * (groups > 1)


def row_of(name, cells):
    return "| " + " | ".join([name, *cells, *[""] * (COLUMNS.count("|") - 2 - len(cells))]) + " |"


COLUMNS = "| | test accuracy, %: old statistics → new ones (→ retrained) | | |"
TABLES = {"": (COLUMNS, accuracy_table),
          "_sweep": ("| method | numbers kept within a point of the dense accuracy (and test "
                     "accuracy minus dense, points): as cut | retrained |", sweep_table),
          "_counts": ("| method | budget | numbers | million operations | ranks | largest relative "
                      "error | largest bound |", count_table)}


def draw(data):
    figure, panels = _style.axes(1, 2, (9, 3.9), sharey=True)
    settings, dense = data["settings"], np.mean([run["dense"]["test"] for run in data["runs"]])
    for ax, what in zip(panels, (1, 2), strict=True):
        ax.axhline(100 * dense, color=_style.COLOURS["dense"], lw=0.9, label="dense")
        lines = [(method, (way,), WAYS[way]) for method in settings["methods"]
                 for way in ways_of(settings)]
        lines += [(name, (), "-") for name in LOW_RANK if settings["tau"]]
        for method, way, style in lines:
            (colour, marker), points = LOOKS[method], list(curve(data, method, *way))
            ax.plot([100 * point[what] for point in points],
                    [100 * np.mean(point[3]) for point in points], style, marker=marker,
                    color=colour, label=method if way in ((), ("anew",)) else None)
        ax.set(title="" if what == 2 else "ResNet-20, statistics: solid, new; dotted, old"
                                          + "; dashed, retrained" * bool(settings["again"]),
               xlabel=f"{'numbers' if what == 1 else 'operations'} kept, %")
    panels[0].set_ylabel("test accuracy, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=8,
                  fontsize=7.5)
    return figure


def rows_of(data):
    """(run, method, row) of all that is feasible."""
    for run in data["runs"]:
        for method, rows in run["methods"].items():
            for row in filter(None, rows):
                yield run, method, row


def new_statistics_keep_more(data):
    """By each method, in the mean over runs and budgets."""
    gains = {}
    for _, method, row in rows_of(data):
        gains.setdefault(method, []).append(row["anew"]["test"] - row["kept"]["test"])
    return len(gains) == len(CUT) and all(np.mean(gain) > 0 for gain in gains.values())


def no_layer_errs_by_more_than_its_bound(data):
    """To rounding, of single precision."""
    bounded = [(error, bound) for _, method, row in rows_of(data) if method.startswith("ALDS")
               for error, bound in zip(row["errors"], row["bounds"], strict=True)]
    return len(bounded) >= 20 and all(error <= bound + 1e-5 for error, bound in bounded)


def no_budget_is_exceeded(data):
    return all(row["numbers"] <= row["budget"] * run["dense"]["numbers"]
               for run, _, row in rows_of(data))


CLAIMS = dict.fromkeys(("default", "full"), (
    new_statistics_keep_more, no_layer_errs_by_more_than_its_bound, no_budget_is_exceeded))
