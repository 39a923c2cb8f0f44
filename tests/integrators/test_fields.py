"""What a field may return, and may not. Of which numbers and precision a result is: in
test_precision.py."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from measures import peak_of
from methods import BASELINES, low_rank
from scipy.sparse.linalg import LinearOperator
from strategies import random_basis

from lowrank_ode import (
    BUG,
    DLRT,
    Dense,
    DirectSum,
    LowRank,
    best_approximation,
    evolve,
    exact_flow,
)
from lowrank_ode.integrators import MidpointBUG
from lowrank_ode.integrators.parallel_bug import bordered
from lowrank_ode.matrices import blockwise, dense, norm
from lowrank_ode.substeps import euler, exact, heun, rk4

METHODS = [*low_rank(plain=True), *BASELINES, Dense()]
LOW_RANK = METHODS[:-1]
M = np.random.default_rng(5).standard_normal((8, 7))
Y0 = best_approximation(M, rank=2)
PAIR = DirectSum([Y0, np.ones((3, 1))])
RUNS = {"evolve": lambda Y, F: evolve("bug", Y, F, (0, 1), 1),
        "exact": lambda Y, F: exact_flow(Y, F, (0, 1)),
        **{type(m).__name__: lambda Y, F, m=m: [m.step(Y, 0.0, 0.1, F)] for m in METHODS}}


def last(run):
    *_, (_, Y) = run
    return Y


@pytest.mark.parametrize("wrong, message", [
    (lambda t, Y: M.T, r"F\(t, Y\): shape \(7, 8\), expected \(8, 7\): it is transposed"),
    (lambda t, Y: np.ones((1, 1)), r"F\(t, Y\): shape \(1, 1\), expected \(8, 7\)"),
    (lambda t, Y: np.ones(7), r"F\(t, Y\): shape \(7,\), expected a matrix"),
    (lambda t, Y: M[None], r"F\(t, Y\): shape \(1, 8, 7\), expected a matrix"),
    (lambda t, Y: np.array(1.0), r"F\(t, Y\): shape \(\), expected a matrix"),
    (lambda t, Y: 1.0, r"F\(t, Y\): got float, expected a matrix"),
    (lambda t, Y: None, r"F\(t, Y\): got NoneType, expected a matrix"),
    (lambda t, Y: M.tolist(), r"F\(t, Y\): got list, expected a matrix"),
    (lambda t, Y: np.ma.masked_array(M), r"F\(t, Y\): got a masked array"),
    (lambda t, Y: M.astype(object), r"F\(t, Y\): got an array of object"),
    (lambda t, Y: DirectSum([M]), r"F\(t, Y\): got a DirectSum, expected a matrix"),
    (lambda Y, t, c=1: M @ M.T @ Y, r"F: got a function of \(Y, t, c\), expected F\(t, Y\)"),
    (M, r"F: got ndarray, expected a function"),
])
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_what_is_no_field_is_refused_by_name(run, wrong, message):
    """NumPy would broadcast some of these, and take others by the size. Planted: the right
    field."""
    with pytest.raises((ValueError, TypeError), match=message):
        list(run(Y0, wrong))
    list(run(Y0, lambda t, Y: M))


@pytest.mark.parametrize("wrong, message", [
    (lambda t, Y: DirectSum(Y.blocks[::-1]),
     r"F\(t, Y\)\.blocks\[0\]: shape \(3, 1\), expected \(8, 7\)"),
    (lambda t, Y: DirectSum([M, np.ones((1, 1))]),
     r"blocks\[1\]: shape \(1, 1\), expected \(3, 1\)"),
    (lambda t, Y: DirectSum([M, np.ones((1, 3))]),
     r"blocks\[1\]: shape \(1, 3\), expected \(3, 1\): it is transp"),
    (lambda t, Y: DirectSum([M]), r"F\(t, Y\): got 1 blocks, expected a DirectSum of 2 blocks"),
    (lambda t, Y: [M, np.ones((3, 1))], r"F\(t, Y\): got list, expected a DirectSum of 2 blocks"),
    (lambda t, Y: M, r"F\(t, Y\): got ndarray, expected a DirectSum"),
])
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_field_of_a_direct_sum_has_its_blocks(run, wrong, message):
    with pytest.raises(ValueError, match=message):
        list(run(PAIR, wrong))
    list(run(PAIR, lambda t, Y: DirectSum([M, np.ones((3, 1))])))


def in_one_array(F):
    """F, its dense results in the same arrays each time."""
    kept = {}

    @blockwise
    def stored(G):
        out = kept.setdefault(np.shape(G), np.empty(np.shape(G)))
        out[...] = dense(G)
        return out

    return lambda t, Y: stored(F(t, Y))


@pytest.mark.parametrize("solve", [euler, heun, rk4, exact])
def test_a_field_may_return_the_same_array_each_time(solve):
    """RK4 on W' = −W from 1: .36788 after 20 steps, not the .37735 of four slopes in one array."""
    def F(t, W):
        return (np.cos(3 * t) - 1) * (W - 0.1 * dense(W) @ dense(W))

    W0 = M[:7] / 10
    assert np.array_equal(last(evolve(Dense(solve), W0, in_one_array(F), (0, 1), 5)),
                          last(evolve(Dense(solve), W0, F, (0, 1), 5)))
    decay = last(evolve(Dense(), np.ones((3, 3)), in_one_array(lambda t, W: -W), (0, 1), 20))
    assert abs(decay[0, 0] - np.exp(-1)) < 1e-6


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_a_field_of_blocks_may_return_the_same_arrays_each_time(method):
    def F(t, Y):
        W, b = (dense(X) for X in Y.blocks)
        return DirectSum([np.cos(3 * t) * M - W @ (W.T @ W) / 100, (t - 1) * b + W[:3, :1]])

    plain, stored = (method.step(PAIR, 0.3, 0.2, G) for G in (F, in_one_array(F)))
    assert all(np.array_equal(dense(X), dense(Z))
               for X, Z in zip(plain.blocks, stored.blocks, strict=True))


