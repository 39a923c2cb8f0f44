"""Counts of operations against the products that a step and a prediction really take: equal, to the
last one."""

from itertools import pairwise

import numpy as np
import pytest

from figures._products import again, products
from lowrank_ode import DLRT, AdaptiveBUG, Dense
from lowrank_ode.compression import (
    break_even,
    merged,
    prediction_flops,
    step_flops,
)
from lowrank_ode.matrices import H, orthonormal, truncation
from lowrank_ode.nets import layers, mlp
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field

CASES = [([29, 31, 37, 5], (5, 5, None), 11), ([40, 33, 26, 28, 3], (13, None, 13, None), 17),
         ([23, 19, 6], (3, 3), 7), ([9, 8, 6], (2, 2), 90)]


def operations(A, B):
    """Of the product A B: a multiplication and an addition a term, half of them if A is Bᵀ, the
    same memory; none if B is 1, …, 1, as for the gradient of a bias: work on single entries."""
    gram = A.ctypes.data == B.ctypes.data and A.strides == B.T.strides
    bias = B.shape[1] == 1 < len(B) and (B == 1).all()
    return 0 if bias else 2 * A.shape[0] * A.shape[1] * B.shape[1] // (1 + gram)


@pytest.fixture
def counted(monkeypatch):
    """counted(function, *matrices): operations of function(*matrices). Bases are never polished,
    and mended to first order; rounding errors of a K of low rank are no directions of their own."""
    def unpolished(U):
        H(U) @ U
        return U

    mending = orthonormal._mending
    monkeypatch.setattr(orthonormal, "_mending", lambda G, q: mending(np.eye(len(G)) + 0 * G, q))
    monkeypatch.setattr(orthonormal, "DROP", 1e5)
    monkeypatch.setattr(truncation, "polished", unpolished)
    return lambda function, *matrices: sum(operations(A, B)
                                           for A, B, _ in products(function, *matrices))


def problem(widths, ranks, batch):
    """Network, parameters and a batch, all generic: tanh, so that no row of Δ is zero."""
    rng, net = np.random.default_rng(0), mlp(widths, "tanh", "mean_squares")
    x, targets = (rng.standard_normal((batch, n)) for n in (widths[0], widths[-1]))
    return net, net.init(rng, ranks), x, targets


def summed(widths, ranks, flops):
    """flops(shape, rank, first) of all layers."""
    return sum(flops((n, m), r, k == 0)
               for k, ((m, n), r) in enumerate(zip(pairwise(widths), ranks, strict=True)))


def test_the_counter_counts_products_and_halves_gram_matrices():
    A, B = np.ones((3, 5)), np.ones((5, 7))
    assert operations(A, B) == 210 and operations(A.T.copy(), A) == 150
    assert operations(A.T, A) == 75 and operations(A, A.T) == 45
    assert operations(A, B[:, :1]) == 0 and operations(A, 2 * B[:, :1]) == 30
    assert operations(A[:, :1], B[:1, :1]) == 6


def test_products_are_taken_again_as_they_were(monkeypatch):
    A, B, out, done = np.ones((3, 5)), np.ones((5, 7)), np.zeros((3, 7)), []
    taken = products(lambda A: (np.matmul(A, B, out=out), A.T @ A, A + 1), A)
    assert [X.shape for X, _, _ in taken] == [(3, 5), (5, 3)]
    assert taken[0][2].ctypes.data == out.ctypes.data and taken[1][2] is None
    assert type(taken[0][0]) is type(np.empty(1)) is np.ndarray and np.asarray(A) is A  # as before
    out[:] = 0
    monkeypatch.setattr(np, "matmul", lambda A, B, out: done.append(out is not None))
    again(taken)
    assert done == [True, False]


