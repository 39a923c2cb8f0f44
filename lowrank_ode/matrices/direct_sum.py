"""Adjoints, identities, and block-diagonal matrices on which every operation acts block by block."""

import functools
import operator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from .threads import in_threads


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
        """scale · X; as an ndarray where X is sparse or a LinearOperator, for it is to be added to a dense block."""
        if isinstance(X, LinearOperator):
            X = X @ np.eye(X.shape[1], dtype=X.dtype)
        elif not isinstance(X, np.ndarray) and issparse(X):
            X = X.toarray()
        return X if self.scale == 1 else self.scale * X

    __rmatmul__ = __matmul__


class DirectSum:
    """Block-diagonal matrix diag(blocks): the weights of a network, its gradient, or any system of coupled matrices.

    Blocks are matrices of any kind. `.blocks` is the tuple of blocks; *iterating* gives the three factors U, S, V as direct sums, so that
    an integrator unpacks a network as it unpacks a matrix. An ndarray block W is unpacked as Identity, W, Identity.
    """

    __array_ufunc__ = None

    def __init__(self, blocks):
        self.blocks = tuple(blocks)
        self.count = len(self.blocks)
        if not self.blocks:
            raise ValueError("blocks: got none, expected at least one matrix")

    def __init_subclass__(cls):
        SUMS.add(cls)

    def __repr__(self):
        return f"DirectSum({list(self.blocks)})"

    def __iter__(self):
        return map(DirectSum, zip(*map(factors, self.blocks), strict=True))

    def from_last(self):
        """Iterator over the blocks, the last one first."""
        return reversed(self.blocks)

    @property
    def shape(self):
        return tuple(map(sum, zip(*(X.shape for X in self.blocks), strict=True)))

    def adjoint(self):
        return _adjoint(self)

    def __matmul__(self, X):
        return _matmul(self, X) if isinstance(X, DirectSum) else NotImplemented

    def __add__(self, X):
        return _add(self, X) if isinstance(X, DirectSum) else NotImplemented

    def __sub__(self, X):
        return _sub(self, X) if isinstance(X, DirectSum) else NotImplemented

    def __neg__(self):
        return _neg(self)

    def __mul__(self, c):
        return _mul(self, c) if np.isscalar(c) else NotImplemented

    __rmul__ = __mul__


SUMS = {DirectSum}      # and its subclasses: a type is looked up here in less time than `isinstance` takes


class LazyDirectSum(DirectSum):
    """A direct sum of `count` blocks that an iterator finds, the last one first, when somebody asks for them.

    Backprop finds a gradient in this order. What acts block by block, a step above all, takes each block as soon as it is there, while
    the numbers that it is made of are still in the cache.
    """

    def __init__(self, blocks, count):
        self.count, self._waiting, self._found = count, blocks, []

    def __reduce__(self):
        return DirectSum, (self.blocks,)

    def from_last(self):
        for k in range(self.count):
            if k == len(self._found):
                block = next(self._waiting, None)
                if block is None:
                    raise RuntimeError(f"block {self.count - 1 - k}: not there, for an error before has ended what finds the blocks")
                self._found.append(block)
            yield self._found[k]

    @property
    def blocks(self):
        return (*self.from_last(),)[::-1]


def factors(X):
    """U, S, V of a matrix; of an ndarray W Identity, W, Identity."""
    return (Identity(X.shape[0]), X, Identity(X.shape[1])) if isinstance(X, np.ndarray) else X


def blockwise(function, threads=False):
    """Let a function of matrices act block by block on direct sums, from the last block to the first; arguments that are no direct sum are
    the same for every block.

    With `threads` blocks are worked on at the same time (`in_threads`).
    """

    @functools.wraps(function)
    def of_blocks(*args, **options):
        if SUMS.isdisjoint(map(type, args)):
            return function(*args, **options)
        counts = {X.count for X in args if isinstance(X, DirectSum)}
        if len(counts) > 1:
            raise ValueError(f"{function.__name__}: direct sums of {sorted(counts)} blocks, expected equally many")
        columns = [X.from_last() if isinstance(X, DirectSum) else [X] * max(counts) for X in args]
        return DirectSum([*(in_threads if threads else map)(functools.partial(of_blocks, **options), *columns)][::-1])

    return of_blocks


def blockwise_in_threads(function):
    """`blockwise`, with threads."""
    return blockwise(function, threads=True)


@blockwise_in_threads
def _matmul(X, Z):
    return Z @ X if isinstance(Z, Identity) else X @ Z          # the `@` of a LinearOperator would refuse an Identity


_adjoint = blockwise(H)
_add, _sub = map(blockwise_in_threads, (operator.add, operator.sub))       # a gradient is multiplied out here if it meets a dense block
_neg, _mul = map(blockwise, (operator.neg, operator.mul))
