"""What comes from outside, before a network computes with it."""

import numpy as np

from ..matrices import DirectSum


def blocks_of(params):
    """The blocks of a DirectSum; ValueError for anything else."""
    if not isinstance(params, DirectSum):
        raise ValueError(f"params: got {type(params).__name__}, expected a DirectSum of blocks, "
                         "DirectSum([W1, b1, …])")
    return params.blocks


def untouched(A):
    """A view of A for others: who writes to it gets a ValueError, for A is needed again."""
    view = A.view()
    view.flags.writeable = False
    return view


def numerical(name, X, kinds="biuf", expected="real numbers"):
    """X as an ndarray of numbers of these kinds.

    Raises ValueError for others, complex ones say, whose imaginary part would be dropped, and for a
    masked array, whose mask would be.
    """
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError(f"{name}: got a masked array, expected one without mask: "
                         "it would be ignored")
    try:
        X = np.asarray(X)
    except ValueError as error:                 # rows of different lengths
        raise ValueError(f"{name}: {error}") from error
    if X.dtype.kind not in kinds:
        raise ValueError(f"{name}: got {X.dtype}, expected {expected}")
    return X
