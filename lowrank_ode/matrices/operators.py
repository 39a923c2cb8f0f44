"""What every matrix type here can do, once it has an adjoint, a sum and a product with numbers."""

import numpy as np


class Operators:
    """−Y, Y − Z, Y / c, `sum`, Y.H and Y.T from `adjoint`, `conj`, + and *; and plain words where
    somebody asks for entries, which a matrix in factors does not have.

    Only np.asarray(Y) cannot be told what to do: SciPy's sparse @ Y asks the same question before
    it leaves the product to Y. It gives an array of one object; Y.dense() is the m × n array.
    """

    __array_ufunc__ = None      # ndarrays leave `array @ Y` and `array + Y` to the methods

    @property
    def H(self):
        """The adjoint Yᴴ."""
        return self.adjoint()

    @property
    def T(self):
        """The transpose Yᵀ."""
        return self.adjoint().conj()

    def __radd__(self, X):
        return self if isinstance(X, int) and X == 0 else self + X      # `sum` starts at 0

    def __sub__(self, X):
        return self + (-X)

    def __rsub__(self, X):
        return (-self) + X

    def __neg__(self):
        return -1 * self

    def __truediv__(self, c):
        return self * (1 / c) if is_number(c) else NotImplemented

    def __rmul__(self, c):
        return self * c

    def __eq__(self, X):
        return self is X or self._has_no("==", "norm(Y - Z) and a tolerance: bases are not "
                                               "unique, and sums are rounded")

    __hash__ = object.__hash__

    def __abs__(self):
        return self._has_no("abs", "norm(Y) for its size, abs of dense(Y) for entries")

    def __getitem__(self, place):
        return self._has_no("Y[…]", "dense(Y)[…]; factors are Y.U, Y.S, Y.V, blocks Y.blocks[k]")

    def _has_no(self, operation, instead):
        raise TypeError(f"{operation}: a {type(self).__name__} has no entries; use {instead}")


def is_number(c):
    """Whether c is a scalar, an array without dimensions among them."""
    return np.ndim(c) == 0 and np.asarray(c).dtype.kind in "biufc"


def scalar(c, X):
    """c for a product with the matrix X, an array without dimensions as a plain number: TypeError
    if it is none."""
    if not is_number(c):
        raise TypeError(f"*: got {type(c).__name__}, expected a number; `@` is the product of "
                        f"matrices, and a {type(X).__name__} has no entries: use .dense() for them")
    return c.item() if isinstance(c, np.ndarray) else c
