"""Defaults and options of the methods, what they refuse, their substeps, and runs of many steps."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from methods import BASELINES, EVERY, LOW_RANK, low_rank, rejects, with_options
from strategies import field_for, random_basis, seeds, spectra

from lowrank_ode import (
    BUG,
    DLRT,
    METHODS,
    AdaptiveBUG,
    Dense,
    DirectSum,
    LowRank,
    ProjectorSplitting,
    best_approximation,
    evolve,
    exact_flow,
    tangent_projection,
    truncate,
)
from lowrank_ode.integrators import (
    FactorODE,
    MidpointBUG,
    ParallelBUG,
    ParallelBUG2,
    ProjectedRK,
)
from lowrank_ode.matrices import H, Identity, augment, dense, norm
from lowrank_ode.nets import mlp
from lowrank_ode.problems import closed_constants
from lowrank_ode.substeps import euler, exact, heun, repeated, rk4

ADAPTIVE = [method for method in METHODS if getattr(method, "adaptive", False)]


def test_the_defaults_are_a_tolerance_of_1e_8_absolute_or_a_tenth_of_the_norm_and_the_plainest():
    assert {method().tol for method in METHODS if hasattr(method, "tol")} == {1e-8}
    assert {method().tau for method in METHODS if hasattr(method, "tau")} == {0.1}
    assert not any(method().relative for method in METHODS if hasattr(method, "relative"))
    assert ProjectedRK().order == 2 and ProjectorSplitting().order == 1
    assert MidpointBUG().bases == "3r" and ParallelBUG().rejection is None


def test_a_solver_of_ones_own_sees_arrays_in_the_dense_method():
    Y = LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1))
    seen = []

    def solve(f, t, y, h):
        seen.extend((y, f(t, y)))
        return euler(f, t, y, h)

    Dense(solve).step(Y, 0, 0.1, lambda t, W: Y)
    assert [type(W) for W in seen] == [np.ndarray] * 2


def test_claims_are_those_of_the_papers():
    """From which lists of tests are made: one that is withdrawn would take its tests along."""
    low = {method.__name__: method() for method in METHODS if getattr(method, "low_rank", True)}
    assert {name for name, method in low.items() if not method.robust} == set()
    assert {*low} - {method.__name__ for method in ADAPTIVE} == {
        "BUG", "ProjectedRK", "ProjectorSplitting"}
    assert {name for name, method in low.items() if method.order != 1} == {
        "MidpointBUG", "ParallelBUG2", "ProjectedRK"}


@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_options_of_an_adaptive_method_cut_its_step_and_change_nothing_else(method):
    """The tolerance is half the tail after rank 2: too small for rank 2, but not if it is
    multiplied by the norm of the step, 11."""
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 9, 2), np.diag([10.0, 5]), random_basis(rng, 8, 2))
    F = rng.standard_normal((9, 8))

    def step(*args, **options):
        return method(*args, **options).step(Y, 0, 0.1, lambda t, Y: F)

    whole = step(0)
    tol = np.linalg.norm(whole.singular_values()[2:]) / 2
    for relative in (False, True) if hasattr(method, "relative") else (True,):
        options = {"relative": relative} if hasattr(method, "relative") else {}
        for max_rank in (None, 3, 1):
            short = step(tol, max_rank=max_rank, **options)
            truth = truncate(whole, tol, relative, max_rank)
            assert short.rank == truth.rank and norm(short - truth) <= 1e-12 * norm(whole)
        assert (step(tol, **options).rank == 2) == relative


GROWING = [m for m in low_rank("adaptive", tol=0) if not rejects(m)]
GROWTH = {ParallelBUG2(0): 4, MidpointBUG(0): 3, MidpointBUG(0, bases="4r"): 4}      # slopes too


@pytest.mark.parametrize("method", GROWING, ids=str)
@given(spectra(4), seeds)
def test_adaptive_methods_at_most_double_the_rank(method, sigma, seed):
    """Those of order 2 treble or quadruple it."""
    rng, r = np.random.default_rng(seed), len(sigma)
    Y = LowRank(random_basis(rng, 20, r), np.diag(sigma), random_basis(rng, 17, r))
    F, most = field_for(Y, rng), GROWTH.get(method, 2) * r
    assert 1 <= method.step(Y, 0, 0.3, F).rank <= most
    assert 1 <= with_options(method, max_rank=r + 1).step(Y, 0, 0.3, F).rank <= r + 1


@pytest.mark.parametrize("method", GROWING, ids=str)
def test_the_growth_of_the_rank_that_is_allowed_is_attained(method):
    """So that one less would be rejected."""
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 20, 4), np.eye(4), random_basis(rng, 17, 4))
    A, C = rng.standard_normal((20, 20)), rng.standard_normal((20, 17))
    F = lambda t, Y: A @ np.tanh(5 * dense(Y)) + np.cos(t) * C      # noqa: E731
    assert method.step(Y, 0, 0.3, F).rank == GROWTH.get(method, 2) * 4


@pytest.mark.parametrize("method", [*LOW_RANK, *BASELINES], ids=str)
def test_the_rank_changes_if_and_only_if_a_method_is_called_adaptive(method):
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 9, 2), np.eye(2), random_basis(rng, 8, 2))
    F = rng.standard_normal((9, 8))
    assert (method.step(Y, 0, 0.5, lambda t, Y: F).rank != 2) == method.adaptive


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("relative", [False, True])
def test_parallel_BUG_rejects_a_step_exactly_if_the_corner_is_larger_than_rejection_theta_over_h(
        dtype, relative):
    """[CKL24] The missing corner of a constant F is ‖Ũᴴ F Ṽ‖, in the directions that are new; the
    rank of this step is not all of 2r."""
    rng = np.random.default_rng(0)
    U, V = random_basis(rng, 9, 2, dtype), random_basis(rng, 8, 2, dtype)
    F = random_basis(rng, 9, 8, dtype)
    P, Q = random_basis(rng, 2, 2, dtype), random_basis(rng, 2, 2, dtype)
    Y, h, tol = LowRank(U, (P * [2.0, 1]) @ H(Q), V), 0.1, 0.1
    U_new = np.linalg.qr(F @ V - U @ (H(U) @ F @ V))[0]
    V_new = np.linalg.qr(H(F) @ U - V @ (H(V) @ H(F) @ U))[0]
    theta = tol * norm(Y + h * tangent_projection(Y, F)) if relative else tol
    edge = norm(H(U_new) @ F @ V_new) * h / theta
    W, G = np.ones((1, 2), dtype), np.ones((1, 2), dtype)

    def step(**options):
        method = ParallelBUG(tol, relative, **options)
        alone = method.step(Y, 0, h, lambda t, Y: F)
        summed = method.step(DirectSum([W, Y]), 0, h, lambda t, Y: DirectSum([G, F]))
        assert norm(summed.blocks[1] - alone) <= 1e-14
        return alone

    accepted = step()
    assert accepted.rank == 2 and norm(step(rejection=1.000001 * edge) - accepted) <= 1e-14
    rejected = step(rejection=0.999999 * edge)
    assert norm(rejected - accepted) > 1e-4 and norm(step(rejection=0) - rejected) <= 1e-14


def test_parallel_BUG_rejects_a_step_of_rank_2r_however_small_the_missing_corner():
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 9, 2), np.diag([2.0, 1]), random_basis(rng, 8, 2))
    F = rng.standard_normal((9, 8))

    def rank(tol, **options):
        return ParallelBUG(tol, **options).step(Y, 0, 0.1, lambda t, Y: F).rank

    assert rank(1e-12) == 4 and rank(1e-12, rejection=1e15) > 4 and rank(0.5, rejection=1e15) < 4


def test_parallel_BUG_accepts_a_step_that_misses_no_corner_at_theta_0():
    """0 is not larger than 0. It would be repeated from rank 2."""
    Y, F, seen = LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1)), np.zeros((4, 3)), []
    F[0, 1] = F[1, 0] = 1e-3
    ParallelBUG(0, max_rank=1, rejection=10).step(Y, 0, 1, lambda t, Y: seen.append(Y.rank) or F)
    assert set(seen) == {1}


@pytest.mark.parametrize("make", [*(lambda m=m: m(-1.0) for m in ADAPTIVE),
                                  *(lambda m=m: m(max_rank=0) for m in ADAPTIVE),
                                  lambda: MidpointBUG(bases="2r"), lambda: ProjectedRK(0),
                                  lambda: ProjectedRK(4)])
def test_a_method_refuses_bad_options_when_it_is_made(make):
    with pytest.raises(ValueError, match=r"(tol|tau|max_rank|bases|order): got"):
        make()


def one():
    return best_approximation(np.eye(3), rank=1)


@pytest.mark.parametrize("make, message", [
    (lambda: DLRT(tau=-0.1), "tau: got -0.1"), (lambda: AdaptiveBUG(tol=-1), "tol: got -1"),
    (lambda: DLRT(max_rank=0), "max_rank: got 0"), (lambda: BUG(solve="rk4"), "solve: got 'rk4'"),
    (lambda: Dense(solve=None), "solve: got None"),
    (lambda: ProjectorSplitting(solve=1), "solve: got 1"),
    (lambda: ProjectorSplitting(order=3), "order: got 3"),
    *[(lambda m=m, h=h: m.step(one(), 0, h, lambda t, Y: Y), "h: got")
      for m in [*EVERY, *BASELINES] for h in (0, -1, np.nan)],
    (lambda: evolve(BUG(), one(), lambda t, Y: Y, (1, 1), 2), "t_span: got"),
    (lambda: evolve(BUG(), one(), lambda t, Y: Y, (0, 1), 0), "n_steps: got 0"),
    (lambda: evolve(BUG(), LowRank(np.ones((3, 1)), np.eye(1), np.eye(3, 1)), lambda t, Y: Y,
                    (0, 1), 1), "Y0.U: .*orthonormal"),
    (lambda: list(evolve(Dense(), np.eye(3), lambda t, Y: Y * np.inf, (0, 1), 1)),
     "Y after step 1: NaN"),
    (lambda: list(evolve(BUG(), one(), lambda t, Y: np.full((3, 3), np.nan), (0, 1), 1)),
     "K: NaN or Inf"),
])
def test_bad_arguments_are_refused_by_name(make, message):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("thing", [Identity(3), augment(np.eye(3, 1), np.ones((3, 1))), *EVERY,
                                   *BASELINES, mlp([2, 3])], ids=repr)
def test_what_steps_share_cannot_be_changed(thing):
    with pytest.raises(FrozenInstanceError):
        thing.n = 4


def test_the_naive_method_is_no_member_and_refuses_a_singular_core():
    assert FactorODE not in METHODS
    Y = LowRank(np.eye(4, 2), np.diag([1.0, 0]), np.eye(4, 2))
    with pytest.raises(np.linalg.LinAlgError):
        FactorODE().step(Y, 0, 0.1, lambda t, Y: np.ones((4, 4)))


def test_substeps_have_their_orders_and_exact_is_exact():
    def error(solve, n):
        y = np.array([[1.0]])
        for k in range(n):          # y = exp(−t²): F(t, ·) with the right nodes
            y = solve(lambda t, y: -2 * t * y, k / n, y, 1 / n)
        return abs(y[0, 0] - np.exp(-1))
    for solve, order in ((euler, 1), (heun, 2), (rk4, 4), (repeated(euler, 3), 1)):
        assert abs(np.log2(error(solve, 32) / error(solve, 64)) - order) < 0.15
    assert error(exact, 1) < 1e-13 and error(repeated(rk4, 24), 1) < error(rk4, 1) / 10_000


def test_exact_flow_and_evolve_share_their_times_and_agree_for_the_dense_method():
    p = closed_constants(np.random.default_rng(0), 6, 5, [1, 0.1])
    runs = evolve(Dense(), p.Y0, p.F, (0.5, 1), 40), exact_flow(p.Y0, p.F, (0.5, 1), 40)
    pairs = list(zip(*runs, strict=True))
    assert len(pairs) == 41 and pairs[0][0][0] == 0.5 and pairs[-1][0][0] == 1.0
    assert all(t == s and norm(Y - W) < 1e-8 for (t, Y), (s, W) in pairs)
    assert norm(pairs[-1][1][1] - p.solution(0.5)) < 1e-12
