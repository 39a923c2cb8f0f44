"""A small network with skip connections of all kinds, and layers whose buffers hold NaN."""

from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
from derivatives import draw

from lowrank_ode.nets import Network, averages, convolution, images, norms, skips
from lowrank_ode.nets.averages import AveragePool, GlobalAverage
from lowrank_ode.nets.images import Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.norms import BatchNorm
from lowrank_ode.nets.skips import Residual, ZeroPadded


def plain(n):
    return Dense(n, "identity", gain=1.0, bias=False)


def residual(norm=BatchNorm, skip=Residual, padded=ZeroPadded, pool=AveragePool,
             whole=GlobalAverage):
    """All kinds of shortcuts: padded, a convolution, the inputs themselves; 9 × 9 pixels, then
    5 × 5, 3 × 3, 2 × 2."""
    return Network((9, 9, 3), (
        Patches(3, 1, 1), plain(4), norm("tanh"), pool(3, 2, 1),
        skip((Patches(3, 2, 1), plain(6), norm("tanh"), Patches(3, 1, 1), plain(6), norm()),
             (padded(6, 2),), "tanh"),
        skip((Patches(3, 2, 1), plain(8), norm("tanh")), (Patches(1, 2), plain(8), norm()), "tanh"),
        skip((skip((plain(8),), (), "tanh"), plain(8), norm()), (), "tanh"),
        whole(), Dense(3, "identity")))


RANKS = [2, None, 2, 2, None, 2, None, None]          # of its weights


def trained(seed=0, ranks=RANKS):
    net, rng = residual(), np.random.default_rng(seed)
    params, x, _ = draw(net, rng, ranks, 12)
    return net, params, x


def spoiled(layer, A, *blocks):
    """(out, dA, dout, gradients) with buffers that hold NaN at first: what is not written is
    seen."""
    rng = np.random.default_rng(0)
    with ExitStack() as stack:
        for module in (averages, convolution, images, norms, skips):
            stack.enter_context(patch.object(module, "buffer",
                                             lambda shape, dtype: np.full(shape, np.nan, dtype)))
        out, kept = layer.forward(A, *blocks)
        dout = rng.standard_normal(out.shape).astype(out.dtype)
        dA, grads = layer.backward(dout.copy(), kept, *blocks)
        return out, dA, dout, grads
