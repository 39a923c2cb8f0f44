"""A trained network as it is used for prediction."""

from ..matrices import LowRank, blockwise, outer


@blockwise
def merged(Y):
    """K Vᴴ with K = U S: two factors in place of three, for prediction; r (m + n) numbers and
    multiplications an example.

    Y is a LowRank, a dense matrix, which is returned as it is, or a DirectSum of these. The result
    is the same matrix; training does not start from it, for K is not orthonormal.
    """
    return outer(Y.U @ Y.S, Y.V) if isinstance(Y, LowRank) else Y