def test_products_are_recorded_in_the_buffers_that_a_step_takes(monkeypatch):
    """These stay lent while the record is there: taking the products again overwrites nobody else's
    numbers. Planted: no record, and one of other arrays."""
    net, params, x, targets = problem([4, 5, 6, 3], (None, None, None), 7)

    def filled():
        record = products(lambda params, x: net.value_and_grad(params, x, targets), params, x)
        return {out.ctypes.data: out for _, _, out in record if out is not None}

    first = filled()
    assert sorted(out.shape[0] for out in first.values()) == [3, 5, 5, 6, 6]
    places = {*first, *(second := filled())}
    assert len(places) == 10
    del first, second
    assert {*filled()} <= places
    monkeypatch.setattr(layers, "buffer", np.zeros)
    assert not {*filled()} & places


def taken(counted, method, widths, ranks, batch):
    """Operations of one step of the method."""
    net, params, x, targets = problem(widths, ranks, batch)
    return counted(lambda params, x: method.step(params, 0, 0.1, gradient_field(net, x, targets)),
                   params, x)


def by_formula(widths, ranks, batch, passes):
    """Dense layers too have three gradients, if there are three."""
    return summed(widths, ranks, lambda shape, r, first:
                  step_flops(shape, r, batch, passes, first) * (1 if r else passes))


@pytest.mark.parametrize("widths, ranks, batch", CASES)
def test_the_counts_of_a_training_step_are_those_of_its_products(counted, widths, ranks, batch):
    r, full = ranks[0], [None] * len(ranks)
    one, three = DLRT(0, max_rank=r), AdaptiveBUG(0, max_rank=r, solve=euler)
    assert taken(counted, one, widths, ranks, batch) == by_formula(widths, ranks, batch, 1)
    assert taken(counted, three, widths, ranks, batch) == by_formula(widths, ranks, batch, 3)
    for method in (Dense(euler), DLRT(0)):
        assert taken(counted, method, widths, full, batch) == by_formula(widths, full, batch, 1)


@pytest.mark.parametrize("widths, ranks, batch", CASES)
def test_wrong_counts_of_a_training_step_are_rejected(counted, widths, ranks, batch):
    """Planted: the products of backprop taken anew, no layer the first, Gram matrices in full, a
    core of rank r, new columns that are not mended, and U0ᵀK from batch-sized factors."""
    def right(shape, r, first):
        return step_flops(shape, r, batch, 1, first)

    def with_more(more):
        return lambda shape, r, first: right(shape, r, first) + more(sum(shape), r or 0)

    wrong = [lambda shape, r, first: right(shape, r, False),
             with_more(lambda rows, r: 4 * batch * rows * r),
             with_more(lambda rows, r: 5 * rows * r**2),
             with_more(lambda rows, r: -6 * batch * r**2),
             with_more(lambda rows, r: -8 * batch * r**2),
             with_more(lambda rows, r: (4 * batch - 2 * rows) * r**2)]
    found = taken(counted, DLRT(0, max_rank=ranks[0]), widths, ranks, batch)
    assert summed(widths, ranks, right) == found
    assert found not in [summed(widths, ranks, flops) for flops in wrong]


def documented(shape, r, b, passes, first=False):
    """For r ≤ b and 2 r ≤ min(n, m), as in docs/6-speed.md. Below the first layer nothing is passed
    on; of three gradients the third has rank 2 r, and the others no core."""
    (n, m), (x, y, z) = shape, (8, 20, 15) if passes == 1 else (18, 24, 21)
    below = 2 * b * m * r + 2 * b * r**2 if passes == 1 else 8 * b * m * r + 8 * b * r**2
    return x * b * (n + m) * r + y * b * r**2 + z * (n + m) * r**2 + 16 * r**3 - first * below


@pytest.mark.parametrize("r, b", [(5, 11), (13, 13), (14, 300)])
@pytest.mark.parametrize("passes", [1, 3])
def test_the_counts_are_the_sums_of_the_documentation(r, b, passes):
    for first in (False, True):
        layer = (29, 31), r, b, passes, first
        assert step_flops(*layer) == documented(*layer)


