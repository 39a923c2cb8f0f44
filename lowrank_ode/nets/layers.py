"""One layer of weights, Z ↦ W Z + b 1ᵀ, forwards and backwards, W an ndarray or a LowRank; results go into `out`.

For W = U S Vᴴ both passes multiply with a basis on the way, ZᴴV and ΔᴴU. These are returned, for a low-rank step begins with them.
"""

import numpy as np

from ..matrices import H, Identity, LowRank, outer


def forward(W, b, Z, out):
    """out = W Z + b 1ᵀ. Returns ZᴴV, or None for an ndarray W."""
    ZV = None
    if isinstance(W, LowRank):
        ZV = H(Z) @ W.V
        np.matmul(W.U, W.S @ H(ZV), out=out)
    else:
        np.matmul(W, Z, out=out)
    out += b
    return ZV


def backward(W, delta, out):
    """out = Wᴴ Δ, unless it is None. Returns ΔᴴU, or None for an ndarray W."""
    if not isinstance(W, LowRank):
        if out is not None:
            np.matmul(H(W), delta, out=out)
        return None
    DU = H(delta) @ W.U
    if out is not None:
        np.matmul(W.V, H(DU @ W.S), out=out)
    return DU


def gradient(W, delta, Z, DU, ZV):
    """Δ Zᴴ in factors, with the products that the two passes have made."""
    if not isinstance(W, LowRank):
        return outer(delta, Z)
    return LowRank(delta, Identity(delta.shape[1]), Z, left=(W.U, DU), right=(W.V, ZV))
