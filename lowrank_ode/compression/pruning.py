"""A trained dense network, cut to low rank by the singular value decomposition of its weights."""

import warnings

from ..matrices import DirectSum, best_approximation, norm
from ..nets import Network, blocks_of, check_ranks
from ..options import check_number
from .copies import copied
from .counts import count_parameters


def pruned(params, rank=None, tau=None, net=None):
    """The network [W1, b1, W2, b2, …] with each weight matrix replaced by its best approximation of
    low rank, a LowRank [EY36].

    rank: an int for the hidden layers, the last layer left as it is; or a sequence with one entry a
    weight, None to leave it as it is. tau: for the hidden layers the smallest rank whose tail is
    at most τ ‖W‖, as DLRT truncates. All other blocks are copied. The result is a start for any
    integrator: DLRT(0, max_rank=r) retrains at rank r.

    net: the `Network`, which knows its weights; a network that has other layers than dense ones
    with a bias needs it. Warns if the result has more numbers than params: rank r of an m × n
    weight takes r (m + n).

    Raises ValueError unless exactly one of rank (1 ≤ rank ≤ min(m, n) for W m × n) and tau
    (0 ≤ τ < 1) is given, for a sequence of another length than there are weights, if a weight is
    not finite, if a block is no matrix, and for blocks that are not those of net or, without it,
    not weight (m, n > 1) and bias (m, 1) in turn.
    """
    places, last = _places_of_weights(params, net)
    blocks, weights = list(params.blocks), [params.blocks[k] for k in places]
    if (rank is None) == (tau is None):
        raise ValueError(f"rank, tau: got {rank} and {tau}, expected exactly one of them")
    if rank is None:
        check_number("tau", tau, "at least 0 and less than 1: from 1 on all of a weight but one "
                     "direction is cut off", lambda tau: 0 <= tau < 1)
        cut = [*(best_approximation(W, tol=tau * norm(W)) for W in weights[:-last]),
               *weights[-last:]]
    else:
        ranks = check_ranks(rank, len(weights), last)
        cut = [W if r is None else best_approximation(W, rank=r)
               for W, r in zip(weights, ranks, strict=True)]
    for k, W in zip(places, cut, strict=True):
        blocks[k] = W
    _warn_of_growth(params, result := copied(DirectSum(blocks)))
    return result


def _places_of_weights(params, net):
    """Which of the blocks are weights, and how many of these the last layer has; ValueError where
    that is not certain."""
    for k, X in enumerate(blocks_of(params)):
        if len(X.shape) != 2:
            meant = "X[:, None]" if len(X.shape) == 1 else "X.reshape(len(X), -1)"
            raise ValueError(f"params.blocks[{k}]: shape {X.shape}, expected a matrix, "
                             f"as is {meant}")
    if net is not None:
        if not isinstance(net, Network):
            raise ValueError(f"net: got {net}, expected a Network")
        net.split(params)                       # refuses what is not of this network
        return net.weight_places, net.weights_of_the_last
    shapes = [X.shape for X in params.blocks]
    if len(shapes) % 2 or not all(n > 1 and bias == (m, 1) for (m, n), bias
                                  in zip(shapes[::2], shapes[1::2], strict=True)):
        raise ValueError(f"params: blocks of shapes {shapes}, expected weight (m, n > 1) and bias "
                         "(m, 1) in turn; else give net, which knows its weights")
    return range(0, len(shapes), 2), 1


def _warn_of_growth(params, result):
    before, after = map(count_parameters, (params, result))
    if after > before:
        warnings.warn(f"pruned: {after} numbers, {before} before (+{after / before - 1:.0%}): "
                      "nothing is compressed; a lower rank, or a larger tau, does",
                      stacklevel=3)
