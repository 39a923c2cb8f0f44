"""Counts of operations against the products that a step and a prediction really take: equal, to the last one."""

from itertools import pairwise

import numpy as np
import pytest

from figures._products import again, products
from lowrank_ode import DLRT, AdaptiveBUG, Dense
from lowrank_ode.compression import break_even, merged, prediction_flops, step_flops
from lowrank_ode.integrators import dlrt
from lowrank_ode.matrices import H, orthonormal, truncation
from lowrank_ode.nets import mlp, networks, rooms
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field

CASES = [([29, 31, 37, 5], (5, 5, None), 11), ([40, 33, 26, 28, 3], (13, None, 13, None), 17), ([23, 19, 6], (3, 3), 7)]


def operations(A, B):
    """Of the product A B: a multiplication and an addition a term, half of them if A is Bᵀ, the same memory; none if A is 1, …, 1, as for
    the gradient of a bias: work on single entries."""
    gram = A.ctypes.data == B.ctypes.data and A.strides == B.T.strides
    return 0 if A.shape[0] == 1 and (A == 1).all() else 2 * A.shape[0] * A.shape[1] * B.shape[1] // (1 + gram)


@pytest.fixture
def counted(monkeypatch):
    """counted(function, *matrices): operations of function(*matrices); bases are never polished, and mended to first order."""
    def unpolished(U):
        H(U) @ U
        return U

    mending = orthonormal._mending
    monkeypatch.setattr(orthonormal, "_mending", lambda G, q: mending(np.eye(len(G)) + 0 * G, q))
    monkeypatch.setattr(truncation, "_polished", unpolished)
    return lambda function, *matrices: sum(operations(A, B) for A, B, _ in products(function, *matrices))


def problem(widths, ranks, batch):
    """Network, parameters and a batch, all generic: tanh, so that no row of Δ is zero."""
    rng, net = np.random.default_rng(0), mlp(widths, "tanh", "mean_squares")
    return net, net.init(rng, ranks), rng.standard_normal((batch, widths[0])), rng.standard_normal((batch, widths[-1]))


def summed(widths, ranks, flops):
    """flops(shape, rank, first) of all layers."""
    return sum(flops((n, m), r, k == 0) for k, ((m, n), r) in enumerate(zip(pairwise(widths), ranks, strict=True)))


def test_the_counter_counts_products_and_halves_gram_matrices():
    A, B = np.ones((3, 5)), np.ones((5, 7))
    assert operations(A, B) == 210 and operations(A.T, A) == 75 and operations(A, A.T) == 45 and operations(A.T.copy(), A) == 150


def test_products_are_taken_again_as_they_were(monkeypatch):
    A, B, out, done = np.ones((3, 5)), np.ones((5, 7)), np.zeros((3, 7)), []
    taken = products(lambda A: (np.matmul(A, B, out=out), A.T @ A, A + 1), A)
    assert [X.shape for X, _, _ in taken] == [(3, 5), (5, 3)] and taken[0][2].ctypes.data == out.ctypes.data and taken[1][2] is None
    assert type(taken[0][0]) is np.ndarray and np.asarray(A) is A and type(np.empty(1)) is np.ndarray           # all is as before
    out[:] = 0
    monkeypatch.setattr(np, "matmul", lambda A, B, out: done.append(out is not None))
    again(taken)
    assert done == [True, False]


def test_products_are_recorded_in_the_rooms_that_a_step_takes(monkeypatch):
    """With every row of a room padded. Planted: arrays of the same shapes in their place."""
    net, params, x, targets = problem([4, 5, 3], (None, None), 6)

    def apart():
        taken = products(lambda params, x: net.value_and_grad(params, x, targets), params, x)
        return {out.strides[1] for _, _, out in taken if out is not None and out.shape == (5, 6)}

    packed = apart()
    monkeypatch.setattr(rooms, "PAGE", 1)
    assert packed == {40} and apart() == {40 + rooms.LINE}
    monkeypatch.setattr(networks, "room", np.empty)
    assert apart() == {40}


def taken(counted, method, widths, ranks, batch):
    """Operations of one step of the method."""
    net, params, x, targets = problem(widths, ranks, batch)
    return counted(lambda params, x: method.step(params, 0, 0.1, gradient_field(net, x, targets)), params, x)


