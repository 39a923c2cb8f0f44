"""Orthonormal bases made of matrix products: block Gram–Schmidt and Gram matrices, each done twice."""

import numpy as np
from scipy.linalg import get_lapack_funcs, norm

from .direct_sum import H, Identity, blockwise_in_threads
from .lowrank import LowRank

DROP = 10       # a direction of K below DROP · EPS · ‖K‖ is rounding, and is dropped
RESOLVE = 10    # one Gram matrix RᴴR resolves singular values down to σ₁(R) √(RESOLVE · p · EPS); the rest goes round again


@blockwise_in_threads
def augment(U0, K):
    """Orthonormal basis Û (m, r + k) of range [U0, K], with U0 (m, r, orthonormal) as its leading block [CKL22]; K is (m, p).

    Dependent directions are dropped: k ≤ p, and r + k ≤ m. The range of K is captured to rounding: ‖K − Û Ûᴴ K‖ ≤ 12 √p · EPS · ‖K‖
    in the Frobenius norm, whatever the singular values of K, with EPS the coarser of the two precisions; Û is as orthonormal as U0, up
    to a small multiple of EPS. For a dense block (U0 an Identity) the basis is complete already.

    Each round orthogonalises K against the basis, takes the directions that one Gram matrix resolves, and orthogonalises them again
    ("twice is enough"); what it does not resolve, a steeply graded rest, is left to the next round. A benign K takes one round.

    Raises ValueError if K holds NaN or Inf.
    """
    if isinstance(U0, Identity):
        return U0
    scale = norm(np.ravel(K), check_finite=False)
    if not np.isfinite(scale):
        raise ValueError("K: NaN or Inf in a basis update, expected finite numbers: the field is not finite, or the step size too large")
    if scale == 0:
        return U0
    K = K / scale
    eps = max(np.finfo(X.dtype).eps for X in (U0, K))
    (m, k), p = U0.shape, K.shape[1]
    Q = np.empty((m, min(m, k + p)), np.result_type(U0, K))
    Q[:, :k] = U0
    while K.shape[1] and k < m:
        U = Q[:, :k]
        R = _outside(U, K)
        T, rest = _independent(R, (DROP * eps) ** 2, RESOLVE * K.shape[1] * eps, m - k)
        if not T.shape[1]:
            break
        B = _outside(U, R @ T)
        T, _ = _independent(B, 0.5, 0, B.shape[1])              # less is left where B was but the rounding errors of U itself
        np.matmul(B, T, out=Q[:, k:k + T.shape[1]])
        k, K = k + T.shape[1], R[:, rest]
    return Q[:, :k]


def _outside(U, K):
    """(I − U Uᴴ) K."""
    R = U @ (H(U) @ K)
    return np.subtract(K, R, out=R)


def _independent(R, least, resolved, most):
    """(T, rest): R T is orthonormal, to rounding times the condition of R, and spans all columns of R but those numbered in rest.

    By Cholesky with pivoting of RᴴR, for at most `most` columns; it stops where the square of the distance of every other column
    from those it has is at most `least`, or `resolved` times the largest square.
    """
    G = H(R) @ R
    largest = G.diagonal().real.max()
    factor, invert = get_lapack_funcs(("pstrf", "trtri"), (G,))
    C, pivots, rank, _ = factor(G, tol=max(least, resolved * largest))
    rank, pivots = min(rank, most) if largest > least else 0, pivots - 1
    T = np.zeros((len(G), rank), G.dtype)
    if rank:
        T[pivots[:rank]] = np.triu(invert(C[:rank, :rank])[0])
    return T, pivots[rank:]


@blockwise_in_threads
def orth(K, U0=None):
    """Orthonormal basis of the range of K (m, r).

    With U0 (m, r, orthonormal) it has exactly r columns: where K is deficient to rounding, directions of U0 complete it. Without U0 it has
    as many columns as K has independent ones. For a dense block (U0 an Identity) it is the Identity.
    """
    if isinstance(U0, Identity):
        return U0
    Q = augment(np.zeros((len(K), 0), K.dtype), K)
    return Q if U0 is None or Q.shape == K.shape else augment(Q, U0)[:, :K.shape[1]]


@blockwise_in_threads
def image(G, V):
    """A matrix (m, k) with the range of G V, for G (m, n) and V (n, r): what `augment` is given of a slope G.

    k = r, and it is G V itself; or, for a G = A S Bᴴ in factors of rank p < r, A times a basis of the range of S Bᴴ V, k ≤ p: the gradient
    of a batch has no larger rank than the batch has examples. For a dense block (V an Identity) it is G.
    """
    if isinstance(V, Identity):
        return G
    if not isinstance(G, LowRank) or G.rank >= V.shape[1]:
        return G @ V
    A, S, B = G
    return A @ orth(LowRank(Identity(S.shape[0]), S, B, right=G.right) @ V)
