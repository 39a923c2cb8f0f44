"""Truncation: the smallest rank whose tail is within θ, and its edges. The two projections are in
test_projections.py, the search for a dominant part in test_dominant_part.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import ORTHONORMAL, defect, smallest_rank
from published import published_rank, published_truncation
from strategies import eps_of, lowrank_matrices, random_basis, seeds, spectra

from lowrank_ode import DirectSum, LowRank, best_approximation, tangent_projection, truncate
from lowrank_ode.matrices import augment, norm, outer, truncation
from lowrank_ode.matrices.dominant import dominant
from lowrank_ode.matrices.truncation import by_svd


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


def diagonal(sigma):
    r = len(sigma)
    return LowRank(np.eye(r + 2, r), np.diag(np.asarray(sigma, float)), np.eye(r + 1, r))


def tail_by_squares(sigma):
    """Planted error: (Σ_{i>r} σᵢ²)^½ by squares, which underflow."""
    return np.sqrt(np.append(np.cumsum(np.square(sigma)[::-1])[::-1], 0))


def test_tolerance_zero_keeps_every_nonzero_singular_value_where_its_square_underflows():
    sigma = [1, 1e-170]
    assert truncate(diagonal(sigma), 0).rank == 2 and np.argmax(tail_by_squares(sigma) <= 0) == 1
    assert truncate(diagonal([1, 1e-170, 0]), 0, relative=True).rank == 2


def test_truncation_returns_bases_that_are_orthonormal_to_rounding_from_bases_that_are_so_roughly():
    """A defect of 36 EPS √r, beyond what rounding makes, is mended, and from 1e-6 one Newton step
    leaves its square."""
    for m, r in ((4000, 16), (800, 400)):
        good, S = random_basis(np.random.default_rng(0), m, r), np.diag(np.linspace(2, 1, r))
        for dtype in (np.float32, np.float64):
            loose = (good * (1 + 18 * np.finfo(dtype).eps)).astype(dtype)
            Y = truncate(LowRank(loose, S.astype(dtype), loose))
            assert defect(Y.U) <= ORTHONORMAL and defect(Y.V) <= ORTHONORMAL < defect(loose)
            assert Y.dtype == dtype
        Y = truncate(LowRank(good * (1 + 1e-6), S, good))
        assert np.linalg.norm(Y.U.T @ Y.U - np.eye(r)) <= 2e-11 * r**0.5


@pytest.mark.parametrize("size", [1e-3, 1, 1e3])
@pytest.mark.parametrize("spectrum", [(1, 1e-3, 1e-6, 1e-7), (1, 1, 1, 1e-7)])
def test_in_single_precision_small_singular_values_keep_their_vectors_whatever_the_scale(
        size, spectrum):
    """Against the singular value decomposition in double precision."""
    rng, eps = np.random.default_rng(0), np.finfo(np.float32).eps
    P, Q = random_basis(rng, 4, 4), random_basis(rng, 4, 4)
    S = (size * (P * spectrum) @ Q.T).astype(np.float32)
    bases = random_basis(rng, 9, 4, np.float32), random_basis(rng, 8, 4, np.float32)
    for rank in (1, 2, 3, 4):
        Y = truncate(LowRank(bases[0], S, bases[1]), max_rank=rank)
        sigma = np.linalg.svd(S.astype(float), compute_uv=False)
        assert defect(Y.U) <= ORTHONORMAL and defect(Y.V) <= ORTHONORMAL
        for found in (np.diag(Y.S), Y.singular_values()):
            assert np.abs(found - sigma[:rank]).max() <= 10 * eps * size
        distance = (Y - LowRank(bases[0], S, bases[1])).norm()
        assert abs(distance - np.linalg.norm(sigma[rank:])) <= 10 * eps * size


def test_max_rank_caps_and_a_dense_block_passes_untouched():
    Y, W = diagonal([4, 3, 2, 1]), np.ones((2, 2))
    Z = truncate(DirectSum([Y, W]), 0, max_rank=2)
    assert Z.blocks[0].rank == 2 and Z.blocks[1] is W


@pytest.mark.parametrize("kind", [float, np.float16, np.float32, lambda x: np.array(x, np.float32)])
def test_a_tolerance_of_another_precision_is_a_number_like_any_other(kind):
    """Of matrices whose tails that precision cannot say, and rounds."""
    assert truncate(diagonal([1, 1e-50]), kind(0)).rank == 2
    for size in (1e40, 1e7, 1, 1e-45):
        Y = diagonal(size * np.array([1, 0.9, 0.8, 0.7, 0.6, 1e-3]))
        assert truncate(Y, kind(1e-2), relative=True).rank == 5


def test_a_sum_is_truncated_though_its_bases_side_by_side_are_not_orthonormal():
    """Of terms with bases of their own, in each other's range, and kept in factors. Planted: the
    joined bases taken as they are."""
    rng, U, V = np.random.default_rng(0), np.eye(9, 3), np.eye(8, 3)
    Y = LowRank(U, np.diag([3.0, 2, 1]), V)
    turned = LowRank(U @ random_basis(rng, 3, 3), np.eye(3), V)
    larger = LowRank(augment(U, rng.standard_normal((9, 2))), rng.standard_normal((5, 3)), V + 0)
    for other in (turned, larger, outer(U, V), tangent_projection(Y, rng.standard_normal((9, 8)))):
        total, sigma = Y + other, np.linalg.svd(Y.dense() + other.dense(), compute_uv=False)
        assert len(total.terms) == 2
        for tol, rank in ((0.3, None), (0, 2)):
            Z = truncate(total, tol, max_rank=rank)
            tail = np.linalg.norm(sigma[Z.rank:])
            assert max(defect(Z.U), defect(Z.V)) <= ORTHONORMAL and tail <= (0.3 if tol else np.inf)
            assert abs(norm(total.dense() - Z.dense()) - tail) <= 1e-13
            assert np.abs(Z.singular_values() - sigma[:Z.rank]).max() <= 1e-13
        joined = by_svd(LowRank(*total), max_rank=2)
        assert abs(norm(total.dense() - joined.dense()) - np.linalg.norm(sigma[2:])) > 0.01


def test_a_sum_of_terms_that_are_orthogonal_to_one_another_is_truncated():
    """Its bases side by side are orthonormal, its core an Identity."""
    U, V = np.eye(9, 4), np.eye(8, 4)
    total = outer(U[:, :2], V[:, :2]) + outer(U[:, 2:], V[:, 2:])
    assert len(total.terms) == 2
    Z = truncate(total)
    assert Z.rank == 4 and norm(Z.dense() - total.dense()) <= 1e-14


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_core_is_cut_by_products_as_a_larger_one_is(dtype, monkeypatch):
    """With the decomposition refused, down to the smallest normal number."""
    monkeypatch.setattr(truncation, "svd", None)
    sigma = np.append(np.linspace(2, 1, 20), np.full(20, 1e-5))
    for size in (1, np.finfo(dtype).eps / 4, np.finfo(dtype).tiny):
        Y = LowRank(np.eye(42, 40, dtype=dtype), np.diag(sigma * size).astype(dtype),
                    np.eye(41, 40, dtype=dtype))
        assert truncate(Y, 0.1, relative=True).rank == 20


def test_a_column_of_a_large_core_whose_squares_underflow_counts_in_the_tail():
    """Orthogonal to the others, of which one square is a number. Planted: the sum of squares."""
    S, theta = np.eye(80, 40), 5e-162
    S[39:, -1] = 3e-162, *[1.5e-162] * 40
    assert 0 < np.linalg.norm(S[:, -1]) < theta < np.hypot.reduce(S[:, -1])
    assert truncate(LowRank(np.eye(90, 80), S, np.eye(45, 40)), theta).rank == 40


def test_factors_of_different_ranks_are_cut_like_their_product():
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 7, 2), rng.standard_normal((2, 4)), random_basis(rng, 6, 4))
    tail = np.linalg.svd(Y.S, compute_uv=False)[1]
    for Z in (Y, LowRank(Y.V, Y.S.T, Y.U)):
        assert truncate(Z).rank == 2 and norm(truncate(Z) - Z) <= 1e-14
        assert abs(norm(truncate(Z, max_rank=1) - Z) - tail) <= 1e-14


def test_a_singular_value_that_equals_the_tolerance_is_not_above_it():
    """Exactly so: numbers of few binary digits."""
    for S in (np.diag([1, 0.5]), np.diag([1, 0.75]), np.eye(1)):
        assert dominant(S, len(S), float(S[-1, -1])) is None
        P, S1, Q = dominant(S, len(S), 0.5 * S[-1, -1])
        assert np.array_equal(P @ S1 @ Q.T, S)


def test_a_core_with_one_large_singular_value_and_much_beside_it_is_not_decomposed(monkeypatch):
    """All beside the first coordinate has 0.7 of its norm, and spreads over 200 directions."""
    S = np.random.default_rng(0).standard_normal((200, 200))
    S *= 0.7 / norm(S)
    S[0, 0] = 1
    Y = LowRank(np.eye(200), S, np.eye(200))
    truth = by_svd(Y, max_rank=1)
    monkeypatch.setattr(truncation, "svd", None)
    assert norm(truncate(Y, max_rank=1) - truth) <= 1e-13
