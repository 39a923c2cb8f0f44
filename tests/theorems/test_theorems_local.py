"""Theorems on the error of one step: local bounds with constants, no influence of the smallest
singular value (docs/theorems.md)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import ForgottenOverlap, ForwardS
from scipy.linalg import sqrtm
from strategies import random_basis, seeds

from lowrank_ode import BUG, DLRT, AdaptiveBUG, DirectSum, LowRank, ProjectorSplitting
from lowrank_ode.integrators import FactorDescent, FactorODE, ParallelBUG
from lowrank_ode.integrators.projected import S_field
from lowrank_ode.matrices import H, dense, norm, tangent_projection
from lowrank_ode.problems import normal_part, random_lowrank
from lowrank_ode.substeps import exact
from lowrank_ode.testing.bounds import (
    ADAPTIVE,
    PARALLEL,
    after_K_and_L,
    draw_closed_constants,
    draw_local_error,
)

EPS = np.finfo(float).eps


# ------------------------------------------------------ local error of adaptive BUG, exact substeps

def test_the_local_error_of_parallel_BUG_obeys_its_bound():
    """ε₀ h + (1 + √3)/2 · L B h², without a Gronwall factor [docs/theorems.md];
    the bound without ε₀ is violated."""
    rng, full, halved = np.random.default_rng(2024), [], []
    for _ in range(100):
        error, bound, eps0_h = draw_local_error(rng, ParallelBUG(0, solve=exact),
                                                PARALLEL, gronwall=False)
        full.append(error / bound)
        halved.append(error / (bound - eps0_h))
    assert max(full) <= 1 and max(full) >= 0.9 and max(halved) > 1


class NoAugmentation(AdaptiveBUG):
    """Planted error: a Galerkin step in the old bases."""

    def step(self, Y, t, h, F):
        return LowRank(Y.U, self.solve(S_field(F, Y.U, Y.V), t, Y.S, h), Y.V)


def test_the_local_error_of_adaptive_BUG_obeys_its_bound():
    rng = np.random.default_rng(2021)
    draws = (draw_local_error(rng, AdaptiveBUG(0, solve=exact), ADAPTIVE) for _ in range(100))
    ratio = np.array([error / bound for error, bound, _ in draws])
    assert ratio.max() <= 1, f"error / bound = {ratio.max()} in draw {ratio.argmax()}"
    assert ratio.max() >= 0.9


def test_the_local_bound_rejects_a_step_without_augmentation():
    """F = C with C tangent at Y0: L = 0 and ε₀ = 0, so the bound is rounding, and a step without
    augmentation misses h C outside U."""
    rng = np.random.default_rng(0)
    Y0 = random_lowrank(rng, 9, 8, [1, 1e-3])
    C = tangent_projection(Y0, rng.standard_normal((9, 8))).dense()
    truth = Y0.dense() + 0.1 * C
    assert norm(AdaptiveBUG(0).step(Y0, 0, 0.1, lambda t, Y: C) - truth) <= 1e-14
    assert norm(NoAugmentation(0).step(Y0, 0, 0.1, lambda t, Y: C) - truth) > 1e-2


# ---------------------------- local error of projector splitting and fixed-rank BUG, exact substeps

def fixed_rank_errors(rng, splitting, bug):
    """One draw of the closed-constant family: (error, bound) for four bounds, of which
    docs/derivations.md has the proofs.

    Let p, q project onto the new bases of BUG. Splitting: ε_K h + 4 L B h². ϑ_h = max(‖(I − p)A1‖,
    ‖A1(I − q)‖) ≤ ε h + 2 L B h². BUG: e^{Lh}(√2 ϑ_h + L B h²/2), and with that
    e^{Lh}(√2 ε h + (2√2 + ½) L B h²). Here ε_K is the normal part of F at K1V0ᴴ, in its
    stored bases, ε the larger of it and of that at U0L1ᴴ.
    """
    problem, h = draw_closed_constants(rng)
    F, L, eta = problem.F, problem.lipschitz, problem.weights[3]
    (U1, *_), (*_, V1) = after_K, after_L = after_K_and_L(problem.Y0, F, h)
    eps_K, eps_L = (normal_part(Y, F(0, Y.dense())) for Y in (after_K, after_L))
    eps, A1, size = max(eps_K, eps_L), problem.solution(h), norm(problem.Y0)

    def LBh2(flows):                # ‖F‖ ≤ B along so many flows of length h, one after the other
        return L * (L * np.exp(flows * L * h) * (size + flows * eta * h) + eta) * h**2

    missed = max(norm(A1 - U1 @ (H(U1) @ A1)), norm(A1 - (A1 @ V1) @ H(V1)))
    bug_error, growth, root = norm(bug.step(problem.Y0, 0, h, F) - A1), np.exp(L * h), np.sqrt(2)
    pairs = {"splitting": (norm(splitting.step(problem.Y0, 0, h, F) - A1), eps_K * h + 4 * LBh2(3)),
             "range": (missed, eps * h + 2 * LBh2(1)),
             "BUG, by ϑ_h": (bug_error, growth * (root * missed + LBh2(1) / 2)),
             "BUG": (bug_error, growth * (root * eps * h + (2 * root + 0.5) * LBh2(1)))}
    return {name: (error, bound + 1e-12 * (size + h)) for name, (error, bound) in pairs.items()}


def fixed_rank_ratios(draws=200, splitting=None, bug=None):
    """Error over bound in each draw, an array for each of the four bounds."""
    rng = np.random.default_rng(2016)
    rows = [fixed_rank_errors(rng, splitting or ProjectorSplitting(solve=exact), bug or BUG(exact))
            for _ in range(draws)]
    return {name: np.array([row[name][0] / row[name][1] for row in rows]) for name in rows[0]}


def test_the_local_errors_of_projector_splitting_and_fixed_rank_BUG_obey_their_bounds():
    """h(9 L B h + 4 ε), recalled from [KLW16] for the splitting, follows from the first of them."""
    for name, ratio in fixed_rank_ratios(80).items():
        assert ratio.max() <= 1, f"{name}: error / bound = {ratio.max()} in draw {ratio.argmax()}"
        assert ratio.max() >= 0.9, f"{name}: {ratio.max()}"


def test_a_splitting_with_a_forward_S_step_and_BUG_without_overlap_violate_these_bounds():
    ratio = fixed_rank_ratios(60, splitting=ForwardS(solve=exact), bug=ForgottenOverlap())
    assert all((ratio[name] > 1).mean() > 0.2 for name in ("splitting", "BUG, by ϑ_h", "BUG"))


def test_a_normal_part_that_vanishes_at_the_start_only_bounds_no_error_of_fixed_rank():
    """F = a vᴴ + u bᴴ constant, a ⟂ u, b ⟂ v, at Y0 = 0 · u vᴴ: L = 0 and ε = 0 at Y0. But K1 = h a
    turns u to a, and there F has the normal part u bᴴ: the splitting misses h‖b‖, as its bound
    says, and BUG both parts. The augmented bases hold everything.
    """
    u, a, v, b = np.eye(4)[:, :1], 2 * np.eye(4)[:, 1:2], np.eye(3)[:, :1], 3 * np.eye(3)[:, 1:2]
    Y0, C, h = LowRank(u, np.zeros((1, 1)), v), a @ v.T + u @ b.T, 0.1
    assert normal_part(Y0, C) == 0
    assert normal_part(LowRank(a / 2, np.eye(1), v), C) == pytest.approx(3)

    def error(method):
        return norm(method.step(Y0, 0, h, lambda t, Y: C) - h * C)
    assert error(ProjectorSplitting()) == pytest.approx(3 * h)
    assert error(BUG()) == pytest.approx(np.sqrt(13) * h)
    assert error(AdaptiveBUG(0)) <= 1e-15


# -------------------------------------------------------------- robustness to small singular values

@pytest.mark.parametrize("smallest", [*(10.0**-k for k in range(1, 17)), 0.0])
def test_a_step_is_near_the_tangent_step_whatever_the_smallest_singular_value(smallest):
    """‖Y1 − (Y + h P(Y)F)‖ for constant F: parallel 0, augmented ≤ h‖(I − P)F‖,
    splitting ≤ h‖F(I − VVᵀ)‖, BUG ≤ (1 + √2) h‖F‖."""
    rng, h = np.random.default_rng(3), 1e-2
    Y = random_lowrank(rng, 12, 11, [1, 0.5, smallest])
    F = rng.standard_normal((12, 11))
    tangent_step = Y.dense() + h * tangent_projection(Y, F).dense()
    bounds = {AdaptiveBUG(0): h * normal_part(Y, F), DLRT(0): h * normal_part(Y, F),
              ProjectorSplitting(): h * norm(F - F @ Y.V @ H(Y.V)),
              BUG(): (1 + np.sqrt(2)) * h * norm(F), ParallelBUG(0): 0}
    for method, bound in bounds.items():
        assert norm(method.step(Y, 0, h, lambda t, Y: F)
                    - tangent_step) <= bound + 100 * EPS * (norm(Y) + norm(F)), method
    if 0 < smallest <= 1e-6:                 # the naive one deviates as h²/σ, and more
        deviation = norm(FactorODE().step(Y, 0, h, lambda t, Y: F) - tangent_step)
        assert deviation > 0.01 * h**2 / smallest and deviation > 10 * max(bounds.values())


# -------------------------------------------------------------------------------- the two baselines

def regular(rng, dtype, m=7, n=6, r=3):
    """A matrix of rank r with a full core of singular values 1, 1/2, 1/4,
    and a field at it, random of full rank."""
    P, Q = random_basis(rng, r, r, dtype), random_basis(rng, r, r, dtype)
    Y = LowRank(random_basis(rng, m, r, dtype), (P * 0.5 ** np.arange(r)) @ H(Q),
                random_basis(rng, n, r, dtype))
    return Y, random_basis(rng, m, m, dtype)[:, :n] + random_basis(rng, m, n, dtype)


@given(seeds, st.sampled_from([np.float64, np.complex128]),
       st.sampled_from([1e-3, 0.5]), st.booleans())
def test_factor_descent_steps_along_the_square_roots_of_the_matrix(seed, dtype, h, wide):
    """With A Bᴴ = Y and AᴴA = BᴴB it is AAᴴ = (YYᴴ)^½, BBᴴ = (YᴴY)^½:
    (A + hGB)(B + hGᴴA)ᴴ = Y + h(G(YᴴY)^½ + (YYᴴ)^½G) + h²GYᴴG.
    A square root of rounding errors is 1e-8."""
    rng = np.random.default_rng(seed)
    Y, G = regular(rng, dtype)
    # a core that is not square
    Y = LowRank(Y.U, Y.S @ np.eye(3, 4), random_basis(rng, 6, 4, dtype)) if wide else Y
    D, W = Y.dense(), np.ones((2, 3), dtype)
    step = FactorDescent().step(DirectSum([Y, W]), 0, h, lambda t, P: DirectSum([G, 3 * W])).blocks
    truth = D + h * (G @ sqrtm(H(D) @ D) + sqrtm(D @ H(D)) @ G) + h**2 * (G @ H(D) @ G)
    assert norm(step[0] - truth) <= 1e-6 * h * norm(G)
    assert norm(step[1] - (1 + 3 * h) * W) <= 1e-14 * norm(step[1])


@given(seeds, st.sampled_from([np.float64, np.complex128]))
def test_the_naive_step_is_a_tangent_step_up_to_h_squared_over_the_smallest_singular_value(
        seed, dtype):
    """Exactly: (U + hU')(S + hS')(V + hV')ᴴ − Y − hP(Y)G holds products of two or three slopes;
    with ‖U'‖, ‖V'‖ ≤ ‖G‖/σ, ‖S'‖ ≤ ‖G‖ these are at most h²(‖S‖₂ ‖G‖²/σ² + 2‖G‖²/σ) + h³‖G‖³/σ²."""
    Y, G = regular(np.random.default_rng(seed), dtype)
    h, sigma, g, W = 1e-6, 0.25, norm(G), np.ones((2, 3), dtype)
    step = FactorODE().step(DirectSum([Y, W]), 0, h, lambda t, P: DirectSum([G, 3 * W])).blocks
    bound = h**2 * (g**2 / sigma**2 + 2 * g**2 / sigma) + h**3 * g**3 / sigma**2
    assert norm(step[0] - (Y.dense() + h * dense(tangent_projection(Y, G)))) <= bound + 1e-14
    assert norm(step[1] - (1 + 3 * h) * W) <= 1e-14 * norm(step[1])
