"""Norms; decompositions and inverses of small matrices, on both sides of the size where another
routine takes over, against what an inverse is."""

import itertools

import numpy as np
import pytest
from measures import peak_of
from strategies import random_basis

from lowrank_ode.matrices import H, lapack

SIZES = [1, 2, 99, 100, 101, 203]
DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def is_inverse(T, A):
    """T A = 1 to rounding, (n + 4) EPS ‖T‖ ‖A‖: four for a product of complex numbers."""
    defect, eps = np.linalg.norm(T @ A - np.eye(len(A))), np.finfo(A.dtype).eps
    size = np.linalg.norm(T) * np.linalg.norm(A)
    return T.dtype == A.dtype and defect <= (len(A) + 4) * eps * size


def graded(n, dtype):
    """Singular values from 1 to 1e-4, and 1e-8 in double precision."""
    rng, digits = np.random.default_rng(n), 4 if np.finfo(dtype).eps > 1e-10 else 8
    P, Q = random_basis(rng, n, n, dtype), random_basis(rng, n, n, dtype)
    return ((P * 10.0 ** -np.linspace(0, digits, n)) @ H(Q)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_inverses_of_full_and_of_triangular_matrices(n, dtype):
    A = graded(n, dtype)
    C = np.linalg.qr(A)[1]
    T = lapack.inverted_upper(C)
    assert is_inverse(lapack.inverted(A), A) and is_inverse(T, C) and np.array_equal(T, np.triu(T))
    other = 2 * np.diag(C.diagonal()) - C                       # planted: another corner
    assert n == 1 or not is_inverse(lapack.inverted_upper(other), C)
    assert not is_inverse(lapack.inverted(H(A) + np.eye(n, dtype=dtype)), A)


@pytest.mark.parametrize("n", SIZES)
def test_a_singular_matrix_has_no_inverse(n):
    assert lapack.inverted(np.zeros((n, n))) is None
    assert lapack.inverted(np.diag(np.arange(n) * 1.0)) is None
    assert lapack.inverted(np.diag(np.arange(n) + 1.0)) is not None


@pytest.mark.parametrize("n", [90, 101])
def test_an_inverse_that_overflows_is_infinite(n):
    A = (np.eye(n) - 10 * np.eye(n, k=1)).astype(np.float32)
    assert not np.isfinite(lapack.inverted(A)).all()


def test_scipy_gets_small_matrices_only(monkeypatch):
    seen, routine = [], lapack._routine

    def watched(*name):
        def called(*matrices, **options):
            seen.append(len(matrices[0]))
            return routine(*name)(*matrices, **options)
        return called

    monkeypatch.setattr(lapack, "_routine", watched)
    for n in (31, 32, 33):
        lapack.svd(np.eye(n, n - 1)), lapack.svd(np.eye(n - 1, n))
    assert seen == [31, 30]
    seen.clear()
    for n in SIZES:
        lapack.inverted(np.eye(n)), lapack.inverted_upper(np.eye(n))
    assert max(seen) == lapack.UNTHREADED
    assert len(seen) == 3 * 4 + 2 + 4                   # of 101 two halves, of 203 four quarters


def is_a_decomposition(found, A, truth):
    """As many singular vectors as values, orthonormal, and the values those of `truth`."""
    (P, sigma, Qh), k, eps = found, min(A.shape), np.finfo(A.dtype).eps
    size, one = 50 * eps * np.linalg.norm(A), np.eye(k)
    return (P.shape == (len(A), k) and sigma.shape == (k,) and Qh.shape == (k, A.shape[1])
            and P.dtype == Qh.dtype == A.dtype and np.abs(sigma - truth).max() <= size
            and np.linalg.norm((P * sigma) @ Qh - A) <= size
            and max(np.linalg.norm(X - one) for X in (H(P) @ P, Qh @ H(Qh))) <= 50 * eps * k**0.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 4), (4, 7), (31, 31), (32, 20), (60, 40)])
def test_singular_values_are_those_of_numpy_on_both_sides_of_the_size_where_it_takes_over(
        shape, dtype, monkeypatch):
    """With as many singular vectors as values. For small ones NumPy is not asked."""
    A = graded(60, dtype)[:shape[0], :shape[1]]
    truth = np.linalg.svd(A, compute_uv=False)
    if max(shape) < lapack.SMALL:
        monkeypatch.setattr(np.linalg, "svd", None)
    assert is_a_decomposition(lapack.svd(A), A, truth)


