"""Layers that a compression method leaves alone: kept as they are, and counted as they are."""

import numpy as np
import pytest

from lowrank_ode.compression import alds, count_parameters, energy, l_rank, svd
from lowrank_ode.matrices import dense
from lowrank_ode.nets import Network, mlp
from lowrank_ode.nets.groups import BlockDiagonal
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.layouts import to_keras, to_torch
from lowrank_ode.nets.skips import Residual

LAST = Dense(20), Dense(3, "identity")
NETS = [(Network((16,), (Residual((Dense(16),)), *LAST)), [4, None, None]),
        (Network((16,), (BlockDiagonal(32, 2), *LAST)), [2, 2, None, None])]


@pytest.mark.parametrize("method", [svd, energy, l_rank, alds])
@pytest.mark.parametrize("net, ranks", NETS, ids=["residual", "groups"])
@pytest.mark.parametrize("start", ["dense", "low rank"])
def test_what_is_left_alone_is_kept_and_counted(method, net, ranks, start):
    params = net.init(0, None if start == "dense" else ranks)
    new, found, report = method(net, params, 0.8)
    assert report.numbers == count_parameters(found) <= 0.8 * report.dense_numbers
    assert new.layers[0] == net.layers[0] and len(report.rows) == 2
    pairs = zip(net.split(params)[0], new.split(found)[0], strict=True)
    assert all(np.array_equal(dense(X), dense(Z)) for X, Z in pairs)
    assert min(row.numbers for row in report.rows) > 0 and any(report.ranks)


@pytest.mark.parametrize("budget", [None, [0.5], 1 + 0j, "0.5", True, 0.0, 1.5, np.nan])
def test_a_budget_of_another_kind_is_named(budget):
    net = mlp([3, 20, 2])
    with pytest.raises(ValueError, match=r"^budget: got"):
        svd(net, net.init(0), budget)


@pytest.mark.parametrize("convert", [to_torch, to_keras])
def test_arrays_for_others_are_copies(convert):
    net = mlp([3, 2])
    params = net.init(0)
    before = [X.copy() for X in params.blocks]
    for X in convert(net, params):
        X[...] = 7
    assert all(map(np.array_equal, params.blocks, before))
