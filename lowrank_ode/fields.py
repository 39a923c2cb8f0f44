"""What a field F may return, and what a step makes of it: the first point of the contract."""

import inspect
import math

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .matrices import DirectSum, Identity, LowRank, blockwise, check_matrix
from .options import check_number


def checked(Y, h, F):
    """(h, F) for a step from Y: h as a Python float, for a NumPy scalar would turn a float32 state
    into float64 without a word; F as `as_field` has it.

    Raises TypeError unless Y is a LowRank or a DirectSum, ValueError unless 0 < h < ∞.
    """
    if not isinstance(Y, LowRank | DirectSum):
        raise TypeError(f"Y: got {type(Y).__name__}, expected a LowRank, such as "
                        "best_approximation(Y, rank=r), or a DirectSum with such blocks")
    return step_size(h), as_field(F)


def step_size(h):
    """h as a Python float. ValueError unless 0 < h < ∞."""
    return check_number("h", h, "a finite step size > 0", lambda h: 0 < h < math.inf)


def as_field(F):
    """F, whose results are looked at: F(t, Y) is a matrix of the shape of Y, or a DirectSum with
    blocks of the shapes of its blocks.

    It is taken in the precision of Y, single or double; it may be complex where Y is real. Arrays
    of its argument are for F to read only. Raises ValueError or TypeError, naming the block, for
    anything else.
    """
    if not callable(F):
        raise TypeError(f"F: got {type(F).__name__}, expected a function F(t, Y)")

    def looked_at(t, Y):
        try:
            G = F(t, _to_read(Y))
        except Exception as error:
            _raise_plainly(error, F)
            raise
        return _fitted("F(t, Y)", G, Y)

    return looked_at


@blockwise
def _to_read(Y):
    """Y, an array as a view that cannot be written to; those of a LowRank are such views."""
    if isinstance(Y, np.ndarray):
        Y = Y.view()
        Y.flags.writeable = False
    return Y


def _raise_plainly(error, F):
    """The usual reasons for an error inside F, said in terms of F."""
    if "read-only" in str(error) and not str(error).startswith("F: "):
        raise ValueError(f"F: {error}; expected a field that leaves its argument as it "
                         "is") from error
    try:
        names = [*inspect.signature(F).parameters]
    except (TypeError, ValueError):
        return
    if names[1:2] == ["t"]:
        raise TypeError(f"F: got a function of ({', '.join(names)}), expected F(t, Y)") from error


def _fitted(name, G, Y):
    if not isinstance(Y, DirectSum):
        if isinstance(G, DirectSum):
            raise ValueError(f"{name}: got a DirectSum, expected a matrix of shape {Y.shape}")
        return _in_precision(check_matrix(name, G, Y.shape), Y.dtype)
    if not isinstance(G, DirectSum) or len(G.blocks) != len(Y.blocks):
        got = f"{len(G.blocks)} blocks" if isinstance(G, DirectSum) else type(G).__name__
        raise ValueError(f"{name}: got {got}, expected a DirectSum of {len(Y.blocks)} blocks, "
                         "as Y is one")
    return DirectSum([_fitted(f"{name}.blocks[{k}]", *pair)
                      for k, pair in enumerate(zip(G.blocks, Y.blocks, strict=True))])


def _in_precision(G, state):
    """G in the precision of the state, complex if it is."""
    single, is_complex = state.char in "fF", G.dtype.kind == "c"
    dtype = ("dD", "fF")[single][is_complex]
    if isinstance(G, LinearOperator):
        return _Operator(G, dtype)
    if G.dtype == dtype:
        return G
    if isinstance(G, LowRank):
        return LowRank(*(X if isinstance(X, Identity) else X.astype(dtype) for X in G))
    return G.astype(dtype)


class _Operator(LinearOperator):
    """A LinearOperator in another precision, that says what it lacks."""

    def __init__(self, A, dtype):
        super().__init__(dtype, A.shape)
        self.A = A

    def _matmat(self, X):
        return self._cast(self.A.matmat(X), X)

    def _rmatmat(self, X):
        try:
            return self._cast(self.A.rmatmat(X), X)
        except (NotImplementedError, TypeError) as error:       # as SciPy has it, by version
            raise TypeError("F(t, Y): got a LinearOperator without rmatvec, expected one with it: "
                            "Fᴴ U, as in an L-step, is taken of it") from error

    def _cast(self, AX, X):
        return np.asarray(AX, np.result_type(self.dtype, X))
