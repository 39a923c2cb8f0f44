"""The second phase of accuracy_vs_parameters, and what stands beside the published networks on full
MNIST: the fine-tuned ones, and those of `front`."""

import operator

import numpy as np
import pytest
from stored import rejects, stored

from figures import accuracy_vs_parameters, front
from figures._published import DENSE_NETS, published
from figures._training import best_within, dlrt_or_dense, network
from lowrank_ode.data import hold_out, load
from lowrank_ode.integrators import GeoLoRA
from lowrank_ode.training import train

SMALL = {**accuracy_vs_parameters.SETTINGS["small"], "tau": 0.1, "epochs": 4,
         "lr": [0.2, 0.2, 0.2, 0.5],
         "fine_tuning": {"drop": 0.2, "lr": 0.4, "batch": 50, "epochs": 3}}
ARGUMENTS = {name: SMALL[name] for name in ("data", "tau", "start_rank", "seed", "lr", "batch",
                                            "epochs", "fine_tuning")}


def by_hand(tau, choose=lambda held: int(np.argmax(held)), method=None, drop=True):
    """Losses of the fine-tuning, and its validation accuracies; planted: other parameters to go on
    from, another method, nothing dropped."""
    data = hold_out(load("digits"), 1 / 6, 0)
    net = network(data, [40] * 4)
    start = net.init(np.random.default_rng(0), tau and SMALL["start_rank"], np.float32)
    records = list(train(net, start, data, dlrt_or_dense(tau), SMALL["lr"], SMALL["batch"],
                         SMALL["epochs"], 0))
    best = records[choose([record.accuracy for record in records])]
    then = SMALL["fine_tuning"]
    if method is None:
        method = GeoLoRA(0, max_rank=best.ranks) if tau else dlrt_or_dense(None)
    return [(record.loss, record.accuracy) for record in train(
        net, best.params, data, method, then["lr"], then["batch"], then["epochs"], 0,
        drop=drop * then["drop"])]


PLANTED = {"from the last epoch": {"choose": lambda held: -1},
           "from the first": {"choose": lambda held: 0},
           "by DLRT": {"method": dlrt_or_dense(0.1)},
           "at other ranks": {"method": GeoLoRA(0.1)}, "nothing dropped": {"drop": False}}


@pytest.mark.parametrize("tau", [0.1, None])
def test_fine_tuning_goes_on_from_the_best_epoch_at_its_ranks(tau):
    run = accuracy_vs_parameters.trained(width=40, **{**ARGUMENTS, "tau": tau})
    held = [record["accuracy"] for record in run["records"]]
    assert 0 < int(np.argmax(held)) < len(held) - 1
    found = [(record["loss"], record["accuracy"]) for record in run["fine_tuned"]["records"]]
    assert found == by_hand(tau)
    for name, planted in PLANTED.items():
        if tau or "method" not in planted:
            assert found != by_hand(tau, **planted), name
    assert run["fine_tuned"]["ranks"] == run["ranks"] and len(run["ranks"]) == (4 if tau else 0)


def test_where_fine_tuning_diverges_it_takes_half_the_step_sizes_or_a_quarter(monkeypatch):
    asked = []

    def diverging(net, params, data, method, lr, seed, drop):
        asked.append(lr)
        if lr[0] > 0.06:
            raise ValueError("lr: the loss is nan")
        return {"accuracy": lr[0]}

    monkeypatch.setattr(accuracy_vs_parameters, "best_on_validation", diverging)

    def found(*lr):
        return accuracy_vs_parameters._fine_tuned(None, None, None, None, 0, lr=lr, drop=0.3)

    assert found(0.06) == {"accuracy": 0.06}
    assert found(0.2, 0.1) == {"accuracy": 0.05, "halved": 2}
    assert asked[1:] == [[0.2, 0.1], [0.1, 0.05], [0.05, 0.025]]
    with pytest.raises(ValueError, match="nan"):
        found(0.4)


@pytest.mark.parametrize("scale", ["default", "full"])
def test_fine_tuned_networks_have_the_ranks_that_were_found(scale):
    """Their weights are counted once for both."""
    runs = stored("accuracy_vs_parameters", scale)["runs"]
    assert all(run["fine_tuned"]["ranks"] == run["ranks"] for run in runs)
    assert all(len(run["ranks"]) == (4 if run["tau"] else 0) for run in runs)


def test_the_best_within_so_many_weights_is_the_best_on_validation_images():
    """Planted: another choice of the two in question."""
    runs = [{"weights": n, "validation": held, "accuracy": tests}
            for n, held, tests in ((9, 0.9, 0.99), (10, 0.92, 0.95), (11, 0.99, 0.97))]
    assert best_within(10, runs) is runs[1] and best_within(11, runs) is runs[2]
    assert best_within(9, runs) is runs[0] and best_within(8, runs) is None


# ------------------------------------------------------------------------------- stored results

def dense_nets():
    data = stored("accuracy_vs_parameters", "full")
    assert data["settings"] == accuracy_vs_parameters.SETTINGS["full"]
    return data


