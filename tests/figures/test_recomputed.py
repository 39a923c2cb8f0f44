"""A small piece of each figure, computed now by its own `compute`, is what its JSON holds: to
rounding, or, of a training in single precision, to half a percent."""

import importlib
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from stored import stored

from figures.__main__ import NAMES
from lowrank_ode import training
from lowrank_ode.data import load
from lowrank_ode.testing import kit

EQUATIONS, TRAINING = 1e-6, 5e-3        # relative: rounding, and what training makes of it

ONE_EPOCH = {"lr": 0.1, "epochs": 1}


def runs_of(*names):
    """Of the runs that have these entries as the piece has: the first epoch, but for seconds."""
    def pick(data, piece):
        wanted = [[run[name] for name in names] for run in piece["runs"]]
        return [[value for key, value in run["records"][0].items() if key != "seconds"]
                for run in data["runs"] if [run[name] for name in names] in wanted]
    return pick


def miscounted(run):
    """How far weights are from those of the ranks, r(n + m) and for training 2r(n + m) + 4r², the
    last layer with all of its 10 n."""
    width, count = run["width"], run["weights"]
    shapes = [(width, 784), *[(width, width)] * 3]
    ranks = run["ranks"] if "ranks" in run else [run["rank"]] * 4
    once = [r * (n + m) for r, (n, m) in zip(ranks, shapes, strict=False)] if ranks else [
        n * m for n, m in shapes]
    twice = [2 * k + 4 * r**2 for k, r in zip(once, ranks, strict=False)] if ranks else once
    expected = [sum(once) + 10 * width, sum(twice) + 10 * width]
    found = [count["eval_KV"], count["train_paper"]] if isinstance(count, dict) else [count]
    return [k - n for k, n in zip(found, expected, strict=False)]


def accuracies(data, piece):
    """Of the first epoch, by method or variant, and decay, first seed."""
    def first(found, like):
        return ([first(found[key], like[key]) for key in like] if isinstance(like, dict)
                else found[0][0])
    return first(data["accuracy"], piece["accuracy"])


def orders(data, piece):
    return [curve["errors"][:2] for name, curve in data["spectra"][0]["curves"].items()
            if name != "midpoint BUG, 4r"]          # at the largest steps its directions are noise


def curves(key):
    """Of the curves of the same key the errors for the first step sizes."""
    def pick(data, piece):
        wanted = [curve[key] for curve in piece["curves"]]
        return [errors[:len(piece["h"])] for curve in data["curves"] if curve[key] in wanted
                for errors in (curve["errors"].values() if isinstance(curve["errors"], dict)
                               else [curve["errors"], curve["ranks"]])]
    return pick


def conservation(data, piece):
    steps = len(piece["t"])
    return [data["tails"][:steps], data["energy"],
            *(run[what][:steps] for run in data["runs"].values()
              for what in ("square", "energy", "ranks"))]


def along(data, piece):
    steps = len(piece["t"])
    return [data["t"][:steps], data["run"]["error"][:steps],
            [terms[:steps] for terms in data["run"]["terms"].values()]]


def lubich_oseledets(data, piece):
    return [[panel["best"], *(errors[0] for errors in panel["errors"].values())]
            for panel in data["panels"]]


def gradient_flow(data, piece):
    return [data["largest_curvature"], *(
        [layer["floor"], *layer["floors"][:1], layer["against_h"]["DLRT"][0],
         layer["against_rank"]["DLRT"][0]] for layer in data["layers"])]


def conformance(data, piece):
    return [data["methods"][name]["claims"]["robust"][what] for name in piece["methods"]
            for what in ("claimed", "holds", "measured", "bound")]


def large_steps(data, piece):
    return [data["nets"][name][method]["losses"][:2] for name in piece["nets"]
            for method in ("DLRT", "GeoLoRA")]


def rank_evolution(data, piece):
    return [data["dense_parameters"], *(
        [value for key, value in record.items() if key != "seconds"]
        for name in piece["runs"] for record in data["runs"][name]["records"][:4])]


def svd_pruning(data, piece):
    """After no training at all: what is counted, and the first epoch from the start."""
    ranks = [row["rank"] for row in piece["nets"][0]["ranks"]]
    net = data["nets"][0]
    return [net["dense_parameters"], net["dense"][0], *(
        (row["parameters"], row["from_start"][0]) for row in net["ranks"] if row["rank"] in ranks)]


def trainers(data, piece):
    """Passes and loss before and after the first epoch."""
    wanted = [(run["method"], run["lr"]) for run in piece["runs"]]
    return [[run["gradients_a_step"], *(run[what][:2] for what in ("passes", "loss"))]
            for run in data["runs"] if (run["method"], run["lr"]) in wanted]


