"""Filter thresholding: the smallest rows of each weight go."""

import numpy as np

from .budget import allocate, numbers_allowed
from .chains import chain_of
from .contract import method
from .svd import parts
from .weights import total_numbers


@method(low_rank=False)
def filters(net, params, budget, *, p=1):
    """Each layer but the last keeps the same part of its filters, the rows of W with the largest
    Σ_q |W_iq|ᵖ, rounded, at least 1: with p = 1 of [LKDSG17], with p = 2 of soft filter pruning
    [HKDFY18]. The outputs left out are no inputs of the next layer, so that both shrink.

    Returns a smaller dense network. Raises ValueError unless p > 0, and for a network that is no
    chain.
    """
    if not 0 < p < np.inf:
        raise ValueError(f"p: got {p}, expected a number > 0")
    chain = chain_of(net, params)
    inner = chain.weights[:-1]
    counts = allocate([parts(len(weight.W)) for weight in inner], chain.numbers,
                      numbers_allowed(budget, total_numbers(params)))
    return chain.smaller([largest((np.abs(weight.W) ** p).sum(axis=1), n)
                          for weight, n in zip(inner, counts, strict=True)])


def largest(sizes, n):
    """The places of the n largest; of equal ones the first."""
    return np.argsort(-sizes, kind="stable")[:n]
