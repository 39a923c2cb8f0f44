"""A matrix that is kept in factors, Y = U S Vᴴ, and never formed."""

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import numpy as np
from scipy.linalg import block_diag
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from .direct_sum import DirectSum, H, Identity, blockwise
from .lapack import frobenius


@dataclass(frozen=True, eq=False)
class LowRank:
    """The m × n matrix Y = U S Vᴴ with U (m, p), S (p, q), V (n, q).

    S is any matrix, singular ones too; the bases U and V are orthonormal in start values and in what a step returns, and anything in sums,
    products and gradients. `U, S, V = Y` unpacks. LowRank with LowRank or sparse under `@`, and LowRank + LowRank, stay LowRank (a `Sum`,
    unless the bases of the second begin with those of the first and both cores are arrays); `@` or `+` with an ndarray gives an ndarray;
    + sparse or LinearOperator gives a LinearOperator. A @ Y is refused by SciPy for a LinearOperator A; A @ Y.operator() is not. On direct
    sums of factors the constructor acts block by block, and LowRank(Identity, W, Identity) is W itself.

    Who has multiplied with the factors already may say so: left = (X, UᴴX) and right = (X, VᴴX), kept under scaling and adjoint, spare the
    products of U and V with matrices whose leading columns are X. None of these may be overwritten. A gradient Δ Zᴴ comes with both.

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
            return U @ S @ H(V)
        return object.__new__(cls)

    def __init__(self, U, S, V, left=None, right=None):
        left_shape, core_shape, right_shape = U.shape, S.shape, V.shape
        if not len(left_shape) == len(core_shape) == len(right_shape) == 2 or core_shape != (left_shape[1], right_shape[1]):
            raise ValueError(f"U, S, V: shapes {left_shape}, {core_shape}, {right_shape}, expected (m, p), (p, q), (n, q)")
        self.__dict__.update(U=U, S=S, V=V, left=left, right=right)

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
    def terms(self):
        """The matrices of which this is the sum; of a `Sum` there are several."""
        return (self,)

    @property
    def rank(self):
        """Rank of the factorisation, min(p, q); the rank of the matrix is smaller where S is singular."""
        return min(self.S.shape)

    @property
    def dtype(self):
        return np.result_type(*{X.scale if isinstance(X, Identity) else X.dtype for X in self})

    def adjoint(self):
        return LowRank(self.V, H(self.S), self.U, self.right, self.left)

    def dense(self):
        """The m × n ndarray."""
        U, S, V = self
        return U @ S @ H(V)

    def norm(self):
        """Frobenius norm, of U S Rᴴ with V = Q R: the Gram matrices UᴴU and VᴴV would lose half the digits of a difference Y1 − Y2."""
        U, S, V = self
        return frobenius(U @ S @ H(np.linalg.qr(array_of(V, self.dtype), mode="r")))

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
        return LowRank(U, S, H(X) @ array_of(V, self.dtype)) if _is_operator(X) else NotImplemented

    def __rmatmul__(self, X):
        U, S, V = self
        if isinstance(X, np.ndarray):
            return H(V @ (H(S) @ adjoint_times(U, H(X), self.left)))       # (X U S) Vᴴ would read V against its rows
        return LowRank(X @ U, S, V) if issparse(X) else NotImplemented

    def __add__(self, X):
        if getattr(X, "shape", self.shape) != self.shape:
            raise ValueError(f"+: shapes {self.shape} and {X.shape}, expected equal ones")
        if isinstance(X, LowRank):
            return _on_shared_bases(self, X) or Sum([*self.terms, *X.terms])
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


class Sum(LowRank):
    """Σ terms, LowRank matrices that stay apart: products are taken term by term, each in its own precision.

    Their factors are set side by side, as U, S and V, when somebody asks for these.
    """

    terms = ()

    def __new__(cls, terms):
        return object.__new__(cls)

    def __init__(self, terms):
        object.__setattr__(self, "terms", tuple(terms))

    def __getnewargs__(self):
        return (self.terms,)

    @cached_property
    def U(self):
        return np.hstack([array_of(X.U, self.dtype) for X in self.terms])

    @cached_property
    def S(self):
        cores = [X.S for X in self.terms]
        if all(isinstance(S, Identity) and S.scale == cores[0].scale for S in cores):
            return Identity(sum(S.n for S in cores), cores[0].scale)
        return block_diag(*(array_of(S, self.dtype) for S in cores))

    @cached_property
    def V(self):
        return np.hstack([array_of(X.V, self.dtype) for X in self.terms])

    @property
    def shape(self):
        return self.terms[0].shape

    @property
    def rank(self):
        return min(map(sum, zip(*(X.S.shape for X in self.terms), strict=True)))

    @property
    def dtype(self):
        return np.result_type(*(X.dtype for X in self.terms))

    def adjoint(self):
        return Sum(map(H, self.terms))

    def dense(self):
        return reduce(add, [X.dense() for X in self.terms])

    def __matmul__(self, X):
        return reduce(add, [term @ X for term in self.terms])

    def __rmatmul__(self, X):
        return reduce(add, [X @ term for term in self.terms])

    def __mul__(self, c):
        return Sum([c * X for X in self.terms]) if np.isscalar(c) else NotImplemented

    __rmul__ = __mul__


def adjoint_times(factor, X, known):
    """factorᴴ X, where known = (X0, factorᴴ X0), if given, spares the leading columns of X that are X0."""
    if known is None or not begins_with(X, known[0]):
        return H(factor) @ X
    done = known[1].shape[1]
    return np.concatenate([known[1], H(factor) @ X[:, done:]], axis=1) if done < X.shape[1] else known[1]


def columns(K):
    """(A, N, known) of a matrix K = A N of few columns, A an ndarray and known = (X, AᴴX) or None; of a LowRank A · N · 1 its own ones."""
    if isinstance(K, LowRank) and isinstance(K.V, Identity) and K.V.scale == 1 and getattr(K.S, "scale", 1) == 1:
        return K.U, K.S, K.left
    return K.dense() if isinstance(K, LowRank) else K, Identity(K.shape[1]), None


def begins_with(X, X0):
    """Whether the leading columns of X, or of an `Augmented` X, are those of X0; most others are told apart by their first row."""
    start = getattr(X, "U0", X)
    if start is X0 or not (isinstance(X, np.ndarray) and isinstance(X0, np.ndarray) and X.ndim == 2):
        return start is X0
    k = X0.shape[1]
    return np.array_equal(X[:1, :k], X0[:1]) and np.array_equal(X[:, :k], X0)


def array_of(factor, dtype):
    """A factor as an ndarray, also if it is an Identity or Augmented."""
    return factor if isinstance(factor, np.ndarray) else factor @ np.eye(factor.shape[1], dtype=dtype)


def _is_operator(X):
    return issparse(X) or isinstance(X, LinearOperator)


def _on_shared_bases(Y, X):
    """Y + X in the bases of X, if these begin with those of Y; else None."""
    if isinstance(Y, Sum) or isinstance(X, Sum) or not (isinstance(Y.S, np.ndarray) and isinstance(X.S, np.ndarray)):
        return None
    if not (begins_with(X.U, Y.U) and begins_with(X.V, Y.V)):
        return None
    core = X.S.astype(np.result_type(X.S, Y.S))
    core[:Y.S.shape[0], :Y.S.shape[1]] += Y.S
    return LowRank(X.U, core, X.V)
