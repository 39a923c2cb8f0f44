"""The contract of a step (lowrank_ode/integrators/__init__.py), point by point, and the identities between the methods."""

import copy

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator
from strategies import eps_of, lowrank_matrices, random_basis, seeds, spectra

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
)
from lowrank_ode.integrators import ABCPSI, FactorDescent, FactorODE, GeoLoRA, MidpointBUG, ParallelBUG, ParallelBUG2, ProjectedRK
from lowrank_ode.matrices import H, augment, check_state, dense, norm
from lowrank_ode.problems import closed_constants
from lowrank_ode.substeps import euler, exact, heun, repeated, rk4

LOW_RANK = [ProjectorSplitting(), ProjectorSplitting(order=2), BUG(), AdaptiveBUG(), DLRT(), ParallelBUG(), ParallelBUG(rejection=10),
            ParallelBUG2(), MidpointBUG(), MidpointBUG(bases="4r"), ProjectedRK(1), ProjectedRK(2), ProjectedRK(3), ABCPSI(), GeoLoRA()]
EVERY = [Dense(), *LOW_RANK]
BASELINES = [FactorDescent(), FactorODE()]


def test_every_method_is_under_test():
    assert {type(method) for method in EVERY} == set(METHODS)


def field_for(Y, rng):
    """F(Y) = A Y + C with a C of full rank, in the precision of Y."""
    m, n = Y.shape
    A, C = rng.standard_normal((m, m)).astype(Y.dtype) / m, rng.standard_normal((m, n)).astype(Y.dtype)
    return lambda t, Y: A @ Y + C


@pytest.mark.parametrize("method", [*EVERY, FactorDescent()], ids=str)
@given(lowrank_matrices(), seeds, st.sampled_from([1e-3, 0.1, 2]))
def test_a_step_is_pure_keeps_precision_and_orthonormality_and_starts_with_F_at_Y(method, Y, seed, h):
    rng = np.random.default_rng(seed)
    b = rng.standard_normal((3, 1)).astype(Y.dtype)
    start = DirectSum([Y, b])
    before, calls = copy.deepcopy([*Y, b]), []
    F_Y = field_for(Y, rng)

    def F(t, P):
        calls.append((t, dense(P)))
        return DirectSum([F_Y(t, P.blocks[0]), -P.blocks[1]])

    end = method.step(start, 0.25, np.float64(h), F)            # a NumPy scalar must not promote float32
    assert all(np.array_equal(X, Z) for X, Z in zip([*Y, b], before, strict=True))
    assert end.blocks[0].dtype == Y.dtype and end.blocks[1].dtype == b.dtype
    check_state(end)
    assert calls[0][0] == 0.25 and norm(calls[0][1] - dense(start)) <= 100 * eps_of(b) * (norm(start) + 1e-300)
    again = method.step(start, 0.25, h, F)
    assert all(np.array_equal(X, Z) for X, Z in zip(dense(end).blocks, dense(again).blocks, strict=True))


@pytest.mark.parametrize("method", [*EVERY, *BASELINES], ids=str)
@pytest.mark.parametrize("as_kind", [dense, sp.csr_array, aslinearoperator, lambda X: best_approximation(X, tol=0)],
                         ids=["ndarray", "sparse", "LinearOperator", "LowRank"])
def test_a_field_may_return_any_kind_of_matrix_and_blocks_are_independent(method, as_kind):
    """The block of low rank steps as it does alone; W' = −W is followed by Euler's step of 0.1, or to order 1: 0.1² ‖W‖."""
    rng = np.random.default_rng(0)
    Y, W = LowRank(random_basis(rng, 9, 3), np.diag([1, 0.1, 0.01]), random_basis(rng, 8, 3)), rng.standard_normal((9, 8))
    C = rng.standard_normal((9, 2)) @ rng.standard_normal((2, 8))
    alone = [dense(method.step(Y, 0, 0.1, lambda t, Y, kind=kind: kind(C - dense(Y)))) for kind in (dense, as_kind)]

    def F(t, P):
        P, Q = map(dense, P.blocks)
        return DirectSum([as_kind(C - P), as_kind(-Q)])

    Z, X = method.step(DirectSum([Y, W]), 0, 0.1, F).blocks
    assert all(norm(dense(Z) - P) <= 1e-13 * max(1, norm(P)) for P in alone)                    # 54 by FactorODE, else less than 2
    by, most = (0.9, 1e-15) if isinstance(method, (DLRT, GeoLoRA)) else (np.exp(-0.1), 0.1**2)
    assert norm(X - by * W) <= most * norm(W)


