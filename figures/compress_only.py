"""Cut after training and not trained again, to a tenth of its numbers or more, a network keeps more
accuracy if all layers make the same relative error, as ALDS has it, than if all lose the same part
of their energy, and no less so than if all lose the same part of their ranks, unless it is LeNet5
from the large start; and training ends with a lower stable rank from a smaller random start.

Dense networks are trained by stochastic gradient descent from He's random weights ("large start")
and from these over √6 ("small start"); the stable rank ‖W‖²/‖W‖₂² of the first layer, at the end,
stands above the panels. Each method [TPCODE21] gets the same budgets, parts of all numbers, biases
included. ALDS chooses groups of channels by its bound of the error: "root" and "√k" are upper
bounds, "max" is what the released code minimises; EM is the published alternation, from 15 starts.
FT and PFP take filters away. DLRT and GeoLoRA train at low rank from the start on, cut to a rank,
with as many epochs, at several τ; their point on the right is the largest network. Nothing is
chosen by the test images: a tenth of the training images is held out. Default: 5,000 real MNIST
images, 784-300-100-10; --full: full MNIST, and with fewer methods and budgets 784-500×4-10 in five
epochs and LeNet5 in four. Means over three seeds. A multiplication and an addition are two
operations.
"""

import numpy as np

from . import _style
from ._compression import (
    LOOKS,
    LOW_RANK,
    METHODS,
    cases,
    dense_results,
    loaded,
    name_of,
    seeds_of,
    shrunk,
    start_of,
    trained_at_low_rank,
)
from ._training import mean_and_deviation

STARTS = {"small": 6**-0.5, "large": 1.0}
DEEP = "500-500-500-500"
FEWER = ["SVD", "SVD-Energy", "L-Rank", "PCA", "ALDS root", "ALDS √k", "FT", "PFP"]
DEFAULT = {"data": "mnist5k", "nets": ["300-100"], "starts": STARTS, "low rank start": 30,
           "seeds": {"300-100": [0, 1, 2]}, "methods": {"300-100": list(METHODS)},
           "budgets": {"300-100": [0.4, 0.25, 0.15, 0.1, 0.06, 0.04]},
           "tau": {"300-100": [0.1, 0.2]},
           "train": {"300-100": {"lr": [0.2, 0.2, 0.1, 0.05], "batch_size": 50, "epochs": 12,
                                 "decay": 5e-4}}}
SMALL = {"data": "digits", "nets": ["40-20"], "seeds": {"40-20": [0]},
         "methods": {"40-20": list(METHODS)}, "budgets": {"40-20": [0.5, 0.2]},
         "tau": {"40-20": [0.2]}, "low rank start": 10,
         "train": {"40-20": {"lr": [0.2, 0.1], "batch_size": 50, "epochs": 8, "decay": 5e-4}}}
FULL = {"data": "mnist", "nets": ["300-100", DEEP, "lenet5"],
        "seeds": {"300-100": [0, 1, 2], DEEP: [0, 1, 2], "lenet5": [0, 1, 2]},
        "methods": {"300-100": list(METHODS), DEEP: FEWER, "lenet5": FEWER},
        "budgets": {"300-100": [0.5, 0.3, 0.18, 0.1, 0.06, 0.035, 0.02],
                    DEEP: [0.3, 0.1, 0.05, 0.02], "lenet5": [0.3, 0.1, 0.05, 0.02]},
        "tau": {"300-100": [0.1, 0.2, 0.3], DEEP: [0.1, 0.2], "lenet5": [0.2]},
        "train": {"300-100": {"lr": [0.2, 0.2, 0.1, 0.05], "batch_size": 128, "epochs": 12,
                              "decay": 5e-4},
                  DEEP: {"lr": [0.3, 0.3, 0.2, 0.1, 0.05], "batch_size": 128, "epochs": 5,
                         "decay": 5e-4},
                  "lenet5": {"lr": [0.1, 0.1, 0.05, 0.02], "batch_size": 128, "epochs": 4,
                             "decay": 5e-4}}}
HEAD = "| | test accuracy, % | | | | | | |"
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": {**DEFAULT, **FULL}}


def shrunk_to_all(case, method, budgets):
    """The rows of a method on a network, None for an infeasible budget."""
    return [shrunk(case, method, budget) for budget in budgets]


def compute(settings, run):
    return {"data": loaded(settings["data"]).name,
            "runs": [found for net in settings["nets"] for found in runs_of(net, settings, run)]}


def runs_of(net, settings, run):
    """A network, from each start and seed: dense, compressed, trained at low rank."""
    all_cases, small = (cases(settings, net, starts) for starts in (settings["starts"], ["small"]))
    dense = run(dense_results, {f"{key}, dense": {"case": case} for key, case in all_cases.items()})
    cut = run(shrunk_to_all, {f"{key}, {method}": {"case": case, "method": method,
                                                   "budgets": settings["budgets"][net]}
                              for key, case in all_cases.items()
                              for method in settings["methods"][net]})
    low = run(trained_at_low_rank,
              {f"{key}, {name} {tau}": {"case": case, "integrator": name, "tau": tau,
                                        "rank": settings["low rank start"]}
               for key, case in small.items() for name in LOW_RANK
               for tau in settings["tau"][net]})
    return [{"net": net, "seed": case["seed"], "start": start_of(key),
             "dense": dense[f"{key}, dense"],
             "methods": {method: cut[f"{key}, {method}"] for method in settings["methods"][net]},
             "low rank": {name: [low[f"{key}, {name} {tau}"] for tau in settings["tau"][net]]
                          for name in LOW_RANK if key in small}}
            for key, case in all_cases.items()]


