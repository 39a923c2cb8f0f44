"""SVD pruning: no network of these ranks has weights nearer to the dense ones, and a factor taken
wrongly is seen."""

import warnings

import numpy as np
import pytest
from test_layers import own_network

from figures.svd_pruning import published_pruning
from lowrank_ode import BUG, DLRT, Dense, DirectSum, LowRank, best_approximation
from lowrank_ode.compression import pruned
from lowrank_ode.data import load
from lowrank_ode.matrices import check_state, dense, norm
from lowrank_ode.nets import Network, layers, lenet5, mlp
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, Patches
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
    assert all(np.array_equal(X, W) for W, X in [*pairs[1::2], pairs[-2]])


def test_a_sequence_says_which_layers_and_the_last_one_may_be_among_them():
    _, params = network()
    cut = pruned(params, [3, None, 5, 2])
    assert ranks(cut) == (3, 5, 2) and np.array_equal(cut.blocks[2], params.blocks[2])
    assert is_nearest(params.blocks[6], cut.blocks[6], 2)
    again = pruned(cut, [2, None, None, None])
    assert is_nearest(params.blocks[0], again.blocks[0], 2)
    assert all(map(np.array_equal, again.blocks[4], cut.blocks[4]))


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


NET = own_network()


@pytest.mark.parametrize("rank, tau", [(2, None), ([3, None, 2], None), (None, 0.4)], ids=str)
def test_of_a_network_of_ones_own_layers_the_weights_are_cut_and_nothing_else(rank, tau):
    """Its kernels are blocks without a rank, γ and β are columns: without net they are refused."""
    params, (first, second, last) = NET.init(0), NET.weight_places
    cut = pruned(params, rank, tau, NET)
    check_state(cut)
    NET.outputs(cut, np.ones((1, NET.inputs)))
    was_cut = {first, last} if rank == [3, None, 2] else {first, second}
    for k, (W, X) in enumerate(zip(params.blocks, cut.blocks, strict=True)):
        assert is_nearest(W, X, X.rank) if k in was_cut else np.array_equal(X, W)
    if tau is None:
        assert ranks(cut) == ((2, 2) if rank == 2 else (3, 2))
    with pytest.raises(ValueError, match=r"params: blocks of shapes .*, expected weight \(m, n > 1\) "
                       r"and bias \(m, 1\) in turn; else give net"):
        pruned(params, rank, tau)


@pytest.mark.parametrize("net", [mlp([9, 8, 7, 3]), lenet5((16, 16, 1), 3)], ids=str)
def test_dense_layers_and_kernels_are_the_same_with_net_and_without(net):
    params = net.init(0)
    assert net.weight_places == [*range(0, len(params.blocks), 2)]
    one, other = pruned(params, 3), pruned(params, 3, net=net)
    assert all(map(np.array_equal, dense(one).blocks, dense(other).blocks))


def test_a_network_with_a_single_input_is_cut_with_net():
    """Its weight is a column as a bias is, and as γ of a batch norm."""
    net = mlp([1, 8, 8, 1])
    assert ranks(pruned(net.init(0), [1, 2, None], net=net)) == (1, 2)
    with pytest.raises(ValueError, match="else give net"):
        pruned(net.init(0), [1, 2, None])
    assert ranks(pruned(mlp([5, 8, 1]).init(0), 3)) == (3,)


@pytest.mark.parametrize("options", [{"tau": 0}, {"tau": 0.1}, {"rank": 9}, {"rank": 5},
                                     {"rank": [9, 1, 1, None]}, {"tau": 0.9}], ids=str)
def test_what_makes_a_network_larger_says_by_how_much(options):
    """Of one layer alone it is not said. A warning is not an error: the weights are as asked."""
    _, params = network()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cut = pruned(params, **options)
    before, after = (sum(X.size if isinstance(X, np.ndarray) else X.rank * sum(X.shape)
                         for X in P.blocks) for P in (params, cut))
    assert (after > before) == (options in ({"tau": 0}, {"tau": 0.1}, {"rank": 9})) == len(said)
    for warning in said:
        assert str(warning.message).startswith(f"pruned: {after} numbers, {before} before "
                                               f"(+{100 * (after - before) / before:.0f}%): noth")
        assert warning.filename == __file__


