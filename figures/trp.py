"""Cut to ranks of 4 to 8, networks trained by TRP are more accurate than networks trained without
cuts and pruned to these ranks, by 5 points or more in every run; at ranks above 8 by less than 2.

A network is trained with dense weights from one start, small (He's, over √6), by stochastic
gradient descent: TRP [XLZW20] cuts the weights of all layers but the last to the part 1 − e of
their energy before every m-th step, with (λ > 0) and without a subgradient of the nuclear norm, and
once more after the last step; "SVD" trains without cuts, and is pruned to the ranks that TRP came
to; BUG and projected Euler train at these ranks from the start on, which is cut to them and loses
most of its norm by that; with "own start" projected Euler has a random start of these ranks, with
the norm of He's. Data, batches, step sizes, epochs and weight decay are the same for all, and were
not chosen for any; a step of BUG takes three gradients. A point is a run. TRP finds its ranks by e
alone, and the test images choose nothing. Default: 5,000 real MNIST images, 784-300-100-10, 12
epochs; --full: full MNIST, four epochs, without the nuclear norm.
"""

import numpy as np

from lowrank_ode import BUG, Dense
from lowrank_ode.compression import (
    TRP,
    count_parameters,
    flops_saved,
    multiplications,
    pruned,
    stable_rank,
)
from lowrank_ode.compression.totals import positions
from lowrank_ode.data import load
from lowrank_ode.integrators import ProjectedRK
from lowrank_ode.substeps import euler
from lowrank_ode.training import ranks, train

from . import _style
from ._training import mean_and_deviation, network

DEFAULT = {"data": "mnist5k", "nets": ["300-100"], "seeds": [0, 1, 2], "start": 6**-0.5,
           "energies": [0.3, 0.1, 0.02], "every": 20, "nuclear": [0.0, 0.1],
           "train": {"300-100": {"lr": [0.2, 0.1, 0.05], "batch_size": 50, "epochs": 12,
                                 "decay": 5e-4}}}
SMALL = {"data": "digits", "nets": ["40-20"], "seeds": [0], "energies": [0.3, 0.02],
         "train": {"40-20": {"lr": [0.2, 0.1], "batch_size": 50, "epochs": 8, "decay": 5e-4}}}
FULL = {"data": "mnist", "energies": [0.2, 0.1, 0.02], "nuclear": [0.0],
        "train": {"300-100": {"lr": [0.2, 0.2, 0.1, 0.05], "batch_size": 128, "epochs": 4,
                              "decay": 5e-4}}}
SETTINGS = {"small": {**DEFAULT, **SMALL}, "default": DEFAULT, "full": {**DEFAULT, **FULL}}
FIXED = {"BUG": BUG(euler), "projected Euler": ProjectedRK(1)}
HEAD = ("| network | e | λ | ranks | multiplications saved | TRP before the last cut | TRP | SVD | "
        "BUG | projected Euler | projected Euler, own start |")
OTHERS = *FIXED, "own start"


def problem(settings, name, seed):
    """Data, network and start."""
    data = load(settings["data"])
    net = network(data, [int(width) for width in name.split("-")])
    params = net.init(np.random.default_rng(seed), dtype=np.float32)
    return data, net, settings["start"] * params


def trained(settings, net, seed, energy):
    """TRP with each λ, and the others at the ranks that it comes to: test accuracies."""
    name = net
    data, net, start = problem(settings, name, seed)

    def last(params, method):
        *_, record = train(net, params, data, method, rng=seed, **settings["train"][name])
        return record.params

    def accuracy(params):
        return net.accuracy(params, data.test_x, data.test_labels)

    free = last(start, Dense(euler))
    count = multiplications(net.weight_shapes, [None] * len(net.weight_shapes), positions(net))
    rows = []
    for nuclear in settings["nuclear"]:
        method = TRP.of(net, energy=energy, every=settings["every"], nuclear=nuclear)
        uncut = last(start, method)
        cut = method.finished(uncut)
        at = [*ranks(cut), None]
        work = multiplications(net.weight_shapes, at, positions(net))
        rows.append({"nuclear": nuclear, "ranks": ranks(cut), "parameters": count_parameters(cut),
                     "saved": flops_saved(count / work), "uncut": accuracy(uncut),
                     "TRP": accuracy(cut), "SVD": accuracy(pruned(free, at)),
                     **{fixed: accuracy(last(pruned(start, at), integrator))
                        for fixed, integrator in FIXED.items()}})
    return {"dense": accuracy(free), "parameters": count_parameters(start),
            "stable ranks": [[stable_rank(W) for W in params.blocks[:-2:2]]
                             for params in (start, free)], "rows": rows}


def from_own_start(settings, net, seed, at):
    """Test accuracy of projected Euler from a random start of these ranks."""
    name = net
    data, net, _ = problem(settings, name, seed)
    params = net.init(np.random.default_rng(seed), [*at, None], np.float32)
    *_, record = train(net, params, data, FIXED["projected Euler"], rng=seed,
                       **settings["train"][name])
    return record.accuracy


