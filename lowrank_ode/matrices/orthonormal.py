"""Orthonormal bases made of matrix products: block Gram–Schmidt and Gram matrices, each done twice."""

import math
from functools import partial
from weakref import ref

import numpy as np

from .augmented import Augmented, inner, times
from .direct_sum import H, Identity, blockwise_in_threads
from .lapack import eye_like, frobenius, inverted_upper, pivoted_cholesky, precision, upper_half
from .lowrank import LowRank, Sum, adjoint_times, array_of, columns
from .products import dense

DROP = 10       # a direction of K below DROP · EPS · ‖K‖ is rounding, and is dropped
BENIGN = 4      # a triangle p × p, its rows divided by its diagonal, has an inverse of norm BENIGN · p at most; Kahan's have not
PAGE = 4096     # bytes: a product with columns that lie further apart is found sooner column by column: from trials
RESOLVE = 10    # one Gram matrix RᴴR resolves singular values down to σ₁(R) √(RESOLVE · p · EPS); the rest goes round again


@blockwise_in_threads
def augment(U0, K):
    """Orthonormal basis Û (m, r + k) of range [U0, K], with U0 (m, r, orthonormal) as its leading block [CKL22]; K is (m, p), an ndarray or
    what `image` gives.

    Dependent directions are dropped: k ≤ p, and r + k ≤ m. The range of K is captured to rounding: ‖K − Û Ûᴴ K‖ ≤ 12 √p · EPS · ‖K‖
    in the Frobenius norm, whatever the singular values of K, with EPS the coarser of the two precisions; Û is as orthonormal as U0, up
    to a small multiple of EPS. For a dense block (U0 an Identity) the basis is complete already.

    Raises ValueError if K holds NaN or Inf, or its norm overflows.
    """
    if isinstance(U0, Identity):
        return U0
    return augment_in_factors(U0, K).dense()


def augment_in_factors(U0, K):
    """The basis Û of `augment`, not of a dense block, as an `Augmented`, which is not multiplied out, and mends rounding errors of U0.

    Û = W T. W = [U0, B] is orthonormal but for the rounding errors of one Gram–Schmidt process, which T mends.

    Each round orthogonalises K against the basis, takes the directions that one Gram matrix resolves, and orthogonalises them again
    ("twice is enough"), in T; what it does not resolve, a steeply graded rest, is left to the next round. A benign K takes one round.
    """
    K, _, known = columns(K)
    U0, K = _floating(U0), _floating(K)
    scale = frobenius(K)
    if not math.isfinite(scale):
        raise ValueError("K: NaN or Inf, or too large for its norm, in a basis update: the field is not finite, or the step size too large")
    eps, tiny = precision(K.dtype)
    least = (tiny / eps) ** 0.5 / (DROP * eps)
    if scale and not least <= scale <= 1 / least:                   # squares of what counts would be subnormal numbers, or infinite
        return augment_in_factors(U0, K * (1 / max(scale, tiny)))
    eps = max(eps, precision(U0.dtype)[0])
    inside = inner(U0, K) if known is None else H(adjoint_times(K, U0, known))
    R = times(U0, inside, by_columns=K.strides[0] < K.strides[1])
    W, T, UB, C, pivots = _one_round(U0, np.subtract(K, R, out=R), scale, eps)
    R = R if T.shape[1] < len(T) else R[:, pivots[len(C):]]         # what is left out now is not lost
    if not R.shape[1]:                                              # done in one round: K = U0 inside + B C
        return Augmented(U0, W, T, (ref(K), partial(_coordinates, inside, UB, C, pivots)))
    Q = Augmented(U0, W, T)
    while len(C) and R.shape[1] and Q.shape[1] < len(U0):
        U = Q.dense()
        R = R - U @ inner(U, R)
        W, T, _, C, pivots = _one_round(U, R, scale, eps)
        Q, R = Augmented(U0, W, T), R[:, pivots[len(C):]]
    return Q


def _floating(X):
    """X as it is in single or double precision, others in double."""
    return X if X.dtype.char in "fdFD" else X.astype(complex if X.dtype.kind == "c" else float)


def _one_round(U, R, scale, eps):
    """(W, T, ŨᴴB, C, pivots) with W = [U, B], and W T = [U, Ũ] orthonormal to rounding: one round of `augment`, for an R that is orthogonal
    to U but for rounding, and a part of a K of norm `scale`. The columns pivots[:k] of R, k = len(C), are B C[:, :k].
    """
    q = U.shape[1]
    T, C, pivots = _independent(inner(R, R), (DROP * eps * scale) ** 2, RESOLVE * R.shape[1] * eps, len(U) - q)
    P = pivots[:len(C)]
    W = np.empty((len(U), q + len(P)), np.result_type(U, R))
    W[:, :q] = U
    B = np.matmul(R, T, out=W[:, q:])
    if frobenius(T * C.diagonal()) > BENIGN * len(P):               # rounding errors of T are not those of a benign triangle
        B += (R[:, P] - B @ C[:, :len(P)]) @ T[P]
    return W, *_mending(inner(W, W), q), C, pivots


