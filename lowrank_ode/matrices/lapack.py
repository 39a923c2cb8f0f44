"""Factorisations and inverses of small matrices, with one BLAS at work.

NumPy and SciPy come with a BLAS each, and each with threads of its own, which go on spinning for a while after their work. Where calls
alternate, those of one hold the cores that the other wants. So of SciPy, which has the better routines, none is called that uses threads.
"""

import numpy as np
from scipy.linalg import get_lapack_funcs

UNTHREADED = 100        # of up to so many rows SciPy inverts a matrix in one thread: from trials, with some room


def pivoted_cholesky(G, tol):
    """(C, pivots, rank): the upper triangle of the first `rank` rows of C is the factor CᴴC of G, rows and columns in the order of pivots.

    It stops where the largest pivot left is at most tol.
    The unblocked routine, which takes as long as the blocked one on one thread, and never uses two.
    """
    factor, = get_lapack_funcs(("pstf2",), (G,))
    C, pivots, rank, _ = factor(G, tol=tol)
    return C, pivots - 1, rank


def inverted(A):
    """A⁻¹, or None if A is singular."""
    if len(A) > UNTHREADED:
        try:
            with np.errstate(over="ignore"):                    # an infinite inverse is one, as it is to SciPy
                return np.linalg.inv(A)
        except np.linalg.LinAlgError:
            return None
    decompose, invert = get_lapack_funcs(("getrf", "getri"), (A,))
    *lu, singular = decompose(A)
    return None if singular else invert(*lu)[0]


def inverted_upper(C):
    """The inverse of the upper triangle of C, whatever is below its diagonal: of a large one by that of halves, and products."""
    n, k = len(C), len(C) // 2
    if n <= UNTHREADED:
        invert, = get_lapack_funcs(("trtri",), (C,))
        return np.triu(invert(C)[0])
    T = np.zeros_like(C)
    T[:k, :k], T[k:, k:] = inverted_upper(C[:k, :k]), inverted_upper(C[k:, k:])
    T[:k, k:] = -T[:k, :k] @ (C[:k, k:] @ T[k:, k:])
    return T