@pytest.mark.parametrize("widths, ranks, batch", CASES)
def test_the_counts_of_a_prediction_are_those_of_its_products(counted, widths, ranks, batch):
    net, params, x, _ = problem(widths, ranks, batch)

    def of_batch(ranks, core=False):
        return batch * summed(widths, ranks,
                              lambda shape, r, first: prediction_flops(shape, r, core))

    assert counted(net.outputs, params, x) == of_batch(ranks, core=True) != of_batch(ranks)
    assert counted(net.outputs, merged(params), x) == of_batch(ranks)
    start = net.init(np.random.default_rng(0))
    assert counted(net.outputs, start, x) == of_batch([None] * len(ranks))


def both(counted, widths, ranks, batch):
    """Operations of a step with one gradient, and of one with three."""
    return [taken(counted, method, widths, ranks, batch) for method in
            (DLRT(0, max_rank=ranks[0]), AdaptiveBUG(0, max_rank=ranks[0], solve=euler))]


@pytest.mark.parametrize("r", [4, 7, 13])
def test_a_batch_smaller_than_the_rank_adds_no_more_columns_than_it_has_examples(counted, r):
    """A second look sees that the rest of K is rounding. Planted: r columns, and one look."""
    widths, ranks, b = (29, 31, 37, 26), (r, r, r), 3
    found, k, rest = both(counted, widths, ranks, b), r + b, r - b
    assert found == [by_formula(widths, ranks, b, passes) for passes in (1, 3)]
    look = (2 * k * b + 4 * k * rest + rest**2 + k**2) * sum(map(sum, pairwise(widths)))
    for passes, flops in zip((1, 3), found, strict=True):
        assert flops != by_formula(widths, ranks, b, passes) - look
        assert flops != summed(widths, ranks, lambda *layer, passes=passes:
                               documented(*layer[:2], b, passes, layer[2]))


@pytest.mark.parametrize("batch, shape, ranks", [(20, (31, 29), (15, 20, 28, 29)),
                                                 (20, (12, 40), (7, 12)), (4, (9, 30), (5, 6, 9))])
def test_bases_are_cut_off_at_n_or_m_columns(counted, batch, shape, ranks):
    """Planted: as many as K has."""
    for r in ranks:
        found = both(counted, shape[::-1], [r], batch)
        assert found == [step_flops(shape, r, batch, passes, first=True) for passes in (1, 3)]
        assert found != [documented(shape, r, batch, passes, first=True) for passes in (1, 3)]


def test_break_even_is_the_last_rank_that_is_not_dearer():
    """Cost r² against dense costs between 0.5 and 99, ranks up to 6; and r (n + m) against n m."""
    found = [break_even(lambda rank, dense=dense: dense if rank is None else rank**2, 6)
             for dense in (0.5, 8.9, 9, 9.1, 99)]
    assert found == [0, 2, 3, 3, 6]
    for n, m in ((500, 784), (500, 500)):
        found = break_even(lambda rank, shape=(n, m): prediction_flops(shape, rank), 500)
        assert found == n * m // (n + m)


def test_no_larger_rank_is_as_cheap_as_dense_where_the_next_one_is_not():
    """Though the counts do not grow everywhere: the second look ends where a basis is complete."""
    rng, falls = np.random.default_rng(0), 0
    for _ in range(300):
        n, m, batch = map(int, 2**rng.uniform(0, 8, 3))
        for passes, first in ((1, False), (1, True), (3, False), (3, True)):
            def cost(rank, layer=((n, m), batch, passes, first)):
                return step_flops(layer[0], rank, *layer[1:])
            costs = [cost(r) for r in range(1, min(n, m) + 1)]
            falls += any(later < sooner for sooner, later in pairwise(costs))
            assert break_even(cost, min(n, m)) == sum(found <= cost(None) for found in costs)
    assert falls


@pytest.mark.parametrize("arguments, message", [
    (lambda: prediction_flops((3, 4), 4),
     r"rank: got 4 for a layer of shape \(3, 4\), expected a whole number ≥ 1 and ≤ 3"),
    (lambda: step_flops((3, 4), 0, 5), "rank: got 0 for a layer"),
    (lambda: step_flops((3, 4), 1, 0), "batch: got 0"),
    (lambda: step_flops((3, 4), 1, 5, passes=2), "passes: got 2, expected 1 or 3")])
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        arguments()
