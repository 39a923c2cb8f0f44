"""augment and orth: orthonormal to rounding, range captured to rounding, over the hard spectra;
truncation and the two projections."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import ORTHONORMAL, RANGE, defect, missed, smallest_rank
from strategies import dtypes, eps_of, lowrank_matrices, random_basis, seeds, spectra

from lowrank_ode import LowRank, best_approximation, tangent_projection, truncate
from lowrank_ode.matrices import H, augment, norm, orth, orthonormal


@st.composite
def bases_and_updates(draw):
    """U0 (m, r) orthonormal and K (m, p) = U0 C + (a matrix with the drawn spectrum) · 10^-x; also
    K in span U0, m < r + p, K = 0."""
    dtype, sigma = draw(dtypes), draw(spectra())
    p = len(sigma)
    m = draw(st.integers(p, 4 * p + 4))
    r = draw(st.integers(0, m))
    rng = np.random.default_rng(draw(seeds))
    U0 = random_basis(rng, m, max(r, 1), dtype)[:, :r]
    K = (random_basis(rng, m, p, dtype) * sigma) @ random_basis(rng, p, p, dtype)
    if draw(st.booleans()):
        K = K * 10.0 ** -draw(st.floats(0, 20)) + U0 @ rng.standard_normal((r, p))
    return U0, (K * 10.0 ** draw(st.sampled_from([0, -30, 30]))).astype(dtype)


@given(bases_and_updates())
def test_augment_is_orthonormal_keeps_U0_captures_the_range_and_never_exceeds_m_columns(case):
    U0, K = case
    before = U0.copy(), K.copy()
    Q = augment(U0, K)
    (m, r), p = U0.shape, K.shape[1]
    assert Q.dtype == Q.array.dtype == K.dtype and r <= Q.shape[1] <= min(m, r + p)
    assert Q.U0 is U0 and np.array_equal(Q.array[:, :r], U0)
    assert defect(Q) <= ORTHONORMAL and missed(Q, K) <= RANGE
    assert np.array_equal(U0, before[0]) and np.array_equal(K, before[1])


def numpy_qr(U0, K):
    """The usual way: no leading U0, dependent directions filled with noise, 2r columns even where
    m < 2r is exceeded."""
    return np.linalg.qr(np.hstack([U0, K]))[0]


def gram_schmidt_once(U0, K):
    R = K - U0 @ (H(U0) @ K)
    C = np.linalg.cholesky(H(R) @ R + 1e-300 * np.eye(K.shape[1]))
    return np.hstack([U0, R @ np.linalg.inv(C.conj().T)])


def test_classical_gram_schmidt_once_and_a_plain_qr_fail_these_checks():
    rng = np.random.default_rng(0)
    U0 = random_basis(rng, 50, 4)
    K = U0 @ rng.standard_normal((4, 4)) + 1e-7 * rng.standard_normal((50, 4))
    assert defect(gram_schmidt_once(U0, K)) > 1e4 * ORTHONORMAL
    assert defect(augment(U0, K)) <= ORTHONORMAL
    inside = U0 @ rng.standard_normal((4, 4))
    assert numpy_qr(U0, inside).shape[1] == 8 and augment(U0, inside).shape[1] == 4
    assert not np.allclose(numpy_qr(-U0, K)[:, :4], -U0)


@given(bases_and_updates(), seeds)
def test_dependent_directions_are_dropped(case, seed):
    U0, K = case
    C = np.random.default_rng(seed).standard_normal((U0.shape[1], 5))
    assert augment(U0, (U0 @ C).astype(U0.dtype)).shape == U0.shape
    Q = augment(U0, K)
    assert augment(Q, K).shape == Q.shape
    assert np.array_equal(augment(U0, np.zeros_like(K)), U0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decades", [0, 4, 8, 16])
@pytest.mark.parametrize("p", [60, 200])
def test_large_graded_blocks(dtype, decades, p, monkeypatch):
    rng, rounds, one_round = np.random.default_rng(0), [], orthonormal._one_round
    U0 = random_basis(rng, 2000, 60, dtype)
    K = (random_basis(rng, 2000, p) * np.logspace(0, -decades, p)) @ random_basis(rng, p, p)
    K = K.astype(dtype)
    monkeypatch.setattr(orthonormal, "_one_round",
                        lambda *args: rounds.append(args) or one_round(*args))
    Q = augment(U0, K)
    assert defect(Q) <= ORTHONORMAL and missed(Q, K) <= RANGE
    assert decades or len(rounds) == 1          # a benign K takes one round


def test_orthonormality_does_not_drift_over_200_updates():
    for dtype, bound in ((np.float32, 1e-5), (np.float64, 1e-12)):
        rng = np.random.default_rng(0)
        U = random_basis(rng, 40, 4, dtype)
        for _ in range(200):
            K = rng.standard_normal((40, 4)).astype(dtype)
            U = augment(U, K).array @ random_basis(rng, 8, 4, dtype)
            U = truncate(LowRank(U, np.eye(4, dtype=dtype), U), max_rank=4).U
        assert np.linalg.norm(U.T @ U - np.eye(4)) <= bound


@given(bases_and_updates())
def test_orth_has_exactly_r_columns_that_hold_the_range_and_is_completed_from_U0(case):
    U0, K = case
    K = np.resize(K, U0.shape).astype(K.dtype)
    if not U0.shape[1]:
        return
    Q = orth(K, U0)
    assert type(Q) is np.ndarray and Q.shape == U0.shape
    assert defect(Q) <= ORTHONORMAL and missed(Q, K) <= RANGE
    span = augment(orth(K), U0)
    assert missed(span, Q) <= RANGE
    assert defect(orth(K)) <= ORTHONORMAL and missed(orth(K), K) <= RANGE


@given(lowrank_matrices(), st.sampled_from([0, 1e-12, 1e-3, 0.1, 0.5, 1, 2]), st.booleans())
def test_truncate_returns_the_smallest_rank_whose_tail_is_within_theta_and_the_tail_is_the_distance(
        Y, tol, relative):
    Z = truncate(Y, tol, relative)
    sigma = np.linalg.svd(Y.S, compute_uv=False)
    eps, size = eps_of(Y.S), np.linalg.norm(sigma)
    theta = tol * size if relative else tol
    blur = 10 * eps * size                       # singular values are known to this
    low, high = (smallest_rank(sigma, max(theta + off, 0)) for off in (blur, -blur))
    assert low <= Z.rank <= high
    tail = np.linalg.norm(sigma[Z.rank:])
    assert abs((Y - Z).norm() - tail) <= 100 * eps * size
    assert abs(Z.norm() ** 2 + tail**2 - Y.norm() ** 2) <= 100 * eps * size**2      # Pythagoras
    assert defect(Z.U) <= ORTHONORMAL and defect(Z.V) <= ORTHONORMAL and Z.dtype == Y.dtype
    assert np.abs(Z.singular_values() - sigma[:Z.rank]).max() <= blur
    assert np.array_equal(np.diag(Z.S), np.sort(np.diag(Z.S))[::-1])                # a small core


@given(spectra(), st.sampled_from([0, 0.3, 0.5, 0.7, 1]), st.integers(-60, 60))
def test_the_relative_rule_is_scale_invariant_and_monotone(sigma, tau, exponent):
    def rank(sigma, tau):
        one = np.eye(len(sigma))
        return truncate(LowRank(one, np.diag(sigma), one), tau, relative=True).rank
    assert rank(sigma, tau) == rank(sigma * 2.0**exponent, tau)
    assert rank(sigma, tau) >= rank(sigma, tau + 0.1)
    assert rank(sigma, 0) == max(1, np.count_nonzero(sigma))


def published_truncation(Y, theta):
    """The released code [CODE22]: columns of Vᴴ, of the small V, where columns of V are meant."""
    U, S, V = Y
    P, sigma, Qh = np.linalg.svd(S)
    r = smallest_rank(sigma, theta)
    return LowRank(U @ P[:, :r], np.diag(sigma[:r]), V @ Qh[:, :r])


def published_rank(sigma, theta):
    """The released rule: the tail lacks the smallest σ, strict '<', and rank r of 2r where no j
    qualifies [CODE22]."""
    hits = [j for j in range(len(sigma) - 1) if np.linalg.norm(sigma[j:-1]) < theta]
    return max(2, hits[0]) if hits else len(sigma) // 2


def test_the_published_truncations_fail_exactly_this():
    rng = np.random.default_rng(0)
    S = rng.standard_normal((6, 6))
    Y = LowRank(np.eye(6), S, np.eye(6))
    sigma = np.linalg.svd(S, compute_uv=False)
    theta = np.linalg.norm(sigma[3:]) * 1.01
    tail = np.linalg.norm(sigma[smallest_rank(sigma, theta):])
    assert abs((Y - truncate(Y, theta)).norm() - tail) <= 1e-13
    assert (Y - published_truncation(Y, theta)).norm() > 2 * tail
    assert published_rank(np.ones(8), 0.1) == 4
    assert truncate(LowRank(np.eye(8), np.eye(8), np.eye(8)), 0.1).rank == 8
    halves = LowRank(np.eye(3), np.diag([1, 0.5, 0.5]), np.eye(3))
    assert sum([0.5, 0.5]) > 0.8 and truncate(halves, 0.8).rank == 1        # no tail Σσᵢ


# -------------------------------------------------------------------------------- two projections

@given(lowrank_matrices(), seeds)
def test_best_approximation_attains_the_tail_of_the_singular_values(Y, seed):
    rng = np.random.default_rng(seed)
    C = rng.standard_normal(Y.S.shape).astype(Y.dtype)
    loose = LowRank(Y.U @ C, Y.S, 3 * Y.V)                      # bases that are not orthonormal
    A = loose.dense()
    sigma = np.linalg.svd(A, compute_uv=False)
    blur = 100 * max(A.shape) * eps_of(A) * np.linalg.norm(A)
    for rank in {1, min(2, min(A.shape)), min(A.shape)}:
        for given_as in (A, loose):
            X = best_approximation(given_as, rank=rank)
            assert X.rank == rank and defect(X.U) <= ORTHONORMAL and defect(X.V) <= ORTHONORMAL
            found = np.diag(X.S)
            assert np.array_equal(X.S, np.diag(np.sort(found)[::-1])) and (found >= 0).all()
            assert np.abs(found - sigma[:rank]).max() <= blur
            assert abs(np.linalg.norm(A - X.dense()) - np.linalg.norm(sigma[rank:])) <= blur
    assert norm(A - best_approximation(A, tol=0.3).dense()) <= 0.3 + blur


@given(lowrank_matrices(), seeds)
def test_tangent_projection_is_the_orthogonal_projection_onto_the_tangent_space(Y, seed):
    rng = np.random.default_rng(seed)
    (m, n), r, (U, _, V) = Y.shape, Y.rank, Y
    Z = rng.standard_normal((m, n)).astype(Y.dtype)
    tangent = U @ rng.standard_normal((r, n)) + rng.standard_normal((m, r)) @ H(V)
    PZ = tangent_projection(Y, Z)
    eps = 100 * eps_of(Z) * (m + n)
    assert PZ.rank == 2 * r and norm(tangent_projection(Y, PZ) - PZ) <= eps * norm(Z)
    assert norm(tangent_projection(Y, tangent) - tangent) <= eps * norm(tangent)
    assert abs(np.vdot(tangent, Z - PZ.dense())) <= eps * norm(tangent) * norm(Z)
    truth = U @ H(U) @ Z + Z @ V @ H(V) - U @ H(U) @ Z @ V @ H(V)
    assert norm(PZ - truth) <= eps * norm(Z)
