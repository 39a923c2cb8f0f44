"""Theorems on what a step keeps: descent, symmetry, rank (docs/theorems.md).
Each with the method that must fail."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from methods import low_rank
from published import published_rank
from strategies import random_basis, seeds, spectra

from lowrank_ode import (
    BUG,
    DLRT,
    AdaptiveBUG,
    LowRank,
    ProjectorSplitting,
    best_approximation,
    evolve,
)
from lowrank_ode.integrators import (
    FactorODE,
)
from lowrank_ode.matrices import dense, norm
from lowrank_ode.nets import mlp
from lowrank_ode.problems import normal_part, quadratic_flow, random_lowrank
from lowrank_ode.substeps import euler, exact
from lowrank_ode.training import gradient_field

EPS = np.finfo(float).eps


# ------------------------------------------------------------------------------------------ descent

def draw_quadratic(rng, flat):
    m, n = rng.integers(5, 12, 2)
    r = int(rng.integers(1, min(m, n) // 2 + 1))
    sigma = np.sort(10 ** rng.uniform(-12, 0, r))[::-1]
    return quadratic_flow(rng, rng.standard_normal((m, n)), sigma,
                          None if flat else 10 ** rng.uniform(-3, 0, (m, n)))


@given(seeds, st.floats(0.01, 3), st.booleans(), st.sampled_from([0.0, 0.05, 0.5]))
def test_theorem_2_descent_with_explicit_constants_on_quadratics(seed, hL, flat, tau):
    """[SZKCT22] f(Ŷ) ≤ f(Y) − h(1 − Lh/2)‖ΠG‖² for every h, with ‖P(Y)G‖ for ‖ΠG‖ if h ≤ 2/L;
    f(Y1) ≤ f(Ŷ) + β · tail."""
    p = draw_quadratic(np.random.default_rng(seed), flat)
    L, f, Y = p.lipschitz, p.loss, p.Y0
    h = hL / L
    G = p.F(0, Y)
    aug, end = DLRT(0).step(Y, 0, h, p.F), DLRT(tau).step(Y, 0, h, p.F)
    Pi_G = norm(aug - Y) / h
    P_G = np.sqrt(norm(G) ** 2 - normal_part(Y, G) ** 2)
    rounding = 1000 * EPS * (f(Y) + f(aug)) * sum(Y.shape)
    promised = h * (1 - L * h / 2) * Pi_G**2
    assert f(aug) <= f(Y) - promised + rounding
    assert Pi_G >= P_G - rounding / h
    if hL <= 2:
        assert f(aug) <= f(Y) - h * (1 - L * h / 2) * P_G**2 + rounding
    if flat:                                    # all curvatures are L: equality
        assert abs(f(aug) - f(Y) + promised) <= rounding
    tail = norm(aug - end)
    # the gradient is affine, so its norm is largest at an end of the segment
    beta = max(norm(p.F(0, aug)), norm(p.F(0, end)))
    assert f(end) <= f(aug) + beta * tail + rounding


def test_descent_fails_for_the_factor_ODE_with_a_small_singular_value():
    rng, rises = np.random.default_rng(0), []
    for _ in range(100):
        p = quadratic_flow(rng, rng.standard_normal((9, 8)), [1, 0.3, 1e-3])
        rises.append(p.loss(FactorODE().step(p.Y0, 0, 0.1, p.F)) > p.loss(p.Y0))
        assert p.loss(DLRT(0).step(p.Y0, 0, 0.1, p.F)) < p.loss(p.Y0)
    assert np.mean(rises) >= 0.8


@pytest.mark.parametrize("solve, rise", [(euler, 0.897), (exact, 0.818)], ids=["euler", "exact"])
def test_fixed_rank_BUG_can_raise_a_convex_loss_and_augmentation_cures_it(solve, rise):
    """f = ½‖W − T‖², W = diag(s, 0), T = [[s, b], [a, g]] with g = −s²(s + h(a² + b²)/s)/(h² ab);
    s = a = b = 1, h = 0.1."""
    h, T = 0.1, np.array([[1.0, 1.0], [1.0, -120.0]])
    W = best_approximation(np.diag([1.0, 0.0]), rank=1)
    def f(Y):
        return 0.5 * norm(dense(Y) - T) ** 2
    def F(t, Y):
        return T - dense(Y)
    assert abs(f(BUG(solve).step(W, 0, h, F)) - f(W) - rise) < 1e-3
    for method in (AdaptiveBUG(0, solve=solve), AdaptiveBUG(0, max_rank=1, solve=solve)):
        assert f(method.step(W, 0, h, F)) < f(W) - 1300


@pytest.mark.parametrize("seed", range(5))
def test_theorem_2_descent_on_a_network_all_layers_jointly(seed):
    """L is the largest curvature of the loss on the segment from W to Ŵ, found by differences of
    the slope at 40 points of it."""
    rng = np.random.default_rng(seed)
    net = mlp([6, 12, 11, 4], activation="tanh")
    x, labels = rng.standard_normal((30, 6)), rng.integers(0, 4, 30)
    W = net.init(rng, rank=3)
    F = gradient_field(net, x, labels)

    def f(P):
        return net.value(P, x, labels)

    def inner(A, B):
        return sum(np.vdot(dense(X), dense(Z)) for X, Z in zip(A.blocks, B.blocks, strict=True))

    for h in (1.0, 0.1, 1e-3):
        aug = DLRT(0).step(W, 0, h, F)
        d = dense(aug) - dense(W)
        points = np.linspace(0, 1, 41)
        slopes = np.array([-inner(F(0, dense(W) + s * d), d) for s in points])
        L = np.abs(np.diff(slopes) / np.diff(points)).max() * 1.02 / norm(d) ** 2
        Pi_G2 = (norm(d) / h) ** 2
        rounding = 100 * EPS * f(W)
        assert f(aug) <= f(W) - h * (1 - L * h / 2) * Pi_G2 + rounding
        # ⟨∇L, ΠG⟩ = ‖ΠG‖²: along the projected gradient
        assert abs(slopes[0] + h * Pi_G2) <= 100 * EPS * norm(W) * norm(F(0, W))
    assert abs((f(W) - f(aug)) / h / Pi_G2 - 1) < 5e-3      # (L0 − L1)/h → Σ‖ΠG‖² as h → 0
    assert 0.3 * norm(F(0, W)) ** 2 < Pi_G2 < norm(F(0, W)) ** 2


# ----------------------------------------------------------------------------------------- symmetry

def symmetric_problem(rng, n, skew):
    """F(Y) = A Y + Y Aᵀ + C − ½ Y³ with C symmetric (skew): F(Yᵀ) = F(Y)ᵀ (F(−Yᵀ) = −F(Y)ᵀ) for all
    Y, and no Sylvester flow."""
    A, C = rng.standard_normal((n, n)) / n, rng.standard_normal((n, n))
    C = 0.1 * (C - C.T if skew else C + C.T)

    def F(t, Y):
        Y = dense(Y)
        return A @ Y + Y @ A.T + C - 0.5 * Y @ Y @ Y

    return F


def symmetric_start(rng, n, d, skew):
    """Q D Qᵀ with span U = span V for every spectrum: stored as Q |D| (Q sgn D)ᵀ;
    skew: 2 × 2 blocks d J."""
    if skew:
        d = np.repeat(np.abs(d), 2)
        Q = random_basis(rng, n, len(d))
        J = np.kron(np.eye(len(d) // 2), np.array([[0, 1], [-1, 0]]))
        return LowRank(Q, np.diag(d), Q @ J.T)
    Q = random_basis(rng, n, len(d))
    return LowRank(Q, np.diag(np.abs(d)), Q * np.where(d < 0, -1, 1))


METHODS_BY_SYMMETRY = low_rank("keeps_symmetry", plain=True, tol=0)


def test_those_that_keep_symmetry_say_so():
    assert {"BUG", "AdaptiveBUG", "DLRT", "ParallelBUG"} <= {
        type(method).__name__ for method in METHODS_BY_SYMMETRY}


@pytest.mark.parametrize("skew", [False, True], ids=["symmetric", "skew"])
@pytest.mark.parametrize("method", METHODS_BY_SYMMETRY, ids=str)
@given(spectra(3), seeds)
def test_symmetry_is_kept_by_the_BUG_family(method, skew, sigma, seed):
    """[CL22, CKL22] if F(Yᵀ) = F(Y)ᵀ (F(−Yᵀ) = −F(Y)ᵀ) for all Y, and span U0 = span V0."""
    assert method.keeps_symmetry
    rng = np.random.default_rng(seed)
    Y = symmetric_start(rng, 12, sigma * rng.choice([-1, 1], len(sigma)), skew)
    sign = -1 if skew else 1
    F = symmetric_problem(rng, 12, skew)
    X = rng.standard_normal((12, 12))
    assert norm(F(0, sign * X.T) - sign * F(0, X).T) <= 1e-13 * norm(F(0, X))      # the hypothesis
    Y1 = method.step(Y, 0, 0.1, F).dense()
    assert norm(Y1 - sign * Y1.T) <= 1e-12


def test_symmetry_is_lost_by_projector_splitting_and_without_its_hypothesis():
    rng = np.random.default_rng(0)
    Y = symmetric_start(rng, 12, np.array([1, -0.5, 0.2]), skew=False)
    F = symmetric_problem(rng, 12, skew=False)
    for method, defect in ((ProjectorSplitting(), 1e-4), (ProjectorSplitting(order=2), 1e-6)):
        Y1 = method.step(Y, 0, 0.1, F).dense()
        assert not method.keeps_symmetry and norm(Y1 - Y1.T) > defect
    # symmetric to symmetric is not enough: K Vᵀ is not symmetric inside the K-step
    D, C = rng.standard_normal((2, 12, 12))
    Y1 = BUG().step(Y, 0, 0.1, lambda t, Y: C + C.T + D @ (dense(Y) - dense(Y).T)).dense()
    assert norm(Y1 - Y1.T) > 1e-3


# --------------------------------------------------------------------------------------------- rank

def flow_to(target, start_rank, tau, h, steps, seed=0, method=None):
    rng = np.random.default_rng(seed)
    m, n = target.shape
    Y0 = random_lowrank(rng, m, n, np.full(start_rank, norm(target) / np.sqrt(max(start_rank, 5))))
    return [Y.rank for _, Y in evolve(method or DLRT(tau), Y0, lambda t, Y: target - dense(Y),
                                      (0, h * steps), steps)]


def noisy_target(seed, r=5, noise=1e-3):
    rng = np.random.default_rng(seed)
    flat = random_lowrank(rng, 30, 25, np.ones(r)).dense()
    return flat + noise * rng.standard_normal((30, 25)) / 30


@pytest.mark.parametrize("seed", range(5))
def test_rank_is_recovered_from_above(seed):
    """Start at 2r*, noise ≪ τ‖Σ‖; without truncation it stays at 2r*."""
    assert flow_to(noisy_target(seed), 10, tau=0.05, h=0.2, steps=60)[-1] == 5
    assert flow_to(noisy_target(seed), 10, tau=1e-6, h=0.2, steps=60)[-1] > 5


@pytest.mark.parametrize("seed", range(5))
def test_rank_is_recovered_from_below_only_if_a_step_exceeds_the_tolerance(seed):
    """Growth needs h‖ΠF‖ > τ‖Σ‖: flat target of rank 5, τ = 0.1, start rank 1: h = 0.2 reaches 5,
    h = 0.05 stays at 1 for 600 steps."""
    grown = flow_to(noisy_target(seed), 1, tau=0.1, h=0.2, steps=100)
    assert grown[-1] == 5 and all(later <= 2 * earlier for earlier, later in pairwise(grown))
    assert set(flow_to(noisy_target(seed), 1, tau=0.1, h=0.05, steps=600)) == {1}


class PublishedRank(DLRT):
    """Planted error: the released rule for the new rank [CODE22]."""

    def step(self, Y, t, h, F):
        aug = DLRT(0).step(Y, t, h, F)
        r = min(published_rank(np.diag(aug.S), self.tau * norm(aug)), aug.rank)
        return best_approximation(aug, rank=r)


def test_the_published_rank_rule_cannot_grow_on_a_flat_spectrum():
    """A full-rank flat target: the correct rule lets the rank grow to min(m, n),
    the published one never does."""
    target = np.eye(16)
    assert flow_to(target, 2, tau=0.05, h=1.0, steps=10)[-1] == 16
    assert flow_to(target, 2, tau=0.05, h=1.0, steps=10, method=PublishedRank(0.05))[-1] < 16


def test_growth_is_bounded_by_what_a_step_adds():
    """W has rank r, so the tail beyond r of Ŵ = W + h ΠF is at most h‖ΠF‖:
    no growth while that is below θ."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        Y = random_lowrank(rng, 10, 9, 10 ** rng.uniform(-6, 0, 3))
        F = rng.standard_normal((10, 9))
        h = 10 ** rng.uniform(-3, 0)
        step = norm(DLRT(0).step(Y, 0, h, lambda t, Y, F=F: F) - Y)
        method = AdaptiveBUG(tol=step * 1.0000001, solve=euler)
        assert method.step(Y, 0, h, lambda t, Y, F=F: F).rank <= 3
