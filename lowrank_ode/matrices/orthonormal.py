"""Orthonormal bases made of matrix products: block Gram–Schmidt and Gram matrices, each done twice.

docs/7-orthonormal-bases.md explains and proves what is done here.
"""

import math

import numpy as np

from .augmented import Augmented, array_of, inner
from .direct_sum import H, Identity, blockwise
from .lapack import eye_like, frobenius, inverted_upper, pivoted_cholesky, precision, upper_half
from .products import dense

DROP = 10       # a direction of K below DROP · EPS · ‖K‖ is rounding, and is dropped
BENIGN = 4      # the inverse of a triangle p × p with unit diagonal has a norm ≤ BENIGN · p
RESOLVE = 10    # a Gram matrix RᴴR resolves what is above σ₁(R) √(RESOLVE · p · EPS)


@blockwise
def augment(U0, K):
    """Orthonormal basis Û (m, r + k) of range [U0, K], with U0 as its leading block [CKL22].

    U0 (m, r) is orthonormal, K (m, p). Û is an `Augmented`, a matrix kept in factors, and
    `Û.array` an ndarray. Dependent directions are dropped: k ≤ p, and r + k ≤ m. The range of K
    is captured to rounding, ‖K − Û Ûᴴ K‖ ≤ 12 √p · EPS · ‖K‖ in the Frobenius norm, whatever the
    singular values of K, with EPS the coarser of the two precisions; Û is as orthonormal as U0,
    up to a small multiple of EPS. For a dense block (U0 an Identity) the basis is complete
    already.

    Raises ValueError if K holds NaN or Inf, or its norm overflows.
    """
    if isinstance(U0, Identity):
        return U0
    U0, K = _floating(array_of(U0)), _floating(dense(K))
    scale = frobenius(K)
    if not math.isfinite(scale):
        raise ValueError("K: NaN or Inf, or too large for its norm, in a basis update: "
                         "the field is not finite, or the step size too large")
    eps, tiny = precision(K.dtype)
    least = (tiny / eps) ** 0.5 / (DROP * eps)
    if scale and not least <= scale <= 1 / least:       # squares would be subnormal, or infinite
        return augment(U0, K * (1 / max(scale, tiny)))
    eps = max(eps, precision(U0.dtype)[0])
    U, R, before = U0, K, None
    while True:
        P = _times(U, inner(U, R), R)
        W, T, R = _one_round(U, np.subtract(R, P, out=P), scale, eps)
        Q = Augmented(U0, W, T)
        if not R.shape[1] or W.shape[1] == U.shape[1] or Q.shape[1] in (before, len(U0)):
            return Q
        before, U = U.shape[1], Q.array         # a round that adds nothing is repeated, once


def _times(U, X, like):
    """U X, laid out in memory as `like` is: row after row, or column after column."""
    return U @ X if like.flags.c_contiguous else H(H(X) @ H(U))


def _floating(X):
    """X as it is in single or double precision, others in double."""
    if X.dtype.char in "fdFD":
        return X
    return X.astype(complex if X.dtype.kind == "c" else float)


def _one_round(U, R, scale, eps):
    """(W, T, rest): W = [U, B] with B made of the columns of R that one Gram matrix resolves, W T
    orthonormal to rounding, and the columns that it does not resolve.

    R is orthogonal to U but for rounding, and a part of a K of norm `scale`.
    """
    q = U.shape[1]
    T, C, pivots = _independent(inner(R, R), (DROP * eps * scale) ** 2,
                                RESOLVE * R.shape[1] * eps, len(U) - q)
    taken, rest = pivots[:len(C)], pivots[len(C):]
    W = np.empty((len(U), q + len(C)), np.result_type(U, R))
    W[:, :q] = U
    B = np.matmul(R, T, out=W[:, q:])
    if frobenius(T * C.diagonal()) > BENIGN * len(C):       # else rounding errors of T are harmless
        B += (R[:, taken] - B @ C[:, :len(C)]) @ T[taken]
    T = _mending(inner(W, W), q)
    return W, T, R[:, rest] if T.shape[1] == len(T) else R


def _mending(G, q):
    """T for the Gram matrix G of [U, B], q columns U: [U, B] T = [U, Ũ] is orthonormal to rounding.

    To first order T = I − N for G = I + N + Nᴴ. Where columns of B are not as near to orthonormal
    as that, those of Ũ come from `orthonormalising` what of B is outside U; those of which less
    than half is so are left out.
    """
    one, eps = eye_like(G), precision(G.dtype)[0]
    N = upper_half(G - one)
    T, beside = one - N, frobenius(N[:, q:])
    if beside <= 0.5 * eps ** 0.5:
        return T
    V, E, D = T[:q, :q], G[:q, q:], G[q:, q:]
    if frobenius(E) * beside > 0.5 * eps:
        E = H(V) @ E
        D, E = D - H(E) @ E, V @ E
    X = orthonormalising(D)
    T = T[:, :q + X.shape[1]]
    T[:q, q:], T[q:, q:] = -E @ X, X
    return T


def orthonormalising(G):
    """T such that B T is orthonormal to rounding, for G = BᴴB near I.

    Two or three terms of G^(−½) = I − D/2 + 3D²/8 − 5D³/16 + … with D = G − I, if the next one is
    rounding; else by Cholesky. Columns of B of which less than half is outside the others are left
    out: B was but the rounding errors of what it is orthogonal to.
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
    """(T, C, pivots) for G = RᴴR: B = R T is orthonormal, to rounding times the condition of R.

    It spans the columns pivots[:k] of R, k = len(C), which are B C[:, :k], C upper triangular. By
    Cholesky with pivoting, for at most `most` columns; it stops where the square of the distance of
    every other column from those it has is at most `least`, or `resolved` times the largest square.
    """
    largest = max(G.diagonal().real.tolist(), default=0)
    if not (largest > least and most):
        return np.zeros((len(G), 0), G.dtype), np.zeros((0, len(G)), G.dtype), np.arange(len(G))
    C, pivots, rank = pivoted_cholesky(G, max(least, resolved * largest))
    rank = min(rank, most)
    T = np.zeros((len(G), rank), G.dtype)
    T[pivots[:rank]] = inverted_upper(C[:rank, :rank])
    return T, C[:rank], pivots


@blockwise
def orth(K, U0=None):
    """Orthonormal basis of the range of K (m, r), an ndarray.

    With U0 (m, r, orthonormal) it has exactly r columns: where K is deficient to rounding,
    directions of U0 complete it. Without U0 it has as many columns as K has independent ones. For a
    dense block (U0 an Identity) it is the Identity.
    """
    if isinstance(U0, Identity):
        return U0
    K = dense(K)
    Q = augment(np.zeros((len(K), 0), K.dtype), K).array
    return Q if U0 is None or Q.shape == K.shape else augment(Q, U0).array[:, :K.shape[1]]
