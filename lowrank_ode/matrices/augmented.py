"""A larger basis that is kept in factors while a step works with it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .direct_sum import H, Identity

ROWS = 1 << 12      # of so many rows at most an inner product is one product


def inner(X, Y):
    """XᴴY, of many rows by halves: in a long sum of numbers of one sign rounding errors add up."""
    if len(X) <= ROWS:
        return H(X) @ Y
    k = len(X) // 2
    return inner(X[:k], Y[:k]) + inner(X[k:], Y[k:])


@dataclass(frozen=True, eq=False)
class Augmented:
    """The m × k basis Û = W T, which begins with U0 (m, r): what `augment` returns.

    W = [U0, B] (m, q) is orthonormal but for rounding errors, and T (q, k), here `mend`, block
    upper triangular and near to the identity, mends them, those of U0 as well. A @ Û and Û @ P,
    which are ndarrays, come from products with W; `array` is Û multiplied out, with U0 in front.
    """

    U0: np.ndarray
    W: np.ndarray
    mend: np.ndarray
    ndim = 2
    __array_ufunc__ = None      # ndarrays leave `A @ Û` to the method below

    @property
    def shape(self):
        return len(self.W), self.mend.shape[1]

    @property
    def dtype(self):
        return self.W.dtype

    @cached_property
    def array(self):
        r = self.U0.shape[1]
        if self.mend.shape[1] == r:
            return self.U0
        return np.concatenate([self.U0, self.W @ self.mend[:, r:]], axis=1)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype, copy=copy)

    def adjoint(self):
        return H(self.array)

    @property
    def T(self):
        """The transpose, as of an ndarray."""
        return self.array.T

    def __rmatmul__(self, A):
        if "array" in self.__dict__:            # somebody has multiplied it out already
            return A @ self.array
        r = self.U0.shape[1]
        T, (AU, AB) = self.mend, (_product(A, X) for X in (self.U0, self.W[:, r:]))
        return np.concatenate([AU, AU @ T[:r, r:] + AB @ T[r:, r:]], axis=-1)

    def __matmul__(self, P):
        return self.W @ (self.mend @ P)


def _product(A, X):
    return inner(H(A), X) if isinstance(A, np.ndarray) else A @ X


def array_of(factor, dtype=float):
    """A factor as an ndarray, also if it is an Identity, which has no dtype of its own."""
    if isinstance(factor, Identity):
        return factor.scale * np.eye(factor.n, dtype=dtype)
    return factor if isinstance(factor, np.ndarray) else factor.array


def factor(letter, X):
    """X, an array as a view to read only: a matrix is a value, and may share its factors."""
    if isinstance(X, np.ndarray) and not isinstance(X, np.matrix | np.ma.MaskedArray):
        if X.flags.writeable:
            X = X.view()
            X.flags.writeable = False
    elif not ((hasattr(X, "array") and hasattr(X, "adjoint")) or isinstance(X, Identity)):
        raise TypeError(f"{letter}: got {type(X).__name__}, expected a two-dimensional ndarray")
    return X
