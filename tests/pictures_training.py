"""What the pictures of trained networks should show, from their stored results."""

from statistics import median

import numpy as np
from pictures import Panel, panels_of

from figures._published import LENET_DENSE, LENET_SHAPES, LENET_WEIGHTS, SVD_PRUNING, TIMINGS
from lowrank_ode.compression import count_weights


def percent(values):
    return [100 * value for value in values]


@panels_of("lenet5_table")
def lenet5_table(data):
    def mean(theta):
        runs = [run for run in data["runs"] if run["theta"] == theta]
        counts = [count_weights(LENET_SHAPES, [*run["ranks"], None]) if theta else LENET_WEIGHTS
                  for run in runs]
        found = percent(run["accuracy"] for run in runs)
        return np.mean(counts), np.mean(found), np.std(found, ddof=1) if len(found) > 1 else 0.0

    low = {theta: mean(theta) for theta in data["settings"]["theta"] if theta}
    ours = f"DLRT, here ({data['settings']['data']}), θ beside it"
    theirs = {"published (full MNIST), as printed": "weights",
              "published, counted in full": "corrected"}
    x, y, bars = zip(*low.values(), strict=True)
    dense = mean(None)
    lines = {ours: (x, y), "dense, here": ([dense[0]], [dense[1]]),
             **{label: tuple([row[of] for row in data["published"]] for of in (count, "accuracy"))
                for label, count in theirs.items()}}
    bars = {ours: bars, "dense, here": [dense[2]],
            **{label: [row["deviation"] for row in data["published"]] for label in theirs}}
    return [Panel("LeNet5", "weights for prediction", "test accuracy, %", lines, bars,
                  [(f"{theta}", (n, mean + deviation))
                   for theta, (n, mean, deviation) in low.items()],
                  [("s", (LENET_WEIGHTS, LENET_DENSE[0]))])]


@panels_of("rank_evolution")
def rank_evolution(data):
    runs, start = {k: run["records"] for k, run in data["runs"].items()}, data["settings"]
    panels = [Panel(f"τ = {tau}: ranks", "training step", lines={
        f"layer {k + 1}": ([0, *(r["step"] for r in runs[tau])],
                           [start["start_rank"], *(r["ranks"][k] for r in runs[tau])])
        for k in range(4)}, words=[(
            f"at the end: {', '.join(map(str, runs[tau][-1]['ranks']))}\n"
            f"test accuracy {100 * runs[tau][-1]['accuracy']:.2f} %", (0.97, 0.9))])
        for tau in ("0.05", "0.15")]
    lines = {}
    for name, records in runs.items():
        last = {r["epoch"]: 100 * r["accuracy"] for r in records}
        lines[name if name == "dense" else f"τ = {name}"] = [*last], [*last.values()]
    return [*panels, Panel("test accuracy", "epoch", "%", lines)]


@panels_of("robust_initialisation")
def robust_initialisation(data):
    titles = {"DLRT": "DLRT", "vanilla": "vanilla A Bᵀ, all factors trained",
              "as published": "vanilla as published: kernels frozen"}
    epochs = range(1, data["settings"]["epochs"] + 1)
    return [Panel(titles[method], "epoch", lines={
        f"decay {decay}": (epochs, percent(np.mean(runs, axis=0)))
        for decay, runs in found.items()}) for method, found in data["accuracy"].items()]


@panels_of("svd_pruning")
def svd_pruning(data):
    epochs, again = (data["settings"][key]["epochs"] for key in ("train", "retrain"))
    panels = []
    for net in data["nets"]:
        ranks = [row["rank"] for row in net["ranks"]]
        curves = {f"DLRT from the start, {epochs} epochs": ("from_start", -1),
                  f"pruned, and {again} epochs of DLRT": ("retrained", -1),
                  "pruned": ("retrained", 0)}
        lines = {label: (ranks, percent(row[of][k] for row in net["ranks"]))
                 for label, (of, k) in curves.items()}
        if net["width"] == 784:
            lines["pruned as the released code does"] = ranks, percent(
                row["published_loader"] for row in net["ranks"])
            lines["published, full MNIST: pruned"] = zip(*SVD_PRUNING["pruned"].items(),
                                                         strict=True)
            lines["published: retrained"] = zip(*SVD_PRUNING["retrained"].items(), strict=True)
        panels.append(Panel(f"hidden layers of width {net['width']}",
                            "rank of the hidden layers",
                            lines={label: tuple(line) for label, line in lines.items()},
                            levels={"y": [100 * net["dense"][-1]]}))
    return panels


