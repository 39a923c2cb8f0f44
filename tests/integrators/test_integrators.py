"""The contract of a step (lowrank_ode/integrators/__init__.py), point by point, and the identities
between the methods."""

import copy

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from methods import BASELINES, EVERY, LOW_RANK, unregistered
from strategies import KINDS, eps_of, field_for, lowrank_matrices, random_basis, seeds

from lowrank_ode import (
    BUG,
    DLRT,
    METHODS,
    AdaptiveBUG,
    DirectSum,
    LowRank,
    best_approximation,
    tangent_projection,
)
from lowrank_ode.integrators import (
    ABCPSI,
    FactorDescent,
    GeoLoRA,
    ParallelBUG,
    ProjectedRK,
)
from lowrank_ode.matrices import H, augment, check_state, dense, norm
from lowrank_ode.substeps import euler


def test_every_method_is_under_test():
    """Planted: one that nobody has entered in the registry."""
    class Forgotten(BUG):
        pass

    assert unregistered(METHODS) == set() and unregistered([*METHODS, Forgotten]) == {Forgotten}
    assert {type(method) for method in EVERY} == set(METHODS)


@pytest.mark.parametrize("method", [*EVERY, FactorDescent()], ids=str)
@given(lowrank_matrices(), seeds, st.sampled_from([1e-3, 0.1, 2]))
def test_a_step_is_pure_keeps_precision_and_orthonormality_and_starts_with_F_at_Y(
        method, Y, seed, h):
    rng = np.random.default_rng(seed)
    b = rng.standard_normal((3, 1)).astype(Y.dtype)
    start = DirectSum([Y, b])
    before, calls = copy.deepcopy([*Y, b]), []
    F_Y = field_for(Y, rng)

    def F(t, P):
        calls.append((t, dense(P)))
        return DirectSum([F_Y(t, P.blocks[0]), -P.blocks[1]])

    end = method.step(start, 0.25, np.float64(h), F)    # a NumPy scalar must not promote float32
    assert all(np.array_equal(X, Z) for X, Z in zip([*Y, b], before, strict=True))
    assert end.blocks[0].dtype == Y.dtype and end.blocks[1].dtype == b.dtype
    check_state(end)
    (t, first), size = calls[0], norm(start) + 1e-300
    assert t == 0.25 and norm(first - dense(start)) <= 100 * eps_of(b) * size
    again = method.step(start, 0.25, h, F)
    pairs = zip(dense(end).blocks, dense(again).blocks, strict=True)
    assert all(np.array_equal(X, Z) for X, Z in pairs)


@pytest.mark.parametrize("method", [*EVERY, *BASELINES], ids=str)
@pytest.mark.parametrize("name", KINDS)
def test_a_field_may_return_any_kind_of_matrix_and_blocks_are_independent(method, name):
    """The block of low rank steps as it does alone; W' = −W is followed by Euler's step of 0.1, or
    to order 1: 0.1² ‖W‖."""
    rng, as_kind = np.random.default_rng(0), KINDS[name]
    Y = LowRank(random_basis(rng, 9, 3), np.diag([1, 0.1, 0.01]), random_basis(rng, 8, 3))
    W = rng.standard_normal((9, 8))
    C = rng.standard_normal((9, 2)) @ rng.standard_normal((2, 8))
    alone = [dense(method.step(Y, 0, 0.1, lambda t, Y, kind=kind: kind(C - dense(Y))))
             for kind in (dense, as_kind)]

    def F(t, P):
        P, Q = map(dense, P.blocks)
        return DirectSum([as_kind(C - P), as_kind(-Q)])

    Z, X = method.step(DirectSum([Y, W]), 0, 0.1, F).blocks
    assert all(norm(dense(Z) - P) <= 1e-13 * max(1, norm(P)) for P in alone)    # 54 by FactorODE
    one_gradient = isinstance(method, (DLRT, GeoLoRA))
    by, most = (0.9, 1e-15) if one_gradient else (np.exp(-0.1), 0.1**2)
    assert norm(X - by * W) <= most * norm(W)


