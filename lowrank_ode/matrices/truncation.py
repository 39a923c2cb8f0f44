"""The two projections of the subject: onto the matrices of low rank, onto their tangent space."""

import math
from bisect import bisect_right
from itertools import accumulate

import numpy as np

from .augmented import Augmented, array_of, inner
from .direct_sum import H, Identity, blockwise
from .dominant import dominant
from .lapack import SMALL, eye_like, frobenius, precision, svd
from .lowrank import LowRank
from .orthonormal import augment, orth
from .products import dense
from .validation import check_count, check_finite, check_truncation

OVERSAMPLED = 10    # columns more than the rank, in the search for a dominant space
ROUNDS = 8          # of that search, at most: what they do not find is left to LAPACK
RESIDUAL = 12       # of a basis K of p columns ‖K − ÛÛᴴK‖ is known to so many √p · EPS · ‖K‖
WORTHWHILE = 8      # it is begun for a rank below a part of so much of both sides


@blockwise
def truncate(Y, tol=0.0, relative=False, max_rank=None):
    """Y = U S Vᴴ with orthonormal bases, cut to the smallest rank r ≥ 1 with a discarded tail
    (Σ_{i>r} σᵢ²)^½ of at most θ [CKL22].

    θ = tol, or tol · ‖S‖ if `relative`; then at most max_rank. ‖Y − result‖ equals the tail, to
    rounding and to the defect of the bases, which the result does not inherit. tol = 0 keeps every
    nonzero singular value. The core of the result need not be diagonal: `singular_values()` has
    σ₁ ≥ … ≥ σᵣ. (After a step the dominant singular vectors are near the first r coordinates; where
    a few products find them, that is enough, else it takes the singular value decomposition.) A
    dense block (ndarray) is returned as it is.

    Raises ValueError if tol < 0, max_rank < 1, or S holds NaN or Inf.
    """
    check_truncation("tol", tol, max_rank)
    if isinstance(Y, np.ndarray):
        return Y
    if len(Y.terms) > 1:                    # bases side by side are not orthonormal
        Y = _orthonormal_factors(Y)
    return _by_newton(Y, tol, relative, max_rank) or _by_svd(Y, tol, relative, max_rank)


def _by_newton(Y, tol, relative, max_rank):
    """`truncate` of a LowRank by a few products; None for a small core, or where they do not do."""
    U, S, V = Y.factors
    if not (isinstance(S, np.ndarray) and S.dtype.char in "fdFD" and len(S) >= SMALL):
        return None
    size = float(np.abs(S).max())
    if not precision(S.dtype)[1] <= size < math.inf:
        return None
    S = S / size
    columns = np.linalg.norm(S, axis=0)
    r, theta = _rank(columns, tol if relative else tol / size, relative, max_rank)
    if not (found := dominant(S, min(r, *S.shape), theta)):
        return None
    P, S, Q = found
    return LowRank(_rotated(U, P), size * S, _rotated(V, Q))


def _by_svd(Y, tol=0.0, relative=False, max_rank=None):
    """`truncate` of a LowRank by the decomposition of its core: S = diag(σ₁ ≥ … ≥ σᵣ)."""
    U, S, V = Y.factors
    check_finite("S", S, ": the field is not finite, or the step size too large")
    P, sigma, Qh = svd(S)
    r, _ = _rank(sigma, tol, relative, max_rank)
    return LowRank(_rotated(U, P[:, :r]), np.diag(sigma[:r]), _rotated(V, H(Qh)[:, :r]))


def _rank(sigma, tol, relative, max_rank):
    """The smallest r ≥ 1 with a tail (Σ_{i>r} σᵢ²)^½ ≤ θ, or max_rank if that is less; and θ."""
    tails = [*accumulate(sigma[::-1].tolist(), math.hypot, initial=0.0)]    # in double, no square
    theta = float(tol) * tails[-1] if relative else float(tol)
    r = max(1, len(tails) - bisect_right(tails, theta))
    return min(r, max_rank or r), theta


def _rotated(U, P):
    """U P, for orthonormal U and P; an `Augmented` U is so to rounding, others are polished."""
    return U @ P if isinstance(U, Augmented) else _polished(U @ P)


def _polished(U):
    """U itself, or, where rounding errors of many steps have added up, one Newton step nearer to
    the nearest orthonormal basis."""
    G = inner(U, U)
    defect = G - eye_like(G)
    allowed = 4 * precision(U.dtype)[0] * U.shape[1]**0.5
    return U if frobenius(defect) <= allowed else U - U @ (0.5 * defect)


@blockwise
def best_approximation(A, rank=None, tol=None):
    """Best approximation in the Frobenius norm [EY36], a LowRank with orthonormal bases and
    S = diag(σ₁ ≥ σ₂ ≥ …): of rank r, or the smallest within tol (absolute).

    A is any matrix; a LowRank need not have orthonormal bases and is not formed. Of others the
    dominant singular vectors are searched for if the rank is small; where the singular values do
    not fall fast enough for that, A is formed, and decomposed. With `rank` the result has exactly
    that many columns, with zero singular values where A has not so many.

    Raises ValueError unless exactly one of rank (1 ≤ rank ≤ min(m, n)) and tol (≥ 0) is given, and
    if A is not finite.
    """
    if (rank is None) == (tol is None):
        raise ValueError(f"rank, tol: got {rank} and {tol}, expected exactly one of them")
    if rank is not None:
        rank = check_count("rank", rank, most=min(A.shape))
    else:
        check_truncation("tol", tol, None)
    if isinstance(A, LowRank):
        Y = _by_svd(_orthonormal_factors(A), tol or 0.0, max_rank=rank)
    else:
        Y = _dominant_part(A, rank) or _decomposed(dense(A) * 1.0, tol or 0.0, rank)
    return Y if rank is None else _padded(Y, rank)


