"""A larger basis that is kept in factors while a step works with it."""

from dataclasses import dataclass

import numpy as np

from .direct_sum import H

ROWS = 1 << 12      # of so many rows at most an inner product is one product


def inner(X, Y):
    """XᴴY, of many rows by halves: in a long sum of numbers of one sign rounding errors add up, to a multiple of m · EPS."""
    if len(X) <= ROWS:
        return H(X) @ Y
    k = len(X) // 2
    return inner(X[:k], Y[:k]) + inner(X[k:], Y[k:])


def times(A, X, by_columns):
    """A X, which lies column after column in memory, or row after row."""
    return (X.T @ A.T).T if by_columns else A @ X


@dataclass(frozen=True, eq=False)
class Augmented:
    """The m × k basis Û = W T, which begins with U0 (m, r): W = [U0, B] (m, q) is orthonormal but for rounding errors, and T (q, k), block
    upper triangular and near to the identity, mends them, those of U0 as well.

    Û @ P and A @ Û, which are ndarrays, come from products with W; Û is not multiplied out for them. Of the K that it was made of it may
    know the product, as long as somebody has K, and does not overwrite it: made_of = (a weak reference to K, a function that returns ÛᴴK).
    """

    U0: np.ndarray
    W: np.ndarray
    T: np.ndarray
    made_of: tuple | None = None
    __array_ufunc__ = None      # ndarrays leave `A @ Û` to the method below

    @property
    def shape(self):
        return len(self.W), self.T.shape[1]

    @property
    def dtype(self):
        return self.W.dtype

    def dense(self):
        """The ndarray, with U0 itself in front; U0 where nothing was added to it."""
        r = self.U0.shape[1]
        return np.concatenate([self.U0, self.W @ self.T[:, r:]], axis=1) if self.T.shape[1] > r else self.U0

    def adjoint(self):
        return H(self.dense())

    def combined(self, X):
        """A Û, from X = A W, with A U0 as it is."""
        r = self.U0.shape[1]
        return np.concatenate([X[:, :r], X @ self.T[:, r:]], axis=1)

    def inner(self, K):
        """Ûᴴ K."""
        if self.made_of and K is self.made_of[0]():
            return self.made_of[1]()
        return H(inner(K, self.W) @ self.T)

    def __rmatmul__(self, A):
        return A @ self.W @ self.T

    def __matmul__(self, P):
        return self.W @ (self.T @ P)
