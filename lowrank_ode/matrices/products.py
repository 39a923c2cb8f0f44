"""Functions of matrices of any kind, and products in the cheapest order."""

from functools import reduce
from operator import add

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from .augmented import array_of
from .direct_sum import DirectSum, H, Identity, blockwise
from .lapack import frobenius
from .lowrank import LowRank


@blockwise
def outer(K, V):
    """K Vᴴ = K · Identity · Vᴴ without forming it; K (m, r), V (n, r)."""
    if isinstance(V, Identity):
        return K
    return H(V) if isinstance(K, Identity) else LowRank(K, Identity(V.shape[1]), V)


@blockwise
def restrict(U, G, V):
    """Uᴴ G V, an ndarray; of a G = A S Bᴴ in factors (UᴴA) S (BᴴV): G is not multiplied out."""
    if isinstance(U, Identity) and isinstance(V, Identity):
        return dense(G)
    if not isinstance(G, LowRank):
        return H(U) @ G @ array_of(V, G.dtype)
    if len(G.terms) > 1:
        return reduce(add, [restrict(U, X, V) for X in G.terms])
    A, S, B = G.factors
    return H(H(A) @ U) @ S @ (H(B) @ V)


@blockwise
def leading(S, U, V):
    """S in larger bases U and V, of which its own are the leading columns: zeros all around."""
    if isinstance(U, Identity):
        return S
    larger = np.zeros((U.shape[1], V.shape[1]), S.dtype)
    larger[:S.shape[0], :S.shape[1]] = S
    return larger


@blockwise
def dense(X):
    """X (ndarray, LowRank, sparse, LinearOperator) as an ndarray; a direct sum as one of these."""
    if isinstance(X, LowRank):
        return X.dense()
    if isinstance(X, LinearOperator):
        return X @ np.eye(X.shape[1], dtype=X.dtype)
    return X.toarray() if issparse(X) else np.asarray(X)


def norm(X):
    """Frobenius norm of any matrix."""
    if isinstance(X, DirectSum):
        return np.hypot.reduce([norm(block) for block in X.blocks])
    return X.norm() if isinstance(X, LowRank) else frobenius(dense(X))
