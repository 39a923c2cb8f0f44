"""Theorems on the flows inside a step: descent with exact substeps, norm, one gradient for a whole
network (docs/theorems.md)."""

import numpy as np
import pytest
from derivatives import draw as draw_network
from derivatives import inner
from hypothesis import given
from hypothesis import strategies as st
from methods import low_rank
from strategies import seeds

from lowrank_ode import (
    BUG,
    DLRT,
    AdaptiveBUG,
    DirectSum,
    best_approximation,
    tangent_projection,
    truncate,
)
from lowrank_ode.integrators.adaptive_bug import augmented_step
from lowrank_ode.integrators.projected import K_field, L_field, S_field
from lowrank_ode.matrices import H, dense, norm
from lowrank_ode.nets import mlp
from lowrank_ode.problems import quadratic_flow, random_lowrank
from lowrank_ode.substeps import euler, exact, repeated, rk4
from lowrank_ode.training import gradient_field

EPS = np.finfo(float).eps
FINE = repeated(rk4, 24)


# -------------------------------------------------------------------------- descent, exact substeps

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


def dissipated(Y, U1, V1, F, h):
    """∫₀ʰ ‖U1ᴴ F(X(s)) V1‖² ds along the S-flow X = U1 S V1ᴴ from U1U1ᴴ Y V1V1ᴴ, by Gauss–Legendre
    quadrature with 12 nodes.

    For a quadratic loss the integrand is a sum of e^{−2λs}, λ ≤ L. Its error is at most h (2Lh)²⁴
    12!⁴ / (25 · 24!³) times the largest value [Gauss], which is 1e-16 of h times it for Lh ≤ 4.
    """
    field, S0 = S_field(F, U1, V1), (H(U1) @ Y.U) @ Y.S @ (H(Y.V) @ V1)
    times = h / 2 * (1 + NODES)
    return h / 2 * sum(w * norm(field(0, exact(field, 0, S0, s))) ** 2
                       for s, w in zip(times, WEIGHTS, strict=True))