@pytest.mark.parametrize("widths, ranks, batch", CASES)
def test_the_counts_of_a_training_step_are_those_of_its_products(counted, widths, ranks, batch):
    r, full = ranks[0], [None] * len(ranks)
    one = summed(widths, ranks, lambda shape, r, first: step_flops(shape, r, batch, 1, first))
    assert taken(counted, DLRT(0, max_rank=r), widths, ranks, batch) == one
    three = summed(widths, ranks, lambda shape, r, first: step_flops(shape, r, batch, 3, first) * (1 if r else 3))      # dense ones too
    assert taken(counted, AdaptiveBUG(0, max_rank=r, solve=euler), widths, ranks, batch) == three
    dense = summed(widths, full, lambda shape, r, first: step_flops(shape, r, batch, 1, first))
    assert taken(counted, Dense(euler), widths, full, batch) == taken(counted, DLRT(0), widths, full, batch) == dense


@pytest.mark.parametrize("widths, ranks, batch", CASES)
def test_wrong_counts_of_a_training_step_are_rejected(counted, widths, ranks, batch):
    """Planted: the products of backprop taken anew, no layer the first, Gram matrices in full, a core of rank r."""
    def right(shape, r, first):
        return step_flops(shape, r, batch, 1, first)
    wrong = [lambda shape, r, first: right(shape, r, first) + 4 * batch * sum(shape) * (r or 0),
             lambda shape, r, first: right(shape, r, False),
             lambda shape, r, first: right(shape, r, first) + 3 * sum(shape) * (r or 0) ** 2,
             lambda shape, r, first: right(shape, r, first) - 6 * batch * (r or 0) ** 2]
    found = taken(counted, DLRT(0, max_rank=ranks[0]), widths, ranks, batch)
    assert summed(widths, ranks, right) == found and found not in [summed(widths, ranks, flops) for flops in wrong]


@pytest.mark.parametrize("widths, ranks, batch", CASES)
def test_the_counts_of_a_prediction_are_those_of_its_products(counted, widths, ranks, batch):
    net, params, x, _ = problem(widths, ranks, batch)

    def per_example(core):
        return batch * summed(widths, ranks, lambda shape, r, first: prediction_flops(shape, r, core))

    assert counted(net.outputs, params, x) == per_example(core=True) != per_example(core=False)
    assert counted(net.outputs, merged(params), x) == per_example(core=False)
    assert counted(net.outputs, net.init(np.random.default_rng(0)), x) == batch * summed(widths, [None] * len(ranks),
                                                                                          lambda shape, r, first: prediction_flops(shape))


@pytest.mark.parametrize("r", [4, 7, 13])
def test_a_batch_smaller_than_the_rank_adds_no_more_columns_than_it_has_examples(counted, monkeypatch, r):
    """Beside the count there are bases of ZᵀV and ΔᵀU, batch × r, and coordinates in these: three products and two Gram matrices each.

    Planted: r columns.
    """
    widths, ranks, b, method = (29, 31, 37, 26), (r, r, r), 3, DLRT(0, max_rank=r)
    expected = summed(widths, ranks, lambda shape, r, first: step_flops(shape, r, b, 1, first))
    expected += 6 * (b * r**2 + 4 * b**2 * r + 3 * b**3)
    assert taken(counted, method, widths, ranks, b) == expected
    monkeypatch.setattr(dlrt, "image", lambda G, V: G @ V)
    assert taken(counted, method, widths, ranks, b) > expected


@pytest.mark.parametrize("batch, shape, ranks", [(20, (31, 29), (15, 20, 28)), (20, (12, 40), (7, 12))])
def test_where_the_bases_are_cut_off_at_n_or_m_columns_the_counts_are_too_high_by_half_at_most(counted, batch, shape, ranks):
    for r in ranks:
        found = taken(counted, DLRT(0, max_rank=r), shape[::-1], [r], batch)
        assert 0.5 * step_flops(shape, r, batch, first=True) < found < step_flops(shape, r, batch, first=True)


def test_break_even_is_the_last_rank_that_is_not_dearer():
    """Cost r² against dense costs between 0.5 and 99, ranks up to 6; and r (n + m) against n m."""
    found = [break_even(lambda rank, dense=dense: dense if rank is None else rank**2, 6) for dense in (0.5, 8.9, 9, 9.1, 99)]
    assert found == [0, 2, 3, 3, 6]
    for shape in ((500, 784), (500, 500)):
        assert break_even(lambda rank, shape=shape: prediction_flops(shape, rank), 500) == shape[0] * shape[1] // sum(shape)


@pytest.mark.parametrize("arguments, message", [
    (lambda: prediction_flops((3, 4), 4), r"rank: got 4 for a layer of shape \(3, 4\), expected a whole number ≥ 1 and ≤ 3"),
    (lambda: step_flops((3, 4), 0, 5), "rank: got 0 for a layer"), (lambda: step_flops((3, 4), 1, 0), "batch: got 0"),
    (lambda: step_flops((3, 4), 1, 5, passes=2), "passes: got 2, expected 1 or 3")])
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        arguments()
