"""Arrays from outside, before a network computes with them."""

import numpy as np


def numerical(name, X, kinds="biuf", expected="real numbers"):
    """X as an ndarray of numbers of these kinds.

    Raises ValueError for others, complex ones say, whose imaginary part would be dropped, and for a
    masked array, whose mask would be.
    """
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError(f"{name}: got a masked array, expected one without mask: "
                         "it would be ignored")
    X = np.asarray(X)
    if X.dtype.kind not in kinds:
        raise ValueError(f"{name}: got {X.dtype}, expected {expected}")
    return X
