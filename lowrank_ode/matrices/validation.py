"""What is checked at the door, so that the steps need not check it."""

import operator

import numpy as np

from .direct_sum import DirectSum, H
from .lapack import all_finite
from .lowrank import LowRank


def check_state(Y, name="Y0"):
    """Return Y if a step may start from it: finite, and each LowRank of rank 1 ≤ r ≤ min(m, n) with orthonormal bases.

    Raises ValueError, naming what is wrong, otherwise; TypeError if Y is no ndarray, LowRank or DirectSum.
    """
    if isinstance(Y, DirectSum):
        for k, block in enumerate(Y.blocks):
            check_state(block, f"{name}.blocks[{k}]")
        return Y
    if not isinstance(Y, LowRank):
        if not isinstance(Y, np.ndarray) or Y.ndim != 2:
            raise TypeError(f"{name}: got {type(Y).__name__}, expected a LowRank, a two-dimensional ndarray, or a DirectSum of these")
        check_finite(name, Y)
        return Y
    for letter, X in zip("USV", Y, strict=True):
        check_finite(f"{name}.{letter}", X)
    if not 1 <= max(Y.S.shape) <= min(Y.shape):
        raise ValueError(f"{name}: a core of shape {Y.S.shape}, expected a rank r with 1 ≤ r ≤ min(m, n) = {min(Y.shape)}")
    for letter, X in (("U", Y.U), ("V", Y.V)):
        p = X.shape[1]
        defect = np.abs(H(X) @ X - np.eye(p)).max()
        if defect > 1000 * p * np.finfo(X.dtype).eps:
            raise ValueError(f"{name}.{letter}: max|{letter}ᴴ{letter} − I| = {defect:.1e}, expected orthonormal columns: "
                             "best_approximation(Y, rank=r) makes them")
    return Y


def check_finite(name, X, hint=""):
    """ValueError unless X is an array of finite floats, real or complex, in single or double precision."""
    if not isinstance(X, np.ndarray) or X.dtype.char not in "fdFD":
        raise ValueError(f"{name}: got {X if not isinstance(X, np.ndarray) else X.dtype}, expected an array of floats, single or double")
    if not all_finite(X):
        raise ValueError(f"{name}: NaN or Inf, expected finite numbers{hint}")


def check_count(name, n, most=None, where="", least=1):
    """n as an int; ValueError unless it is a whole number, least ≤ n, and n ≤ most if given."""
    try:
        count = operator.index(n)
    except TypeError:
        count = least - 1
    if not least <= count <= (count if most is None else most):
        raise ValueError(f"{name}: got {n}{where}, expected a whole number ≥ {least}" + ("" if most is None else f" and ≤ {most}"))
    return count


def check_ranks(rank, layers):
    """A rank for each of so many layers, None for a dense one: `rank` if it is a sequence; else that of the hidden layers, the last dense.

    Raises ValueError for a sequence of another length, and for a number where there are no hidden layers.
    """
    if np.isscalar(rank) and layers == 1:
        raise ValueError(f"rank: got {rank} for a single layer, which it would leave dense, expected [{rank}] or None")
    ranks = [rank] * (layers - 1) + [None] if rank is None or np.isscalar(rank) else rank
    if len(ranks) != layers:
        raise ValueError(f"rank: got {len(ranks)} entries, expected one for each of {layers} layers")
    return ranks