@panels_of("trainers")
def trainers(data):
    """Of each method the run with the lower loss at the end."""
    best = {}
    for run in sorted(data["runs"], key=lambda run: -run["loss"][-1]):
        if "stopped" not in run:
            best[run["method"]] = run
    return [Panel(xlabel=label, lines={f"{name}, h = {run['lr']}": (run[cost], run["loss"])
                                       for name, run in best.items()})
            for cost, label in (("passes", "gradients, in passes over the training images"),
                                ("seconds", "seconds"))]


@panels_of("what_matters")
def what_matters(data):
    """A point a seed, and the mean as a bar."""
    found = [percent(run[-1] for run in runs) for runs in data["accuracy"].values()]
    return [Panel(xlabel="test accuracy, %", ticks=list(data["accuracy"]),
                  marks=[("o", (value, row)) for row, values in enumerate(found)
                         for value in values])]


@panels_of("ablation")
def ablation(data):
    panels = []
    for method in ("DLRT", "GeoLoRA"):
        def ratio(row, name, method=method):
            pairs = zip(row["seconds"][f"{method}, without {name}"], row["seconds"][method],
                        strict=True)
            return median(slow / fast for slow, fast in pairs)

        names = data["names"]
        points = [(f"{'w = ' * isinstance(row['width'], int)}{row['width']}, r = {row['rank']}",
                   row) for row in data["rows"]]
        lines = {label: ([ratio(row, name) for name in names],
                         [k + 0.08 * (place - len(points) / 2) for k in range(len(names))])
                 for place, (label, row) in enumerate(points)}
        panels.append(Panel(f"{method}: time of a step without, over with", "ratio", lines=lines,
                            ticks=[] if panels else names))
    return panels


def break_even(ranks, shares):
    """Where the shares pass 1, on a straight line through the logarithms, to ten."""
    for r, s, a, b in zip(ranks, ranks[1:], shares, shares[1:], strict=False):
        if a < 1 <= b:
            return f"{round(r * (s / r) ** (np.log(a) / np.log(a / b)), -1):.0f}"
    return f"{ranks[-1]} and more"


@panels_of("timings")
def timings(data):
    def rows(what, width):
        return [row for row in data["rows"]
                if (row["what"], row["width"], row["threads"]) == (what, width, "one")]

    names = {"PyTorch, three passes": "torch", "DLRT": "ours", "GeoLoRA": "GeoLoRA",
             "matrix products of DLRT": "floor"}
    panels = []
    for width in (500, 5120):
        dense, *low = rows("train", width)
        panels.append(Panel(
            f"784-{width}×4-10: a training step", "rank", "ms",
            {label: ([row["rank"] for row in low],
                     [1e3 * median(row["seconds"][who]) for row in low])
             for label, who in names.items()},
            levels={"y": [1e3 * median(took) for took in dense["seconds"].values()]}))
    lines = {}
    for what in ("train", "predict"):
        dense, *low = rows(what, 5120)
        fastest = min(dense["seconds"].values(), key=median)
        for who, (ranks, shares) in {
                "here": ([row["rank"] for row in low],
                         [median(np.divide(row["seconds"]["ours"], fastest)) for row in low]),
                "published": ([*TIMINGS[what]], [took / TIMINGS[f"dense_{what}"]
                                                 for took in TIMINGS[what].values()])}.items():
            up_to = break_even(ranks, shares)
            lines[f"{what}, {who}: cheaper up to rank {up_to}"] = ranks, shares
    return [*panels, Panel("time over dense, width 5120", "rank", lines=lines)]


@panels_of("resnet20")
def resnet20(data):
    """Lines: with new statistics, and low rank from the start; marks: with old ones, and
    retrained. One run."""
    run, = data["runs"]
    panels, low = [], {name: rows for name, rows in run["low rank"].items() if rows}
    for what, words in (("numbers", "numbers kept, %"), ("flops", "operations kept, %")):
        of = {way: {method: [(100 * row[what] / run["dense"][what], 100 * row[way]["test"])
                             for row in rows if row and way in row]
                    for method, rows in (run["methods"] | low).items()}
              for way in ("anew", "kept", "retrained")}
        panels.append(Panel(xlabel=words, levels={"y": [100 * run["dense"]["test"]]},
                            lines={method: tuple(zip(*points, strict=True))
                                   for method, points in of["anew"].items()},
                            marks=[(MARKERS[method], point) for way in ("kept", "retrained")
                                   for method, points in of[way].items() for point in points]))
    return panels


MARKERS = {"SVD": "s", "SVD-Energy": "o", "L-Rank": "^", "ALDS √k": "X"}