@pytest.mark.parametrize("method", [*LOW_RANK, *BASELINES], ids=str)
def test_no_m_by_n_array_is_formed_in_a_step_with_a_sparse_field(method):
    n = 100_000                 # n × n would take 80 GB
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, n, 3), np.diag([1, 0.1, 0.01]), random_basis(rng, n, 3))
    D = sp.diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=(-1, 0, 1)).tocsr()
    Y1 = method.step(Y, 0, 0.1, lambda t, Y: D @ Y + Y @ D)
    assert Y1.shape == (n, n) and Y1.norm() < Y.norm()


@given(lowrank_matrices(dtype=np.float64), seeds, st.sampled_from([0, 1e-8, 0.05, 0.3]), st.sampled_from([1e-3, 0.1, 2]), st.booleans())
def test_one_gradient_DLRT_is_adaptive_BUG_with_euler_substeps(Y, seed, tau, h, in_factors):
    """Also where the rank of the gradient, as that of a small batch, is below that of Y."""
    ndarrays, r = field_for(Y, np.random.default_rng(seed)), max(1, Y.rank // 2)
    F = (lambda t, Y: best_approximation(ndarrays(t, Y), rank=r)) if in_factors else ndarrays
    one, three = DLRT(tau).step(Y, 0, h, F), AdaptiveBUG(tau, relative=True, solve=euler).step(Y, 0, h, F)
    before = DLRT(0).step(Y, 0, h, F), AdaptiveBUG(0, solve=euler).step(Y, 0, h, F)
    tiny = 1e-12 * (norm(Y) + h * norm(F(0, Y)))
    assert norm(before[0] - before[1]) <= tiny
    sigma = np.diag(before[0].S)
    r = min(one.rank, three.rank)
    if one.rank != three.rank:              # only where a tail equals θ to rounding, so that either rank is right
        assert abs(np.linalg.norm(sigma[r:]) - tau * np.linalg.norm(sigma)) <= tiny
    elif r == len(sigma) or sigma[r - 1] - sigma[r] > 1e-3 * sigma[r - 1]:       # at a tie the best rank-r matrix is not unique
        assert norm(one - three) <= 1e3 * tiny


def test_the_fixed_rank_variant_does_not_reduce_to_one_gradient():
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 12, 3), np.diag([1, 0.5, 0.25]), random_basis(rng, 10, 3))
    F, h = field_for(Y, rng), 0.1
    G = F(0, Y)
    U1, V1 = BUG(euler).step(Y, 0, h, F).U, BUG(euler).step(Y, 0, h, F).V
    one_gradient = LowRank(U1, H(U1) @ (Y.dense() + h * G) @ V1, V1)
    assert norm(one_gradient - BUG(euler).step(Y, 0, h, F)) > 1e-4
    where_it_is = BUG(euler).step(Y, 0, h, lambda t, Y: np.zeros(Y.shape))      # G = 0: there both are Y
    assert norm(where_it_is - Y) <= 1e-14


@given(lowrank_matrices(dtype=np.float64), seeds, st.sampled_from([1e-2, 1]))
def test_euler_identities_of_the_augmented_step(Y, seed, h):
    """span[U, K1] = span[U, GV]; the S-step starts at Y; Ŷ = Y + h Π G; Π P(Y)G = P(Y)G for this G, and ‖P G‖ ≤ ‖Π G‖ ≤ ‖G‖."""
    U, S, V = Y
    G = field_for(Y, np.random.default_rng(seed))(0, Y)
    U1, V1 = augment(U, G @ V), augment(V, H(G) @ U)
    PG = U @ H(U) @ G + G @ V @ H(V) - U @ H(U) @ G @ V @ H(V)
    PiG = U1 @ H(U1) @ G @ V1 @ H(V1)
    tiny = 200 * eps_of(G) * (norm(G) + norm(Y)) * max(Y.shape)
    assert norm(U1 @ (H(U1) @ U @ S @ H(V) @ V1) @ H(V1) - Y.dense()) <= tiny
    assert norm(DLRT(0).step(Y, 0, h, lambda t, Y: G) - (Y + h * PiG)) <= tiny * (1 + h)
    assert norm(U1 @ H(U1) @ PG @ V1 @ H(V1) - PG) <= tiny
    assert norm(PG) <= norm(PiG) + tiny and norm(PiG) <= norm(G) + tiny
    # the identity is one of this G only: for another matrix it fails (unless Π is the identity)
    if min(Y.shape) > 2 * Y.rank:
        X = np.random.default_rng(seed + 1).standard_normal(Y.shape)
        PX = U @ H(U) @ X + X @ V @ H(V) - U @ H(U) @ X @ V @ H(V)
        assert norm(U1 @ H(U1) @ PX @ V1 @ H(V1) - PX) > 1e-6 * norm(X)


