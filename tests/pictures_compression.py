"""What the pictures of compressed networks should show, from their stored results."""

import numpy as np
from pictures import Panel, panels_of

NAMES = {"lenet5": "LeNet5", "500-500-500-500": "500×4"}        # of networks; others as they are
MARKERS = {"SVD": "s", "SVD-Energy": "o", "SVD-Nuclear": "v", "SVD-Error": "D", "L-Rank": "^",
           "PCA": "P", "ALDS root": "o", "ALDS √k": "X", "ALDS max": "<", "ALDS √k, EM": ">",
           "FT": "s", "PFP": "d", "DLRT": "*", "GeoLoRA": "h"}


def named(net):
    return NAMES.get(net, net)


def epochs(n):
    return "1 epoch" if n == 1 else f"{n} epochs"


def of_net(data, net, start=None):
    return [run for run in data["runs"] if (run["net"], run.get("start")) == (net, start)]


def percent(rows):
    """Mean test accuracy."""
    return 100 * np.mean([row["test"] for row in rows])


def averaged(runs, rows, what="numbers"):
    """(part kept, test accuracy) in %, means over the runs, where there is a row of each."""
    dense = np.array([run["dense"][what] for run in runs])
    kept = [at for at in zip(*rows, strict=True) if None not in at]
    return [100 * np.mean([row[what] for row in at] / dense) for at in kept], [*map(percent, kept)]


@panels_of("compress_only")
def compress_only(data):
    panels = []
    for net in data["settings"]["nets"]:
        for start, what, word in (("small", "numbers", "numbers"), ("small", "flops", "operations"),
                                  ("large", "numbers", "numbers")):
            runs = of_net(data, net, start)
            found = [run["methods"] | run["low rank"] for run in runs]
            stable = np.mean([run["dense"]["stable ranks"][-1][0] for run in runs])
            panels.append(Panel(
                f"{named(net)}, {start} start: stable rank {stable:.0f}", f"{word} kept, %",
                "test accuracy, %" * (start == "small" and what == "numbers"),
                {method: averaged(runs, [rows[method] for rows in found], what)
                 for method in found[0]},
                levels={"dense": [percent(run["dense"] for run in runs)]},
                markers={method: MARKERS[method] for method in found[0]}))
    return panels


@panels_of("retrain")
def retrain(data):
    """Lines: retrained; marks: before."""
    panels = []
    for net in data["settings"]["nets"]:
        runs, lines, marks = of_net(data, net), {}, []
        for method in runs[0]["methods"]:
            pairs = [[pair if all(pair) else [None, None] for pair in run["methods"][method]]
                     for run in runs]
            before, lines[method] = (averaged(runs, [[pair[k] for pair in rows] for rows in pairs])
                                     for k in (0, 1))
            marks += [(MARKERS[method], point) for point in zip(*before, strict=True)]
        lines |= {f"{name}, from the start": averaged(runs, [run["low rank"][name] for run in runs])
                  for name in runs[0]["low rank"]}
        panels.append(Panel(
            f"{named(net)}: {epochs(data['settings']['again'][net])} again", "numbers kept, %",
            "" if panels else "test accuracy, %", lines, marks=marks,
            levels={"dense": [percent(run["dense"] for run in runs)]},
            markers={label: MARKERS[label.removesuffix(", from the start")] for label in lines}))
    return panels


@panels_of("sweep")
def sweep(data):
    """Compressions: mean, least and largest of the runs, 0 where no budget is good enough."""
    def ends(runs, outcomes):
        found = [100 - 100 * outcome["found"]["numbers"] / run["dense"]["numbers"]
                 if outcome["found"] else 0 for run, outcome in zip(runs, outcomes, strict=True)]
        return np.mean(found), min(found), max(found)

    panels = []
    for net in data["settings"]["nets"]:
        runs, lines, bars = of_net(data, net), {}, {}
        for method in runs[0]["methods"]:
            means, *bars[method] = zip(*(ends(runs, at) for at in zip(
                *(run["methods"][method] for run in runs), strict=True)), strict=True)
            lines[method] = data["settings"]["again"][net], means
        panels.append(Panel(
            f"{named(net)}: within {100 * data['settings']['points']:g} point of dense",
            f"epochs of retraining, after {data['settings']['train'][net]['epochs']}",
            "" if panels else "compression, % of the numbers", lines, bars,
            levels={f"{name}, from the start": [ends(runs, [run["low rank"][name] for run in runs])
                                                [0]] for name in runs[0]["low rank"]},
            markers={method: MARKERS[method] for method in lines}))
    return panels


@panels_of("commensurate")
def commensurate(data):
    """A row a method, three kinds a row; filled: each net, hollow: mean net, and a link from one
    to the other. The lines are those of the legend."""
    kinds = {"compressed": ("o", "ring", 0.18), "retrained": ("s", "hollow s", -0.18),
             "from the start": ("*", "hollow *", 0)}
    names = [*{row["method"]: None for row in data["found"]}][::-1]
    panels = []
    for net in {row["net"]: None for row in data["found"]}:
        marks, links = [], []
        for row in data["found"]:
            if row["net"] == net:
                full, hollow, shift = kinds[row["kind"]]
                y = names.index(row["method"]) + shift
                ends = row["each net"][0], row["mean net"][0]
                marks += [(kind, (x, y)) for kind, x in zip((full, hollow), ends, strict=True)]
                links.append((ends, (y, y)))
        within = f"{100 * data['settings']['points']:g} point of dense"
        panels.append(Panel(named(net), f"compression, %, within {within}", marks=marks,
                            links=links))
    markers = {kind: full for kind, (full, *_) in kinds.items()}
    markers["hollow: mean net; filled: each net"] = "ring"
    panels[0].lines, panels[0].markers = {label: ([], []) for label in markers}, markers
    panels[0].ticks = names
    return panels


@panels_of("trp")
def trp(data):
    """A point a run; lines: without the nuclear norm; marks: with it."""
    looks = {"TRP": ("TRP, after the last cut", "o", "ring"),
             "SVD": ("dense training, SVD at its ranks", "s", "hollow s"),
             "BUG": ("BUG at its ranks", "^", "hollow ^"),
             "projected Euler": ("projected Euler at its ranks", "v", "hollow v"),
             "own start": ("the same, own start", "D", "hollow D")}
    panels = []
    for net in data["settings"]["nets"]:
        runs, points = of_net(data, net), {}
        for run in runs:
            for row in run["rows"]:
                for method in looks:
                    points.setdefault((method, row["nuclear"] > 0), []).append(
                        (100 * row["parameters"] / run["parameters"], 100 * row[method]))
        dense = 100 * np.mean([run["dense"] for run in runs])
        stable = " to ".join(", ".join(f"{rank:.0f}" for rank in ranks) for ranks in
                             np.mean([run["stable ranks"] for run in runs], axis=0))
        lines = {looks[method][0]: tuple(zip(*found, strict=True))
                 for (method, nuclear), found in points.items() if not nuclear}
        markers = {label: full for label, full, _ in looks.values()}
        marks = [(looks[method][2], point)
                 for (method, nuclear), found in points.items() if nuclear for point in found]
        if marks:
            lines["hollow: TRP with λ > 0"], markers["hollow: TRP with λ > 0"] = ([], []), "ring"
        panels.append(Panel(f"{net}: dense {dense:.1f} %, stable ranks {stable}",
                            "numbers stored, % of dense", "" if panels else "test accuracy, %",
                            lines, marks=marks, markers=markers, levels={"dense, mean": [dense]}))
    return panels