@pytest.mark.parametrize("options, message", [
    ({}, "rank, tau: got None and None, expected exactly one of them"),
    ({"rank": 2, "tau": 0.1}, "rank, tau: got 2 and 0.1"), ({"tau": float("nan")}, "tau: got nan"),
    ({"tau": 1}, "tau: got 1, expected at least 0 and less than 1"), ({"tau": 2.0}, r"got 2\.0, ex"),
    ({"tau": "0.1"}, "tau: got '0.1', ex"), ({"tau": [0.1]}, r"tau: got \[0.1\]"),
    ({"rank": 2, "net": "mlp"}, "net: got mlp, expected a Network"),
    ({"rank": 2, "net": mlp([12, 12, 4])}, "params: blocks of shapes"),
    ({"tau": -1}, "tau: got -1, expected at least 0 and less than 1: from 1 on"),
    ({"rank": [2, 3]}, "rank: got 2 entries, expected one for each of 4 weights"),
    ({"rank": 10}, "rank: got 10, .*≤ 9"),
    ({"rank": 0}, "rank: got 0, expected a whole number ≥ 1")])
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        pruned(network()[1], **options)


@pytest.mark.parametrize("params, message", [
    (lambda W, b: [W, b], "params: got list, expected a DirectSum"),
    (lambda W, b: best_approximation(W, rank=1), "params: got LowRank, expected a DirectSum"),
    (lambda W, b: DirectSum([W.reshape(6, 3, 5, 5), b[:6]]),
     r"blocks\[0\]: shape \(6, 3, 5, 5\), expected a matrix, as is X.reshape\(len\(X\), -1\)"),
    (lambda W, b: DirectSum([W, b[:, 0]]),
     r"blocks\[1\]: shape \(18,\), expected a matrix, as is X\[:, None\]"),
    (lambda W, b: DirectSum([W, W]), "params: blocks of shapes"),
    (lambda W, b: DirectSum([W, b, W]), "params: blocks of shapes"),
    (lambda W, b: DirectSum([b, b, W, b]), "params: blocks of shapes"),
    (lambda W, b: DirectSum([b, W]), "params: blocks of shapes"),
    (lambda W, b: DirectSum([W, b[:5]]), "params: blocks of shapes")])
def test_blocks_that_are_no_weights_with_their_biases_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        pruned(params(np.ones((18, 25)), np.zeros((18, 1))), [1, 1])


@pytest.mark.parametrize("shapes", [[(4, 3), (2, 4)], [(4, 3)], [(4, 2), (4, 2), (4, 1)],
                                    [(4, 3), (4, 3), (4, 1), (2, 4)]])
def test_what_is_no_weight_and_bias_by_turns_is_refused(shapes):
    """Layers without bias, or with a weight for each group."""
    with pytest.raises(ValueError, match=r"expected weight .* and bias .* in turn"):
        pruned(DirectSum([np.ones(shape) for shape in shapes]), 1)


def test_layers_without_bias_and_of_groups_are_cut_with_net():
    """The last layer has two weights, which a number leaves as they are."""
    net = Network((4, 4, 4), (Patches(3, groups=2), Grouped(6, 2), Flatten(),
                              layers.Dense(9, bias=False), layers.Dense(6), BlockDiagonal(4, 2)))
    params = net.init(0)
    for cut in (pruned(params, 2, net=net), pruned(params, tau=0.5, net=net)):
        found = [k for k, X in enumerate(cut.blocks) if isinstance(X, LowRank)]
        assert net.weight_places == [0, 1, 3, 4, 6, 7] and found == [0, 1, 3, 4]
        assert np.isfinite(net.outputs(cut, np.ones((2, 64)))).all()
    assert ranks(pruned(params, [1, None, 2, None, None, 2], net=net)) == (1, 2, 2)