@pytest.mark.parametrize("method", [*LOW_RANK, *BASELINES], ids=str)
def test_a_step_may_start_from_a_matrix_in_whatever_form_its_factors_are(method):
    """A sum, bases kept in factors, both in a direct sum. Planted: a sum truncated as if its bases
    side by side were orthonormal, see test_truncation.py."""
    rng = np.random.default_rng(0)
    U, V = random_basis(rng, 9, 2), random_basis(rng, 8, 2)
    U1, V1 = augment(U, rng.standard_normal((9, 1))), augment(V, rng.standard_normal((8, 1)))
    kept = LowRank(U1, np.diag([3.0, 2, 1]), V1)
    apart = [LowRank(U[:, k:k + 1], np.array([[2.0 - k]]), V[:, k:k + 1]) for k in (0, 1)]
    F = field_for(kept, rng)
    for start in (kept, apart[0] + apart[1]):
        truth = method.step(LowRank(*start), 0, 0.1, F)
        found = check_state(method.step(check_state(start), 0, 0.1, F))
        both = method.step(DirectSum([start]), 0, 0.1, lambda t, P: DirectSum([F(t, *P.blocks)]))
        assert max(norm(X - truth) for X in (found, both.blocks[0])) <= 1e-13 * norm(truth)


@pytest.mark.parametrize("method", [*LOW_RANK, *BASELINES], ids=str)
def test_no_m_by_n_array_is_formed_in_a_step_with_a_sparse_field(method):
    n = 100_000                 # n × n would take 80 GB
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, n, 3), np.diag([1, 0.1, 0.01]), random_basis(rng, n, 3))
    bands = [np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)]
    D = sp.diags_array(bands, offsets=(-1, 0, 1)).tocsr()
    Y1 = method.step(Y, 0, 0.1, lambda t, Y: D @ Y + Y @ D)
    assert Y1.shape == (n, n) and Y1.norm() < Y.norm()


@given(lowrank_matrices(dtype=np.float64), seeds, st.sampled_from([0, 1e-8, 0.05, 0.3]),
       st.sampled_from([1e-3, 0.1, 2]), st.booleans())
def test_one_gradient_DLRT_is_adaptive_BUG_with_euler_substeps(Y, seed, tau, h, in_factors):
    """Also where the rank of the gradient, as that of a small batch, is below that of Y."""
    ndarrays, r = field_for(Y, np.random.default_rng(seed)), max(1, Y.rank // 2)

    def F(t, Y):
        return best_approximation(ndarrays(t, Y), rank=r) if in_factors else ndarrays(t, Y)

    one = DLRT(tau).step(Y, 0, h, F)
    three = AdaptiveBUG(tau, relative=True, solve=euler).step(Y, 0, h, F)
    before = DLRT(0).step(Y, 0, h, F), AdaptiveBUG(0, solve=euler).step(Y, 0, h, F)
    tiny = 1e-12 * (norm(Y) + h * norm(F(0, Y)))
    assert norm(before[0] - before[1]) <= tiny
    sigma, r = before[0].singular_values(), min(one.rank, three.rank)
    if one.rank != three.rank:      # only where a tail equals θ to rounding: either rank is right
        assert abs(np.linalg.norm(sigma[r:]) - tau * np.linalg.norm(sigma)) <= tiny
    elif r == len(sigma) or sigma[r - 1] - sigma[r] > 1e-3 * sigma[r - 1]:
        assert norm(one - three) <= 1e3 * tiny      # at a tie the best one is not unique


def test_the_fixed_rank_variant_does_not_reduce_to_one_gradient():
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 12, 3), np.diag([1, 0.5, 0.25]), random_basis(rng, 10, 3))
    F, h = field_for(Y, rng), 0.1
    G = F(0, Y)
    U1, _, V1 = BUG(euler).step(Y, 0, h, F)
    one_gradient = LowRank(U1, H(U1) @ (Y.dense() + h * G) @ V1, V1)
    assert norm(one_gradient - BUG(euler).step(Y, 0, h, F)) > 1e-4
    where_it_is = BUG(euler).step(Y, 0, h, lambda t, Y: np.zeros(Y.shape))  # G = 0: both are Y
    assert norm(where_it_is - Y) <= 1e-14