@given(lowrank_matrices(dtype=np.float64), seeds, st.sampled_from([1e-2, 1]))
def test_euler_identities_of_parallel_BUG_GeoLoRA_projected_euler_and_abc_PSI(Y, seed, h):
    """Parallel BUG with Euler substeps = GeoLoRA = Y + h P(Y)G, cut to rank r projected Euler; abc-PSI = Y + h Û Ûᴴ G [SZCTK25, KSW25]."""
    G = field_for(Y, np.random.default_rng(seed))(0, Y)
    tiny = 300 * eps_of(G) * (norm(G) + norm(Y)) * max(Y.shape)
    def F(t, Y):
        return G
    tangent_step = Y + h * tangent_projection(Y, G)
    assert norm(GeoLoRA(0).step(Y, 0, h, F) - tangent_step) <= tiny
    assert norm(ParallelBUG(0, solve=euler).step(Y, 0, h, F) - tangent_step) <= tiny
    sigma = np.append(np.diag(best_approximation(tangent_step, tol=0).S), 0)
    if len(sigma) > Y.rank and sigma[Y.rank - 1] - sigma[Y.rank] > 1e-3 * sigma[0]:       # at a tie the best rank-r matrix is not unique
        assert norm(GeoLoRA(0, max_rank=Y.rank).step(Y, 0, h, F) - ProjectedRK(1).step(Y, 0, h, F)) <= 1e4 * tiny
    U1 = augment(Y.U, G @ Y.V)
    assert norm(ABCPSI(0, solve=euler).step(Y, 0, h, F) - (Y.dense() + h * U1 @ (H(U1) @ G))) <= tiny


def test_parallel_BUG_rejects_a_step_that_misses_the_corner_or_fills_its_rank():
    """F = T − Y, T of rank 5, from rank 1: an accepted step has rank 2 at most; rejection goes on until nothing is missing [CKL24].

    (For T with equal singular values it stops at rank 3: the bases hold u, T v and T Tᵀ u, and the corner sees no further.)
    """
    rng = np.random.default_rng(0)
    T = LowRank(random_basis(rng, 12, 5), np.diag([5.0, 4, 3, 2, 1]), random_basis(rng, 11, 5)).dense()
    Y = LowRank(random_basis(rng, 12, 1), np.eye(1), random_basis(rng, 11, 1))
    def F(t, Y):
        return T - dense(Y)
    assert ParallelBUG(1e-3).step(Y, 0, 0.5, F).rank == 2
    Y1 = ParallelBUG(1e-3, rejection=10).step(Y, 0, 0.5, F)
    truth = T + np.exp(-0.5) * (Y.dense() - T)
    assert Y1.rank == 6 and norm(Y1 - truth) < 0.01 * norm(ParallelBUG(1e-3).step(Y, 0, 0.5, F) - truth)


@pytest.mark.parametrize("method, m, n, r", [*((method, 9, 8, 2) for method in (AdaptiveBUG(1e-3, solve=euler), DLRT(1e-3), BUG(euler),
                         ProjectorSplitting(solve=euler))), (DLRT(0, max_rank=16), 40, 36, 16)], ids=str)
@pytest.mark.parametrize("dtype, bound", [(np.float64, 1e-14), (np.float32, 5e-6)], ids=["float64", "float32"])
def test_orthonormality_does_not_drift_in_10000_steps(method, m, n, r, dtype, bound):
    """Without the Newton step in `truncate` the defect of a basis grows by a fifth of EPS each step. At rank 16 `cut` goes its own way."""
    rng = np.random.default_rng(0)
    T = rng.standard_normal((m, n)).astype(dtype)
    Y = LowRank(random_basis(rng, m, r, dtype), np.diag(np.linspace(1, 0.5, r)).astype(dtype), random_basis(rng, n, r, dtype))
    for _ in range(10_000):
        Y = method.step(Y, 0, 1e-3, lambda t, Y: T - dense(Y))
    assert max(norm(H(X) @ X - np.eye(X.shape[1])) for X in (Y.U, Y.V)) <= bound


