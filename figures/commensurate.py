"""How far a network can be compressed at the same accuracy depends on what that is to mean as well
as on the method: the smallest network of each seed, averaged, and the smallest budget whose
networks are good enough on average are two answers.

The largest compression, 100 (1 − numbers / dense numbers) %, at an accuracy at most half a point
below that of the dense network, on the images held out of training. "Each net": for each seed the
smallest budget that is good enough, its compression, then the mean over the seeds, as the released
code [TPCODE21] has it in its log; "mean net": accuracies and compressions are first averaged over
the seeds at each budget, and the smallest budget that is then good enough counts, as in its tables.
Both take the test images for the choice; here these are left for the loss in test accuracy. Of
networks that are only compressed: figures/compress_only.py; compressed and retrained:
figures/retrain.py, on a coarser grid, which stands in the table: of two methods a point of the grid
apart none is better. DLRT and GeoLoRA train at low rank from the start, τ in place of the budget.
No training here: the stored results of the two figures are read, and computed if there are none.
"""

import numpy as np

from . import _style, compress_only, retrain
from ._compression import LOOKS, LOW_RANK, name_of, stored
from ._places import SCALES

SETTINGS = {scale: {"points": 0.005, "results": scale} for scale in SCALES}
HEAD = ("| network | method | grid | each net: compression, % | test accuracy minus dense, points "
        "| mean net: compression, % | test accuracy minus dense, points |")


def compute(settings, run):
    cut, again = (stored(module, settings["results"]) for module in (compress_only, retrain))
    runs = [run for run in cut["runs"] if run["start"] == "small"]
    found = []
    for kind, grids, those in (("compressed", cut["settings"]["budgets"], runs),
                               ("retrained", again["settings"]["budgets"], again["runs"])):
        for net in dict.fromkeys(run["net"] for run in those):
            mine = [run for run in those if run["net"] == net]
            for method, rows in rows_of(mine, kind):
                found.append({"net": net, "kind": kind, "method": method, "grid": grids[net],
                              **outcomes([run["dense"] for run in mine], rows, settings["points"])})
    for net in dict.fromkeys(run["net"] for run in runs):
        mine = [run for run in runs if run["net"] == net]
        for name in LOW_RANK if cut["settings"]["tau"][net] else ():
            found.append({"net": net, "kind": "from the start", "method": name,
                          "grid": cut["settings"]["tau"][net],
                          **outcomes([run["dense"] for run in mine],
                                     [run["low rank"][name] for run in mine], settings["points"])})
    return {"data": cut["data"], "seeds": cut["settings"]["seeds"], "found": found}


def rows_of(runs, kind):
    """(method, rows along the grid of all runs): the last of those before and after retraining."""
    for method in runs[0]["methods"]:
        yield method, [[row[-1] if kind == "retrained" else row for row in run["methods"][method]]
                       for run in runs]


def outcomes(dense, rows, points):
    """{"each net": (compressions, losses), "mean net": …} in % and points, of the dense results of
    the seeds, and for each of them the rows along the grid, None where infeasible.

    0 and 0, the dense network, where no budget is good enough.
    """
    gains = np.array([[[100 * (1 - row["numbers"] / of["numbers"]),
                        100 * (row["held out"] - of["held out"]), 100 * (row["test"] - of["test"])]
                       if row else [-np.inf, -np.inf, -np.inf] for row in mine]
                      for of, mine in zip(dense, rows, strict=True)])
    each = [best(mine, 100 * points) for mine in gains]
    return {"each net": np.mean(each, axis=0).tolist(),
            "mean net": best(gains.mean(axis=0), 100 * points)}


def best(gains, points):
    """[compression, loss of test accuracy] of the most compressed with this held-out accuracy."""
    good = [[size, test] for size, chosen, test in gains.tolist() if chosen >= -points - 1e-9]
    return max(good, default=[0.0, 0.0])


def table(data):
    """Rows of a Markdown table: the grid, and both answers."""
    for row in data["found"]:
        name = "τ" if row["kind"] == "from the start" else "%"
        grid = ", ".join(f"{each if name == 'τ' else 100 * each:g}" for each in row["grid"])
        answers = " | ".join(f"{row[what][0]:.1f} | {row[what][1]:+.1f}"
                             for what in ("each net", "mean net"))
        yield (f"| {name_of(row['net'])} | {row['method']}, {row['kind']} | {name}: {grid} | "
               f"{answers} |")


def draw(data):
    nets = list(dict.fromkeys(row["net"] for row in data["found"]))
    figure, panels = _style.axes(1, len(nets), (1.5 + 4.5 * len(nets), 4.6), squeeze=False,
                                 sharey=True)
    names = list(dict.fromkeys(row["method"] for row in data["found"]))[::-1]
    shapes = {"compressed": ("o", 0.18), "retrained": ("s", -0.18), "from the start": ("*", 0.0)}
    for ax, net in zip(panels[0], nets, strict=True):
        for row in data["found"]:
            if row["net"] == net:
                marker, shift = shapes[row["kind"]]
                colour, y = LOOKS[row["method"]][0], names.index(row["method"]) + shift
                one, other = (row[what][0] for what in ("each net", "mean net"))
                ax.plot([one, other], [y, y], color=colour, lw=1)
                ax.plot(one, y, marker, color=colour, ms=6)
                ax.plot(other, y, marker, color=colour, mfc="none", ms=9)
        ax.set(title=name_of(net), xlim=(-3, 103), yticks=range(len(names)), yticklabels=names,
               xlabel=f"compression, %, within {100 * data['settings']['points']:g} point of dense")
    marks = [(marker, "#444444", kind) for kind, (marker, _) in shapes.items()]
    for marker, face, text in (*marks, ("o", "none", "hollow: mean net; filled: each net")):
        panels[0][0].plot([], [], marker, color="#444444", mfc=face, ms=6, label=text)
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  fontsize=7.5)
    return figure


def the_answers_are_two(data):
    return any(abs(row["each net"][0] - row["mean net"][0]) > 1 for row in data["found"])


CLAIMS = dict.fromkeys(("default", "full"), (the_answers_are_two,))