def test_the_slopes_of_projected_methods_are_copies():
    """Planted: the dense block of `bordered` as it came."""
    G = np.ones((3, 1))
    assert bordered(PAIR.blocks[1], G, None) is not G


class Unsigned:
    __signature__ = 0

    def __call__(self, t, Y):
        raise TypeError("its own error")


def overwrites(t, Y):
    if isinstance(Y, LowRank):
        U = Y.U
        U *= -1
        return LowRank(U, Y.S, Y.V)
    Y *= -1
    return Y


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("start", [Y0, PAIR], ids=["one", "two"])
def test_a_field_that_overwrites_its_argument_is_refused_and_the_start_is_as_it_was(run, start):
    before = [dense(X).copy() for X in getattr(start, "blocks", [start])]

    def F(t, Y):
        if isinstance(Y, DirectSum):
            return DirectSum([overwrites(t, X) for X in Y.blocks])
        return overwrites(t, Y)

    with pytest.raises(ValueError,
                       match=r"F: .*read-only; expected a field that leaves its argument"):
        list(run(start, F))
    assert all(np.array_equal(dense(X), Z)
               for X, Z in zip(getattr(start, "blocks", [start]), before, strict=True))
    assert PAIR.blocks[1].flags.writeable


@pytest.mark.parametrize("F, message", [(max, "not supported between"), (Unsigned(), "its own")])
def test_an_error_inside_a_field_whose_arguments_nobody_knows_is_raised_as_it_is(F, message):
    """Python tells no signature of some built-in functions, and finds none in odd objects."""
    with pytest.raises(TypeError, match=message):
        BUG().step(Y0, 0, 0.1, F)


def test_a_linear_operator_without_adjoint_says_so():
    forward = LinearOperator(M.shape, matvec=lambda x: M @ x, dtype=float)
    with pytest.raises(TypeError, match="without rmatvec, expected one with it"):
        DLRT().step(Y0, 0, 0.1, lambda t, Y: forward)
    both = LinearOperator(M.shape, matvec=lambda x: M @ x, rmatvec=lambda x: M.T @ x, dtype=float)
    one, other = (DLRT().step(Y0, 0, 0.1, lambda t, Y, given=given: given) for given in (both, M))
    assert norm(one - other) <= 1e-13


