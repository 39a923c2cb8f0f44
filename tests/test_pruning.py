"""SVD pruning: no network of these ranks has weights nearer to the dense ones, and a factor taken
wrongly is seen."""

import numpy as np
import pytest

from figures.svd_pruning import published_pruning
from lowrank_ode import BUG, DLRT, Dense, DirectSum, LowRank
from lowrank_ode.compression import pruned
from lowrank_ode.data import load
from lowrank_ode.matrices import check_state, dense, norm
from lowrank_ode.nets import mlp
from lowrank_ode.substeps import euler
from lowrank_ode.training import ranks, train

EPS = np.finfo(float).eps


def network(widths=(12, 12, 9, 15, 4)):
    net = mlp(widths)
    return net, net.init(np.random.default_rng(0))


def is_nearest(W, cut, r):
    """Eckart–Young: rank r, and the distance is the tail of the singular values, to the rounding
    error of an SVD."""
    sigma = np.linalg.svd(W, compute_uv=False)
    defect = abs(np.linalg.norm(dense(cut) - W) - np.linalg.norm(sigma[r:]))
    return cut.rank == r and defect <= 10 * EPS * len(sigma) * sigma[0]


@pytest.mark.parametrize("r", [1, 5, 9])
def test_each_hidden_weight_is_replaced_by_its_best_approximation(r):
    _, params = network()
    cut = pruned(params, r)
    check_state(cut)
    pairs = [*zip(params.blocks, cut.blocks, strict=True)]
    assert all(is_nearest(W, X, r) for W, X in pairs[:-2:2])
    assert all(X is W for W, X in [*pairs[1::2], pairs[-2]])


def test_a_sequence_says_which_layers_and_the_last_one_may_be_among_them():
    _, params = network()
    cut = pruned(params, [3, None, 5, 2])
    assert ranks(cut) == (3, 5, 2) and cut.blocks[2] is params.blocks[2]
    assert is_nearest(params.blocks[6], cut.blocks[6], 2)
    again = pruned(cut, [2, None, None, None])
    assert is_nearest(params.blocks[0], again.blocks[0], 2) and again.blocks[4] is cut.blocks[4]


@pytest.mark.parametrize("tau", [0, 0.3, 0.9])
def test_with_a_tolerance_each_hidden_weight_keeps_the_smallest_rank_whose_tail_is_within(tau):
    """Within τ times its norm, that is."""
    _, params = network()
    params.blocks[0][...] *= 100                # relative: the scale of a layer does not matter
    cut = pruned(params, tau=tau)
    for W, X in zip(params.blocks[:-2:2], cut.blocks[:-2:2], strict=True):
        squares = np.linalg.svd(W, compute_uv=False) ** 2
        tails = np.sqrt(np.append(np.cumsum(squares[::-1])[::-1], 0))
        assert X.rank == max(1, np.argmax(tails <= tau * norm(W))) and is_nearest(W, X, X.rank)
    assert isinstance(cut.blocks[-2], np.ndarray)


@pytest.mark.parametrize("wrong", [
    lambda U, s, Vh, r: LowRank(U[:, :r], np.diag(s[:r]), Vh[:, :r]),
    lambda U, s, Vh, r: LowRank(U[:, :r], np.diag(s[:r]), U[:r].T),
    lambda U, s, Vh, r: LowRank(U[:, -r:], np.diag(s[-r:]), Vh[-r:].T),
    lambda U, s, Vh, r: LowRank(U[:, :r], np.eye(r), Vh[:r].T)])
def test_wrong_factors_are_rejected(wrong):
    """Planted: V transposed, rows of U for V, the smallest singular values, no singular values. The
    right ones pass."""
    W = network()[1].blocks[0]
    U, s, Vh = np.linalg.svd(W)
    for r in (1, 5, 9):
        assert is_nearest(W, LowRank(U[:, :r], np.diag(s[:r]), Vh[:r].T), r)
        assert not is_nearest(W, wrong(U, s, Vh, r), r)
    assert not is_nearest(W, LowRank(U[:, :6], np.diag(s[:6]), Vh[:6].T), 5)


def test_the_published_loader_leaves_a_trained_network_at_chance_and_is_rejected():
    """A network of square layers on 8 × 8 digits: as published [TFCODE22] it is near chance at
    every rank, full rank among them."""
    data, net, rng = load("digits"), mlp([64, 64, 64, 10]), np.random.default_rng(0)
    *_, last = train(net, net.init(rng), data, Dense(euler), 0.1, batch_size=32, epochs=10, rng=rng)

    def accuracy(params):
        return net.accuracy(params, data.test_x, data.test_labels)

    assert last.accuracy > 0.9 and accuracy(pruned(last.params, 30)) > 0.85
    assert accuracy(pruned(last.params, 64)) == last.accuracy
    for r in (1, 5, 10, 20, 30, 64):
        cut = published_pruning(last.params, r)
        check_state(cut)
        assert accuracy(cut) < 0.3 and ranks(cut) == (r, r)
        assert not is_nearest(last.params.blocks[0], cut.blocks[0], r)


@pytest.mark.parametrize("method", [DLRT(0, max_rank=3), BUG(euler)], ids=str)
def test_a_pruned_network_is_retrained_at_its_ranks_by_the_integrators_that_there_are(method):
    data, net, rng = load("digits"), mlp([64, 40, 40, 10]), np.random.default_rng(0)
    *_, last = train(net, net.init(rng), data, Dense(euler), 0.1, batch_size=32, epochs=5, rng=rng)
    start = pruned(last.params, 3)
    *_, record = train(net, start, data, method, 0.03, batch_size=32, epochs=5, rng=rng)
    before = net.accuracy(start, data.test_x, data.test_labels)
    assert record.ranks == (3, 3) and record.accuracy > before + 0.1


@pytest.mark.parametrize("options, message", [
    ({}, "rank, tau: got None and None, expected exactly one of them"),
    ({"rank": 2, "tau": 0.1}, "rank, tau: got 2 and 0.1"), ({"tau": float("nan")}, "tau: got nan"),
    ({"tau": -1}, "tau: got -1, expected a truncation tolerance ≥ 0"),
    ({"rank": [2, 3]}, "rank: got 2 entries, expected one for each of 4 weights"),
    ({"rank": 10}, "rank: got 10, .*≤ 9"),
    ({"rank": 0}, "rank: got 0, expected a whole number ≥ 1")])
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        pruned(network()[1], **options)


@pytest.mark.parametrize("shapes", [[(4, 3), (2, 4)], [(4, 3)], [(4, 2), (4, 2), (4, 1)],
                                    [(4, 3), (4, 3), (4, 1), (2, 4)]])
def test_what_is_no_weight_and_bias_by_turns_is_refused(shapes):
    """Layers without bias, or with a weight for each group."""
    with pytest.raises(ValueError, match="expected a weight and its bias"):
        pruned(DirectSum([np.ones(shape) for shape in shapes]), 1)