def _decomposed(A, tol, rank):
    check_finite("A", A)
    U, sigma, Vh = svd(A)
    check_finite("A", sigma)
    r, _ = _rank(sigma, tol, False, rank)
    return LowRank(_polished(U[:, :r]), np.diag(sigma[:r]), _polished(H(Vh)[:, :r]))


def _dominant_part(A, rank):
    """The best approximation of rank r by subspace iteration from a random start [HMT11]; None
    where r is not small, or where after `ROUNDS` rounds the residual is not rounding."""
    m, n = A.shape
    if rank is None or WORTHWHILE * (rank + OVERSAMPLED) > min(m, n) or A.dtype.char not in "fdFD":
        return None
    start = np.random.default_rng(0).standard_normal((n, rank + OVERSAMPLED))
    Q = A @ start.astype(A.dtype)
    if not math.isfinite(frobenius(Q)):
        return None                                     # the full decomposition says what is wrong
    for _ in range(ROUNDS):
        Q = orth(Q)
        try:
            P, sigma, Vh = svd(H(H(A) @ Q))             # of Qᴴ A
        except (NotImplementedError, TypeError):        # a LinearOperator that has no adjoint
            return None
        U, V = Q @ P[:, :rank], H(Vh)[:, :rank]
        residual = frobenius(A @ V - U * sigma[:rank])
        if residual <= RESIDUAL * len(sigma)**0.5 * precision(A.dtype)[0] * frobenius(sigma):
            return LowRank(U, np.diag(sigma[:rank]), V)
        Q = A @ H(Vh)
    return None


@blockwise
def retract(Y, Z):
    """The best approximation of Z with the rank of Y; for a dense block Y, which may be any matrix,
    Z itself as an ndarray.

    It costs less where the bases of Z are those that `augment` made of Y's, as those of a step are.
    The result is as near to the best as these are orthonormal.

    Raises ValueError if Z has another shape than Y, or, for a LowRank Y, is not finite.
    """
    if Z.shape != Y.shape:
        raise ValueError(f"Z: shape {Z.shape}, expected that of Y, {Y.shape}")
    if not isinstance(Y, LowRank):
        return dense(Z)
    if not isinstance(Z, LowRank):
        return best_approximation(Z, rank=Y.rank)
    return _padded(truncate(_orthonormal_factors(Z, Y.U, Y.V), max_rank=Y.rank), Y.rank)


@blockwise
def tangent_projection(Y, Z):
    """P(Y)Z = U Uᴴ Z + Z V Vᴴ − U Uᴴ Z V Vᴴ, the orthogonal projection of Z onto the tangent space
    at Y = U S Vᴴ [KL07].

    Built from the stored orthonormal bases, so S may be singular. Z is any matrix with `@` from
    both sides. Returns a LowRank of rank 2r, with U and V the leading columns of its bases; for a
    dense block, whose tangent space is everything, Z itself as an ndarray.
    """
    if isinstance(Y, np.ndarray):
        return dense(Z)
    U, _, V = Y
    K, L = Z @ V, H(H(U) @ Z)
    M = H(U) @ K
    (p, q), n = M.shape, sum(M.shape)
    core = np.eye(n, k=q, dtype=M.dtype) + np.eye(n, k=-p, dtype=M.dtype)      # [[M, 1], [1, 0]]
    core[:p, :q] = M
    return LowRank(np.hstack([U, K - U @ M]), core, np.hstack([V, L - V @ H(M)]))


def _padded(Y, rank):
    """Y with zero singular values where it has not so many as that."""
    U, S, V = Y
    pad = rank - len(S)
    if not pad:
        return Y
    return LowRank(_complete(U, rank), np.pad(S, (0, pad)), _complete(V, rank))


def _orthonormal_factors(A, U0=None, V0=None):
    """A LowRank A = Q_U S Q_Vᴴ with orthonormal bases, those that hold U0 and V0, if given."""
    U, S, V = A.factors
    if not isinstance(S, Identity):
        check_finite("A", S)
    (Q_U, R_U), (Q_V, R_V) = _orthonormalised(U, U0), _orthonormalised(V, V0)
    return LowRank(Q_U, R_U @ S @ H(R_V), Q_V)


def _orthonormalised(U, U0):
    """U = Q R with Q orthonormal, its columns each taken at its own size; at least one column.

    Where U was made by `augment`, nothing is left to do. Q begins with U0, if given.
    """
    if isinstance(U, Identity):
        return Identity(U.n), U
    if U is U0:
        check_finite("A", U)
    if isinstance(U, Augmented) or U is U0:
        return U, Identity(U.shape[1])
    U = array_of(U)
    start = U[:, :0] if U0 is None else U0
    sizes = np.abs(U).max(axis=0)
    check_finite("A", sizes)
    sizes = np.maximum(sizes, np.finfo(U.dtype).tiny)
    scaled = U / sizes
    Q = augment(start, scaled)
    if not Q.shape[1]:
        return np.eye(len(U), 1, dtype=Q.dtype), np.zeros((1, U.shape[1]), Q.dtype)
    return Q, H(H(scaled) @ Q) * sizes


def _complete(U, r):
    return augment(U, np.eye(len(U), r, dtype=U.dtype)).array[:, :r]
