"""Layers that a compression method leaves alone: kept as they are, and counted as they are; and that
no array of a result is one of the inputs."""

import numpy as np
import pytest
from small_networks import convolutional, examples, started

from lowrank_ode import LowRank
from lowrank_ode.compression import (
    METHODS,
    TRP,
    alds,
    compressed,
    count_parameters,
    energy,
    l_rank,
    multiplied_out,
    pruned,
    svd,
)
from lowrank_ode.compression.copies import copied
from lowrank_ode.compression.kernels import Piece, replaced
from lowrank_ode.matrices import DirectSum, dense
from lowrank_ode.nets import Network, mlp
from lowrank_ode.nets.groups import BlockDiagonal
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.layouts import to_keras, to_torch

GROUPS = Network((16,), (BlockDiagonal(32, 2), Dense(20), Dense(3, "identity")))


@pytest.mark.parametrize("method", [svd, energy, l_rank, alds])
@pytest.mark.parametrize("ranks", [None, [2, 2, None, None]], ids=["dense", "low rank"])
def test_what_is_left_alone_is_kept_and_counted(method, ranks):
    params = GROUPS.init(0, ranks)
    new, found, report = method(GROUPS, params, 0.8)
    assert report.numbers == count_parameters(found) <= 0.8 * report.dense_numbers
    assert new.layers[0] == GROUPS.layers[0] and len(report.rows) == 2
    pairs = zip(GROUPS.split(params)[0], new.split(found)[0], strict=True)
    assert all(np.array_equal(dense(X), dense(Z)) for X, Z in pairs)
    assert min(row.numbers for row in report.rows) > 0 and any(report.ranks)


def arrays_of(params):
    return [factor for X in params.blocks for factor in (X if isinstance(X, LowRank) else (X,))]


def share(one, other):
    return any(np.shares_memory(X, Y) for X in arrays_of(one) for Y in arrays_of(other))


def test_memory_that_is_shared_is_seen():
    """Planted: a block, a view of one, and a basis."""
    params = GROUPS.init(0, [2, 2, None, None])
    assert not share(copied(params), params)
    for X in (params.blocks[3], params.blocks[3][:, 1:], params.blocks[0].U):
        assert share(DirectSum([np.ones((2, 2)), X]), params)


@pytest.mark.parametrize("budget", [0.5, 1.0])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_compressed_network_has_memory_of_its_own(method, budget):
    """Of layers that are cut, and those that are not; of factors that are multiplied out."""
    net, options = convolutional(), {"x": examples(convolutional())} if method.uses_data else {}
    for ranks in (None, [3, None, None]):
        params = started(net) if ranks is None else net.init(0, ranks)
        _, cut, _ = method(net, params, budget, **options)
        assert not share(cut, params)
    if method.low_rank:
        params = GROUPS.init(0, [2, 2, None, None])
        options = {"x": examples(GROUPS)} if method.uses_data else {}
        assert not share(method(GROUPS, params, 1.0, **options)[1], params)


def test_so_have_what_is_pruned_replaced_or_the_last_cut_and_arrays_for_others():
    net = mlp([8, 12, 6, 4])
    params = started(net)
    assert not share(pruned(params, [2, None, 3]), params)
    low = pruned(params, [2, None, 3])
    assert not share(pruned(low, [None, 2, None]), low)
    piece = Piece((low.blocks[0],))
    found = replaced(net, params, [piece, None, None])[1]
    assert not share(found, params) and not share(found, low)
    method = TRP.of(net, energy=0.5)
    assert not share(method.finished(params), params)
    assert not share(method.decomposed(net, params)[1], params)
    arrays = {"w": params.blocks[0], "b": params.blocks[1]}
    for out in (multiplied_out(arrays, compressed(arrays, svd, part)[0]) for part in (0.5, 1.0)):
        assert not any(np.shares_memory(out[name], arrays[name]) for name in arrays)


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
