"""The committed results of the figure on ResNet-20 bear out its first sentence, and are counted as
the code counts; wrong ones would be refused."""

import copy

import numpy as np
import pytest

from figures import _run, resnet20
from lowrank_ode.compression.totals import multiply_adds, total_parameters
from lowrank_ode.nets.architectures import resnet_cifar
from lowrank_ode.results import read_json

SCALES = [scale for scale in ("default", "full") if _run.paths("resnet20", scale)[0].exists()]


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
    return len(gains) == len(resnet20.CUT) and all(np.mean(gain) > 0 for gain in gains.values())


def no_layer_errs_by_more_than_its_bound(data):
    """To rounding, of single precision."""
    bounded = [(error, bound) for _, method, row in rows_of(data) if method.startswith("ALDS")
               for error, bound in zip(row["errors"], row["bounds"], strict=True)]
    return len(bounded) >= 20 and all(error <= bound + 1e-5 for error, bound in bounded)


def no_budget_is_exceeded(data):
    return all(row["numbers"] <= row["budget"] * run["dense"]["numbers"]
               for run, _, row in rows_of(data))


def exchange_statistics(data):
    for _, _, row in rows_of(data):
        row["anew"], row["kept"] = row["kept"], row["anew"]


def let_a_layer_err(data):
    *_, (_, _, row) = ((run, method, row) for run, method, row in rows_of(data)
                       if method.startswith("ALDS"))
    row["errors"][3] = row["bounds"][3] + 0.01


def store_one_number_more(data):
    run, _, row = next(rows_of(data))
    row["numbers"] = int(row["budget"] * run["dense"]["numbers"]) + 1


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("holds, plant", [
    (new_statistics_keep_more, exchange_statistics),
    (no_layer_errs_by_more_than_its_bound, let_a_layer_err),
    (no_budget_is_exceeded, store_one_number_more)])
def test_resnet20_claim(scale, holds, plant):
    data = read_json(_run.paths("resnet20", scale)[0])
    assert data["settings"] == resnet20.SETTINGS[scale] and holds(data)
    wrong = copy.deepcopy(data)
    plant(wrong)
    assert not holds(wrong)


def test_dense_counts_are_those_of_the_architecture():
    net = resnet_cifar(20, "A", (28, 28, 1))
    for run in read_json(_run.paths("resnet20", "default")[0])["runs"]:
        assert run["dense"]["numbers"] == total_parameters(net) == 269_434
        assert run["dense"]["flops"] == 2 * multiply_adds(net)


def test_old_statistics_are_those_of_the_network_before_the_cut(monkeypatch):
    """Where nothing is cut both are the same, to rounding; by a small run without training."""
    settings = {**resnet20.SETTINGS["small"], "budgets": [1.0, 0.4], "methods": ["SVD-Energy"],
                "again": 0}
    monkeypatch.setattr(resnet20, "last", lambda settings, seed, net, start, *_: start)
    dense = resnet20.cut_networks(settings, 0)
    whole, cut = resnet20.cut_networks(settings, 0, "SVD-Energy")
    assert whole["kept"] == whole["anew"] == {"test": dense["test"]}
    assert cut["kept"] != cut["anew"] and cut["numbers"] < whole["numbers"]
