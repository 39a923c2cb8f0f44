"""Time: the precision of substeps, F called at the right times, a run that ends as it was told."""

import warnings
from dataclasses import replace
from math import factorial

import numpy as np
import pytest
from methods import EVERY, PLAIN, low_rank
from strategies import random_basis

from lowrank_ode import (
    BUG,
    DLRT,
    AdaptiveBUG,
    Dense,
    DirectSum,
    LowRank,
    best_approximation,
    evolve,
    exact_flow,
    tangent_projection,
)
from lowrank_ode.integrators import MidpointBUG, ParallelBUG
from lowrank_ode.matrices import dense, norm
from lowrank_ode.problems import rank_r_curve
from lowrank_ode.substeps import euler, exact, heun, repeated, rk4

RTOL = 1e-13            # of `exact`; a substep of length ≤ 1 errs by a few of these


# ----------------------------------------------------------------------------------------- substeps

ORDERS = [(euler, 1), (heun, 2), (rk4, 4)]


@pytest.mark.parametrize("solve, p", ORDERS)
def test_p_stages_of_order_p_give_the_exponential_up_to_its_pth_term(solve, p):
    """The stability function of a p-stage method of order p ≤ 4 is Σ_{k≤p} zᵏ/k!; here z = λh."""
    z = np.array([[1.0, -2.0], [0.5, 3.0]])
    truth = sum(z**k / factorial(k) for k in range(p + 1))
    np.testing.assert_allclose(solve(lambda t, y: 2 * z * y, 0.3, np.ones((2, 2)), 0.5),
                               truth, rtol=1e-14)


@pytest.mark.parametrize("solve, p", ORDERS)
def test_of_a_slope_that_depends_on_t_alone_a_substep_is_a_quadrature_rule_of_its_order(solve, p):
    """It integrates tᵖ⁻¹ exactly, from any time; five steps of it, too."""
    for step in (solve, repeated(solve, 5)):
        y = step(lambda t, y: np.array([[p * t**(p - 1)]]), 0.3, np.zeros((1, 1)), 0.7)
        assert y[0, 0] == pytest.approx(1.0**p - 0.3**p, rel=1e-14)


@pytest.mark.parametrize("solve", [euler, heun, rk4, exact])
def test_a_slope_may_be_a_lowrank_matrix(solve):
    """Such is the gradient of a network on a dense block."""
    A = best_approximation(np.add.outer(np.arange(3.0), np.arange(2.0)), rank=2)
    field = (lambda t, y: A - dense(y), lambda t, y: t * A)
    for f in field:
        y = solve(f, 0.5, np.ones((3, 2)), 0.25)
        np.testing.assert_allclose(y, solve(lambda t, y, f=f: dense(f(t, y)), 0.5, np.ones((3, 2)),
                                            0.25), rtol=1e-13)


def test_exact_undoes_itself_backwards_in_time_with_the_effort_of_a_high_order():
    """At an error of C h⁹ a step 1e-13 takes 1e13^(1/8) = 42 of 12 calls; order 5, 400 of 6."""
    y, calls = np.array([[0.0, 0.5]]), []
    def f(t, y):
        calls.append(t)
        return 3 * np.cos(3 * t) - y * y / 9        # at both ends the slope is larger than y
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(exact(f, 1.0, exact(f, 0.0, y, 1.0), -1.0), y, rtol=0,
                                   atol=100 * RTOL)
    assert len(calls) < 2 * 42 * 12


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_exact_leaves_an_equilibrium_at_zero(dtype):
    """Where |y| and |f| are 0, so is the scale of the errors."""
    assert np.array_equal(exact(lambda t, y: -y, 0, np.zeros((2, 1), dtype), 1.0), np.zeros((2, 1)))


@pytest.mark.parametrize("size", [1e-200, 1e-10, 1.0, 1e200])
def test_exact_has_its_digits_whatever_the_size_of_y(size):
    y = exact(lambda t, y: -y, 0, np.array([[size]]), 1.0)
    assert abs(y[0, 0] / size - np.exp(-1)) <= 10 * RTOL


def test_exact_starts_from_rest():
    """y(0) = 0 and y'(0) = 0: the size of y cannot be told at the start."""
    assert abs(exact(lambda t, y: np.sin(t) * np.ones(1), 0.0, np.zeros(1), 1.0)
               - (1 - np.cos(1))) <= 1e-13
    assert exact(lambda t, y: y, 0.0, np.zeros(1), 1.0) == 0


def test_exact_turns_a_complex_y_on_the_circle():
    assert abs(exact(lambda t, y: 1j * y, 0, np.ones((1, 1), complex), 1.0)[0, 0]
               - np.exp(1j)) <= 10 * RTOL


