"""Theorems on the error of one step: local bounds with constants, no influence of the smallest singular value (docs/theorems.md)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from strategies import random_basis, seeds

from lowrank_ode import BUG, DLRT, AdaptiveBUG, DirectSum, LowRank, ProjectorSplitting
from lowrank_ode.integrators import FactorDescent, FactorODE, ParallelBUG
from lowrank_ode.integrators.projected import S_field
from lowrank_ode.matrices import H, dense, norm, tangent_projection
from lowrank_ode.problems import closed_constants, normal_part, random_lowrank
from lowrank_ode.substeps import exact

# ----------------------------------------------------------------------------------------- local error of adaptive BUG, exact substeps

def local_error(method, rng, constant=(1 + 2**0.5) / 2, gronwall=True):
    """(error, bound, ε₀ h) of one step on the closed-constant family: e^{Lh}(ε₀ h + (1 + √2)/2 · L B h²) [docs/theorems.md]."""
    m, n = rng.integers(5, 12, 2)
    sigma = 10 ** rng.uniform(-12, 0, int(rng.integers(1, min(m, n) // 2 + 1)))
    weights = rng.uniform(0, 1, 4) * 10 ** rng.uniform(-3, 0, 4)
    problem, h = closed_constants(rng, m, n, np.sort(sigma)[::-1], weights), 10 ** rng.uniform(-3, 0)
    L, eps0 = problem.lipschitz, normal_part(problem.Y0, problem.F(0, problem.Y0.dense()))
    error = norm(method.step(problem.Y0, 0, h, problem.F) - problem.solution(h))
    bound = np.exp(L * h * gronwall) * (eps0 * h + constant * L * problem.bound(problem.Y0, h) * h**2)
    return error, bound + 1e-12 * (norm(problem.Y0) + h), eps0 * h


def test_the_local_error_of_parallel_BUG_obeys_its_bound():
    """ε₀ h + (1 + √3)/2 · L B h², without a Gronwall factor [docs/theorems.md]; the bound without ε₀ is violated."""
    rng, full, halved = np.random.default_rng(2024), [], []
    for _ in range(200):
        error, bound, eps0_h = local_error(ParallelBUG(0, solve=exact), rng, constant=(1 + np.sqrt(3)) / 2, gronwall=False)
        full.append(error / bound)
        halved.append(error / (bound - eps0_h))
    assert max(full) <= 1 and max(full) >= 0.9 and max(halved) > 1


class NoAugmentation(AdaptiveBUG):
    """Planted error: a Galerkin step in the old bases."""

    def step(self, Y, t, h, F):
        return LowRank(Y.U, self.solve(S_field(F, Y.U, Y.V), t, Y.S, h), Y.V)


def test_the_local_error_of_adaptive_BUG_obeys_its_bound():
    rng = np.random.default_rng(2021)
    ratio = np.array([error / bound for error, bound, _ in (local_error(AdaptiveBUG(0, solve=exact), rng) for _ in range(250))])
    assert ratio.max() <= 1, f"error / bound = {ratio.max()} in draw {ratio.argmax()}"
    assert ratio.max() >= 0.9


def test_the_local_bound_rejects_a_step_without_augmentation():
    """F = C with C tangent at Y0: L = 0 and ε₀ = 0, so the bound is rounding, and a step without augmentation misses h C outside U."""
    rng = np.random.default_rng(0)
    Y0 = random_lowrank(rng, 9, 8, [1, 1e-3])
    C = tangent_projection(Y0, rng.standard_normal((9, 8))).dense()
    truth = Y0.dense() + 0.1 * C
    assert norm(AdaptiveBUG(0).step(Y0, 0, 0.1, lambda t, Y: C) - truth) <= 1e-14
    assert norm(NoAugmentation(0).step(Y0, 0, 0.1, lambda t, Y: C) - truth) > 1e-2


# ------------------------------------------------------------------------------------------------ robustness to small singular values

@pytest.mark.parametrize("smallest", [*(10.0**-k for k in range(1, 17)), 0.0])
def test_one_step_deviation_from_the_tangent_step_is_bounded_independently_of_the_smallest_singular_value(smallest):
    """‖Y1 − (Y + h P(Y)F)‖ for constant F: augmented ≤ h‖(I − P)F‖, splitting ≤ h‖F(I − VVᵀ)‖, BUG ≤ (1 + √2) h‖F‖."""
    rng, h = np.random.default_rng(3), 1e-2
    Y = random_lowrank(rng, 12, 11, [1, 0.5, smallest])
    F = rng.standard_normal((12, 11))
    tangent_step = Y.dense() + h * tangent_projection(Y, F).dense()
    bounds = {AdaptiveBUG(0): h * normal_part(Y, F), DLRT(0): h * normal_part(Y, F),
              ProjectorSplitting(): h * norm(F - F @ Y.V @ H(Y.V)), BUG(): (1 + np.sqrt(2)) * h * norm(F)}
    for method, bound in bounds.items():
        assert norm(method.step(Y, 0, h, lambda t, Y: F) - tangent_step) <= bound * (1 + 1e-12), method
    if 0 < smallest <= 1e-6:                 # the naive one deviates as h²/σ, and more
        deviation = norm(FactorODE().step(Y, 0, h, lambda t, Y: F) - tangent_step)
        assert deviation > 0.01 * h**2 / smallest and deviation > 10 * max(bounds.values())


# --------------------------------------------------------------------------------------------------------------- the two baselines

def regular(rng, dtype, m=7, n=6, r=3):
    """A matrix of rank r with a full core of singular values 1, 1/2, 1/4, and a field at it, random of full rank."""
    P, Q = random_basis(rng, r, r, dtype), random_basis(rng, r, r, dtype)
    Y = LowRank(random_basis(rng, m, r, dtype), (P * 0.5 ** np.arange(r)) @ H(Q), random_basis(rng, n, r, dtype))
    return Y, random_basis(rng, m, m, dtype)[:, :n] + random_basis(rng, m, n, dtype)


@given(seeds, st.sampled_from([np.float64, np.complex128]), st.sampled_from([1e-3, 0.5]), st.booleans())
def test_factor_descent_steps_along_the_square_roots_of_the_matrix(seed, dtype, h, wide):
    """With A Bᴴ = Y and AᴴA = BᴴB it is AAᴴ = (YYᴴ)^½, BBᴴ = (YᴴY)^½: (A + hGB)(B + hGᴴA)ᴴ = Y + h(G(YᴴY)^½ + (YYᴴ)^½G) + h²GYᴴG.
    A square root of rounding errors is 1e-8."""
    rng = np.random.default_rng(seed)
    Y, G = regular(rng, dtype)
    Y = LowRank(Y.U, Y.S @ np.eye(3, 4), random_basis(rng, 6, 4, dtype)) if wide else Y         # a core that is not square
    D, W = Y.dense(), np.ones((2, 3), dtype)
    step = FactorDescent().step(DirectSum([Y, W]), 0, h, lambda t, P: DirectSum([G, 3 * W])).blocks
    truth = D + h * (G @ sqrtm(H(D) @ D) + sqrtm(D @ H(D)) @ G) + h**2 * (G @ H(D) @ G)
    assert norm(step[0] - truth) <= 1e-6 * h * norm(G) and norm(step[1] - (1 + 3 * h) * W) <= 1e-14 * norm(step[1])


@given(seeds, st.sampled_from([np.float64, np.complex128]))
def test_the_naive_step_is_a_tangent_step_up_to_h_squared_over_the_smallest_singular_value(seed, dtype):
    """Exactly: (U + hU')(S + hS')(V + hV')ᴴ − Y − hP(Y)G holds products of two or three slopes; with ‖U'‖, ‖V'‖ ≤ ‖G‖/σ, ‖S'‖ ≤ ‖G‖ these
    are at most h²(‖S‖₂ ‖G‖²/σ² + 2‖G‖²/σ) + h³‖G‖³/σ²."""
    Y, G = regular(np.random.default_rng(seed), dtype)
    h, sigma, g, W = 1e-6, 0.25, norm(G), np.ones((2, 3), dtype)
    step = FactorODE().step(DirectSum([Y, W]), 0, h, lambda t, P: DirectSum([G, 3 * W])).blocks
    bound = h**2 * (g**2 / sigma**2 + 2 * g**2 / sigma) + h**3 * g**3 / sigma**2
    assert norm(step[0] - (Y.dense() + h * dense(tangent_projection(Y, G)))) <= bound + 1e-14
    assert norm(step[1] - (1 + 3 * h) * W) <= 1e-14 * norm(step[1])
