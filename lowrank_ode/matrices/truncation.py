"""The truncation that ends a step."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np

from ..options import check_truncation
from .augmented import Augmented, array_of, inner
from .direct_sum import DirectSum, H, Identity
from .dominant import dominant
from .lapack import SMALL, eye_like, frobenius, precision, svd
from .lowrank import LowRank
from .orthonormal import augment
from .validation import check_finite, check_matrix

Matrix = TypeVar("Matrix", np.ndarray, LowRank, DirectSum)


def truncate(Y: Matrix, tol: float = 0.0, relative: bool = False,
             max_rank: int | Sequence[int] | None = None) -> Matrix:
    """Y = U S Vᴴ with orthonormal bases, cut to the smallest rank r ≥ 1 with a discarded tail
    (Σ_{i>r} σᵢ²)^½ of at most θ [CKL22].

    θ = tol, or tol · ‖S‖ if `relative`; then at most max_rank, a number or, on a direct sum, one
    for each of its LowRank blocks. ‖Y − result‖ equals the tail, to rounding and to the defect of
    the bases, which the result does not inherit; where that is large, they are orthonormalised
    before. tol = 0 keeps every nonzero singular value. The core of the result need not be diagonal:
    `singular_values()` has σ₁ ≥ … ≥ σᵣ. (After a step the dominant singular vectors are near the
    first r coordinates; where a few products find them, that is enough, else it takes the singular
    value decomposition.) A dense block (ndarray) is returned as it is.

    Raises ValueError if tol < 0, max_rank < 1 or of another length, or S holds NaN or Inf; also
    for an array that is no matrix.
    """
    check_truncation("tol", tol, max_rank)
    if isinstance(Y, DirectSum):
        caps = _caps(Y.blocks, max_rank)
        return DirectSum([truncate(X, tol, relative, r)
                          for X, r in zip(Y.blocks, caps, strict=True)])
    if isinstance(check_matrix("Y", Y), np.ndarray):
        return Y
    (max_rank,), tol = _caps([Y], max_rank), float(tol)
    bases_are_so = len(Y.terms) == 1 and all(map(_orthonormal, Y.factors[::2]))
    if not bases_are_so or isinstance(Y.S, Identity):
        Y = orthonormal_factors(Y, name="Y")
    return _by_newton(Y, tol, relative, max_rank) or by_svd(Y, tol, relative, max_rank)


def _caps(blocks, max_rank):
    """max_rank for each block."""
    if np.ndim(max_rank) == 0:
        return [max_rank] * len(blocks)
    caps, low = iter(max_rank), [isinstance(X, LowRank) for X in blocks]
    if len(max_rank) != sum(low):
        raise ValueError(f"max_rank: got {len(max_rank)} entries, expected a number, or one for "
                         f"each of {sum(low)} LowRank blocks")
    return [next(caps) if is_low else None for is_low in low]


def _orthonormal(U):
    """Whether a basis is so, but for what `polished` mends: one of `augment` is."""
    if isinstance(U, Augmented):
        return True
    if not isinstance(U, np.ndarray):
        return isinstance(U, Identity) and abs(U.scale) == 1
    if U.dtype.char not in "fdFD":
        return False
    G = inner(U, U)
    return frobenius(G - eye_like(G)) <= precision(U.dtype)[0] ** 0.5


def _by_newton(Y, tol, relative, max_rank):
    """`truncate` of a LowRank by a few products; None for a small core, or where they do not do."""
    U, S, V = Y.factors
    if not (isinstance(S, np.ndarray) and S.dtype.char in "fdFD" and len(S) >= SMALL):
        return None
    size = float(np.abs(S).max(initial=0))
    if not precision(S.dtype)[1] <= size < math.inf:
        return None
    S = S / size
    columns = np.linalg.norm(S, axis=0)
    if columns.min() < precision(S.dtype)[1] ** 0.5 / precision(S.dtype)[0]:
        columns = np.hypot.reduce(np.abs(S), axis=0)            # squares underflow
    r, theta = rank_within(columns, tol if relative else tol / size, relative, max_rank)
    if not (found := dominant(S, min(r, *S.shape), theta)):
        return None
    P, S, Q = found
    return LowRank(_rotated(U, P), size * S, _rotated(V, Q))


def by_svd(Y, tol=0.0, relative=False, max_rank=None):
    """`truncate` of a LowRank by the decomposition of its core: S = diag(σ₁ ≥ … ≥ σᵣ)."""
    U, S, V = Y.factors
    check_finite("S", S, ": the field is not finite, or the step size too large")
    P, sigma, Qh = svd(S)
    r, _ = rank_within(sigma, tol, relative, max_rank)
    return LowRank(_rotated(U, P[:, :r]), diagonal(sigma[:r], P), _rotated(V, H(Qh)[:, :r]))


def rank_within(sigma, tol, relative, max_rank):
    """The smallest r ≥ 1 with a tail (Σ_{i>r} σᵢ²)^½ ≤ θ, or max_rank if that is less; and θ."""
    tails = [*accumulate(sigma[::-1].tolist(), math.hypot, initial=0.0)]    # in double, no square
    theta = float(tol) * (tails[-1] if relative else 1.0)
    r = max(1, len(tails) - bisect_right(tails, theta))
    return min(r, max_rank or r), theta


def _rotated(U, P):
    """U P, for orthonormal U and P; an `Augmented` U is so to rounding, others are polished."""
    return U @ P if isinstance(U, Augmented) else polished(U @ P)


def polished(U):
    """U itself, or, where rounding errors of many steps have added up, one Newton step nearer to
    the nearest orthonormal basis."""
    G = inner(U, U)
    defect = G - eye_like(G)
    allowed = 4 * precision(U.dtype)[0] * U.shape[1]**0.5
    return U if frobenius(defect) <= allowed else U - U @ (0.5 * defect)


def diagonal(sigma, U):
    """diag(σ), complex where U is: a substep that starts there goes on in complex numbers."""
    return np.diag(sigma.astype(U.dtype))


def orthonormal_factors(A, U0=None, V0=None, name="A"):
    """A LowRank A = Q_U S Q_Vᴴ with orthonormal bases, those that hold U0 and V0, if given."""
    U, S, V = A.factors
    if not isinstance(S, Identity):
        check_finite(name, S)
    (Q_U, R_U), (Q_V, R_V) = _orthonormalised(U, U0, name), _orthonormalised(V, V0, name)
    return LowRank(Q_U, array_of(R_U @ S @ H(R_V), A.dtype), Q_V)


def _orthonormalised(U, U0, name):
    """U = Q R with Q orthonormal, its columns each taken at its own size; at least one column.

    Where U was made by `augment`, nothing is left to do. Q begins with U0, if given.
    """
    if isinstance(U, Identity):
        return Identity(U.n), U
    if U is U0:
        check_finite(name, U)
    if isinstance(U, Augmented) or U is U0:
        return U, Identity(U.shape[1])
    U = array_of(U)
    start = U[:, :0] if U0 is None else U0
    sizes = np.abs(U).max(axis=0)
    check_finite(name, sizes)
    sizes = np.maximum(sizes, np.finfo(U.dtype).tiny)
    scaled = U / sizes
    Q = augment(start, scaled)
    if not Q.shape[1]:
        return np.eye(len(U), 1, dtype=Q.dtype), np.zeros((1, U.shape[1]), Q.dtype)
    return Q, H(H(scaled) @ Q) * sizes
