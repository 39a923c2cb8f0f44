"""Norms, factorisations and inverses, with one BLAS at work.

NumPy and SciPy come with a BLAS each, and each with threads of its own, which go on spinning for a while after their work. Where calls
alternate, those of one hold the cores that the other wants. So of SciPy, which has the better routines, none is called that uses threads.
"""

from functools import cache

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs

UNTHREADED = 100        # of up to so many rows SciPy inverts a matrix in one thread: from trials, with some room


@cache
def _routine(name, dtype, library=get_lapack_funcs):
    return library(name, dtype=dtype)


@cache
def _below_diagonal(n):
    return np.tri(n, k=-1, dtype=bool)


def frobenius(X):
    """Frobenius norm of an array of floats; squares neither overflow nor underflow."""
    return _routine("nrm2", X.dtype, get_blas_funcs)(np.ravel(X)) if X.size else 0.0


def pivoted_cholesky(G, tol):
    """(C, pivots, rank): the upper triangle of the first `rank` rows of C is the factor CᴴC of G, rows and columns in the order of pivots.

    It stops where the largest pivot left is at most tol.
    The unblocked routine, which takes as long as the blocked one on one thread, and never uses two.
    """
    C, pivots, rank, _ = _routine("pstf2", G.dtype)(G, tol=tol)
    return C, pivots - 1, rank


def inverted(A):
    """A⁻¹, or None if A is singular."""
    if len(A) > UNTHREADED:
        try:
            with np.errstate(over="ignore"):                    # an infinite inverse is one, as it is to SciPy
                return np.linalg.inv(A)
        except np.linalg.LinAlgError:
            return None
    *lu, singular = _routine("getrf", A.dtype)(A)
    return None if singular else _routine("getri", A.dtype)(*lu)[0]


def inverted_upper(C):
    """The inverse of the upper triangle of C, whatever is below its diagonal: of a large one by that of halves, and products."""
    n, k = len(C), len(C) // 2
    if n <= UNTHREADED:
        T, _ = _routine("trtri", C.dtype)(C)
        T[_below_diagonal(n)] = 0
        return T
    T = np.zeros_like(C)
    T[:k, :k], T[k:, k:] = inverted_upper(C[:k, :k]), inverted_upper(C[k:, k:])
    T[:k, k:] = -T[:k, :k] @ (C[:k, k:] @ T[k:, k:])
    return T
