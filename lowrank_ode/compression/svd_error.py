"""The same relative error in the operator norm everywhere."""

from .alds import alds
from .contract import method


@method()
def svd_error(net, params, budget, *, scheme="channel"):
    """Each weight is cut to the smallest rank with ‖W − Ŵ‖₂ ≤ ε ‖W‖₂, that is σ_{j+1} ≤ ε σ₁, with
    one ε for all layers: ALDS with a single group of channels. scheme: how kernels are folded
    to matrices (kernels.py).
    """
    return alds(net, params, budget, groups=1, scheme=scheme)
