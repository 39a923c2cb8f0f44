"""The same part of the ranks everywhere."""

import numpy as np

from .contract import method
from .cut import cut


@method()
def svd(net, params, budget, *, scheme="channel"):
    """Each weight W (n, m) is cut to the rank j = a min(n, m), rounded, with one part a for all
    layers; at least 1.

        gᵢ = 1 − (i − ½)/R,  R = min(n, m):   gᵢ > 1 − a  exactly if  i < a R + ½

    scheme: how kernels are folded to matrices (kernels.py).
    """
    return cut(net, params, budget, lambda weight: parts(len(weight.sigma)), scheme)


def parts(R):
    """1 − (i − ½)/R for i = 1, …, R."""
    return 1 - (np.arange(R) + 0.5) / R