@given(spectra(4), seeds)
def test_adaptive_methods_at_most_double_the_rank(sigma, seed):
    rng = np.random.default_rng(seed)
    r = len(sigma)
    Y = LowRank(random_basis(rng, 20, r), np.diag(sigma), random_basis(rng, 17, r))
    for method in (AdaptiveBUG(0), DLRT(0), AdaptiveBUG(0, max_rank=r + 1), DLRT(0, max_rank=r + 1)):
        assert 1 <= method.step(Y, 0, 0.3, field_for(Y, rng)).rank <= (2 * r if method.max_rank is None else r + 1)


@pytest.mark.parametrize("method", [*LOW_RANK, *BASELINES], ids=str)
def test_the_rank_changes_if_and_only_if_a_method_is_called_adaptive(method):
    rng = np.random.default_rng(0)
    Y, F = LowRank(random_basis(rng, 9, 2), np.eye(2), random_basis(rng, 8, 2)), rng.standard_normal((9, 8))
    assert (method.step(Y, 0, 0.5, lambda t, Y: F).rank != 2) == method.adaptive


def test_substeps_have_their_orders_and_exact_is_exact():
    def error(solve, n):
        y = np.array([[1.0]])
        for k in range(n):
            y = solve(lambda t, y: -2 * t * y, k / n, y, 1 / n)     # y = exp(−t²): F(t, ·) with the right nodes
        return abs(y[0, 0] - np.exp(-1))
    for solve, order in ((euler, 1), (heun, 2), (rk4, 4), (repeated(euler, 3), 1)):
        assert abs(np.log2(error(solve, 32) / error(solve, 64)) - order) < 0.15
    assert error(exact, 1) < 1e-13 and error(repeated(rk4, 24), 1) < error(rk4, 1) / 10_000


def test_exact_flow_and_evolve_share_their_times_and_agree_for_the_dense_method():
    p = closed_constants(np.random.default_rng(0), 6, 5, [1, 0.1])
    pairs = list(zip(evolve(Dense(), p.Y0, p.F, (0.5, 1), 40), exact_flow(p.Y0, p.F, (0.5, 1), 40), strict=True))
    assert len(pairs) == 41 and pairs[0][0][0] == 0.5 and pairs[-1][0][0] == 1.0
    assert all(t == s and norm(Y - W) < 1e-8 for (t, Y), (s, W) in pairs)
    assert norm(pairs[-1][1][1] - p.solution(0.5)) < 1e-12


@pytest.mark.parametrize("make, message", [
    (lambda: DLRT(tau=-0.1), "tau: got -0.1"), (lambda: AdaptiveBUG(tol=-1), "tol: got -1"), (lambda: DLRT(max_rank=0), "max_rank: got 0"),
    (lambda: ProjectorSplitting(order=3), "order: got 3"),
    *[(lambda m=m, h=h: m.step(best_approximation(np.eye(3), rank=1), 0, h, lambda t, Y: Y), "h: got")
      for m in [*EVERY, *BASELINES] for h in (0, -1, np.nan)],
    (lambda: evolve(BUG(), best_approximation(np.eye(3), rank=1), lambda t, Y: Y, (1, 1), 2), "t_span: got"),
    (lambda: evolve(BUG(), best_approximation(np.eye(3), rank=1), lambda t, Y: Y, (0, 1), 0), "n_steps: got 0"),
    (lambda: evolve(BUG(), LowRank(np.ones((3, 1)), np.eye(1), np.eye(3, 1)), lambda t, Y: Y, (0, 1), 1), "Y0.U: .*orthonormal"),
    (lambda: list(evolve(Dense(), np.eye(3), lambda t, Y: Y * np.inf, (0, 1), 1)), "Y after step 1: NaN"),
    (lambda: list(evolve(BUG(), best_approximation(np.eye(3), rank=1), lambda t, Y: np.full((3, 3), np.nan), (0, 1), 1)), "K: NaN or Inf"),
])
def test_bad_arguments_are_refused_by_name(make, message):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        make()


def test_the_naive_method_is_no_member_and_refuses_a_singular_core():
    assert FactorODE not in METHODS
    with pytest.raises(np.linalg.LinAlgError):
        FactorODE().step(LowRank(np.eye(4, 2), np.diag([1.0, 0]), np.eye(4, 2)), 0, 0.1, lambda t, Y: np.ones((4, 4)))