@pytest.mark.parametrize("solve", [euler, heun, rk4, exact])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_a_substep_returns_the_precision_of_y(solve, dtype):
    y = DirectSum([np.ones((2, 2), dtype), np.ones((2, 1), dtype)])
    assert {X.dtype for X in solve(lambda t, y: -y, 0, y, 0.5).blocks} == {np.dtype(dtype)}


def test_exact_gives_up_where_the_solution_ends():
    """y' = y², y(0) = 1 is 1/(1 − t): there is no y(2)."""
    y = np.ones((1, 1))
    assert abs(exact(lambda t, y: y * y, 0, y, 0.5)[0, 0] - 2) <= 40 * RTOL
    with pytest.raises(RuntimeError, match=r"exact substep from t = 0 to 2\.0"):
        exact(lambda t, y: y * y, 0, y, 2.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_exact_refuses_a_field_or_a_start_that_is_not_finite(bad):
    for f, y in ((lambda t, y: bad * y, 1.0), (lambda t, y: -y, bad)):
        with pytest.raises(ValueError, match=r"f: NaN or Inf at t = 0\.25"):
            exact(f, 0.25, np.full((2, 1), y), 1.0)


@pytest.mark.parametrize("method", EVERY, ids=str)
def test_a_step_of_infinite_length_is_refused(method):
    with pytest.raises(ValueError, match="h: got inf"):
        method.step(best_approximation(np.eye(3), rank=1), 0, np.inf, lambda t, Y: Y)


@pytest.mark.parametrize("method", [type(m) for m in PLAIN if hasattr(m, "solve")])
def test_a_solver_of_substeps_is_given_arrays(method):
    def solve(f, t, y, h):
        assert type(y) is np.ndarray
        return euler(f, t, y, h)
    Y = best_approximation(np.add.outer(np.arange(4.0), np.arange(3.0)), rank=2)
    assert norm(method(solve=solve).step(Y, 0, 0.1, lambda t, Y: -Y) - 0.9 * Y) < 0.02 * norm(Y)


# ----------------------------------------------------------------------------------- the times of F

T0 = 0.3                # not 0: a method that forgets t is seen


def curve_at_T0(m=9, n=8):
    """A curve A(t) of rank 3, with F = A'(t), and A(T0) in factors; 2r < min(m, n)."""
    p = rank_r_curve(np.random.default_rng(3), m, n, [1, 0.5, 1e-3])
    return p, best_approximation(p.solution(T0), rank=3)


def late(f, t, y, h):
    """Planted error: every substep begins h too late."""
    return exact(f, t + h, y, h)


@pytest.mark.parametrize("method", [Dense(exact), *low_rank("exact_on_rank_r", tol=0, solve=exact)],
                         ids=str)
def test_a_curve_of_rank_r_is_reproduced_from_any_start_time(method):
    """[LO14, CL22, CKL22, KSW25] F = A'(t), exact substeps: A(t0) is taken to A(t0 + h)."""
    (p, Y), h = curve_at_T0(), 0.4
    assert norm(dense(method.step(Y, T0, h, p.F)) - p.solution(T0 + h)) <= 10 * RTOL
    assert norm(dense(replace(method, solve=late).step(Y, T0, h, p.F))
                - p.solution(T0 + h)) > 0.1 * h


def test_of_such_a_curve_parallel_BUG_gets_the_tangent_part():
    """K1 = A1 V0, L1 = A1ᴴ U0, S1 = U0ᴴ A1 V0 with A1 = A(t0 + h): P(Y)A1, a corner missing."""
    p, Y = curve_at_T0()
    tangent = tangent_projection(Y, p.solution(T0 + 0.4))
    assert norm(ParallelBUG(0, solve=exact).step(Y, T0, 0.4, p.F) - tangent) <= 10 * RTOL
    assert norm(ParallelBUG(0, solve=late).step(Y, T0, 0.4, p.F) - tangent) > 0.04


@pytest.mark.parametrize("method", [m for m in low_rank(tol=0)
                                    if m.order > 1 and not m.exact_on_rank_r], ids=str)
def test_methods_of_higher_order_follow_it_to_their_order_from_any_start_time(method):
    """Derivatives of A are of size 1: local errors ≤ h^(order + 1); a step late costs O(h²)."""
    p, Y = curve_at_T0(20, 18)
    h, truth = 0.01, p.solution(T0 + 0.01)
    assert norm(method.step(Y, T0, h, p.F) - truth) <= h ** (method.order + 1)
    assert norm(method.step(Y, T0 + h, h, p.F) - truth) > h**2


@pytest.mark.parametrize("bases", ["3r", "4r"])
def test_midpoint_BUG_has_its_substeps_at_the_start_and_one_slope_in_the_middle(bases):
    """Half step: K, L, S; whole step: S. A slope elsewhere would double the error, no more."""
    (p, Y), times = curve_at_T0(), []
    method = MidpointBUG(0, bases=bases, solve=euler)
    method.step(Y, T0, 0.5, lambda t, Y: times.append(t) or p.F(t, Y))
    assert times == [T0, T0, T0, T0 + 0.25, T0]


# -------------------------------------------------------------------------------------- a whole run

def test_a_run_ends_exactly_at_t1():
    t0, t1, n = 0.1, 0.7, 37
    times = [t for t, _ in evolve(Dense(), np.eye(2), lambda t, Y: -Y, (t0, t1), n)]
    assert len(times) == n + 1 and times[0] == t0 and times[-1] == t1
    np.testing.assert_allclose(np.diff(times), (t1 - t0) / n, rtol=1e-13)
    assert np.cumsum([t0, *n * [(t1 - t0) / n]])[-1] != t1          # adding h up would not do


def test_the_exact_flow_is_one_of_arrays_and_by_default_of_one_step():
    """W' = −W0 − W, with a LowRank start W0 at t0 ≠ 0, is W = (2 exp(t0 − t) − 1) W0."""
    _, Y0 = curve_at_T0()
    (t0, W0), (t1, W1) = exact_flow(Y0, lambda t, W: (-1) * Y0 - W, (T0, 1.0))
    assert (t0, t1) == (T0, 1.0) and type(W0) is type(W1) is np.ndarray and norm(W0 - Y0) == 0
    assert norm(W1 - (2 * np.exp(T0 - 1) - 1) * W0) <= 10 * RTOL


@pytest.mark.parametrize("run", [lambda Y0, *time: evolve(Dense(), Y0, lambda t, Y: -Y, *time),
                                 lambda Y0, *time: exact_flow(Y0, lambda t, Y: -Y, *time)],
                         ids=["evolve", "exact_flow"])
@pytest.mark.parametrize("arguments, message", [
    ((np.array([[np.nan]]), (0, 1), 1), "Y0: NaN or Inf"), ((np.eye(2), (1, 1), 1), "t_span: got"),
    ((np.eye(2), (0, 1), 2.5), "n_steps: got 2.5"),
    ((np.eye(2), (0, 1), np.inf), "n_steps: got inf"), ((np.eye(2), (0, np.inf), 1), "t_span: got"),
    ((np.eye(2), (-np.inf, 0), 1), "t_span: got"),
])
def test_bad_arguments_are_refused_by_the_call_not_by_the_first_step(run, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(*arguments)


@pytest.mark.parametrize("method", [Dense(), DLRT(), BUG()], ids=str)
def test_a_field_of_another_shape_is_refused_where_numpy_would_broadcast(method):
    """A bias b (3, 1) plus a slope (3,) is (3, 3)."""
    rng = np.random.default_rng(0)
    Y0 = DirectSum([LowRank(random_basis(rng, 5, 2), np.eye(2), random_basis(rng, 4, 2)),
                    np.ones((3, 1))])
    for shape in ((3, 1), (3,)):
        run = evolve(method, Y0,
                     lambda t, Y, shape=shape: DirectSum([-Y.blocks[0], np.ones(shape)]), (0, 1), 1)
        if shape == (3, 1):
            assert [Y.shape for _, Y in run] == [(8, 5), (8, 5)]
        else:
            with pytest.raises(ValueError,
                               match=r"F\(t, Y\)\.blocks\[1\]: shape \(3,\), expected a"):
                list(run)


@pytest.mark.parametrize("method", [DLRT(0), AdaptiveBUG(0)], ids=str)
def test_a_run_from_bases_that_are_orthonormal_only_roughly_keeps_its_rank(method):
    """UᴴU = (1 + 2e-5) I passes as a start in single precision; its rounding adds no direction."""
    rng = np.random.default_rng(0)
    U, V = (np.float32(1 + 1e-5) * random_basis(rng, m, 3, np.float32) for m in (12, 10))
    Y0 = LowRank(U, np.diag(np.float32([1, 0.5, 0.25])), V)
    *_, (_, Y) = evolve(method, Y0, lambda t, Y: -Y, (0, 1), 10)
    assert Y.rank == 3 and abs(norm(Y) / norm(Y0) - np.exp(-1)) < 0.03
