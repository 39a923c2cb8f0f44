"""A trained dense network, cut to low rank by the singular value decomposition of its weights."""

from ..matrices import DirectSum, best_approximation, check_truncation, norm
from ..nets import check_ranks


def pruned(params, rank=None, tau=None):
    """The network [W1, b1, W2, b2, …] with each weight matrix replaced by its best approximation of
    low rank, a LowRank [EY36].

    rank: an int for the hidden layers, the last layer left as it is; or a sequence with one entry a
    layer, None to leave a layer as it is. tau: for the hidden layers the smallest rank whose tail
    is at most τ ‖W‖, as DLRT truncates. Biases are kept. The result is a start for any integrator:
    DLRT(0, max_rank=r) retrains at rank r.

    Raises ValueError unless exactly one of rank (1 ≤ rank ≤ min(m, n) for W m × n) and tau (≥ 0) is
    given, for blocks that are not a weight and its bias by turns, for a sequence of another length
    than there are layers, and if a weight is not finite.
    """
    weights, biases = params.blocks[::2], params.blocks[1::2]
    if [b.shape for b in biases] != [(W.shape[0], 1) for W in weights]:
        raise ValueError(f"params: blocks of shapes {[X.shape for X in params.blocks]}, "
                         "expected a weight and its bias by turns")
    if (rank is None) == (tau is None):
        raise ValueError(f"rank, tau: got {rank} and {tau}, expected exactly one of them")
    if rank is None:
        check_truncation("tau", tau, None)
        cut = [*(best_approximation(W, tol=tau * norm(W)) for W in weights[:-1]), weights[-1]]
    else:
        ranks = check_ranks(rank, len(weights))
        cut = [W if r is None else best_approximation(W, rank=r)
               for W, r in zip(weights, ranks, strict=True)]
    return DirectSum([X for layer in zip(cut, biases, strict=True) for X in layer])
