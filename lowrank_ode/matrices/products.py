"""Functions of matrices of any kind, and products in the cheapest order."""

from functools import reduce
from operator import add

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from .augmented import Augmented
from .direct_sum import DirectSum, H, Identity, blockwise, blockwise_in_threads
from .lapack import frobenius
from .lowrank import LowRank, Sum, adjoint_times, columns


@blockwise
def outer(K, V):
    """K Vᴴ = K · Identity · Vᴴ without forming it; K (m, r), V (n, r)."""
    if isinstance(V, Identity):
        return K
    return H(V) if isinstance(K, Identity) else LowRank(K, Identity(V.shape[1]), V)


@blockwise_in_threads
def restrict(U, G, V):
    """Uᴴ G V; of a G = A S Bᴴ in factors as (UᴴA) S (BᴴV), so that G is not multiplied out in between."""
    if isinstance(G, Sum):
        return reduce(add, [restrict(U, X, V) for X in G.terms])
    if not isinstance(G, LowRank):
        return H(U) @ G @ V
    core = H(_adjoint_times_parts(G.U, U, G.left)) @ G.S @ _adjoint_times_parts(G.V, V, G.right)
    core = V.combined(core) if isinstance(V, Augmented) else core
    return H(U.combined(H(core))) if isinstance(U, Augmented) else core


def coordinates(U, K):
    """Ûᴴ K for an `Augmented` Û and few columns K, an ndarray or what `image` gives."""
    K, N, _ = columns(K)
    return U.inner(K) @ N


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
    """The matrix X (ndarray, LowRank, sparse, LinearOperator or a direct sum of these) as an ndarray (a direct sum of ndarrays)."""
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


def _adjoint_times_parts(factor, X, known):
    """factorᴴ W for X = W T in factors, so that T meets small matrices only; else factorᴴ X."""
    if isinstance(X, Augmented):
        return np.concatenate([adjoint_times(factor, X.U0, known), H(factor) @ X.W[:, X.U0.shape[1]:]], axis=1)
    return adjoint_times(factor, X, known)