def groups(data):
    """((network, start), runs over the seeds)."""
    for net in data["settings"]["nets"]:
        for start in data["settings"]["starts"]:
            yield (net, start), [run for run in data["runs"]
                                 if (run["net"], run["start"]) == (net, start)]


def stable_ranks(runs, when=1):
    """Of the weights, means over the seeds: when 0 at the start, 1 after training."""
    return np.mean([run["dense"]["stable ranks"][when] for run in runs], axis=0)


def curve(runs, method, of="test"):
    """(budget or τ, part of the numbers, part of the operations, accuracies of all runs), of
    budgets that are feasible in all runs."""
    def rows(run):
        return {**run["methods"], **run["low rank"]}.get(method, [])

    for at in zip(*map(rows, runs), strict=True):
        if None not in at:
            parts = [np.mean([row[what] / run["dense"][what] for row, run in
                              zip(at, runs, strict=True)]) for what in ("numbers", "flops")]
            yield (at[0].get("budget", at[0].get("tau")), *parts, [row[of] for row in at])


def table(data):
    """Rows of a Markdown table: a line for a method, mean test accuracy ± deviation at each budget;
    of the low-rank-trained networks the part of the numbers at each τ."""
    for (net, start), runs in groups(data):
        ranks = "; ".join(f"{a:.0f} → {b:.0f}" for a, b in
                          zip(stable_ranks(runs, 0), stable_ranks(runs), strict=True))
        budgets = data["settings"]["budgets"][net]
        yield row_of(f"**{name_of(net)}, {start} start, {seeds_of(runs)}: numbers kept**",
                     [f"{100 * budget:g} %" for budget in budgets])
        yield row_of(f"dense; stable ranks {ranks}", [cell([run["dense"]["test"] for run in runs])])
        for method in data["settings"]["methods"][net]:
            at = {budget: found for budget, _, _, found in curve(runs, method)}
            yield row_of(method, [cell(at[budget]) if budget in at else "–" for budget in budgets])
        for name in LOW_RANK if start == "small" else ():
            yield row_of(name, [f"{100 * part:.1f} %: {cell(found)}"
                                for _, part, _, found in curve(runs, name)])


def row_of(name, cells):
    return "| " + " | ".join([name, *cells, *[""] * (HEAD.count("|") - 2 - len(cells))]) + " |"


def cell(accuracies):
    """Mean ± deviation in percent; of one run without."""
    mean, deviation = mean_and_deviation([100 * accuracy for accuracy in accuracies])
    return f"{mean:.1f} ± {deviation:.1f}" if len(accuracies) > 1 else f"{mean:.1f}"


def draw(data):
    nets = data["settings"]["nets"]
    figure, panels = _style.axes(len(nets), 3, (12, 1.2 + 3.5 * len(nets)), squeeze=False,
                                 sharey=True)
    found = dict(groups(data))
    for row, net in zip(panels, nets, strict=True):
        for ax, (start, what) in zip(row, (("small", 1), ("small", 2), ("large", 1)), strict=True):
            runs = found[net, start]
            dense = np.mean([run["dense"]["test"] for run in runs])
            ax.axhline(100 * dense, color=_style.COLOURS["dense"], lw=0.9, label="dense")
            for method, (colour, marker) in LOOKS.items():
                points = list(curve(runs, method))
                if points:
                    ax.plot([100 * point[what] for point in points],
                            [100 * np.mean(point[3]) for point in points], marker=marker,
                            color=colour, label=method, lw=2 if method in LOW_RANK else 1.2,
                            ms=5 if method in LOW_RANK else 3.5)
            ax.set(title=f"{name_of(net)}, {start} start: stable rank {stable_ranks(runs)[0]:.0f}",
                   xscale="log", xlabel=f"{'numbers' if what == 1 else 'operations'} kept, %")
            _style.plain_numbers(ax.xaxis)
        row[0].set_ylabel("test accuracy, %")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=8,
                  fontsize=7.5)
    return figure


LEAST = 0.1             # of the numbers: below, nothing is claimed


def equal_errors_keep_more_than_equal_energies_and_these_than_equal_ranks(data):
    """Run by run, LeNet5 from the large start apart, at every budget that all of them can meet."""
    seen = 0
    for run in data["runs"]:
        if (run["net"], run["start"]) == ("lenet5", "large"):
            continue
        names = "SVD", "SVD-Energy", "ALDS root", "ALDS √k"
        for rows in zip(*(run["methods"][name] for name in names), strict=True):
            if None not in rows and rows[0]["budget"] >= LEAST:
                ranks, energies, *errors = (row["test"] for row in rows)
                seen += 1
                if not (ranks <= energies < min(errors)):
                    return False
    return seen >= 2 * len(data["runs"])


def a_smaller_start_ends_with_a_lower_stable_rank(data):
    """In the first layer, seed by seed."""
    ends = {(run["net"], run["start"], run["seed"]): run["dense"]["stable ranks"][1][0]
            for run in data["runs"]}
    pairs = [(end, ends[net, "large", seed]) for (net, start, seed), end in ends.items()
             if start == "small"]
    return len(pairs) == len(data["runs"]) / 2 and all(small < large for small, large in pairs)


CLAIMS = dict.fromkeys(("default", "full"), (
    equal_errors_keep_more_than_equal_energies_and_these_than_equal_ranks,
    a_smaller_start_ends_with_a_lower_stable_rank))
