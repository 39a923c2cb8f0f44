"""The two projections of the subject: onto the matrices of low rank, and onto their tangent space."""

import math
from bisect import bisect_right
from itertools import accumulate

import numpy as np

from .augmented import Augmented, inner
from .direct_sum import H, Identity, blockwise_in_threads
from .lapack import SMALL, eye_like, frobenius, inverted, precision, svd
from .lowrank import LowRank, begins_with
from .orthonormal import augment, augment_in_factors, orthonormalising
from .products import dense
from .validation import check_count, check_finite


@blockwise_in_threads
def truncate(Y, tol=0.0, relative=False, max_rank=None):
    """Y = U S Vᴴ with orthonormal bases, cut to the smallest rank r ≥ 1 whose discarded tail (Σ_{i>r} σᵢ²)^½ is at most θ [CKL22].

    θ = tol, or tol · ‖S‖ if `relative`; then at most max_rank. The result has S = diag(σ₁ ≥ … ≥ σᵣ), and ‖Y − result‖ equals the tail,
    to rounding and to the defect of the bases, which the result does not inherit.
    tol = 0 keeps every nonzero singular value. A dense block (ndarray) is returned as it is.

    Raises ValueError if tol < 0, max_rank < 1, or S holds NaN or Inf.
    """
    check_truncation("tol", tol, max_rank)
    if isinstance(Y, np.ndarray):
        return Y
    return _truncated(Y, tol, relative, max_rank)


def _truncated(Y, tol, relative, max_rank):
    """`truncate` of a LowRank, for a tolerance and a rank that have been checked."""
    U, S, V = Y
    check_finite("S", S, ": the field is not finite, or the step size too large")
    P, sigma, Qh = svd(S)
    r, _ = _rank(sigma, tol, relative, max_rank)
    return LowRank(_rotated(U, P[:, :r]), np.diag(sigma[:r]), _rotated(V, H(Qh)[:, :r]))


@blockwise_in_threads
def cut(Y, tol=0.0, relative=False, max_rank=None):
    """`truncate`, but with an S that need not be diagonal: what ends a step, whose core is that of its start and a little more.

    To rounding the rank is that of `truncate`, and the distance to Y the tail. Where the first r coordinates of S hold its r dominant
    singular vectors but for a little, these are found by a few products; elsewhere, `truncate`.
    """
    check_truncation("tol", tol, max_rank)
    if isinstance(Y, np.ndarray):
        return Y
    U, S, V = Y
    if not (isinstance(S, np.ndarray) and S.dtype.char in "fdFD" and len(S) >= SMALL):
        return _truncated(Y, tol, relative, max_rank)
    size = float(np.abs(S).max())
    if not precision(S.dtype)[1] <= size < math.inf:
        return _truncated(Y, tol, relative, max_rank)
    S = S / size
    r, theta = _rank(np.linalg.norm(S, axis=0), tol if relative else tol / size, relative, max_rank)
    found = _dominant(S, min(r, *S.shape), theta)
    if found is None:
        return _truncated(Y, tol, relative, max_rank)
    P, S, Q = found
    return LowRank(_rotated(U, P), size * S, _rotated(V, Q))


def _rank(sigma, tol, relative, max_rank):
    """The smallest r ≥ 1 with a tail (Σ_{i>r} σᵢ²)^½ ≤ θ, or max_rank if that is less; and θ."""
    tails = [*accumulate(sigma[::-1].tolist(), math.hypot, initial=0.0)]    # in double precision, and no square
    theta = float(tol) * tails[-1] if relative else float(tol)
    r = max(1, len(tails) - bisect_right(tails, theta))
    return min(r, max_rank or r), theta