# what is computed: settings other than the default ones, what is compared, how closely, and of the
# module's METHODS which
PIECES = {
    "accuracy_vs_parameters": ({"tau": [0.17], **ONE_EPOCH, "fine_tuning": {
        **ONE_EPOCH, "batch": 50}}, runs_of("tau"), TRAINING),
    "bound_tightness": ({"steps": 3, "draws": 1}, along, EQUATIONS),
    "conformance": ({"claims": ["robust"]}, conformance, EQUATIONS,
                    ("BUG", "GeoLoRA", "S⁻¹ factor ODE")),
    "conservation": ({"T": 0.1, "steps": 2}, conservation, 1e-4),
    "front": ({"ranks": {"500": [10]}, "tried": [], "lr": 0.4, "epochs": 1},
              runs_of("rank", "drop"), TRAINING),
    "gradient_flow": ({"steps": [8], "ranks": [2], "steps_for_ranks": 64}, gradient_flow,
                      EQUATIONS, ("DLRT",)),
    "large_steps": ({"batches": {"resnet20": 8}, "steps": 1}, large_steps, TRAINING),
    "lenet5_table": ({"theta": [0.45], **ONE_EPOCH}, runs_of("theta", "seed"), TRAINING),
    "lubich_oseledets": ({"steps": [2]}, lubich_oseledets, EQUATIONS),
    "orders": ({"steps": [4, 8], "sigma": [[1, 0.6, 0.3]]}, orders, EQUATIONS),
    "rank_evolution": ({"runs": {"0.15": {"tau": 0.15, "epochs": 1, "lr": 0.2, "batch": 64}}},
                       rank_evolution, TRAINING),
    "robust_initialisation": ({"decay": [10], "methods": ["as published"], "epochs": 1},
                              accuracies, TRAINING),
    "singular_values": ({"sigma": [1e-2], "steps": [4]}, curves("sigma"), EQUATIONS),
    "stagnation": ({"thetas": [1e-2], "steps": [4, 8, 16, 32, 64]}, curves("theta"), EQUATIONS),
    "svd_pruning": ({"ranks": [10], "train": {"lr": 0.2, "batch_size": 100, "epochs": 1},
                     "retrain": {"lr": 0.1, "batch_size": 100, "epochs": 1}}, svd_pruning,
                    TRAINING),
    "trainers": ({"lr": [0.2], "passes": 3}, trainers, TRAINING, ("BUG", "GeoLoRA")),
    "what_matters": ({"variants": {"base": {"lr": [0.2]}}, "epochs": 1}, accuracies, TRAINING),
}
# architectures is recomputed whole in test_figures_networks, the other steps of what_matters are
# followed in test_variants; clocks tell other times each time
ELSEWHERE = {"ablation", "architectures", "commensurate", "compress_only",
             "resnet20", "retrain", "scaling", "sweep", "timings", "trp"}


def flat(numbers):
    if isinstance(numbers, list | tuple):
        return [number for part in numbers for number in flat(part)]
    return [np.nan if numbers is None else float(numbers)]


def agree(found, expected, tolerance):
    found, expected = flat(found), flat(expected)
    return len(found) == len(expected) and np.allclose(found, expected, rtol=tolerance,
                                                       atol=1e-14, equal_nan=True)


loaded = cache(load)


def nothing(method, seed):
    return 0.0, 1.0


def computed(name, monkeypatch):
    changes, _, _, *methods = PIECES[name]
    module = importlib.import_module(f"figures.{name}")
    if methods:
        monkeypatch.setattr(module, "METHODS", {who: module.METHODS[who] for who in methods[0]})
    if hasattr(module, "load"):                 # once for all of them: it takes seconds
        monkeypatch.setattr(module, "load", loaded)
    if name == "conformance":                   # the other theorems are asked elsewhere
        monkeypatch.setattr(kit, "THEOREMS", {
            key: theorem if theorem.claim == "robust" else replace(theorem, residual=nothing)
            for key, theorem in kit.THEOREMS.items() if theorem.claim in ("robust", "order")})
    if name == "rank_evolution":                # twenty steps of the first epoch
        whole = training._Run._batches
        monkeypatch.setattr(training._Run, "_batches", lambda run, rng: whole(run, rng)[:20])
    settings = {**module.SETTINGS["default"], **changes}
    if name == "gradient_flow":                 # of which the exact flow takes most
        flow = module.flow(settings)
        monkeypatch.setattr(module, "flow", lambda settings: flow)
    return module.compute(settings, lambda function, jobs: {key: function(**arguments)
                                                            for key, arguments in jobs.items()})


@pytest.mark.parametrize("name", PIECES)
def test_a_piece_of_the_figure_is_what_its_json_holds(name, monkeypatch):
    """Planted: one of the numbers is another, by two percent."""
    _, pick, tolerance, *_ = PIECES[name]
    piece, data = computed(name, monkeypatch), stored(name)
    found, expected = flat(pick(piece, piece)), flat(pick(data, piece))
    assert agree(found, expected, tolerance), [
        (k, a, b) for k, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b]
    if name in ("accuracy_vs_parameters", "front"):
        for some in (piece, data, stored(name, "full")):
            assert not any(flat([miscounted(run) for run in some["runs"]]))
    for k, number in enumerate(expected):
        if np.isfinite(number) and abs(number) > 1e-10:
            assert not agree(found, [*expected[:k], 1.02 * number, *expected[k + 1:]], tolerance)


def test_a_last_layer_counted_as_one_of_rank_10_is_a_miscount():
    """Planted: 10 · (500 + 10) for 10 · 500."""
    run = next(run for run in stored("accuracy_vs_parameters")["runs"] if run["tau"])
    assert miscounted(run) == [0, 0]
    run["weights"]["eval_KV"] += 10 * 10
    assert miscounted(run) == [100, 0]


def test_every_figure_has_its_piece():
    assert PIECES.keys() | ELSEWHERE == set(NAMES)
