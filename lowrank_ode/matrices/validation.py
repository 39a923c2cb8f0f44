"""What is checked at the door, so that the steps need not check it."""

import operator

import numpy as np

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
        if not isinstance(Y, np.ndarray) or Y.ndim != 2:
            raise TypeError(f"{name}: got {type(Y).__name__}, expected a LowRank, "
                            "a two-dimensional ndarray, or a DirectSum of these")
        check_finite(name, Y)
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


def check_finite(name, X, hint=""):
    """ValueError unless X is an array of finite floats, real or complex, single or double."""
    if not isinstance(X, np.ndarray) or X.dtype.char not in "fdFD":
        raise ValueError(f"{name}: got {X.dtype if isinstance(X, np.ndarray) else X}, "
                         "expected an array of floats, single or double")
    if not all_finite(X):
        raise ValueError(f"{name}: NaN or Inf, expected finite numbers{hint}")


def check_count(name, n, most=None, where="", least=1):
    """n as an int; ValueError unless it is a whole number, least ≤ n, and n ≤ most if given."""
    try:
        count = operator.index(n)
    except TypeError:
        count = least - 1
    if not least <= count <= (count if most is None else most):
        limit = "" if most is None else f" and ≤ {most}"
        raise ValueError(f"{name}: got {n}{where}, expected a whole number ≥ {least}{limit}")
    return count


def check_truncation(name, tol, max_rank):
    """ValueError unless tol ≥ 0 and max_rank is None or ≥ 1; methods call it when they are made."""
    if not tol >= 0:
        raise ValueError(f"{name}: got {tol}, expected a truncation tolerance ≥ 0")
    if max_rank is not None:
        check_count("max_rank", max_rank)
