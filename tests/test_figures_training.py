"""The committed results of the figures on training bear out their first sentences, and wrong ones would not."""

import copy

import pytest

from figures import _run, accuracy_vs_parameters, lenet5_table, robust_initialisation, svd_pruning, trainers
from lowrank_ode.results import read_json


def stored(module):
    return read_json(_run.paths(module.__name__.rpartition(".")[2], "default")[0])


def tau_trades_weights_for_accuracy(data):
    dense, *runs = data["runs"]
    weights, accuracy = ([run["weights"]["eval_KV"] if what else run["accuracy"] for run in (dense, *runs)] for what in (True, False))
    half = next((k for k, count in enumerate(weights) if count <= 0.5 * weights[0]), 0)
    return (weights == sorted(weights, reverse=True) and weights[-1] <= 0.1 * weights[0] and accuracy[-1] >= accuracy[0] - 0.05
            and accuracy[half] >= accuracy[0] - 0.02)


def nine_of_ten_weights_of_lenet_go(data):
    rows = {row["theta"]: row for row in lenet5_table.ours(data)}
    ratios = [row["corrected"] / row["weights"] for row in data["published"]]
    return (rows[0.2]["weights"] <= 0.1 * rows[None]["weights"] and rows[0.2]["accuracy"] >= rows[None]["accuracy"] - 1.5
            and 1.5 <= min(ratios) and max(ratios) <= 2.7)


def decay_stalls_the_factors_only(data):
    last = {method: {decay: runs[0][-1] for decay, runs in found.items()} for method, found in data["accuracy"].items()}
    return (last["DLRT"]["10"] >= last["DLRT"]["1"] - 0.05 and last["vanilla"]["10"] <= 0.5 * last["vanilla"]["1"]
            and abs(last["DLRT"]["1"] - last["vanilla"]["1"]) <= 0.05 and last["as published"]["1"] <= last["vanilla"]["1"] - 0.1)


def one_gradient_a_step_is_best(data):
    loss = {run["method"]: run["loss"][-1] for run in trainers.best(data)}
    three = [run["loss"][-1] for run in trainers.best(data) if run["gradients_a_step"] == 3]
    return (max(loss["DLRT"], loss["GeoLoRA"]) < loss["abc-PSI"] < min(three) and len(three) == 4
            and abs(loss["GeoLoRA"] - loss["projected Euler"]) <= 0.05 * loss["GeoLoRA"])


def turned(data):
    """Planted: runs in the opposite order."""
    data["runs"] = data["runs"][::-1]


def as_printed(data):
    """Planted: the published counts taken for right."""
    for row in data["published"]:
        row["corrected"] = row["weights"]


def as_if_of_equal_steps(data):
    """Planted: compared after as many steps, not gradients."""
    for run in data["runs"]:
        run["loss"] = run["loss"][:5]


def frozen(data):
    """Planted: the published baseline in the place of the one with every factor trained."""
    data["accuracy"]["vanilla"] = data["accuracy"]["as published"]


@pytest.mark.parametrize("module, claim, plant", [(accuracy_vs_parameters, tau_trades_weights_for_accuracy, turned),
                                                  (lenet5_table, nine_of_ten_weights_of_lenet_go, as_printed),
                                                  (robust_initialisation, decay_stalls_the_factors_only, frozen),
                                                  (trainers, one_gradient_a_step_is_best, as_if_of_equal_steps)])
def test_the_claim_of_a_figure_on_training(module, claim, plant):
    data = stored(module)
    assert claim(data)
    wrong = copy.deepcopy(data)
    plant(wrong)
    assert not claim(wrong)


def test_the_baseline_as_published_moves_no_kernel():
    method = robust_initialisation.FrozenKernels(robust_initialisation.FactorDescent())
    net, rng = robust_initialisation.lenet5(), robust_initialisation.np.random.default_rng(0)
    params = net.init(rng, 3)
    after = method.step(params, 0.0, 0.1, lambda t, Y: -1 * net.value_and_grad(Y, rng.random((4, 784)), rng.integers(0, 10, 4))[1])
    assert [X is Y for X, Y in zip(params.blocks, after.blocks, strict=True)] == [True, False, True, False, False, False, False, False]


@pytest.mark.parametrize("module", [accuracy_vs_parameters, lenet5_table, svd_pruning, trainers])
def test_the_committed_table_is_that_of_the_stored_results(module):
    name = module.__name__.rpartition(".")[2]
    table = (_run.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert table == _run.markdown(module, stored(module))
    cells = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert len(cells) == 1
