"""best_approximation of a small rank of a large matrix: the search for the dominant singular
vectors against the full decomposition, which takes over where the search does not converge."""

from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp
from measures import ORTHONORMAL, defect
from scipy.sparse.linalg import LinearOperator
from strategies import random_basis

from lowrank_ode import DirectSum, LowRank, best_approximation
from lowrank_ode.matrices import H, approximation, augmented, norm, retract
from lowrank_ode.matrices.lapack import svd

RANK = 10
# How far ‖A − X‖ is from the tail, and S from σ, in units of EPS ‖A‖: twice the residual that is
# accepted, 12 √20 EPS ‖σ‖, for but for that A is block triangular, and singular values move by no
# more than it [Mirsky]; and 12, by which LAPACK's were seen to be off
TAIL = 2 * 12 * 20**0.5 + 12

k = np.arange(200)
FOUND = {       # spectra for which the search ends
    "gap": np.where(k < RANK, 1, 1e-4), "wide gap": np.where(k < RANK, 1, 1e-8),
    "gap to a plateau": np.where(k < RANK, 1, np.where(k < 30, 1e-6, 1e-12)),
    "graded": np.where(k < RANK, 10.0 ** (-k / 2), 1e-9), "rank 10": np.where(k < RANK, 1, 0),
    "rank 7": np.where(k < 7, 1, 0), "rank 15": np.where(k < 15, 1, 0), "zero": np.zeros(200),
    "flat": np.ones(200), "flat but for rounding": np.where(k < RANK, 1, 1 - 1e-15),
    "tie": np.where(k < 5, 1, np.where(k < 15, 0.5, 1e-3)), "one": np.where(k < 1, 1e6, 1)}
LEFT = {        # and others
    "slow": (1 + k) ** -0.5, "tie of 25": np.where(k < 5, 1, np.where(k < 30, 0.5, 1e-3)),
    "almost flat": np.where(k < RANK, 1, 1 - 1e-3)}


@cache
def bases(dtype):
    rng = np.random.default_rng(1)
    return [random_basis(rng, m, 200, dtype) for m in (300, 200)]


def drawn(sigma, dtype):
    """A full matrix, 300 × 200, with these singular values and random singular vectors."""
    P, Q = bases(np.result_type(dtype, np.float64))
    return ((P * sigma) @ H(Q)).astype(dtype)


def off(A, Y):
    """How far ‖A − Y‖ is from the tail, or S from the singular values of A, in units of EPS ‖A‖;
    found in double precision, of matrices of size 1."""
    eps, double = float(np.finfo(A.dtype).eps), np.result_type(A.dtype, np.float64)
    size, (U, S, V), r = np.abs(A).max() or 1, (X.astype(double) for X in Y), Y.rank
    A, S = A.astype(double) / size, S / size
    distance, sigma = np.linalg.norm(A - U @ S @ H(V)), np.linalg.svd(A, compute_uv=False)
    wrong = [distance - np.linalg.norm(sigma[r:]), *(np.diag(S) - sigma[:r])]
    return np.abs(wrong).max() / max(eps * np.linalg.norm(A), 1e-300)


def is_best(A, Y, rank=RANK):
    S = np.diag(np.sort(np.diag(Y.S))[::-1])
    return (Y.rank == rank and Y.dtype == A.dtype and np.array_equal(Y.S, S) and S.min() >= 0
            and max(defect(Y.U), defect(Y.V)) <= ORTHONORMAL and off(A, Y) <= TAIL)


def refused(*args, **options):
    raise AssertionError("what is not to be done is done")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("name", FOUND)