def _dominant(S, r, theta):
    """(P, S1, Q): orthonormal bases P, Q of the r dominant left and right singular vectors of S, and S1 = Pᴴ S Q, to rounding; None where
    the iteration does not find them, or S1 has a singular value not above θ and all that is beside the first r coordinates.

    Let S = [[A, B], [C, D]], P ~ [I; Y], Q ~ [I; X]. S has no blocks beside S1 if C + D X = Y (A + B X) and Bᴴ + Dᴴ Y = X (Aᴴ + Cᴴ Y): a
    simplified Newton iteration, docs/derivations.md#dominant-singular-vectors.
    """
    A, B, C, D = S[:r, :r], S[:r, r:], S[r:, :r], S[r:, r:]
    rounding = precision(S.dtype)[0] * frobenius(S)
    beside = [*map(frobenius, (B, C, D))]
    least = max(theta, math.hypot(*beside)) + rounding
    inverse = _inverse(A, least)
    if inverse is None:
        return None
    X, Y, before = H(inverse @ B), C @ inverse, np.inf
    while True:
        M, N = A + B @ X, C + D @ X
        left, right = N - Y @ M, H(B) + H(D) @ Y - X @ (H(A) + H(C) @ Y)
        residual = math.hypot(frobenius(left), frobenius(right))
        if residual <= rounding:
            break
        if not residual < before / 4:
            return None
        X, Y, before = X + right @ H(inverse), Y + left @ inverse, residual
    T_X, T_Y = (orthonormalising(eye_like(A) + H(Z) @ Z) for Z in (X, Y))
    S1 = H(T_Y) @ (M + H(Y) @ N) @ T_X
    x = frobenius(X)        # σ_r(S1) ≥ (1/‖A⁻¹‖ − ‖B‖ x) / (1 + x²)^½
    if not (frobenius(inverse) * (beside[0] * x + math.hypot(1, x) * (least + rounding)) < 1 or _above(S1, least)):
        return None
    return np.concatenate([T_Y, Y @ T_Y]), S1, np.concatenate([T_X, X @ T_X])


def _above(S, least):
    """Whether all singular values of a square S are above `least`: whether ‖least · S⁻¹‖ < 1 in the spectral norm."""
    inverse = _inverse(S, least)
    if inverse is None:
        return False
    try:
        np.linalg.cholesky(eye_like(S) - H(least * inverse) @ (least * inverse))
    except np.linalg.LinAlgError:
        return False
    return True


def _inverse(A, least):
    """None if A is singular, or so near to it that its smallest singular value is below `least`: ‖least · A⁻¹‖ ≥ √r."""
    inverse = inverted(A)
    near = inverse is None or not least * frobenius(inverse) < len(A)**0.5
    return None if near else inverse


def _rotated(U, P):
    """U P, for orthonormal U and P; an `Augmented` U is so to rounding, others are polished."""
    return U @ P if isinstance(U, Augmented) else _polished(U @ P)


def _polished(U):
    """U itself, or, where rounding errors of many steps have added up, one Newton step nearer to the nearest orthonormal basis."""
    G = inner(U, U)
    defect = G - eye_like(G)
    return U if frobenius(defect) <= 4 * precision(U.dtype)[0] * U.shape[1]**0.5 else U - U @ (0.5 * defect)


def check_truncation(name, tol, max_rank):
    """ValueError unless tol ≥ 0 and max_rank is None or ≥ 1; the methods call it when they are made, not in their first step."""
    if not tol >= 0:
        raise ValueError(f"{name}: got {tol}, expected a truncation tolerance ≥ 0")
    if max_rank is not None:
        check_count("max_rank", max_rank)


@blockwise_in_threads
def best_approximation(A, rank=None, tol=None):
    """Best approximation in the Frobenius norm, as a LowRank with orthonormal bases: of rank r, or the smallest within tol (absolute).

    A is any matrix; a LowRank need not have orthonormal bases and is not formed, others are, as m × n ndarrays. With `rank` the result has
    exactly that many columns, with zero singular values where A has not so many.

    Raises ValueError unless exactly one of rank (1 ≤ rank ≤ min(m, n)) and tol (≥ 0) is given, and if A is not finite.
    """
    if (rank is None) == (tol is None):
        raise ValueError(f"rank, tol: got {rank} and {tol}, expected exactly one of them")
    if rank is not None:
        rank = check_count("rank", rank, most=min(A.shape))
    Y = _orthonormal_factors(A)
    return truncate(Y, tol) if rank is None else _padded(truncate(Y, max_rank=rank), rank)


