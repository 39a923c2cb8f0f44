"""Theorems on the error: exactness, order, robustness to small singular values, error bounds with
their constants (docs/theorems.md).

Each comes with a method or a hypothesis that must fail, and is seen failing.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import measured_order
from methods import CAPPED, low_rank, rejects
from published import published_truncation
from strategies import random_basis, seeds, spectra

from lowrank_ode import BUG, DLRT, METHODS, Dense, LowRank, ProjectorSplitting
from lowrank_ode.integrators import (
    FactorODE,
    MidpointBUG,
    ParallelBUG,
    ParallelBUG2,
    ProjectedRK,
)
from lowrank_ode.matrices import H, augment, dense, norm
from lowrank_ode.problems import closed_constants, rank_r_curve, tangent_family
from lowrank_ode.substeps import euler, exact
from lowrank_ode.testing.bounds import draw_theorem_1

EPS = np.finfo(float).eps
# an Euler step is exact for increments
EXACT = [m for m in low_rank(tol=0) if m.exact_on_rank_r or isinstance(m, DLRT)]


# ---------------------------------------------------------------------------------------- exactness

def reproduces(method, curve, h):
    """Relative error of one step from A(0), given the increments of A over the step (order 2:
    over each half of it)."""
    halves = [curve.increment(0, h / 2)(0, None), curve.increment(h / 2, h)(0, None)]
    order_2 = getattr(method, "order", 1) == 2
    F = (lambda t, Y: halves[t >= h / 2]) if order_2 else curve.increment(0, h)
    method = replace(method, solve=euler) if order_2 else method
    size = norm(curve.Y0) + norm(curve.solution(h)) + 1e-300
    return norm(method.step(curve.Y0, 0, h, F) - curve.solution(h)) / size


@pytest.mark.parametrize("method", EXACT, ids=str)
@given(spectra(4), seeds, st.integers(4, 12), st.integers(4, 12))
def test_rank_r_curves_are_reproduced_exactly(method, sigma, seed, m, n):
    """[LO14, CL22, CKL22, KSW25] For spectra down to 0. The bases turn by at most 0.5, so
    V(h)ᵀV(0), U(h)ᵀU(0) have condition below 1/cos 0.5."""
    curve = rank_r_curve(np.random.default_rng(seed), m, n, sigma)
    assert reproduces(method, curve, 0.5) <= 50 * EPS * (m + n) / np.cos(0.5)


def test_exactness_fails_for_the_factor_ODE_and_without_its_hypothesis():
    curve = rank_r_curve(np.random.default_rng(0), 9, 8, [1, 1e-4, 1e-8])
    assert reproduces(FactorODE(), curve, 0.5) > 1e3
    Q = random_basis(np.random.default_rng(1), 8, 4)
    P = random_basis(np.random.default_rng(2), 8, 2)
    # V1 ⟂ V0, U1 another basis
    A0, A1 = LowRank(P, np.eye(2), Q[:, :2]), LowRank(P[::-1].copy(), np.eye(2), Q[:, 2:])
    Y1 = ProjectorSplitting().step(A0, 0, 1, lambda t, Y: dense(A1) - dense(A0))
    assert norm(Y1 - A1) / norm(A1) > 0.3


@dataclass(frozen=True)
class TwoLieSteps(ProjectorSplitting):
    """Planted error: the second half step is the first-order step again, not its adjoint."""

    def step(self, Y, t, h, F):
        return self._KSL(self._KSL(Y, t, h / 2, F), t + h / 2, h / 2, F)
AT_RANK_3 = [m for m in low_rank(tol=0, **CAPPED) if not rejects(m)]
IRREGULAR = [m for m in AT_RANK_3                           # for tiny singular values
             if isinstance(m, (ParallelBUG, ParallelBUG2, MidpointBUG)) or m == ProjectedRK(2)]
STEADY = [m for m in AT_RANK_3 if m not in IRREGULAR]


@pytest.mark.parametrize("method, sigma",
                         [*((method, (1, 0.6, 0.3)) for method in STEADY + IRREGULAR),
                          *((method, (1, 1e-4, 1e-8)) for method in STEADY)], ids=str)
def test_order_of_convergence_is_as_claimed_from_both_sides(method, sigma):
    """[LO14, KLW16, CL22, CKL22, CKL24, CEKL24, KUS24, KV19] On the tangent family (ε = 0, no
    Sylvester flow), min(m, n) > 4r.

    The order that a third-order method shows at graded singular values is above 3,
    from its larger steps.
    """
    problem = tangent_family(np.random.default_rng(7), 16, 15, sigma)
    allowed = 0.2 if method.order == 3 else 0.1
    assert abs(measured_order(method, problem) - method.order) <= allowed


def test_without_a_normal_source_the_factor_ODE_looks_just_as_good():
    """A vacuity trap: where F does not leave the tangent space,
    small singular values do no harm to it."""
    problem = tangent_family(np.random.default_rng(7), 16, 15, (1, 1e-4, 1e-8))
    assert abs(measured_order(FactorODE(), problem) - FactorODE.order) <= 0.1


def test_projector_splitting_is_exact_on_sylvester_flows_and_BUG_is_not():
    """A vacuity trap: F = A Y + Y B with exact substeps. A test of the order of projector splitting
    there would pass with any claim."""
    problem = closed_constants(np.random.default_rng(0), 9, 8, [1, 1e-3, 1e-6],
                               weights=(1, 1, 0, 0))
    def error(method):
        return norm(method.step(problem.Y0, 0, 0.1, problem.F) - problem.solution(0.1))
    assert error(ProjectorSplitting(solve=exact)) < 1e-12 and error(BUG(exact)) > 1e-4


def test_a_wrong_adjoint_has_order_one():
    problem = tangent_family(np.random.default_rng(7), 16, 15, (1, 0.6, 0.3))
    assert 0.9 <= measured_order(TwoLieSteps(order=2), problem) <= 1.1


# ---------------------------------------------------------- Theorem 1 of the DLRT paper, Euler form

class PublishedTruncation(DLRT):
    """Planted error: the one-gradient step, cut as the released code cuts."""

    def step(self, Y, t, h, F):
        (U0, S0, V0), G = Y, F(t, Y)
        U1, V1 = augment(U0, G @ V0), augment(V0, H(G) @ U0)
        S1 = (H(U1) @ U0) @ S0 @ (H(V0) @ V1) + h * (H(U1) @ G @ V1)
        return published_truncation(LowRank(U1, S1, V1), self.tau * np.linalg.norm(S1))


class Naive(FactorODE):
    def __init__(self, tau):
        pass


@cache
def drawn(method, draws=250, **options):
    """(error, its terms) of each draw; infinite where the naive method overflows."""
    rng = np.random.default_rng(2022)

    def one():
        try:
            return draw_theorem_1(rng, method, **options)
        except (np.linalg.LinAlgError, ValueError):
            if method is not Naive:
                raise
            return np.inf, np.ones(5)

    with np.errstate(all="ignore"):
        return [one() for _ in range(draws)]


def ratios(method, draws=250, weights=(1, 1, 1, 1, 1), **options):
    """Error over the weighted sum of the terms, in each draw."""
    return np.array([error / (terms @ weights) for error, terms in drawn(method, draws, **options)])


def test_theorem_1_euler_form_holds_on_drawn_convex_problems_and_bites():
    ratio = ratios(DLRT)
    assert ratio.max() <= 1, f"error / bound = {ratio.max()} in draw {ratio.argmax()}"
    assert ratio.max() >= 0.3


@pytest.mark.parametrize("term", range(4), ids=["δ", "ε", "LBh/2", "ϑ/h"])
def test_theorem_1_needs_each_of_its_terms(term):
    """With half of one term the bound is violated by some draw."""
    assert ratios(DLRT, weights=np.where(np.arange(5) == term, 0.5, 1)).max() > 1


def test_theorem_1_rejects_the_factor_ODE_and_the_published_truncation():
    assert (ratios(Naive, 50, sigma_min=1e-6) > 1).mean() > 0.2
    assert (ratios(PublishedTruncation, 100) > 1).mean() > 0.2


def test_every_class_states_its_claims():
    for method in METHODS:
        if method is not Dense:
            assert {method.keeps_symmetry, method.keeps_norm, method.exact_on_rank_r,
                    method.robust} <= {True, False}
            assert method.order in (1, 2, 3) and method.descends in (True, False, None)
