"""A matrix that is kept in factors, Y = U S Vᴴ, and never formed."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from .augmented import Augmented
from .direct_sum import DirectSum, H, Identity, blockwise, blockwise_in_threads
from .lapack import frobenius


@dataclass(frozen=True, eq=False)
class LowRank:
    """The m × n matrix Y = U S Vᴴ with U (m, p), S (p, q), V (n, q).

    S is any matrix, singular ones too; the bases U and V are orthonormal in start values and in what a step returns, and anything in sums,
    products and gradients. `U, S, V = Y` unpacks. LowRank with LowRank or sparse under `@`, and LowRank + LowRank, stay LowRank; `@` or `+`
    with an ndarray gives an ndarray; + sparse or LinearOperator gives a LinearOperator. On direct sums of factors the constructor acts
    block by block, and LowRank(Identity, W, Identity) is W itself.

    Who has multiplied with the factors already may say so: left = (X, UᴴX) and right = (X, VᴴX), kept under scaling and adjoint, spare the
    products of U and V with matrices whose leading columns are X. A gradient Δ Zᴴ comes with those that backprop had to make.

    Raises ValueError if a factor is not two-dimensional or the shapes do not fit.

    >>> Y = LowRank(np.eye(4, 2), np.diag([3., 4.]), np.eye(5, 2))
    >>> Y.shape, Y.rank, float(Y.norm())
    ((4, 5), 2, 5.0)
    """

    U: np.ndarray
    S: np.ndarray
    V: np.ndarray
    left: tuple | None = None
    right: tuple | None = None
    __array_ufunc__ = None      # ndarrays leave `array @ Y` and `array + Y` to the methods below

    def __new__(cls, U, S, V, left=None, right=None):
        if isinstance(S, DirectSum):
            return blockwise(cls)(U, S, V)
        if isinstance(U, Identity) and isinstance(V, Identity):
            return S
        return object.__new__(cls)

    def __post_init__(self):
        U, S, V = self.U.shape, self.S.shape, self.V.shape
        if not len(U) == len(S) == len(V) == 2 or S != (U[1], V[1]):
            raise ValueError(f"U, S, V: shapes {U}, {S}, {V}, expected (m, p), (p, q), (n, q)")

    def __getnewargs__(self):
        return tuple(self)

    def __iter__(self):
        return iter((self.U, self.S, self.V))

    def __repr__(self):
        return f"<{self.shape[0]}×{self.shape[1]} LowRank matrix of rank {self.rank}, {self.dtype}>"

    @property
    def shape(self):
        return self.U.shape[0], self.V.shape[0]

    @property
    def rank(self):
        """Rank of the factorisation, min(p, q); the rank of the matrix is smaller where S is singular."""
        return min(self.S.shape)

    @property
    def dtype(self):
        return np.result_type(*(X.scale if isinstance(X, Identity) else X.dtype for X in self))

    def adjoint(self):
        return LowRank(self.V, H(self.S), self.U, self.right, self.left)

    def dense(self):
        """The m × n ndarray."""
        U, S, V = self
        return U @ S @ H(V)

    def norm(self):
        """Frobenius norm, of U S Rᴴ with V = Q R: the Gram matrices UᴴU and VᴴV would lose half the digits of a difference Y1 − Y2."""
        U, S, V = self
        V = V.dense() if isinstance(V, Augmented) else V
        return frobenius(U @ S @ H(V if isinstance(V, Identity) else np.linalg.qr(V, mode="r")))

    def operator(self):
        """The same matrix as a scipy LinearOperator."""
        apply, adjoint = self.__matmul__, H(self).__matmul__
        return LinearOperator(self.shape, matvec=apply, rmatvec=adjoint, matmat=apply, rmatmat=adjoint, dtype=self.dtype)

    def __matmul__(self, X):
        U, S, V = self
        if isinstance(X, LowRank):
            return LowRank(U, S @ (H(V) @ X.U) @ X.S, X.V)
        if isinstance(X, np.ndarray):
            return U @ (S @ adjoint_times(V, X, self.right))
        if isinstance(X, Identity):
            return X.scale * self
        return LowRank(U, S, H(X) @ V) if _is_operator(X) else NotImplemented

    def __rmatmul__(self, X):
        U, S, V = self
        if isinstance(X, np.ndarray):
            return H(V @ (H(S) @ adjoint_times(U, H(X), self.left)))       # (X U S) Vᴴ would read V against its rows
        return LowRank(X @ U, S, V) if issparse(X) else NotImplemented

    def __add__(self, X):
        if getattr(X, "shape", self.shape) != self.shape:
            raise ValueError(f"+: shapes {self.shape} and {X.shape}, expected equal ones")
        if isinstance(X, LowRank):
            cores = isinstance(self.S, np.ndarray) and isinstance(X.S, np.ndarray)
            if cores and begins_with(X.U, self.U) and begins_with(X.V, self.V):
                return LowRank(X.U, X.S + leading(self.S, X.U, X.V), X.V)
            (U, S, V), (A, Z, B) = _alike(self, X)
            return LowRank(np.hstack([U, A]), _diag(S, Z, np.result_type(self.dtype, X.dtype)), np.hstack([V, B]))
        if isinstance(X, np.ndarray):
            return self.dense() + X
        return self.operator() + aslinearoperator(X) if _is_operator(X) else NotImplemented

    __radd__ = __add__

    def __sub__(self, X):
        return self + (-X)

    def __rsub__(self, X):
        return (-self) + X

    def __neg__(self):
        return -1 * self

    def __mul__(self, c):
        if not np.isscalar(c):
            return NotImplemented
        U, S, V = self
        return LowRank(U, c * S, V, self.left, self.right)

    __rmul__ = __mul__


@blockwise
def outer(K, V):
    """K Vᴴ = K · Identity · Vᴴ without forming it; K (m, r), V (n, r)."""
    if isinstance(V, Identity):
        return K
    return H(V) if isinstance(K, Identity) else LowRank(K, Identity(V.shape[1]), V)


@blockwise_in_threads
def restrict(U, G, V):
    """Uᴴ G V; of a G = A S Bᴴ in factors as (UᴴA) S (BᴴV), so that G is not multiplied out in between."""
    if not isinstance(G, LowRank):
        return H(U) @ G @ V
    core = H(_adjoint_times_parts(G.U, U, G.left)) @ G.S @ _adjoint_times_parts(G.V, V, G.right)
    core = V.combined(core) if isinstance(V, Augmented) else core
    return H(U.combined(H(core))) if isinstance(U, Augmented) else core


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
    """factorᴴ [U0, B] for X = [U0, [U0, B] C] in factors, so that C meets small matrices only; else factorᴴ X."""
    if isinstance(X, Augmented):
        return np.hstack([adjoint_times(factor, X.U0, known), H(factor) @ X.B])
    return adjoint_times(factor, X, known)


def adjoint_times(factor, X, known):
    """factorᴴ X, where known = (X0, factorᴴ X0), if given, spares the leading columns of X that are X0."""
    if known is None or not begins_with(X, known[0]):
        return H(factor) @ X
    done = known[1].shape[1]
    return np.hstack([known[1], H(factor) @ X[:, done:]]) if done < X.shape[1] else known[1]


def begins_with(X, X0):
    """Whether the leading columns of X are those of X0."""
    return X is X0 or (isinstance(X, np.ndarray) and X.ndim == 2 and np.array_equal(X[:, :X0.shape[1]], X0))


def _is_operator(X):
    return issparse(X) or isinstance(X, LinearOperator)


def _alike(Y, X):
    """Both; where their cores are different numbers, with U times its number for U, so that no array is made for a core."""
    if not (isinstance(Y.S, Identity) and isinstance(X.S, Identity)) or Y.S.scale == X.S.scale:
        return Y, X
    return [LowRank(Z.S.scale * Z.U, Identity(Z.S.n), Z.V) for Z in (Y, X)]


def _diag(S, Z, dtype):
    if isinstance(S, Identity) and isinstance(Z, Identity):
        return Identity(S.n + Z.n, S.scale)
    (p, q), (m, n) = S.shape, Z.shape
    diag = np.zeros((p + m, q + n), dtype)
    diag[:p, :q], diag[p:, q:] = (X.scale * np.eye(X.n) if isinstance(X, Identity) else X for X in (S, Z))
    return diag
