"""Adjoints, identities, and block-diagonal matrices, on which all operations act block by block."""

import functools
import operator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from .operators import Operators, scalar

SHOWN = 12      # blocks, at most, of which `repr` tells


def H(X):
    """Adjoint Xᴴ of anything that is a matrix here; the plain transpose for real matrices."""
    return X.adjoint() if hasattr(X, "adjoint") else X.conj().T


@dataclass(frozen=True)
class Identity:
    """The n × n identity times a number: a size and a scale, never an array."""

    n: int
    scale: complex = 1
    __array_ufunc__ = None

    def __repr__(self):
        return f"Identity({self.n})" if self.scale == 1 else f"{self.scale} · Identity({self.n})"

    @property
    def shape(self):
        return self.n, self.n

    def adjoint(self):
        return Identity(self.n, self.scale.conjugate())

    def __mul__(self, c):
        return Identity(self.n, c * self.scale)

    __rmul__ = __mul__

    def __matmul__(self, X):
        """scale · X; an ndarray where X is sparse or a LinearOperator: it is for a dense block."""
        if isinstance(X, LinearOperator):
            X = X @ np.eye(X.shape[1], dtype=X.dtype)
        elif not isinstance(X, np.ndarray) and issparse(X):
            X = X.toarray()
        return X if self.scale == 1 else self.scale * X

    __rmatmul__ = __matmul__


class DirectSum(Operators):
    """Block-diagonal matrix diag(blocks): weights of a network, its gradient, any coupled matrices.

    Blocks are matrices of any kind but direct sums. `.blocks` is the tuple of blocks; *iterating*
    gives the three factors U, S, V as direct sums, so that an integrator unpacks a network as it
    unpacks a matrix. An ndarray block W is unpacked as Identity, W, Identity.

    Raises ValueError for no blocks, and for a DirectSum among them, TypeError for a single matrix
    where a list of them is expected.
    """

    def __init__(self, blocks):
        if hasattr(blocks, "shape"):
            raise TypeError(f"blocks: got one {type(blocks).__name__}, expected a list of "
                            "matrices: DirectSum([Y])")
        self.blocks = tuple(blocks)
        if not self.blocks:
            raise ValueError("blocks: got none, expected at least one matrix")
        if nested := [k for k, X in enumerate(self.blocks) if isinstance(X, DirectSum)]:
            raise ValueError(f"blocks[{nested[0]}]: got a DirectSum, expected its blocks")

    def __repr__(self):
        lines = [f"{k}: {_described(X)}" for k, X in enumerate(self.blocks)]
        if len(lines) > SHOWN:
            lines[SHOWN - 2:-1] = [f"… {len(lines) - SHOWN + 1} more"]
        return "\n  ".join([f"<DirectSum of {len(self.blocks)} blocks:", *lines]) + ">"

    def __iter__(self):
        return map(DirectSum, zip(*map(factors, self.blocks), strict=True))

    @property
    def shape(self):
        return tuple(map(sum, zip(*(X.shape for X in self.blocks), strict=True)))

    def adjoint(self):
        return _adjoint(self)

    def conj(self):
        return _conj(self)

    def __matmul__(self, X):
        return _matmul(self, X) if isinstance(X, DirectSum) else NotImplemented

    def __add__(self, X):
        return _add(self, X) if isinstance(X, DirectSum) else NotImplemented

    def __mul__(self, c):
        return _mul(self, scalar(c, self))


def _described(X):
    return f"{'×'.join(map(str, X.shape))} ndarray, {X.dtype}" if type(X) is np.ndarray else X


def factors(X):
    """U, S, V of a matrix; of an ndarray W Identity, W, Identity."""
    return (Identity(X.shape[0]), X, Identity(X.shape[1])) if isinstance(X, np.ndarray) else X


def blockwise(function):
    """Let a function of matrices act block by block on direct sums, named arguments among them.

    Arguments that are no direct sum are the same for every block.
    """

    @functools.wraps(function)
    def of_blocks(*args, **options):
        given, n = (*args, *options.values()), len(args)
        counts = {len(X.blocks) for X in given if isinstance(X, DirectSum)}
        if not counts:
            return function(*args, **options)
        if len(counts) > 1:
            raise ValueError(f"{function.__name__}: direct sums of {sorted(counts)} blocks, "
                             "expected equally many")
        columns = [X.blocks if isinstance(X, DirectSum) else [X] * max(counts) for X in given]
        return DirectSum([function(*row[:n], **dict(zip(options, row[n:], strict=True)))
                          for row in zip(*columns, strict=True)])

    return of_blocks


@blockwise
def _matmul(X, Z):
    return Z @ X if isinstance(Z, Identity) else X @ Z      # a LinearOperator refuses an Identity


_adjoint, _conj = map(blockwise, (H, lambda X: X.conj()))
_add, _mul = map(blockwise, (operator.add, operator.mul))
