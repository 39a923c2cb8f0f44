"""A trained network as it is used for prediction."""

import numpy as np

from ..matrices import LowRank, blockwise, outer


@blockwise
def merged(Y):
    """K Vᴴ with K = U S: two factors in place of three, for prediction; r (m + n) numbers and
    multiplications an example.

    Y is a LowRank, a dense matrix, which is returned as it is, or a DirectSum of these (ValueError:
    none of them). The result is the same matrix; training does not start from it, for K is not
    orthonormal.
    """
    if not isinstance(Y, LowRank | np.ndarray):
        raise ValueError(f"Y: got {type(Y).__name__}, "
                         "expected a LowRank, an ndarray or a DirectSum")
    return outer(Y.U @ Y.S, Y.V) if isinstance(Y, LowRank) else Y