def fails(*args, **options):
    raise np.linalg.LinAlgError("SVD did not converge")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7, 4), (20, 31), (60, 40), (40, 60)])
def test_where_divide_and_conquer_fails_singular_values_are_found_by_QR_iteration(
        shape, dtype, monkeypatch):
    """In SciPy's routine for small matrices, and in NumPy's. Planted: values in another order, the
    vectors of the transpose."""
    A = graded(60, dtype)[:shape[0], :shape[1]]
    truth, routine = np.linalg.svd(A, compute_uv=False), lapack._routine

    def failing(name, *args):
        right = routine(name, *args)
        return (lambda A, **options: (*right(A, **options)[:3], 1)) if name == "gesdd" else right

    monkeypatch.setattr(np.linalg, "svd", fails)
    monkeypatch.setattr(lapack, "_routine", failing)
    P, sigma, Qh = found = lapack.svd(A)
    assert is_a_decomposition(found, A, truth)
    assert not is_a_decomposition((P[:, ::-1], sigma[::-1], Qh[::-1]), A, truth)
    assert not is_a_decomposition((P, sigma, Qh[:, ::-1]), A, truth)
    asked = []
    monkeypatch.setattr(lapack.scipy.linalg, "svd", lambda A, **how: asked.append(how) or fails())
    with pytest.raises(np.linalg.LinAlgError):
        lapack.svd(A)
    assert asked == [{"full_matrices": False, "lapack_driver": "gesvd"}]        # not as before


def test_an_empty_matrix_is_no_matter_for_lapack(capfd):
    """Which says so on the standard output."""
    assert [X.shape for X in lapack.svd(np.ones((0, 3)))] == [(0, 0), (0,), (0, 3)]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hermitian_matrix_is_its_upper_half_and_the_adjoint_of_that(dtype):
    """Planted: the diagonal in full."""
    A = graded(7, dtype)
    D = A + H(A)
    N = lapack.upper_half(D)
    assert N.dtype == dtype and np.array_equal(N, np.triu(N)) and np.array_equal(N + H(N), D)
    assert not np.array_equal(np.triu(D) + H(np.triu(D)), D)


def test_identities_are_for_reading_and_few_are_kept():
    one = lapack.eye_like(np.ones((3, 3), np.float32))
    assert np.array_equal(one, np.eye(3)) and one.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        one[0, 0] = 2
    for n in range(40):
        X = np.ones((n, n))
        lapack.upper_half(X), lapack.eye_like(X), lapack.pivoted_cholesky(np.eye(n + 1), 0)
    kept = lapack._upper_half, lapack._eye, lapack._below_diagonal
    assert max(cached.cache_info().currsize for cached in kept) < 20


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_norm_neither_overflows_nor_underflows(dtype):
    """Planted: the root of the sum of squares."""
    X, limits = np.array([[3, 4], [0, 12]], dtype), np.finfo(dtype)
    for size in (limits.max / 32, 1, 8 * limits.tiny):
        Y = size * X
        with np.errstate(over="ignore", under="ignore"):
            squares = np.sqrt((Y * Y).real.sum())
        for found, right in ((lapack.frobenius(Y), True), (lapack.frobenius(H(Y)), True),
                             (squares, size == 1)):
            assert (abs(found / float(size) - 13) <= 50 * limits.eps) == right
    assert lapack.frobenius(np.zeros((3, 0), dtype)) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_finite_whatever_their_squares_are(dtype):
    """Planted: the sum of squares alone."""
    X = np.full((3, 4), np.finfo(dtype).max / 2, dtype)
    assert all(map(lapack.all_finite, (X, H(X), X[:, ::2], 0 * X, X[:0])))
    assert not np.isfinite(np.vdot(X, X))
    places, numbers = [(0, 0), (1, 2), (2, 3)], [np.nan, np.inf, -np.inf]
    for size, place, wrong in itertools.product((0, 1, X[0, 0]), places, numbers):
        Y = np.full((3, 4), size, dtype)
        Y[place] = wrong
        assert not lapack.all_finite(Y) and not lapack.all_finite(H(Y))
        assert lapack.all_finite(Y[:, 1::4])


@pytest.mark.parametrize("look", [lapack.frobenius, lapack.all_finite])
def test_to_look_at_numbers_does_not_copy_them_row_by_row_or_column_by_column(look):
    X = np.ones((300, 200))
    for Y in (X, H(X)):
        look(Y)                 # a routine is looked up once
        assert peak_of(lambda Y=Y: look(Y)) < X.nbytes / 10