@blockwise_in_threads
def retract(Y, Z):
    """The best approximation of Z with the rank of Y; for a dense block Y, which may be any matrix, Z itself as an ndarray.

    It costs less where the bases of Z begin with those of Y, as those of Y plus a tangent vector do. The result is as near to the best as
    these are orthonormal.

    Raises ValueError if Z has another shape than Y, or, for a LowRank Y, is not finite.
    """
    if Z.shape != Y.shape:
        raise ValueError(f"Z: shape {Z.shape}, expected that of Y, {Y.shape}")
    if not isinstance(Y, LowRank):
        return dense(Z)
    return _padded(cut(_orthonormal_factors(Z, Y.U, Y.V), max_rank=Y.rank), Y.rank)


@blockwise_in_threads
def tangent_projection(Y, Z):
    """P(Y)Z = U Uᴴ Z + Z V Vᴴ − U Uᴴ Z V Vᴴ, the orthogonal projection of Z onto the tangent space at Y = U S Vᴴ [KL07].

    Built from the stored orthonormal bases, so S may be singular. Z is any matrix with `@` from both sides. Returns a LowRank of rank 2r,
    with U and V the leading columns of its bases; for a dense block, whose tangent space is everything, Z itself as an ndarray.
    """
    if isinstance(Y, np.ndarray):
        return dense(Z)
    U, _, V = Y
    K, L = Z @ V, H(H(U) @ Z)
    M = H(U) @ K
    (p, q), n = M.shape, sum(M.shape)
    core = np.eye(n, k=q, dtype=M.dtype) + np.eye(n, k=-p, dtype=M.dtype)          # [[M, 1], [1, 0]]
    core[:p, :q] = M
    return LowRank(np.hstack([U, K - U @ M]), core, np.hstack([V, L - V @ H(M)]))


def _padded(Y, rank):
    """Y with zero singular values where it has not so many as that."""
    U, S, V = Y
    pad = rank - len(S)
    return LowRank(_complete(U, rank), np.pad(S, (0, pad)), _complete(V, rank)) if pad else LowRank(U, S, V)


def _orthonormal_factors(A, U0=None, V0=None):
    """A = Q_U S Q_Vᴴ with orthonormal bases, which may be `Augmented`; those of a LowRank A may begin with U0 and V0."""
    if not isinstance(A, LowRank):
        A = dense(A) * 1.0
        check_finite("A", A)
        return LowRank(*_svd_factors(A))
    if not isinstance(A.S, Identity):
        check_finite("A", A.S)
    (Q_U, R_U), (Q_V, R_V) = _factors_of_basis(A.U, U0), _factors_of_basis(A.V, V0)
    return LowRank(Q_U, R_U @ A.S @ H(R_V), Q_V)


def _factors_of_basis(U, U0):
    """U = Q R with Q orthonormal, no more columns than independent ones of U, each taken at its own size; at least one.

    Where U begins with the orthonormal U0, so does Q.
    """
    if isinstance(U, Identity):
        return Identity(U.n), U
    if isinstance(U, Augmented):
        return U, Identity(U.shape[1])
    start = U0 if begins_with(U, U0) else U[:, :0]
    k, sizes = start.shape[1], np.abs(U).max(axis=0)
    rest = U[:, k:]
    check_finite("A", sizes)
    sizes = np.maximum(sizes[k:], np.finfo(U.dtype).tiny)
    rest = rest / sizes
    Q = augment_in_factors(start, rest)
    R = np.eye(Q.shape[1], U.shape[1], dtype=np.result_type(Q.dtype, U))
    R[:, k:] = Q.inner(rest) * sizes
    return (Q, R) if Q.shape[1] else (np.eye(len(U), 1, dtype=Q.dtype), np.zeros((1, U.shape[1]), Q.dtype))


def _svd_factors(A):
    U, sigma, Vh = svd(A)
    return U, np.diag(sigma), H(Vh)


def _complete(U, r):
    return augment(U, np.eye(len(U), r, dtype=U.dtype))[:, :r]
