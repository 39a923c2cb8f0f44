"""The two projections of the subject: onto the matrices of low rank, onto their tangent space."""

import math

import numpy as np

from ..options import check_count, check_truncation
from .direct_sum import H, blockwise
from .lapack import frobenius, precision, svd
from .lowrank import LowRank
from .orthonormal import augment, orth
from .products import dense
from .truncation import by_svd, diagonal, orthonormal_factors, polished, rank_within, truncate
from .validation import check_finite, check_matrix

OVERSAMPLED = 10    # columns more than the rank, in the search for a dominant space
ROUNDS = 8          # of that search, at most: what they do not find is left to LAPACK
RESIDUAL = 12       # of a basis K of p columns ‖K − ÛÛᴴK‖ is known to so many √p · EPS · ‖K‖
WORTHWHILE = 8      # it is begun for a rank below a part of so much of both sides


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
    A = check_matrix("A", A)
    if rank is not None:
        rank = check_count("rank", rank, most=min(A.shape))
    else:
        check_truncation("tol", tol, None)
    if isinstance(A, LowRank):
        Y = by_svd(orthonormal_factors(A), tol or 0.0, max_rank=rank)
    else:
        Y = _dominant_part(A, rank) or _decomposed(dense(A) * 1.0, tol or 0.0, rank)
    return Y if rank is None else _padded(Y, rank)


def _decomposed(A, tol, rank):
    check_finite("A", A)
    U, sigma, Vh = svd(A)
    check_finite("A", sigma)
    r, _ = rank_within(sigma, tol, False, rank)
    return LowRank(polished(U[:, :r]), diagonal(sigma[:r], U), polished(H(Vh)[:, :r]))


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
            return LowRank(U, diagonal(sigma[:rank], U), V)
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
    return _padded(truncate(orthonormal_factors(Z, Y.U, Y.V), max_rank=Y.rank), Y.rank)


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


def _complete(U, r):
    return augment(U, np.eye(len(U), r, dtype=U.dtype)).array[:, :r]
