"""What the pictures of the dense networks beside the published ones should show, from their stored
results."""

import numpy as np
from pictures import Panel, panels_of

from figures._published import DENSE_NETS
from figures._run import paths
from lowrank_ode.results import read_json


def line(runs, count, last=lambda run: run):
    return [count(run) for run in runs], [100 * last(run)["accuracy"] for run in runs]


def fine_tuned(run):
    return run["fine_tuned"]


@panels_of("accuracy_vs_parameters")
def accuracy_vs_parameters(data):
    """Words: τ beside the networks of the smallest and the largest one."""
    panels, images = [], data["settings"]["data"]
    for place, kind in enumerate(("prediction", "training")):
        lines, words = {}, []
        for width in data["settings"]["widths"]:
            def count(run, of={"prediction": "eval_KV", "training": "train_paper"}[kind]):
                return run["weights"][of]

            dense, *low = (run for run in data["runs"] if run["width"] == width)
            theirs = DENSE_NETS[width][1].values()
            lines |= {f"DLRT, w = {width}": line(low, count),
                      f"then fine-tuned, w = {width}": line(low, count, fine_tuned),
                      f"dense, w = {width}": line([dense], count),
                      f"dense, fine-tuned, w = {width}": line([dense], count, fine_tuned),
                      f"published, full MNIST, w = {width}": ([row[2 + place] for row in theirs],
                                                              [row[1] for row in theirs])}
            words += [(f"τ = {run['tau']}", (count(run), 100 * run["accuracy"]))
                      for run in (low[0], low[-1])]
        panels.append(Panel(f"weights for {kind}", "weights", lines=lines, words=words,
                            ylabel="" if place else f"test accuracy, % ({images})"))
    return panels


@panels_of("front")
def front(data):
    """Bars: standard deviations over seeds."""
    images, panels = data["settings"]["data"], []
    adaptive = read_json(paths("accuracy_vs_parameters", data["scale"])[0])["runs"]
    for width, ranks in data["settings"]["ranks"].items():
        def mean(rank, whole, width=int(width)):
            runs = [run for run in data["runs"] if run["rank"] == rank and run["width"] == width
                    and (run["drop"] == 0) == whole]
            accuracies = [100 * run["accuracy"] for run in runs]
            return (runs[0]["weights"], np.mean(accuracies),
                    np.std(accuracies, ddof=1) if runs[1:] else 0)

        with_tau = [run for run in adaptive if run["tau"] and run["width"] == int(width)]
        theirs = [row[2:0:-1] for row in DENSE_NETS[int(width)][1].values()]
        means = {rank: mean(rank, False) for rank in ranks}
        whole = [mean(rank, True) for other, rank in data["settings"]["whole"]
                 if other == int(width)]
        lines = {"published, full MNIST": tuple(zip(*theirs, strict=True)),
                 **{f"{text} ({images}, one seed)": line(
                     with_tau, lambda run: run["weights"]["eval_KV"], last)
                    for text, last in (("DLRT with τ", lambda run: run),
                                       ("then fine-tuned", fine_tuned))}}
        bars = {}
        for text, found in (("inputs dropped", [*means.values()]), ("all inputs", whole)):
            if found:
                label = f"GeoLoRA at a fixed rank, {text}"
                *lines[label], bars[label] = zip(*found, strict=True)
        panels.append(Panel(f"width {width}", "weights for prediction", lines=lines, bars=bars,
                            words=[(f"r = {rank}", found[:2]) for rank, found in means.items()]))
    return panels
