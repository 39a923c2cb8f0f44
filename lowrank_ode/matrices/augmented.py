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
    """The m × (r + k) basis Û = [U0, [U0, B] C] with U0 (m, r), B (m, p), C (r + p, k).

    Û @ P and A @ Û, which are ndarrays, come from products with U0 and B; these are not joined or multiplied out for them. Of the K that
    it was made of it may know the product, as long as somebody has K, and does not overwrite it: made_of = (a weak reference to K, a
    function that returns ÛᴴK).
    """

    U0: np.ndarray
    B: np.ndarray
    C: np.ndarray
    made_of: tuple | None = None
    __array_ufunc__ = None      # ndarrays leave `A @ Û` to the method below

    @property
    def shape(self):
        return len(self.U0), self.U0.shape[1] + self.C.shape[1]

    @property
    def dtype(self):
        return np.result_type(self.U0, self.B, self.C)

    def dense(self):
        """The ndarray; U0 itself where nothing was added to it."""
        r = self.U0.shape[1]
        return np.hstack([self.U0, self.U0 @ self.C[:r] + self.B @ self.C[r:]]) if self.C.shape[1] else self.U0

    def adjoint(self):
        return H(self.dense())

    def extended(self, B, P, T):
        """[Û, Û P + B T]."""
        (p, k), C = self.C.shape, np.vstack([self._coordinates(P), T])
        if not k:
            return Augmented(self.U0, B, C)
        return Augmented(self.U0, np.hstack([self.B, B]), np.hstack([np.pad(self.C, ((0, len(C) - p), (0, 0))), C]))

    def combined(self, X):
        """A Û, from X = [A U0, A B]."""
        return np.concatenate([X[:, :self.U0.shape[1]], X @ self.C], axis=1)

    def inner(self, K):
        """Ûᴴ K."""
        if self.made_of and K is self.made_of[0]():
            return self.made_of[1]()
        X = inner(K, self.U0)
        return H(self.combined(np.hstack([X, inner(K, self.B)])) if self.B.shape[1] else X)

    def __rmatmul__(self, A):
        X = A @ self.U0
        return self.combined(np.hstack([X, A @ self.B])) if self.B.shape[1] else X

    def __matmul__(self, P):
        r, X = self.U0.shape[1], self._coordinates(P)
        product = self.U0 @ X[:r]
        if len(X) > r:
            product += self.B @ X[r:]
        return product

    def _coordinates(self, P):
        """X with Û P = [U0, B] X."""
        r = self.U0.shape[1]
        if len(P) == r:
            return P
        X = self.C @ P[r:]
        X[:r] += P[:r]
        return X
