"""A matrix that is kept in factors, Y = U S Vᴴ, and never formed."""

from functools import cached_property, reduce
from operator import add

import numpy as np
from scipy.linalg import block_diag
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from .augmented import Augmented, array_of, factor
from .direct_sum import DirectSum, H, Identity, blockwise
from .lapack import frobenius, svd
from .operators import Operators, scalar


class LowRank(Operators):
    """The m × n matrix Y = U S Vᴴ with U (m, p), S (p, q), V (n, q).

    S is any matrix, singular ones too; the bases U and V are orthonormal in start values and in
    what a step returns, and anything in sums, products and gradients. `U, S, V = Y` unpacks.
    LowRank with LowRank or sparse under `@`, and LowRank + LowRank, stay LowRank (a `Sum`, unless
    both have the same bases, or the second those that `augment` made of the first's); `@` or `+`
    with an ndarray gives an ndarray; + sparse or LinearOperator gives a LinearOperator. A @ Y is
    refused by SciPy for a LinearOperator A; A @ Y.operator() is not. On direct sums of factors the
    constructor acts block by block, and LowRank(Identity, W, Identity) is W itself.

    A basis may be a matrix type with `@` from both sides and an `array`, such as what `augment`
    returns: `factors` are the three as they were given, U and V always arrays, to read only.

    Raises ValueError if a factor is not two-dimensional or the shapes do not fit, TypeError for
    factors of other kinds.

    >>> Y = LowRank(np.eye(4, 2), np.diag([3., 4.]), np.eye(5, 2))
    >>> Y.shape, Y.rank, float(Y.norm()), Y.singular_values().tolist()
    ((4, 5), 2, 5.0, [4.0, 3.0])
    """

    def __new__(cls, U, S, V):
        if isinstance(S, DirectSum):
            return blockwise(cls)(U, S, V)
        if isinstance(U, Identity) and isinstance(V, Identity):
            return U @ S @ H(V)
        return object.__new__(cls)

    def __init__(self, U, S, V):
        U, S, V = map(factor, "USV", (U, S, V))
        left, core, right = U.shape, S.shape, V.shape
        if not len(left) == len(core) == len(right) == 2 or core != (left[1], right[1]):
            raise ValueError(f"U, S, V: shapes {left}, {core}, {right}, "
                             "expected (m, p), (p, q), (n, q)")
        self._factors = U, S, V

    def __getnewargs__(self):
        return self.factors

    @property
    def factors(self):
        return self._factors

    @property
    def U(self):
        return _multiplied_out(self.factors[0])

    @property
    def S(self):
        return self.factors[1]

    @property
    def V(self):
        return _multiplied_out(self.factors[2])

    def __iter__(self):
        return iter((self.U, self.S, self.V))

    def __repr__(self):
        m, n = self.shape
        return f"<{m}×{n} LowRank matrix of rank {self.rank}, {self.dtype}>"

    @property
    def shape(self):
        U, _, V = self.factors
        return U.shape[0], V.shape[0]

    @property
    def terms(self):
        """The matrices of which this is the sum; of a `Sum` there are several."""
        return (self,)

    @property
    def rank(self):
        """Rank of the factorisation, min(p, q); that of Y is smaller where S is singular."""
        return min(self.S.shape)

    @property
    def dtype(self):
        return np.result_type(*{X.scale if isinstance(X, Identity) else X.dtype
                                for X in self.factors})

    def adjoint(self):
        U, S, V = self.factors
        return LowRank(V, H(S), U)

    def conj(self):
        U, S, V = (array_of(X, self.dtype).conj() for X in self)
        return LowRank(U, S, V)

    def trace(self):
        """Σ Y_kk of a square Y. Raises ValueError if it is not square."""
        if self.shape[0] != self.shape[1]:
            raise ValueError(f"trace: shape {self.shape}, expected a square matrix")
        U, S, V = (array_of(X, self.dtype) for X in self)
        return np.vdot(V, U @ S)

    def dense(self):
        """The m × n ndarray."""
        U, S, V = self
        return U @ S @ H(V)

    def norm(self):
        """Frobenius norm, of U S Rᴴ with V = Q R: the Gram matrices UᴴU and VᴴV would lose half the
        digits of a difference Y1 − Y2."""
        U, S, V = self
        return frobenius(U @ S @ H(np.linalg.qr(array_of(V, self.dtype), mode="r")))

    def singular_values(self):
        """σ₁ ≥ σ₂ ≥ …, for bases of any kind; those beyond the rank, which are 0, left out."""
        U, S, V = (array_of(X, self.dtype) for X in self)
        R_U, R_V = np.linalg.qr(U, mode="r"), np.linalg.qr(V, mode="r")
        return svd(R_U @ S @ H(R_V))[1]

    def operator(self):
        """The same matrix as a scipy LinearOperator."""
        apply, adjoint = self.__matmul__, H(self).__matmul__
        return LinearOperator(self.shape, matvec=apply, rmatvec=adjoint, matmat=apply,
                              rmatmat=adjoint, dtype=self.dtype)

    def __matmul__(self, X):
        U, S, V = self.factors
        if isinstance(X, (np.ndarray, Augmented)):
            return U @ (S @ (H(V) @ X))
        if isinstance(X, LowRank):
            return LowRank(U, S @ (H(V) @ X.U) @ X.S, X.factors[2])
        if isinstance(X, Identity):
            return X.scale * self
        if _is_operator(X):
            return LowRank(U, S, H(X) @ array_of(V, self.dtype))
        return NotImplemented

    def __rmatmul__(self, X):
        U, S, V = self.factors
        if isinstance(X, np.ndarray):
            return H(V @ (H(S) @ (H(U) @ H(X))))        # (X U S) Vᴴ would read V against its rows
        return LowRank(X @ array_of(U, self.dtype), S, V) if issparse(X) else NotImplemented

    def __add__(self, X):
        if getattr(X, "shape", self.shape) != self.shape:
            raise ValueError(f"+: shapes {self.shape} and {X.shape}, expected equal ones")
        if isinstance(X, LowRank):
            return _on_shared_bases(self, X) or Sum([*self.terms, *X.terms])
        if isinstance(X, np.ndarray):
            return self.dense() + X
        return self.operator() + aslinearoperator(X) if _is_operator(X) else NotImplemented

    def __mul__(self, c):
        U, S, V = self.factors
        return LowRank(U, scalar(c, self) * S, V)