def descent(seed):
    """For a drawn quadratic: (∫₀ʰ ‖ΠF(Ŷ(s))‖² ds, f(Y) − f(Ŷ), f(Y)),
    Lh up to 4, σ down to 1e-10."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(5, 10, 2)
    curvature = 10 ** rng.uniform(-2, 0, (m, n)) if seed % 2 else None
    p = quadratic_flow(rng, rng.standard_normal((m, n)), [1, 1e-3, 1e-10][:1 + seed % 3], curvature)
    h = rng.uniform(0.01, 4) / p.lipschitz
    aug = augmented_step(p.Y0, 0, h, p.F, exact)
    return dissipated(p.Y0, aug.U, aug.V, p.F, h), p.loss(p.Y0) - p.loss(aug), p.loss(p.Y0)


@pytest.mark.parametrize("seed", range(20))
def test_with_exact_substeps_the_loss_falls_by_exactly_the_dissipation_of_the_S_flow(seed):
    """[CKL22] f(Ŷ) = f(Y) − ∫₀ʰ ‖ΠF(Ŷ(s))‖² ds. The substeps are accurate to 1e-13 a step of
    theirs, and take some ten."""
    integral, drop, loss = descent(seed)
    assert abs(integral - drop) <= 1e-12 * loss and drop > 0


def test_the_S_flow_of_fixed_rank_BUG_does_not_account_for_its_loss():
    """Its S-step starts at U1U1ᴴ Y V1V1ᴴ. On the instance of docs/theorems.md, 6, the loss rises
    while the S-flow dissipates."""
    T = np.array([[1.0, 1.0], [1.0, -120.0]])
    Y, h = best_approximation(np.diag([1.0, 0.0]), rank=1), 0.1

    def F(t, Y):
        return T - dense(Y)
    Y1 = BUG(exact).step(Y, 0, h, F)
    rise = 0.5 * norm(Y1.dense() - T) ** 2 - 0.5 * norm(Y.dense() - T) ** 2
    assert rise > 0.8 and dissipated(Y, Y1.U, Y1.V, F, h) >= 0


# ------------------------------------------------------------------------------ norm, real matrices

def skew_field(rng, m, n):
    """F(Y) = K Y C + Y K₂ with skew K, K₂ and symmetric C of spectral norm 1: ⟨Y, F(Y)⟩ = 0 for all
    Y, and no Sylvester flow."""
    X, Z, C = rng.standard_normal((m, m)), rng.standard_normal((n, n)), rng.standard_normal((n, n))
    K, K2, C = (M / np.linalg.norm(M, 2) for M in (X - X.T, Z - Z.T, C + C.T))
    return lambda t, Y: (K @ Y) @ C + Y @ K2


def norm_change(method, seed, h=0.2):
    rng = np.random.default_rng(seed)
    F, Y = skew_field(rng, 12, 11), random_lowrank(rng, 12, 11, [1, 0.5, 10.0**-(seed % 12)])
    return norm(method.step(Y, 0, h, F)) - norm(Y)


KEEPING = low_rank("keeps_norm", tol=0, solve=FINE)
LOSING = [m for m in low_rank(plain=True, tol=0, solve=FINE) if not m.keeps_norm]


@pytest.mark.parametrize("method", KEEPING, ids=str)
def test_the_norm_is_kept_where_the_field_is_orthogonal_to_the_matrix(method):
    """[LO14, CKL22, CEKL24, KSW25] On y' = iωy a step k of RK4 changes |y| by (kω)⁶/144; here
    ω ≤ 2, k = h/24, and 24 · 3 such steps are 1.1e-11 at most.
    """
    assert method.keeps_norm and max(abs(norm_change(method, seed)) for seed in range(12)) <= 2e-11


@pytest.mark.parametrize("method", [*LOSING, AdaptiveBUG(0, solve=euler)], ids=str)
def test_the_norm_is_not_kept_by_fixed_rank_and_parallel_BUG_nor_with_euler_substeps(method):
    assert np.median([abs(norm_change(method, seed)) for seed in range(12)]) > 1e-4


@given(seeds, st.sampled_from([1e-3, 0.05, 0.3]))
def test_truncation_takes_the_square_of_its_tail_from_the_square_of_the_norm(seed, tol):
    """‖Y1‖² = ‖Y‖² − tail² for adaptive BUG on such a field; hence ‖Y‖ − θ ≤ ‖Y1‖ ≤ ‖Y‖."""
    rng = np.random.default_rng(seed)
    F, Y = skew_field(rng, 9, 8), random_lowrank(rng, 9, 8, [1, 0.5])
    aug = augmented_step(Y, 0, 0.2, F, FINE)
    Y1 = truncate(aug, tol)
    assert abs(norm(Y1) ** 2 + norm(aug - Y1) ** 2 - norm(Y) ** 2) <= 1e-10
    assert norm(Y) - tol - 1e-10 <= norm(Y1) <= norm(Y) + 1e-10


# --------------------------------------------------------- one gradient for all layers of a network

def drawn_network(seed):
    """A tanh network, two low-rank layers of ranks 1 to full, the last layer dense, biases ≠ 0,
    cores not diagonal; a batch."""
    rng = np.random.default_rng(seed)
    net = mlp([6, 7, 8, 4], activation="tanh")
    return rng, net, *draw_network(net, rng,
                                   [int(rng.integers(1, 7)), int(rng.integers(1, 8)), None])


def largest_defect(A, B):
    """Largest relative distance of a block of A from that of B."""
    return max(norm(X - Z) / (norm(Z) + 1e-300) for X, Z in zip(A.blocks, B.blocks, strict=True))


@given(seeds)
def test_one_backward_pass_is_three_for_all_layers_of_a_network_jointly(seed):
    """[SZKCT22] The gradients with respect to K at K0V0ᴴ, to L at U0L0ᴴ, to S at ÛŜV̂ᴴ, and of the
    biases, each by a backward pass of its own, are projections of the one gradient at W, for
    2r > min(m, n), too; and gradients they are, by a complex step in a random direction.
    """
    rng, net, W, x, labels = drawn_network(seed)
    F, (U0, S0, V0) = gradient_field(net, x, labels), W
    G, (U1, _, V1) = F(0, W), augmented_step(W, 0, 0.1, F, euler)
    K, L, S = U0 @ S0, V0 @ H(S0), (H(U1) @ U0) @ S0 @ (H(V0) @ V1)
    passes = {"K": (K_field(F, V0)(0, K), G @ V0, lambda D: D @ H(V0)),
              "L": (L_field(F, U0)(0, L), H(H(U0) @ G), lambda D: U0 @ H(D)),
              "S": (S_field(F, U1, V1)(0, S), H(U1) @ G @ V1, lambda D: U1 @ D @ H(V1))}
    for name, (own, projected, matrix) in passes.items():
        assert largest_defect(own, projected) <= 1e-12, name
        D = DirectSum([rng.standard_normal(X.shape) for X in own.blocks])
        slope = net.value(dense(W) + 1e-30j * matrix(D), x, labels).imag / 1e-30
        assert abs(slope + inner(own, D)) <= 1e-12 * norm(D) * norm(G), name
    one, three = DLRT(0).step(W, 0, 0.1, F), AdaptiveBUG(0, solve=euler).step(W, 0, 0.1, F)
    assert largest_defect(dense(one), dense(three)) <= 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_for_the_fixed_rank_variant_of_a_network_one_pass_is_not_enough(seed):
    """Its S-step starts elsewhere. (For G = 0, r = m = n it would be enough: ranks here are 2.)"""
    rng = np.random.default_rng(seed)
    net = mlp([6, 7, 8, 4], activation="tanh")
    W, x, labels = draw_network(net, rng, [2, 2, None])
    F, (U0, S0, V0) = gradient_field(net, x, labels), W
    U1, _, V1 = BUG(euler).step(W, 0, 0.1, F)
    own = S_field(F, U1, V1)(0, (H(U1) @ U0) @ S0 @ (H(V0) @ V1))
    assert largest_defect(own, H(U1) @ F(0, W) @ V1) > 1e-3


@pytest.mark.parametrize("seed", range(10))
def test_simultaneous_gradient_steps_on_U_S_V_do_not_follow_the_tangent_projection(seed):
    """GVSᴴ, UᴴGV and GᴴUS move the matrix by GVSᴴSVᴴ + UUᴴGVVᴴ + USSᴴUᴴG to first order; were all
    σ = 1, by P(Y)G + 2UUᴴGVVᴴ.

    Parallel BUG with Euler substeps moves along P(Y)G, cosine 1
    (tests/integrators/test_integrators.py).
    """
    rng = np.random.default_rng(seed)
    G = rng.standard_normal((12, 10))

    def cosine(Y):
        (U, S, V), PG = Y, tangent_projection(Y, G).dense()
        moved = G @ V @ H(S) @ S @ H(V) + U @ H(U) @ G @ V @ H(V) + U @ S @ H(S) @ H(U) @ G
        return np.sum(moved * PG) / (norm(moved) * norm(PG))
    assert cosine(random_lowrank(rng, 12, 10, [1, 0.5, 0.1])) < 0.9
    assert cosine(random_lowrank(rng, 12, 10, [1e-8, 1e-8, 1e-8])) < 0.7
