"""Theorems on the error of a whole run with exact substeps; fields that depend on time; where ε is
to be measured (docs/theorems.md)."""

from functools import cache

import numpy as np
import pytest

from lowrank_ode import BUG, DLRT, AdaptiveBUG, LowRank, ProjectorSplitting
from lowrank_ode.integrators import ParallelBUG
from lowrank_ode.matrices import H, dense, norm
from lowrank_ode.problems import closed_constants, normal_part, random_lowrank
from lowrank_ode.substeps import euler, exact
from lowrank_ode.testing.bounds import ADAPTIVE, PARALLEL, after_K_and_L

ROOT2 = 2**0.5


# --------------------------------------------------------------------------------------- whole runs

def normal_parts(Y, F, h):
    """ε of one step: at Y for adaptive BUG; at K1V0ᴴ in its stored bases for the splitting; at the
    worse of it and U0L1ᴴ for BUG."""
    at_K, at_L = (normal_part(Z, F(0, Z.dense())) for Z in after_K_and_L(Y, F, h))
    return {AdaptiveBUG: normal_part(Y, F(0, Y.dense())), ProjectorSplitting: at_K,
            BUG: max(at_K, at_L)}


def run(rng, make, legs):
    """(error, terms of its bound) of a drawn run,
    e^{LT}δ + ((e^{LT} − 1)/L)(c(ε + C L B h) + ϑ/h) + rounding.

    `make(tol)` is the method; its flows, one after the other, are `legs` times as long as h. ε, B
    and ϑ are the largest of the run.
    """
    m, n = rng.integers(5, 10, 2)
    sigma = np.sort(10 ** rng.uniform(-10, 0, int(rng.integers(1, min(m, n) // 2 + 1))))[::-1]
    w = rng.uniform(0.05, 1, 4) * 10 ** rng.uniform(-2, 0, 4)
    p, steps = closed_constants(rng, m, n, sigma, w), int(rng.choice([1, 3, 6]))
    h = 10 ** rng.uniform(-2.5, -0.5)
    L, eta, T = p.lipschitz, w[3], steps * h
    offset = rng.standard_normal((m, n))
    W0 = p.Y0.dense() + rng.choice([0, 0.03]) * offset / np.linalg.norm(offset)
    method, uncut = make(rng.choice([0, 0.3]) * h), make(0.0)
    kind, Y, eps, B, theta = type(method), p.Y0, 0.0, 0.0, 0.0
    for _ in range(steps):
        eps = max(eps, normal_parts(Y, p.F, h)[kind])
        B = max(B, L * np.exp(legs * L * h) * (norm(Y) + legs * eta * h) + eta)
        Y1 = method.step(Y, 0, h, p.F)
        theta = max(theta, norm(Y1 - uncut.step(Y, 0, h, p.F)) if kind is AdaptiveBUG else 0)
        Y = Y1
    growth = np.exp(L * h)
    C_eps, C_B = {AdaptiveBUG: (growth, growth * ADAPTIVE), ProjectorSplitting: (1, 4),
                  BUG: (growth * ROOT2, growth * (2 * ROOT2 + 0.5))}[kind]
    terms = np.array([np.exp(L * T) * norm(W0 - p.Y0),
                      *(np.expm1(L * T) / L * np.array([C_eps * eps, C_B * L * B * h, theta / h])),
                      1e-12 * (norm(W0) + 1)])
    return norm(Y - p.solution(T, W0)), terms


RUNS = {"adaptive BUG": (lambda tol: AdaptiveBUG(tol, solve=exact), 2),
        "splitting": (lambda tol: ProjectorSplitting(solve=exact), 3),
        "BUG": (lambda tol: BUG(exact), 2)}


@cache
def runs(name, draws):
    rng = np.random.default_rng(2014)
    return [run(rng, *RUNS[name]) for _ in range(draws)]


def run_ratios(name, draws=60, weights=(1, 1, 1, 1, 1)):
    """Error over bound of each run, its terms weighted."""
    return np.array([error / (terms @ weights) for error, terms in runs(name, draws)])


@pytest.mark.parametrize("name", RUNS)
def test_the_error_of_a_run_with_exact_substeps_obeys_its_bound(name):
    """[KLW16, CL22, CKL22], here with explicit constants (docs/derivations.md)."""
    ratio = run_ratios(name, 40)
    assert ratio.max() <= 1, f"error / bound = {ratio.max()} in draw {ratio.argmax()}"
    assert ratio.max() >= 0.5


def test_the_bound_of_a_run_of_adaptive_BUG_without_one_of_its_terms_is_violated():
    """Without δ, ε, or ϑ/h."""
    for idle in (0, 1, 3):
        weights = np.where(np.arange(5) == idle, 0, 1)
        assert run_ratios("adaptive BUG", 40, weights=weights).max() > 1


# ----------------------------------------------------------------------- fields that depend on time

def driven(method, seed, constant, h=0.1, gronwall=False):
    """(error, bound without M, bound with M) of one step for F(t, Y) = κ A (Y − Y0) + ω sin(ωt) C:
    ε₀ = 0, for F(0, Y0) = 0, and M = ω².

    With ‖A‖₂ = ‖C‖ = 1, every flow from Y0 has ‖X(t) − Y0‖ ≤ ω t e^{κt},
    so that B = ω + κ ω h e^{κh}.
    """
    rng = np.random.default_rng(seed)
    A, C = rng.standard_normal((9, 9)), rng.standard_normal((9, 8))
    A, C = A / np.linalg.norm(A, 2), C / np.linalg.norm(C)
    omega, kappa = 10 ** rng.uniform(-1, 0.5), 10 ** rng.uniform(-4, 0)
    Y0 = random_lowrank(rng, 9, 8, [1, 1e-3])

    def F(t, Y):
        return kappa * A @ (dense(Y) - Y0.dense()) + omega * np.sin(omega * t) * C
    error = norm(method.step(Y0, 0, h, F) - exact(F, 0, Y0.dense(), h))
    L, M, B = kappa, omega**2, kappa * omega * h * np.exp(kappa * h) + omega
    c = constant * h**2 * np.exp(L * h * gronwall)
    return error, c * L * B, c * (L * B + M)


@pytest.mark.parametrize("method, constant, gronwall",
                         [(DLRT(0), 0.5, False), (AdaptiveBUG(0, solve=euler), 0.5, False),
                          (AdaptiveBUG(0, solve=exact), ADAPTIVE, True),
                          (ParallelBUG(0, solve=exact), PARALLEL, False)], ids=str)
def test_for_a_field_of_time_the_local_bounds_need_its_lipschitz_constant_in_t_and_hold_with_it(
        method, constant, gronwall):
    """LB + M for LB, where ‖F(t, Y) − F(s, Y)‖ ≤ M|t − s|;
    for F = A'(t) with A'(0) = 0 the bound without M would be zero."""
    triples = np.array([driven(method, seed, constant, gronwall=gronwall) for seed in range(40)])
    assert (triples[:, 0] <= triples[:, 2]).all() and (triples[:, 0] > triples[:, 1]).mean() > 0.2
    assert (triples[:, 0] / triples[:, 2]).max() >= 0.25


def test_the_bounds_of_the_fixed_rank_methods_need_no_lipschitz_constant_in_t():
    """F = A'(t): L = 0, and Y1 − A1 = −(I − p)A1(I − q0) for the splitting; for BUG
    ‖Y1 − A1‖² = ‖A1 − pA1q‖² ≤ 2ϑ_h²."""
    rng, h = np.random.default_rng(0), 0.3
    Y0, C = random_lowrank(rng, 9, 8, [1, 0.1]), rng.standard_normal((9, 8))
    A1 = Y0.dense() + np.sin(h) * C
    splitting, bug = (method.step(Y0, 0, h, lambda t, Y: np.cos(t) * C)
                      for method in (ProjectorSplitting(solve=exact), BUG(exact)))
    normal = A1 - splitting.U @ (H(splitting.U) @ A1)
    assert norm(splitting - (A1 - normal + normal @ Y0.V @ H(Y0.V))) <= 1e-12
    missed = norm(A1 - bug.U @ (H(bug.U) @ A1)), norm(A1 - (A1 @ bug.V) @ H(bug.V))
    assert norm(bug - A1) <= ROOT2 * max(missed) + 1e-12 and norm(bug - A1) > 0.9 * max(missed)


# ------------------------------------------------------------------------ where ε is to be measured

def test_epsilon_belongs_to_the_numerical_trajectory_not_to_the_solution():
    """A vacuity trap: F = u vᵀ constant, L = 0, and A(t) = (σ + t) u vᵀ has no normal part. Near
    A(0) is Y0 = σ u'v'ᵀ with u' ⟂ u, v' ⟂ v, and from there DLRT never moves: the error is
    √((σ + T)² + σ²). The bound with ε along A(t) would be δ = √2 σ;
    with ε = 1 along the Y_k it is δ + T.
    """
    sigma, T, steps = 1e-6, 1.0, 10
    F = np.eye(4)[:, :1] @ np.eye(3)[:1]
    Y = Y0 = LowRank(np.eye(4)[:, 1:2], np.array([[sigma]]), np.eye(3)[:, 1:2])
    for _ in range(steps):
        assert normal_part(Y, F) == 1
        Y = DLRT(0).step(Y, 0, T / steps, lambda t, Y: F)
    error, delta = norm(Y - (sigma + T) * F), ROOT2 * sigma
    assert norm(Y - Y0) == 0 and delta < error <= delta + T