class Sum(LowRank):
    """Σ terms, LowRank matrices that stay apart: products are taken term by term.

    Each is taken in its own precision. The factors are set side by side, as U, S and V, when
    somebody asks for these.
    """

    def __new__(cls, terms):
        return object.__new__(cls)

    def __init__(self, terms):
        self._terms = tuple(terms)

    def __getnewargs__(self):
        return (self.terms,)

    @property
    def terms(self):
        return self._terms

    @cached_property
    def factors(self):
        U, V = (np.hstack([array_of(getattr(X, letter), self.dtype) for X in self.terms])
                for letter in "UV")
        cores = [X.S for X in self.terms]
        if all(isinstance(S, Identity) and S.scale == cores[0].scale for S in cores):
            return U, Identity(sum(S.n for S in cores), cores[0].scale), V
        return U, block_diag(*(array_of(S, self.dtype) for S in cores)), V

    @property
    def shape(self):
        return self.terms[0].shape

    @property
    def rank(self):
        return min(map(sum, zip(*(X.S.shape for X in self.terms), strict=True)))

    @cached_property
    def dtype(self):
        return np.result_type(*{X.dtype for X in self.terms})

    def adjoint(self):
        return Sum(map(H, self.terms))

    def conj(self):
        return Sum([X.conj() for X in self.terms])

    def dense(self):
        return reduce(add, [X.dense() for X in self.terms])

    def __matmul__(self, X):
        return reduce(add, [term @ X for term in self.terms])

    def __rmatmul__(self, X):
        return reduce(add, [X @ term for term in self.terms])

    def __mul__(self, c):
        return Sum([c * X for X in self.terms])


def _multiplied_out(basis):
    return basis if isinstance(basis, (np.ndarray, Identity)) else basis.array


def _is_operator(X):
    return issparse(X) or isinstance(X, LinearOperator)


def _on_shared_bases(Y, X):
    """Y + X in the bases of X, if these are those of Y or made of them by `augment`; else None."""
    if any(len(Z.terms) > 1 or isinstance(Z.S, Identity) for Z in (Y, X)):
        return None
    (U, S, V), (U1, S1, V1) = Y.factors, X.factors
    if not all(new is old or getattr(new, "U0", None) is old for old, new in ((U, U1), (V, V1))):
        return None
    core = S1.astype(np.result_type(S1, S))
    core[:S.shape[0], :S.shape[1]] += S
    return LowRank(U1, core, V1)
