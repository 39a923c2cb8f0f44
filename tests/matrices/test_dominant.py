"""The dominant singular vectors by Newton's iteration, and orthonormalising, each against its slow
and obvious twin: the singular value decomposition, the inverse root."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import ORTHONORMAL, defect, smallest_rank
from strategies import dtypes, eps_of, random_basis, seeds, spectra

from lowrank_ode import LowRank, truncate
from lowrank_ode.matrices import H, dominant, lapack, norm, orthonormal, truncation

DISTANCE = 10       # by how much ‖Y − Z‖ is off, in units of EPS ‖S‖, beyond what LAPACK is


@st.composite
def cores_after_a_step(draw):
    """LowRank matrices with a core of the drawn singular values, full or diagonal, bordered by
    matrices of size 10^-x; any order."""
    sigma, dtype = draw(spectra()), draw(dtypes)
    more = draw(st.tuples(st.integers(0, 8), st.integers(0, 8)))
    rng, r, (p, q) = np.random.default_rng(draw(seeds)), len(sigma), np.add(more, len(sigma))
    S = 10.0 ** -draw(st.floats(0, 12)) * rng.standard_normal((p, q)).astype(dtype)
    P, Q = (random_basis(rng, r, r, dtype) if draw(st.booleans()) else np.eye(r) for _ in "PQ")
    S[:r, :r] += (P * sigma) @ Q
    S = S[rng.permutation(p)] if draw(st.booleans()) else S
    S = (S * 10.0 ** draw(st.sampled_from([0, -30, 30]))).astype(dtype)
    return LowRank(random_basis(rng, p + 3, p, dtype), S, random_basis(rng, q + 2, q, dtype))


def is_a_truncation(Y, Z, tol, relative, max_rank):
    """Is Z to rounding the best approximation of Y of the smallest rank within tol?"""
    S, (P, found, Qh) = Y.S.astype(np.result_type(Y.S, np.float64)), lapack.svd(Y.S)
    sigma, size = np.linalg.svd(S, compute_uv=False), norm(Y.S)
    blur = DISTANCE * eps_of(Y.S) * size + np.linalg.norm(S - (P * found.astype(float)) @ Qh)
    theta = tol * size if relative else tol
    low, high = (min(smallest_rank(sigma, max(0, theta + sign * blur)), max_rank or Y.rank)
                 for sign in (1, -1))
    distance = (LowRank(*(X.astype(np.result_type(X, np.float64)) for X in Y)) - Z).norm()
    return (low <= Z.rank <= high and abs(distance - np.linalg.norm(sigma[Z.rank:])) <= blur
            and np.abs(Z.singular_values() - sigma[:Z.rank]).max() <= blur
            and Z.dtype == Y.dtype and max(defect(Z.U), defect(Z.V)) <= ORTHONORMAL)


@given(cores_after_a_step(), st.sampled_from([0, 1e-12, 1e-3, 0.1, 0.5, 1]), st.booleans(),
       st.sampled_from([None, 1, 2, 5]))
def test_a_truncation_by_newton_is_one_to_rounding(Y, tol, relative, max_rank):
    """For a core of any size; what the iteration does not find is decomposed."""
    with patch.object(truncation, "SMALL", 0):
        Z = truncate(Y, tol, relative, max_rank)
    assert is_a_truncation(Y, Z, tol, relative, max_rank)


def after_a_step(h, dtype=np.float32, r=30):
    """A core with singular values 2 … 0.5, bordered by matrices of norm about h."""
    rng = np.random.default_rng(0)
    S = h / r * rng.standard_normal((2 * r, 2 * r))
    S[:r, :r] += random_basis(rng, r, r) * np.linspace(2, 0.5, r)
    bases = (random_basis(rng, m, 2 * r, dtype) for m in (90, 80))
    return LowRank(next(bases), S.astype(dtype), next(bases))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_of_the_core_of_a_step_no_singular_value_is_computed(monkeypatch, dtype):
    """Where those to be kept are above the tolerance, and above all that a step adds; with the full
    decomposition refused. The core of the result is not diagonal."""
    monkeypatch.setattr(truncation, "svd", None)
    for h, tol, relative, max_rank in ((1e-3, 0, False, 30), (0.1, 0, False, 30), (0, 0, True, 30),
                                       (0.01, 0.02, True, None), (0.01, 0.2, False, None)):
        Y = after_a_step(h, dtype)
        Z = truncate(Y, tol, relative, max_rank)
        assert Z.rank == 30 and is_a_truncation(Y, Z, tol, relative, max_rank)
        assert norm(Z.S - np.diag(Z.S.diagonal())) > 0.1 * norm(Z.S)
    for h, tol, max_rank in ((2, 0, 30), (0.1, 0.6, None), (0.1, 0, 31)):
        with pytest.raises(TypeError):
            truncate(after_a_step(h, dtype), tol, False, max_rank)


def test_of_a_short_step_the_inverse_that_is_there_proves_that_no_singular_value_is_overlooked(
        monkeypatch):
    """And of a longer one it does not."""
    monkeypatch.setattr(dominant, "_above", None)
    for h in (1e-4, 1e-3, 0.01):
        Y = after_a_step(h)
        assert is_a_truncation(Y, truncate(Y, max_rank=30), 0, False, 30)
    with pytest.raises(TypeError):
        truncate(after_a_step(0.3), max_rank=30)


@pytest.mark.parametrize("least", [0.1, 1e-8, 1e-12])
def test_a_larger_singular_value_beside_the_first_coordinates_is_not_overlooked(least):
    """Larger by a quarter; also where their squares are rounding: a planted test by S1ᴴS1 − least²
    takes the smaller."""
    sigma = np.r_[np.ones(24), 0.8 * least, least, np.zeros(24)]
    Y = LowRank(np.eye(60, 50), np.diag(sigma), np.eye(60, 50))
    assert is_a_truncation(Y, truncate(Y, max_rank=25), 0, False, 25)

    def by_squares(S, least):
        return np.linalg.eigvalsh(H(S) @ S - least**2 * np.eye(len(S)))[0] > -1e-15

    with patch.object(dominant, "_above", by_squares):
        right = is_a_truncation(Y, truncate(Y, max_rank=25), 0, False, 25)
    assert right == (least > 1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_cores_at_the_end_of_the_range_of_numbers_are_cut_without_a_warning(dtype):
    """Subnormal ones, singular ones to rounding and beyond, tolerances beyond the range, more
    columns than rows."""
    tiny, one = float(np.finfo(dtype).tiny), np.ones(49)
    wide = np.diag(np.linspace(2, 1, 60))[:50]
    for S, tol in ((np.diag(np.linspace(tiny / 64, tiny / 8, 50)), 0),
                   (np.diag(np.r_[one, 1e-22]), 0), (np.diag(np.r_[one, 4 * tiny]), 0),
                   (np.eye(50) * tiny / 8, 1.0), (np.eye(50), 1e300), (np.zeros((50, 50)), 0),
                   (wide, 0), (H(wide), 0.5)):
        S = S.astype(dtype)
        Y = LowRank(np.eye(len(S), dtype=dtype), S, np.eye(S.shape[1], dtype=dtype))
        Z, r = truncate(Y, tol), truncation.by_svd(Y, tol).rank
        assert r - (S[-1, -1] == 4 * tiny) <= Z.rank <= r                       # its square is 0
        assert norm(Z - Y) <= tol + 50 * eps_of(S) * norm(S)


def leading_block(S, r, theta):
    """Planted: the first r coordinates as they are."""
    return np.eye(len(S), r, dtype=S.dtype), S[:r, :r], np.eye(S.shape[1], r, dtype=S.dtype)


def test_a_truncation_by_newton_that_leaves_out_one_of_its_steps_is_none(monkeypatch):
    Y = after_a_step(0.1)
    last = LowRank(Y.U, np.diag(np.linspace(0.1, 2, 60, dtype=np.float32)), Y.V)

    def right(Y):
        return is_a_truncation(Y, truncate(Y, max_rank=30), 0, False, 30)

    assert right(Y) and right(last)
    with monkeypatch.context() as planted:
        planted.setattr(truncation, "dominant", leading_block)
        assert not right(Y)
    with monkeypatch.context() as planted:      # no look beside the first r coordinates
        planted.setattr(np.linalg, "cholesky", lambda A: A)
        planted.setattr(dominant, "_inverse", lambda A, least: np.linalg.inv(A))
        assert not right(last)
    with monkeypatch.context() as planted:      # T = 1: bases [I; Y] as they are
        planted.setattr(dominant, "orthonormalising", lambda G: np.eye(len(G), dtype=G.dtype))
        assert not right(Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_whether_all_singular_values_are_above_a_number_is_decided_to_rounding(dtype):
    """Full cores, far from normal, of both signs; σ_min is 1e-3. A singular one has none above."""
    rng, margin, above = np.random.default_rng(0), 1e4 * np.finfo(dtype).eps, dominant._above
    for _ in range(20):
        P, Q = random_basis(rng, 6, 6, dtype), random_basis(rng, 6, 6, dtype)
        S = ((P * np.geomspace(1, 1e-3, 6)) @ Q).astype(dtype)
        assert all(above(X, 1e-3 * (1 - margin)) for X in (S, -S, H(S)))
        assert not any(above(X, 1e-3 * (1 + margin)) for X in (S, -S, H(S)))
    shears = np.array([[1, 100], [0, 1]]), np.array([[1, 0], [100, 1]])
    for S in (np.diag([1, 0]), np.diag([1, np.finfo(dtype).smallest_subnormal]), *shears):
        assert not above(S.astype(dtype), 0.05) and not above(-S.astype(dtype), 0.05)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_basis_is_polished_where_its_defect_is_more_than_rounding_and_only_there(dtype):
    rng, eps = np.random.default_rng(0), np.finfo(dtype).eps
    one = np.eye(40, 9, dtype=dtype)
    for off, same in ((0, True), (3.5, True), (4.5, False), (100, False)):      # units of EPS √r
        U = one.copy()
        U[0, 1] = off * eps * 3 / 2**0.5                        # UᴴU − I is that in two places
        assert (truncation.polished(U) is U) == same
    U = random_basis(rng, 40, 9, dtype)
    assert truncation.polished(U) is U


def test_a_truncation_by_newton_does_not_inherit_the_defect_of_the_bases():
    """One Newton step squares it. Planted: none."""
    Y, rng = after_a_step(0.1, np.float64), np.random.default_rng(0)
    U, V = (X + 1e-10 * rng.standard_normal(X.shape) for X in (Y.U, Y.V))

    def off(Z):
        return max(np.linalg.norm(H(X) @ X - np.eye(30)) for X in (Z.U, Z.V))

    for loose in (LowRank(U, Y.S, Y.V), LowRank(Y.U, Y.S, V)):
        Z = truncate(loose, max_rank=30)
        assert off(Z) <= 1e-13
        assert norm(Z - truncation.by_svd(loose, max_rank=30)) <= 1e-12 * norm(Z)
        with patch.object(truncation, "polished", lambda X: X):
            assert off(truncate(loose, max_rank=30)) > 1e-10


@pytest.mark.parametrize("n", [20, 40])
def test_the_rank_of_a_core_whose_norm_is_no_number_of_single_precision(n):
    E = np.eye(n, dtype=np.float32)
    Y = LowRank(E, E * np.float32(1e38), E)
    for shorten in (truncate, truncation.by_svd):
        assert shorten(Y, 0.1, relative=True).rank == n


def test_truncate_refuses_bad_options_and_cores_of_every_size():
    for r in (10, 30):
        Y = after_a_step(0.1, r=r)
        cores = [LowRank(Y.U, np.full_like(Y.S, bad), Y.V) for bad in (np.nan, np.inf)]
        for wrong, options, message in ((Y, {"tol": -1}, "tol: got -1"),
                                        (Y, {"max_rank": 0}, "max_rank: got 0"),
                                        *((core, {}, "S: ") for core in cores)):
            with pytest.raises(ValueError, match=message):
                truncate(wrong, **options)


def test_its_twin_is_the_plain_decomposition():
    """Against NumPy."""
    Y = after_a_step(0.1, np.float64)
    P, sigma, Qh = np.linalg.svd(Y.S)
    truth = LowRank(Y.U @ P[:, :7], np.diag(sigma[:7]), Y.V @ H(Qh)[:, :7])
    assert norm(truncation.by_svd(Y, max_rank=7) - truth) <= 1e-13


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("root, distance, terms", [(2, 0, 2), (2, 0.99, 2), (2, 1.01, 3),
                                                   (3, 0.99, 3), (3, 1.01, 0), (3, 10, 0)])
def test_orthonormalising_is_an_inverse_root_whatever_the_distance_from_1(
        monkeypatch, dtype, root, distance, terms):
    """‖D‖ is distance · EPS^(1/root): two terms end at EPS^½, three at EPS^⅓, where Cholesky
    begins. Planted: a term fewer."""
    rng, eps, one = np.random.default_rng(0), np.finfo(dtype).eps, np.eye(6)
    i = 1j if dtype is np.complex128 else 0
    D = rng.standard_normal((6, 6)) + (i * rng.standard_normal((6, 6)) if i else 0)
    D = (D + H(D)) / np.linalg.norm(D + H(D)) * distance * eps**(1 / root)
    G = (one + D).astype(dtype)
    factored, independent = [], orthonormal._independent
    monkeypatch.setattr(orthonormal, "_independent",
                        lambda *args: factored.append(args) or independent(*args))
    T, series = orthonormal.orthonormalising(G), np.cumsum([one, -D / 2, 3 / 8 * D @ D], axis=0)

    def off(T):
        return np.linalg.norm(H(T) @ G @ T - one)

    assert bool(factored) == (terms == 0) and T.dtype == dtype and off(T) <= 6 * eps
    assert not terms or np.linalg.norm(T - series[terms - 1]) <= 6 * eps
    first = one.astype(dtype) - 0.5 * (G - one.astype(dtype))
    assert np.array_equal(T, first) == (terms == 2)                     # no term more than it takes
    assert not terms or distance != 0.99 or off(series[terms - 2]) > 6 * eps


def test_columns_that_lie_half_in_the_others_are_left_out():
    for between, columns in ((0.70, 2), (0.72, 1)):                     # 1 − 0.7² is above a half
        T = orthonormal.orthonormalising(np.array([[1, between], [between, 1.0]]))
        assert T.shape == (2, columns)