def test_a_dominant_part_is_found_without_a_decomposition_as_well_as_with_it(
        name, dtype, monkeypatch):
    """Of A and of its adjoint, and the same each time."""
    monkeypatch.setattr(approximation, "_decomposed", refused)
    for A in (drawn(FOUND[name], dtype), H(drawn(FOUND[name], dtype))):
        before = A.copy()
        Y, again = (best_approximation(A, rank=RANK) for _ in range(2))
        assert is_best(A, Y) and np.array_equal(A, before)
        assert all(np.array_equal(X, Z) for X, Z in zip(Y, again, strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("name", LEFT)
def test_where_singular_values_do_not_fall_fast_enough_the_matrix_is_decomposed(
        name, dtype, monkeypatch):
    """In full, once. Planted: a single iteration, without a look at its residual."""
    A, calls, decomposed = drawn(LEFT[name], dtype), [], approximation._decomposed
    monkeypatch.setattr(approximation, "_decomposed",
                        lambda *args: calls.append(args) or decomposed(*args))
    assert is_best(A, best_approximation(A, rank=RANK)) and len(calls) == 1
    assert is_best(A, best_approximation(sp.csr_array(A), rank=RANK)) and len(calls) == 2
    monkeypatch.setattr(approximation, "frobenius", lambda X: 0.0)
    assert off(A, best_approximation(A, rank=RANK)) > 2 * TAIL and len(calls) == 2


@pytest.mark.parametrize("size", [1e-150, 1, 1e150])
@pytest.mark.parametrize("rank", [1, 2, 15])
def test_any_small_rank_and_any_size_will_do_and_the_vectors_are_those_of_the_matrix(
        rank, size, monkeypatch):
    """Singular vectors whose values are apart are A's: A v = σ u and Aᴴ u = σ v, to the accepted
    residual. Planted: those of another matrix with the same values."""
    sigma = np.where(k < rank, 2.0 - k / 20, 1e-9)
    A, other = size * drawn(sigma, float), size * drawn(sigma, float)[::-1]
    monkeypatch.setattr(approximation, "_decomposed", refused)

    def wrong(Y):
        U, S, V = Y
        return max(norm(A @ V - U @ S), norm(A.T @ U - V @ S)) / (np.finfo(float).eps * norm(S))

    Y = best_approximation(A, rank=rank)
    assert is_best(A, Y, rank) and wrong(Y) <= TAIL < wrong(best_approximation(other, rank=rank))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neither_a_sparse_matrix_nor_a_linear_operator_is_formed(dtype, monkeypatch):
    """A diagonal of 40,000 numbers in any order, which formed would take 6 or 13 GB; it is
    multiplied with r + 10 columns at most. Planted: what is formed, of a rank that is not small."""
    n, widths, rng = 40_000, [], np.random.default_rng(0)
    sigma = rng.permutation(np.r_[np.linspace(2, 1, RANK), np.full(n - RANK, 1e-5)]).astype(dtype)
    for kind in (sp.csr_array, sp.csc_array, sp.dia_array, sp.coo_array):
        monkeypatch.setattr(kind, "toarray", refused)
    monkeypatch.setattr(approximation, "_decomposed", refused)

    def times(X):
        widths.append(X.shape[1])
        return sigma[:, None] * X

    def operator(n):
        return LinearOperator((n, n), matvec=times, matmat=times, rmatmat=times, dtype=dtype)

    first = np.sort(sigma)[::-1][:RANK]
    for A in (sp.diags_array(sigma).tocsr(), sp.diags_array(sigma), operator(n)):
        Y = best_approximation(A, rank=RANK)
        rows = np.sort(np.argmax(np.abs(Y.U), axis=0))
        eps = TAIL * np.finfo(dtype).eps * norm(Y)
        assert np.abs(np.diag(Y.S) - first).max() <= eps and Y.dtype == dtype
        assert np.array_equal(rows, np.sort(np.argsort(sigma)[-RANK:]))
        assert max(defect(Y.U), defect(Y.V)) <= ORTHONORMAL and norm(Y @ Y.V - Y.U @ Y.S) <= eps
    assert max(widths) == RANK + 10
    with pytest.raises(AssertionError, match="not to be done"):
        best_approximation(sp.csr_array(np.eye(200)), rank=100)
    widths.clear()
    sigma = sigma[:300]
    with pytest.raises(AssertionError, match="not to be done"):
        best_approximation(operator(300), rank=100)
    assert max(widths) == 300


@pytest.mark.parametrize("n", [200, 1000])
def test_of_the_identity_any_part_is_dominant(n, monkeypatch):
    """But on both sides the same. Planted: another one on the right, as good a basis."""
    monkeypatch.setattr(approximation, "_decomposed", refused)
    for A in (np.eye(n), sp.eye_array(n), sp.csr_array(np.eye(n, dtype=np.float32))):
        Y = best_approximation(A, rank=RANK)
        assert Y.rank == RANK and is_best(np.eye(n, dtype=A.dtype), Y)
        assert norm(Y.U - Y.V) <= 100 * np.finfo(A.dtype).eps
        assert not is_best(np.eye(n, dtype=A.dtype), LowRank(Y.U, Y.S, Y.V[::-1]))


def test_the_search_is_for_small_ranks_of_large_matrices(monkeypatch):
    """Of 200 × 300 for ranks up to 15, of 160 × 160 for 10; not for a tolerance or integers."""
    A, rounds, orth = drawn(FOUND["gap"], float), [], approximation.orth
    monkeypatch.setattr(approximation, "orth", lambda Q: rounds.append(Q.shape) or orth(Q))

    def searched(A, **options):
        rounds.clear()
        best_approximation(A, **options)
        return bool(rounds)

    assert searched(A, rank=15) and searched(A[:160, :160], rank=10) and searched(A[:88], rank=1)
    assert not (searched(A, rank=16) or searched(A[:159], rank=10) or searched(A, tol=0.5))
    assert not searched(np.ones((200, 200), dtype=int), rank=1)
    Y = LowRank(np.eye(200, 3), np.eye(3), np.eye(300, 3))
    assert not searched(Y, rank=2) and searched(DirectSum([H(A), Y]), rank=2)
    found, truth = retract(Y, H(A)), best_approximation(H(A), rank=3)
    assert all(np.array_equal(X, X0) for X, X0 in zip(found, truth, strict=True))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning",
                            "ignore:overflow encountered:RuntimeWarning")
def test_numbers_that_are_not_finite_are_named_and_others_are_no_fault_however_large():
    for bad in (np.nan, np.inf):
        A = drawn(FOUND["gap"], float)
        A[100, 100] = bad
        for given in (A, sp.csr_array(A)):
            with pytest.raises(ValueError, match="A: NaN or Inf"):
                best_approximation(given, rank=1)
    A = drawn(FOUND["gap"], float) / 4
    for size in (1e308, 1e-308, 1e-320):
        Y = best_approximation(size * A, rank=RANK)
        assert np.abs(np.diag(Y.S) / size - 0.25).max() <= max(1e-13, 1e-322 / size)


def test_a_linear_operator_that_has_no_adjoint_is_formed():
    """The search wants AᴴQ. Planted: one that is refused as an error of its own kind."""
    A = drawn(FOUND["gap"], float)
    bare = LinearOperator(A.shape, matvec=lambda x: A @ x, matmat=lambda X: A @ X, dtype=float)
    with pytest.raises((NotImplementedError, TypeError)):
        H(bare) @ np.ones((len(A), 2))
    assert is_best(A, best_approximation(bare, rank=RANK))


def test_singular_values_beyond_the_range_of_numbers_are_refused():
    A = np.full((40, 40), 1e308)
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(np.linalg.svd(A, compute_uv=False)).all()
        with pytest.raises(ValueError, match="A: NaN or Inf"):
            best_approximation(A, rank=5)


def test_singular_values_of_many_rows_of_one_sign_keep_their_digits(monkeypatch):
    """A column of a million equal numbers in single precision. Planted: one sum, not by halves."""
    m, one = 10**6, np.float32(0.7)
    Y = LowRank(np.full((m, 1), one), np.eye(1, dtype=one.dtype), np.eye(2, 1, dtype=one.dtype))
    truth = np.sqrt(m) * float(one)

    def wrong():
        found = float(best_approximation(Y, rank=1).S[0, 0])
        return abs(found - truth) / (np.finfo(one.dtype).eps * truth)

    assert wrong() <= ORTHONORMAL
    monkeypatch.setattr(augmented, "ROWS", m)
    assert wrong() > 10 * ORTHONORMAL


def test_the_bases_of_a_decomposition_are_polished():
    """‖UᴴU − 1‖ ≤ 4 √p EPS. Planted: as LAPACK gives them."""
    for shape in ((200, 150), (60, 50)):
        A = np.random.default_rng(0).standard_normal(shape)
        Y, (U, _, Vh) = best_approximation(A, tol=0.0), svd(A)
        assert max(defect(Y.U), defect(Y.V)) <= 4 < min(defect(U), defect(H(Vh)))
