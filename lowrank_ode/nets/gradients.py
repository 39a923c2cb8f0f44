"""The gradient of a weight in factors, Δ Zᵀ, which knows the products that two passes made."""

from dataclasses import dataclass

import numpy as np

from ..matrices import H, outer


@dataclass(frozen=True, eq=False)
class Known:
    """A matrix A (k, n) that knows its product AX = A X with one basis: asked for A times that very
    array X, it gives it back."""

    array: np.ndarray
    X: np.ndarray
    AX: np.ndarray
    __array_ufunc__ = None

    @property
    def shape(self):
        return self.array.shape

    @property
    def dtype(self):
        return self.array.dtype

    def adjoint(self):
        return Adjoint(self)

    def __matmul__(self, Z):
        if not isinstance(Z, np.ndarray):
            return NotImplemented       # a basis that `augment` made asks for A U0, A B in its turn
        return self.AX if Z is self.X else self.array @ Z

    def __rmatmul__(self, Z):
        return Z @ self.array


@dataclass(frozen=True, eq=False)
class Adjoint:
    """Aᴴ (n, k) of a `Known` A."""

    known: Known
    __array_ufunc__ = None

    @property
    def array(self):
        return H(self.known.array)

    @property
    def shape(self):
        return self.known.shape[::-1]

    @property
    def dtype(self):
        return self.known.dtype

    def adjoint(self):
        return self.known

    def __matmul__(self, Z):
        return H(H(Z) @ self.known.array)           # along memory: a row of A is an example

    def __rmatmul__(self, Z):
        return Z @ self.array


def gradient(W, D, Z, DU, ZV):
    """Δ Zᵀ for W = U S Vᴴ from D = Δᵀ and Z, an example a row, and their products with U and V."""
    return outer(H(Known(D, W.U, DU)), H(Known(Z, W.V, ZV)))
