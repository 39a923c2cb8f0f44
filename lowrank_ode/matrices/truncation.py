"""The two projections of the subject: onto the matrices of low rank, and onto their tangent space."""

import numpy as np

from .direct_sum import H, Identity, blockwise, blockwise_in_threads
from .lowrank import LowRank, dense, outer
from .orthonormal import augment, orth
from .validation import check_count, check_finite


@blockwise_in_threads
def truncate(Y, tol=0.0, relative=False, max_rank=None):
    """Y = U S Vᴴ with orthonormal bases, cut to the smallest rank r ≥ 1 whose discarded tail (Σ_{i>r} σᵢ²)^½ is at most θ [CKL22].

    θ = tol, or tol · ‖S‖ if `relative`; then at most max_rank. The result has S = diag(σ₁ ≥ … ≥ σᵣ), and ‖Y − result‖ equals the tail,
    to rounding and to the defect of the bases, which the result does not inherit.
    tol = 0 keeps every nonzero singular value, in single precision those above 1.5e-8 σ₁. A dense block (ndarray) is returned as it is.

    Raises ValueError if tol < 0, max_rank < 1, or S holds NaN or Inf.
    """
    check_truncation("tol", tol, max_rank)
    if isinstance(Y, np.ndarray):
        return Y
    U, S, V = Y
    check_finite("S", S, ": the field is not finite, or the step size too large")
    sigma, vectors = _singular_values(S)
    tail = np.append(np.hypot.accumulate(sigma[::-1])[::-1], 0)         # tail[r] = (Σ_{i>r} σᵢ²)^½, without underflow
    theta = tol * tail[0] if relative else tol
    r = max(1, np.argmax(tail <= theta))
    r = min(r, max_rank or r)
    P, Q = vectors(r)
    return LowRank(_polished(U @ P), np.diag(sigma[:r]), _polished(V @ Q))


def _singular_values(S):
    """σ₁ ≥ σ₂ ≥ …, and the function r ↦ (P, Q), the first r singular vectors on both sides, columns.

    In single precision by the eigenvalues of SᴴS in double precision, twice as fast, and half of their digits are enough. In double
    precision, and where σᵣ is so small that the columns of S Q/σ would not be orthonormal, by LAPACK's SVD.
    """
    if S.dtype == np.float32:
        precise = S.astype(np.float64)
        square, Q = np.linalg.eigh(precise.T @ precise)
        sigma = np.sqrt(np.maximum(square[::-1], 0))[:min(S.shape)]

        def vectors(r):
            if sigma[r - 1] > 1e-5 * sigma[0]:
                leading = Q[:, ::-1][:, :r]
                pair = precise @ (leading / sigma[:r]), leading
            else:
                pair = _singular_values(precise)[1](r)
            return tuple(X.astype(S.dtype) for X in pair)
        return sigma.astype(S.dtype), vectors
    P, sigma, Qh = np.linalg.svd(S)
    return sigma, lambda r: (P[:, :r], H(Qh)[:, :r])


def _polished(U):
    """U itself, or, where rounding errors of many steps have added up, one Newton step nearer to the nearest orthonormal basis."""
    defect = H(U) @ U - np.eye(U.shape[1], dtype=U.dtype)
    return U if np.linalg.norm(defect) <= 4 * np.finfo(U.dtype).eps * U.shape[1] ** 0.5 else U - U @ (0.5 * defect)


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
    if rank is None:
        return truncate(Y, tol)
    U, S, V = truncate(Y, max_rank=rank)
    pad = rank - len(S)
    return LowRank(_complete(U, rank), np.pad(S, (0, pad)), _complete(V, rank)) if pad else LowRank(U, S, V)


@blockwise
def retract(Y, Z):
    """The best approximation of Z with the rank of Y; for a dense block Y, which may be any matrix, Z itself as an ndarray."""
    return best_approximation(Z, rank=Y.rank) if isinstance(Y, LowRank) else dense(Z)


@blockwise_in_threads
def tangent_projection(Y, Z):
    """P(Y)Z = U Uᴴ Z + Z V Vᴴ − U Uᴴ Z V Vᴴ, the orthogonal projection of Z onto the tangent space at Y = U S Vᴴ [KL07].

    Built from the stored orthonormal bases, so S may be singular. Z is any matrix with `@` from both sides. Returns a LowRank of rank 2r;
    for a dense block, whose tangent space is everything, Z itself as an ndarray.
    """
    if isinstance(Y, np.ndarray):
        return dense(Z)
    U, _, V = Y
    K = Z @ V
    return outer(np.hstack([U, K - U @ (H(U) @ K)]), np.hstack([H(H(U) @ Z), V]))


def _orthonormal_factors(A):
    if not isinstance(A, LowRank):
        A = dense(A) * 1.0
        check_finite("A", A)
        return LowRank(*_svd_factors(A))
    for X in A:
        if not isinstance(X, Identity):
            check_finite("A", X)
    (Q_U, R_U), (Q_V, R_V) = map(_factors_of_basis, (A.U, A.V))
    return LowRank(Q_U, R_U @ A.S @ H(R_V), Q_V)


def _factors_of_basis(U):
    """U = Q R with Q orthonormal, no more columns than independent ones of U, each taken at its own size; at least one."""
    Q = orth(U / np.maximum(np.abs(U).max(axis=0), np.finfo(U.dtype).tiny))
    Q = Q if Q.shape[1] else np.eye(len(U), 1, dtype=Q.dtype)
    return Q, H(Q) @ U


def _svd_factors(A):
    U, sigma, Vh = np.linalg.svd(A, full_matrices=False)
    return U, np.diag(sigma), H(Vh)


def _complete(U, r):
    return augment(U, np.eye(len(U), r, dtype=U.dtype))[:, :r]