def compute(settings, run):
    cases = [{"net": net, "seed": seed, "energy": energy} for net in settings["nets"]
             for energy in settings["energies"] for seed in settings["seeds"]]
    found = run(trained, {f"{case['net']}, e = {case['energy']}, seed {case['seed']}":
                          {"settings": settings, **case} for case in cases})
    data = {"data": load(settings["data"]).name,
            "runs": [{**case, **result}
                     for case, result in zip(cases, found.values(), strict=True)]}
    own = run(from_own_start, {f"{row['net']}, own start {row['ranks']}, seed {row['seed']}":
                               {"settings": settings, "net": row["net"], "seed": row["seed"],
                                "at": row["ranks"]} for row in rows(data)})
    for each in data["runs"]:
        for row in each["rows"]:
            row["own start"] = own[f"{each['net']}, own start {row['ranks']}, seed {each['seed']}"]
    return data


def rows(data):
    """All rows of the results with their network, energy and seed."""
    for run in data["runs"]:
        for row in run["rows"]:
            yield {**{key: run[key] for key in ("net", "energy", "seed", "dense")}, **row}


def table(data):
    """Rows of a Markdown table: means over the seeds, ± their deviation for TRP and SVD; ranks are
    those of the first seed."""
    def percent(found, name):
        mean, deviation = mean_and_deviation([100 * row[name] for row in found])
        return f"{mean:.1f} ± {deviation:.1f}" if name in ("TRP", "SVD") else f"{mean:.1f}"

    groups = {}
    for row in rows(data):
        groups.setdefault((row["net"], row["energy"], row["nuclear"]), []).append(row)
    for (net, energy, nuclear), found in groups.items():
        saved = np.mean([row["saved"] for row in found])
        yield (f"| {net} | {energy:g} | {nuclear:g} | {', '.join(map(str, found[0]['ranks']))} | "
               f"{saved:.1f} % | "
               + " | ".join(percent(found, name) for name in ("uncut", "TRP", "SVD", *OTHERS))
               + " |")


def draw(data):
    names = data["settings"]["nets"]
    figure, panels = _style.axes(1, len(names), (6 * len(names), 4.4), squeeze=False)
    looks = {"TRP": ("#b5314a", "o", "TRP, after the last cut"),
             "SVD": ("#1f6fb4", "s", "dense training, SVD at its ranks"),
             "BUG": (_style.COLOURS["BUG"], "^", "BUG at its ranks"),
             "projected Euler": (_style.COLOURS["projected RK, order 1"], "v",
                                 "projected Euler at its ranks"),
             "own start": ("#4b2e83", "D", "the same, own start")}
    for ax, name in zip(panels[0], names, strict=True):
        runs = [run for run in data["runs"] if run["net"] == name]
        dense = np.mean([run["dense"] for run in runs])
        ax.axhline(100 * dense, color=_style.COLOURS["dense"], lw=0.9, label="dense, mean")
        found = [row for row in rows(data) if row["net"] == name]
        for method, (colour, marker, label) in looks.items():
            for nuclear in data["settings"]["nuclear"]:
                mine = [row for row in found if row["nuclear"] == nuclear]
                x = [100 * row["parameters"] / runs[0]["parameters"] for row in mine]
                ax.plot(x, [100 * row[method] for row in mine], marker, color=colour, ms=5, lw=0,
                        mfc="none" if nuclear else colour, alpha=0.9,
                        label=None if nuclear else label)
        if any(data["settings"]["nuclear"]):
            ax.plot([], [], "o", color="#777777", mfc="none", ms=5, lw=0,
                    label="hollow: TRP with λ > 0")
        ax.set_yscale("function", functions=(lambda a: -np.log10(np.maximum(100 - a, 1e-3)),
                                             lambda y: 100 - 10.0**-y))
        ax.set_yticks([10, 50, 80, 90, 95, 97, 98, 99])
        stable = [np.mean([run["stable ranks"][k] for run in runs], axis=0) for k in (0, 1)]
        stable = " to ".join(", ".join(f"{r:.0f}" for r in each) for each in stable)
        ax.set(title=f"{name}: dense {100 * dense:.1f} %, stable ranks {stable}",
               xscale="log", ylim=(0, 99.5), xlabel="numbers stored, % of dense")
        _style.plain_numbers(ax.xaxis)
    panels[0][0].set_ylabel("test accuracy, %")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center",
                  ncols=2 + len(names), fontsize=7.5)
    return figure


LOW = range(4, 9)       # ranks of every layer


def gains(data, choose, other="SVD"):
    """By how much TRP is ahead, in the rows that are chosen by their ranks."""
    return [row["TRP"] - row[other] for row in rows(data) if choose(row["ranks"])]


def are_low(ranks):
    return all(r in LOW for r in ranks)


def low_ranks_gain_much_moderate_ones_little(data):
    low = gains(data, are_low)
    moderate = gains(data, lambda ranks: min(ranks) >= LOW.stop)
    seeds = len(data["settings"]["seeds"])
    return (len(low) >= seeds and len(moderate) >= seeds
            and min(low) >= 0.05 and max(moderate) < 0.02)


CLAIMS = dict.fromkeys(("default", "full"), (low_ranks_gain_much_moderate_ones_little,))