def fixed_ranks():
    data = stored("front", "full")
    assert data["settings"] == front.SETTINGS["full"] and len(data["settings"]["seeds"]) == 3
    return data


def a_tenth_less(data):
    """Planted: of a percentage point, in all runs."""
    for run in data["runs"]:
        accuracy_of(run)["accuracy"] -= 0.001


def a_bad_one_is_the_best_on_validation_images(data):
    """Planted: networks that are small enough to stand beside many, the others as they are."""
    for run in data["runs"]:
        if run.get("tau") == 0.17 or run.get("rank") in (19, 21):
            accuracy_of(run).update(validation=1.0, accuracy=0.9)


def as_found(data):
    """Planted: as if not fine-tuned."""
    for run in data["runs"]:
        run["fine_tuned"] = run


def accuracy_of(run):
    return run.get("fine_tuned", run)


def weights_of(run):
    count = run["weights"]
    return count["eval_KV"] if isinstance(count, dict) else count


def a_better_recipe(data):
    """Planted: half a point ahead on validation images."""
    data["tried"][-1]["validation"] = front.recipes(data)[0]["validation"] + 0.005


def test_on_5000_images_fine_tuning_gains_a_point():
    data = stored("accuracy_vs_parameters")
    assert data["settings"] == accuracy_vs_parameters.SETTINGS["default"]
    assert accuracy_vs_parameters.fine_tuning_gains_a_point(data)
    rejects(accuracy_vs_parameters.fine_tuning_gains_a_point, data, as_found)


def test_on_full_mnist_fine_tuned_networks_are_ahead_of_the_smaller_published_ones():
    data, claim = dense_nets(), (
        accuracy_vs_parameters.fine_tuned_ones_are_ahead_of_the_smaller_published_networks)
    assert claim(data) and None not in accuracy_vs_parameters.ahead(data).values()
    rejects(claim, data, a_tenth_less, a_bad_one_is_the_best_on_validation_images, as_found)


def test_on_full_mnist_there_is_a_network_of_fixed_rank_for_every_published_one():
    data = fixed_ranks()
    assert all(claim(data) for claim in front.CLAIMS["full"])
    rejects(front.there_is_one_for_every_published_network, data, a_tenth_less,
            a_bad_one_is_the_best_on_validation_images)
    rejects(front.no_recipe_tried_is_ahead_by_more_than_the_standard_error, data,
            a_better_recipe)


def test_on_full_mnist_fixed_ranks_are_ahead_of_tau_and_dropped_inputs_of_all_inputs():
    fixed, adaptive = list(front.means(fixed_ranks())), dense_nets()["runs"]
    dropped, whole = ([own for own in fixed if (own["drop"] > 0) == some]
                      for some in (True, False))

    def ahead(width, weights, accuracy):
        """By how many points: the best on validation images with no more weights."""
        return best_within(weights, [own for own in dropped if own["width"] == width]
                           )["accuracy"] - accuracy

    def ahead_of_tau():
        return all(ahead(run["width"], weights_of(run), 100 * run["accuracy"]) > 0
                   for run in adaptive if run["tau"] in DENSE_NETS[500][1])

    def half_a_point_ahead_of_all_inputs():
        return all(round(ahead(own["width"], own["weights"], own["accuracy"]), 1) >= 0.5
                   for own in whole)

    assert whole and ahead_of_tau() and half_a_point_ahead_of_all_inputs()
    for own in dropped:             # planted: a point, a tenth less for those with inputs dropped
        own["accuracy"] -= 0.1
    assert not half_a_point_ahead_of_all_inputs()
    for own in dropped:
        own["accuracy"] -= 0.9
    assert not ahead_of_tau()


def test_on_full_mnist_ranks_with_tau_are_lower_than_published_at_first_only_and_less_accurate():
    """But for the smallest. Planted: first and last taken for each other; accuracies lowered."""
    runs = [run for run in dense_nets()["runs"] if run["tau"] in DENSE_NETS[500][1]]

    def ranks(tau, holds):
        """holds(own, published) of all ranks found with τ."""
        return all(holds(own, other) for run in runs if run["tau"] == tau
                   for own, other in zip(run["ranks"], DENSE_NETS[run["width"]][1][tau][0],
                                         strict=True))

    assert {run["width"] for run in runs} == {500, 784}
    assert ranks(0.03, operator.lt) and ranks(0.17, operator.ge)
    assert not ranks(0.17, operator.lt) and not ranks(0.03, operator.ge)

    def not_beaten(less=0):
        """Networks here, before fine-tuning, for which no published one has no more weights and is
        more accurate."""
        return [(run["width"], run["tau"]) for run in runs if not any(
            weights <= weights_of(run) and accuracy - less > 100 * run["accuracy"]
            for weights, accuracy in published(run["width"]).values())]

    assert not_beaten() == [(500, 0.17)] and len(not_beaten(less=2)) > 8