@given(lowrank_matrices(dtype=np.float64), seeds, st.sampled_from([1e-2, 1]))
def test_euler_identities_of_the_augmented_step(Y, seed, h):
    """span[U, K1] = span[U, GV]; the S-step starts at Y; Ŷ = Y + h Π G; Π P(Y)G = P(Y)G for this G,
    and ‖P G‖ ≤ ‖Π G‖ ≤ ‖G‖."""
    U, S, V = Y
    G = field_for(Y, np.random.default_rng(seed))(0, Y)
    U1, V1 = augment(U, G @ V).array, augment(V, H(G) @ U).array

    def P(X):
        return U @ H(U) @ X + X @ V @ H(V) - U @ H(U) @ X @ V @ H(V)

    def Pi(X):
        return U1 @ H(U1) @ X @ V1 @ H(V1)

    tiny = 200 * eps_of(G) * (norm(G) + norm(Y)) * max(Y.shape)
    assert norm(U1 @ (H(U1) @ U @ S @ H(V) @ V1) @ H(V1) - Y.dense()) <= tiny
    assert norm(DLRT(0).step(Y, 0, h, lambda t, Y: G) - (Y + h * Pi(G))) <= tiny * (1 + h)
    assert norm(Pi(P(G)) - P(G)) <= tiny
    assert norm(P(G)) <= norm(Pi(G)) + tiny and norm(Pi(G)) <= norm(G) + tiny
    # the identity is one of this G only: for another matrix it fails (unless Π is the identity)
    if min(Y.shape) > 2 * Y.rank:
        X = np.random.default_rng(seed + 1).standard_normal(Y.shape)
        assert norm(Pi(P(X)) - P(X)) > 1e-6 * norm(X)


@given(lowrank_matrices(dtype=np.float64), seeds, st.sampled_from([1e-2, 1]))
def test_euler_identities_of_parallel_BUG_GeoLoRA_projected_euler_and_abc_PSI(Y, seed, h):
    """Parallel BUG with Euler substeps = GeoLoRA = Y + h P(Y)G, cut to rank r projected Euler;
    abc-PSI = Y + h Û Ûᴴ G [SZCTK25, KSW25]."""
    G = field_for(Y, np.random.default_rng(seed))(0, Y)
    tiny, r = 300 * eps_of(G) * (norm(G) + norm(Y)) * max(Y.shape), Y.rank

    def off(method, truth):
        return norm(method.step(Y, 0, h, lambda t, Y: G) - truth)

    tangent_step = Y + h * tangent_projection(Y, G)
    assert off(GeoLoRA(0), tangent_step) <= tiny
    assert off(ParallelBUG(0, solve=euler), tangent_step) <= tiny
    sigma = np.append(tangent_step.singular_values(), 0)
    if sigma[r - 1] - sigma[r] > 1e-3 * sigma[0]:       # at a tie the best one is not unique
        projected = ProjectedRK(1).step(Y, 0, h, lambda t, Y: G)
        assert off(GeoLoRA(0, max_rank=r), projected) <= 1e4 * tiny
    U1 = augment(Y.U, G @ Y.V).array
    assert off(ABCPSI(0, solve=euler), Y.dense() + h * U1 @ (H(U1) @ G)) <= tiny


def test_parallel_BUG_rejects_a_step_that_misses_the_corner_or_fills_its_rank():
    """F = T − Y, T of rank 5, from rank 1: an accepted step has rank 2 at most; rejection goes on
    until nothing is missing [CKL24].

    (For T with equal singular values it stops at rank 3: the bases hold u, T v and T Tᵀ u, and the
    corner sees no further.)
    """
    rng, sigma = np.random.default_rng(0), np.diag([5.0, 4, 3, 2, 1])
    T = LowRank(random_basis(rng, 12, 5), sigma, random_basis(rng, 11, 5)).dense()
    Y = LowRank(random_basis(rng, 12, 1), np.eye(1), random_basis(rng, 11, 1))
    truth = T + np.exp(-0.5) * (Y.dense() - T)
    one, more = (ParallelBUG(1e-3, rejection=limit).step(Y, 0, 0.5, lambda t, Y: T - dense(Y))
                 for limit in (None, 10))
    assert one.rank == 2 and more.rank == 6 and norm(more - truth) < 0.01 * norm(one - truth)
