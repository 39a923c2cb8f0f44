"""Norms, factorisations and inverses, with one BLAS at work.

NumPy and SciPy come with a BLAS each, and each with threads of its own, which go on spinning for
a while after their work. Where calls alternate, those of one hold the cores that the other wants.
So of SciPy, which has the better routines, none is called that uses threads.
"""

from functools import cache, lru_cache

import numpy as np
import scipy.linalg
from scipy.linalg import get_blas_funcs, get_lapack_funcs

UNTHREADED = 100        # of up to so many rows SciPy inverts a matrix in one thread: from trials
SMALL = 32              # of fewer rows it takes singular values in one thread


@cache
def _routine(name, dtype, library=get_lapack_funcs):
    return library(name, dtype=dtype)


@cache
def precision(dtype):
    """(ε, the smallest normal number) of a dtype of floats."""
    found = np.finfo(dtype)
    return float(found.eps), float(found.tiny)


@lru_cache(maxsize=16)
def _below_diagonal(n):
    return np.tri(n, k=-1, dtype=bool)


def eye_like(G):
    """The identity of the size and precision of G, to read only."""
    return _eye(len(G), G.dtype)


@lru_cache(maxsize=16)
def _eye(n, dtype):
    one = np.eye(n, dtype=dtype)
    one.flags.writeable = False
    return one


def upper_half(D):
    """The upper triangular N with N + Nᴴ = D, for a Hermitian D."""
    return _upper_half(len(D), D.dtype) * D


@lru_cache(maxsize=16)
def _upper_half(n, dtype):
    return (np.tri(n, k=-1).T + 0.5 * np.eye(n)).astype(dtype)


def frobenius(X):
    """Frobenius norm of an array of floats; squares neither overflow nor underflow."""
    return _routine("nrm2", X.dtype, get_blas_funcs)(X.ravel("K")) if X.size else 0.0


def all_finite(X):
    """Whether an array of floats holds neither NaN nor Inf.

    A sum of squares cannot hide one; if it overflows, it says nothing.
    """
    x = X.ravel("K")
    return np.isfinite(np.vdot(x, x)) or np.isfinite(x).all()


def svd(S):
    """(P, σ, Qᴴ) with S = P diag(σ) Qᴴ, as numpy.linalg.svd(S, full_matrices=False).

    Divide and conquer; where that fails, as on some ordinary complex matrices, QR iteration.
    """
    if 0 < min(S.shape) and max(S.shape) < SMALL:
        P, sigma, Qh, failed = _routine("gesdd", S.dtype)(S, full_matrices=False)
        if not failed:
            return P, sigma, Qh
    try:
        return np.linalg.svd(S, full_matrices=False)
    except np.linalg.LinAlgError:
        return scipy.linalg.svd(S, full_matrices=False, lapack_driver="gesvd")


def pivoted_cholesky(G, tol):
    """(C, pivots, rank): the first `rank` rows of the upper triangular C are the factor CᴴC of G,
    rows and columns in the order of pivots.

    It stops where the largest pivot left is at most tol. The unblocked routine: it takes as long as
    the blocked one on one thread, and never uses two.
    """
    C, pivots, rank, _ = _routine("pstf2", G.dtype)(G, tol=tol)
    C[_below_diagonal(len(C))] = 0
    return C, pivots - 1, rank


def inverted(A):
    """A⁻¹, or None if A is singular."""
    if len(A) > UNTHREADED:
        try:
            with np.errstate(over="ignore"):        # an infinite inverse is one, as it is to SciPy
                return np.linalg.inv(A)
        except np.linalg.LinAlgError:
            return None
    *lu, singular = _routine("getrf", A.dtype)(A)
    return None if singular else _routine("getri", A.dtype)(*lu)[0]


def inverted_upper(C):
    """The inverse of an upper triangular matrix: of a large one by that of halves, and products."""
    n, k = len(C), len(C) // 2
    if n <= UNTHREADED:
        return _routine("trtri", C.dtype)(C)[0]
    T = np.zeros_like(C)
    T[:k, :k], T[k:, k:] = inverted_upper(C[:k, :k]), inverted_upper(C[k:, k:])
    T[:k, k:] = -T[:k, :k] @ (C[:k, k:] @ T[k:, k:])
    return T
