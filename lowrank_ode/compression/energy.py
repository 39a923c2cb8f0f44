"""The same part of the energy everywhere."""

import numpy as np

from .contract import method
from .cut import cut


@method()
def energy(net, params, budget, *, p=2, scheme="channel"):
    """Each weight is cut to the smallest rank whose tail Σ_{i>j} σᵢᵖ is at most ε Σ σᵢᵖ, with one ε
    for all layers. p = 2 is the energy, p = 1 the nuclear norm.

        gᵢ = Σ_{a≥i} σₐᵖ / Σ σₐᵖ

    scheme: how kernels are folded to matrices (kernels.py). Raises ValueError unless p > 0.
    """
    if not 0 < p < np.inf:
        raise ValueError(f"p: got {p}, expected a number > 0: 2 for the energy, 1 for the nuclear "
                         "norm")
    return cut(net, params, budget, lambda weight: tails(weight.sigma, p), scheme)


def tails(sigma, p):
    """Σ_{a≥i} σₐᵖ over the sum of all; 0 where that is 0."""
    powers = (sigma / (sigma[0] or 1.0)) ** p
    return np.cumsum(powers[::-1])[::-1] / (powers.sum() or 1.0)
