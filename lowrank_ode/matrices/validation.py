"""What is checked at the door, so that the steps need not check it."""

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from .direct_sum import DirectSum, H
from .lapack import all_finite
from .lowrank import LowRank


def check_state(Y, name="Y0"):
    """Return Y if a step may start from it: finite, and each LowRank of rank 1 ≤ r ≤ min(m, n)
    with orthonormal bases.

    Raises ValueError, naming what is wrong, otherwise; TypeError if Y is no ndarray, LowRank or
    DirectSum.
    """
    if isinstance(Y, DirectSum):
        for k, block in enumerate(Y.blocks):
            check_state(block, f"{name}.blocks[{k}]")
        return Y
    if not isinstance(Y, LowRank):
        if not isinstance(Y, np.ndarray) or isinstance(Y, np.matrix):
            raise TypeError(f"{name}: got {type(Y).__name__}, expected a LowRank, "
                            "a two-dimensional ndarray, or a DirectSum of these")
        check_finite(name, check_matrix(name, Y))
        return Y
    for letter, X in zip("USV", Y, strict=True):
        check_finite(f"{name}.{letter}", X)
    if not 1 <= max(Y.S.shape) <= min(Y.shape):
        raise ValueError(f"{name}: a core of shape {Y.S.shape}, expected a rank r with "
                         f"1 ≤ r ≤ min(m, n) = {min(Y.shape)}")
    for letter, X in (("U", Y.U), ("V", Y.V)):
        p = X.shape[1]
        defect = np.abs(H(X) @ X - np.eye(p)).max()
        if defect > 1000 * p * np.finfo(X.dtype).eps:
            raise ValueError(f"{name}.{letter}: max|{letter}ᴴ{letter} − I| = {defect:.1e}, "
                             "expected orthonormal columns, as of best_approximation(Y, rank=r)")
    return Y


def check_matrix(name, X, shape=None):
    """X, a matrix of any kind with `@` from both sides, of that shape if given; an np.matrix as the
    array that it is.

    Raises ValueError for arrays of other dimensions, without rows or columns, masked, or not of
    numbers, and for another shape; TypeError for what is no matrix.
    """
    if isinstance(X, np.matrix):
        X = np.asarray(X)
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError(f"{name}: got a masked array, whose mask would be ignored, "
                         "expected an array such as X.filled(0)")
    own = hasattr(X, "adjoint") and not isinstance(X, DirectSum)
    if not (own or isinstance(X, np.ndarray | LinearOperator) or issparse(X)):
        raise TypeError(f"{name}: got {type(X).__name__}, expected a matrix: an ndarray, LowRank, "
                        "sparse array or LinearOperator")
    if isinstance(X, np.ndarray | LinearOperator) and getattr(X.dtype, "kind", "O") not in "biufc":
        what = "an array" if isinstance(X, np.ndarray) else type(X).__name__
        raise ValueError(f"{name}: got {what} of {X.dtype}, expected one of numbers")
    if len(X.shape) != 2:
        hint = {1: "; a column is x[:, None]"}.get(len(X.shape), "; an array of more dimensions is "
               "unfolded before: kernels, one a filter, by X.reshape(len(X), -1)")
        raise ValueError(f"{name}: shape {X.shape}, expected a matrix{hint if X.shape else ''}")
    if shape and X.shape != shape:
        hint = ": it is transposed" if X.shape == shape[::-1] else ""
        raise ValueError(f"{name}: shape {X.shape}, expected {shape}{hint}")
    if not min(X.shape):
        raise ValueError(f"{name}: shape {X.shape}, expected at least one row and one column")
    return X


def check_finite(name, X, hint=""):
    """ValueError unless X is an array of finite floats, real or complex, single or double."""
    if not isinstance(X, np.ndarray) or X.dtype.char not in "fdFD":
        raise ValueError(f"{name}: got {X.dtype if isinstance(X, np.ndarray) else X}, "
                         "expected an array of floats, single or double")
    if not all_finite(X):
        raise ValueError(f"{name}: NaN or Inf, expected finite numbers{hint}")