@pytest.mark.parametrize("kind", [np.matrix, sp.csr_matrix, sp.csc_array,
                                  lambda A: sp.csr_matrix(A) + 0 * A, np.asfortranarray,
                                  lambda A: LowRank(A, np.eye(7), np.eye(7))])
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("method", LOW_RANK, ids=lambda m: type(m).__name__)
def test_all_kinds_of_matrices_are_fields(method, kind):
    A = M.round(1)
    given = kind(A)
    Y = method.step(Y0, 0, 0.5, lambda t, Y: given)
    truth = method.step(Y0, 0, 0.5, lambda t, Y: A)
    least = 1e-3 if isinstance(method, MidpointBUG) else 1e-2   # of the last directions in bases,
    assert norm(Y - truth) <= 50 * np.finfo(float).eps / least  # next to the size of Y


def test_a_blow_up_is_warned_of_once_and_growth_that_a_source_explains_is_not():
    """The heat equation with steps far too large, which ended at 1e+222 without a word."""
    n = 60
    D = n**2 * (np.eye(n, k=1) + np.eye(n, k=-1) - 2 * np.eye(n))
    hot = best_approximation(np.ones((n, n)), rank=1)
    too_large = "h = 0.05: .* too large for the method to be stable"
    with pytest.warns(RuntimeWarning, match=too_large) as told:
        *_, (_, Y) = evolve("adaptive_bug", hot, lambda t, Y: D @ Y + Y @ D, (0, 1), 20)
    assert norm(Y) > 1e20 and [warning.filename for warning in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(evolve("adaptive_bug", hot, lambda t, Y: D @ Y + Y @ D, (0, 1e-3), 20))
        list(evolve("bug", random_start(1e-12), lambda t, Y: M, (0, 1), 5))
        list(evolve("bug", Y0, lambda t, Y: 12 * Y, (0, 1), 100))
        list(evolve(Dense(), np.zeros((3, 2)), lambda t, Y: -Y, (0, 1), 5))     # 0 has not grown


def random_start(size):
    rng = np.random.default_rng(0)
    return LowRank(random_basis(rng, 8, 2), size * np.eye(2), random_basis(rng, 7, 2))


def test_an_exact_substep_samples_the_field_within_it_and_halfway():
    """Of y' = −y from 0.25 to 1.25, with a slope that is undefined elsewhere, or in the middle."""
    def decay(defined):
        return lambda t, y: -y if defined(t) else np.nan * y

    y = exact(decay(lambda t: 0.25 <= t <= 1.25), 0.25, np.ones((1, 1)), 1.0)
    assert abs(y[0, 0] - np.exp(-1)) <= 1e-12
    with pytest.raises(ValueError, match=r"f: NaN or Inf at t = 0\.25 or half a step later"):
        exact(decay(lambda t: t != 0.75), 0.25, np.ones((1, 1)), 1.0)


@pytest.mark.parametrize("h, truth", [(1.0, -1 / 6), (3.0, 4.5)])
def test_of_a_start_at_rest_rounding_errors_are_not_resolved(h, truth):
    """y' = t (t − 1): at rest at 0 and 1, of h the end or a third. Beside it a slope of rounding
    errors."""
    y = exact(lambda t, y: t * (t - 1) * np.array([1, np.sin(1e3 * t)**2 + np.cos(1e3 * t)**2 - 1]),
              0.0, np.zeros(2), h)
    assert np.abs(y - [truth, 0]).max() <= 1e-12


def test_an_exact_substep_keeps_none_of_its_own_steps():
    """Here hundreds; the solver itself keeps some thirty slopes."""
    def solved():
        return exact(lambda t, y: np.full_like(y, np.cos(100 * t)), 0.0, start, 1.0)

    start = np.zeros((100, 100))
    assert np.abs(solved() - np.sin(100) / 100).max() <= 1e-12
    assert peak_of(solved) <= 80 * start.nbytes


def test_a_substep_that_does_not_change_t_is_refused():
    for t, h in ((1.0, 0.0), (1e10, 2e-7), (1.0, 1e-16)):
        with pytest.raises(ValueError, match=f"h: got {h} at t = {t}, expected a step that"):
            exact(lambda t, y: -y, t, np.eye(2), h)