def _mending(G, q):
    """(T, ŨᴴB) for the Gram matrix G of [U, B], q columns U: [U, B] T = [U, Ũ] is orthonormal, and has the range of [U, B], to rounding.

    To first order T = I − N and ŨᴴB = I + N for G = I + N + Nᴴ. Where columns of B are not as near to orthonormal as that, those of Ũ come
    from `orthonormalising` what of B is outside U; those of which less than half is so are left out.
    """
    one, eps = eye_like(G), precision(G.dtype)[0]
    N = upper_half(G - one)
    T, beside = one - N, frobenius(N[:, q:])
    if beside <= 0.5 * eps ** 0.5:
        return T, one[q:, q:] + N[q:, q:]
    V, E, D = T[:q, :q], G[:q, q:], G[q:, q:]
    if frobenius(E) * beside > 0.5 * eps:
        E = H(V) @ E
        D, E = D - H(E) @ E, V @ E
    X = orthonormalising(D)
    T = T[:, :q + X.shape[1]]
    T[:q, q:], T[q:, q:] = -E @ X, X
    return T, H(X) @ D


def _coordinates(inside, UB, C, pivots):
    """ÛᴴK for K = U0 inside + B C, the columns of C in the order of pivots, and UB = ŨᴴB."""
    X = np.empty_like(C)
    X[:, pivots] = UB @ C
    return np.concatenate([inside, X])


def orthonormalising(G):
    """T such that B T is orthonormal to rounding, for G = BᴴB near I: two or three terms of G^(−½) = I − D/2 + 3D²/8 − 5D³/16 + … with
    D = G − I, if the next one is rounding; else by Cholesky. Columns of B of which less than half is outside the others are left out: B was
    but the rounding errors of what it is orthogonal to.
    """
    one, eps = eye_like(G), precision(G.dtype)[0]
    D = G - one
    distance = frobenius(D)
    if distance <= eps ** (1 / 2):
        return one - 0.5 * D
    if distance <= eps ** (1 / 3):
        return one + (0.375 * D - 0.5 * one) @ D
    return _independent(G, 0.5, 0, len(G))[0]


def _independent(G, least, resolved, most):
    """(T, C, pivots) for G = RᴴR: B = R T is orthonormal, to rounding times the condition of R, and spans the columns pivots[:k] of R,
    k = len(C); they are B C[:, :k], with an upper triangular matrix.

    By Cholesky with pivoting, for at most `most` columns; it stops where the square of the distance of every other column from those it
    has is at most `least`, or `resolved` times the largest square.
    """
    largest = max(G.diagonal().real.tolist(), default=0)
    if not (largest > least and most):
        return np.zeros((len(G), 0), G.dtype), np.zeros((0, len(G)), G.dtype), np.arange(len(G))
    C, pivots, rank = pivoted_cholesky(G, max(least, resolved * largest))
    rank = min(rank, most)
    T = np.zeros((len(G), rank), G.dtype)
    T[pivots[:rank]] = inverted_upper(C[:rank, :rank])
    return T, C[:rank], pivots


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
    """G V, for G (m, n) and V (n, r), as `augment` and `coordinates` take it: an ndarray, or for a G = A S Bᴴ in factors K N in factors.

    That is a LowRank, K · N · Identity, which knows KᴴU if G knows AᴴU. K (m, k) is G V, and N an Identity; or, where G has a rank
    p < r, K is A times a basis of the range of S Bᴴ V, k ≤ p: the gradient of a batch has no larger rank than the batch has examples.
    For a dense block (V an Identity) it is G.
    """
    if isinstance(V, Identity):
        return G
    r = V.shape[1]
    if not isinstance(G, LowRank) or (isinstance(G, Sum) and G.rank >= r):
        return G @ V
    A, S, B = G
    M, N = S @ adjoint_times(B, V, G.right), (one := Identity(r))
    if G.rank < r:                                                  # a basis of the range of M, a row as large as its column of A
        sizes = np.maximum(np.abs(array_of(A, M.dtype)).max(axis=0), np.finfo(M.dtype).tiny)[:, None]
        Q = orth(sizes * M)
        M, N = Q / sizes, H(Q) @ (sizes * M)
    K = times(A, M, by_columns=A.strides[1] > PAGE) if isinstance(A, np.ndarray) else A @ M
    return LowRank(K, N, one, left=G.left and (G.left[0], H(M) @ G.left[1]))


@blockwise_in_threads
def images(Y, G):
    """(K, L) = (G V0, Gᴴ U0) for Y = U0 S0 V0ᴴ, as `image` gives them; for a dense block G, as an ndarray.

    All that a step along P(Y)G wants of G: of a lazy gradient each pair is found while Δ and Z of its layer are in the cache.
    """
    return dense(G) if isinstance(Y, np.ndarray) else (image(G, Y.V), image(H(G), Y.U))
