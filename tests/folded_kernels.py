"""A layer of 3 × 5 kernels, its decompositions of every scheme, and the convolution with the kernel
multiplied out."""

import numpy as np

from lowrank_ode import DirectSum, best_approximation
from lowrank_ode.compression.kernels import SCHEMES, fold, replaced, unfold, windows
from lowrank_ode.nets import Network
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense

KERNEL = 3, 5
CUTS = [*((scheme, 1) for scheme in SCHEMES),
        *((scheme, k) for scheme in SCHEMES[:-1] for k in (2, 6))]          # 6: a channel each


def convolution(stride=1, padding=0, channels=6, activation="tanh"):
    """A 3 × 5 kernel, 4 filters, on 7 × 8 pixels."""
    return Network((7, 8, channels), (Patches(KERNEL, stride, padding), Dense(4, activation),
                                      Flatten(), Dense(2, "identity")), "mean_squares")


def start(net, rng, dtype=np.float64):
    params = net.init(rng, dtype=dtype)
    return DirectSum([X + rng.standard_normal(X.shape).astype(dtype) / 10 for X in params.blocks])


def cut(W, scheme, groups, ranks):
    """Its parts at a rank each, one for all if they are to be equal; None for full rank."""
    parts = fold(W, KERNEL, scheme, groups)
    return tuple(best_approximation(part, rank=min(r or 99, *part.shape))
                 for part, r in zip(parts, np.broadcast_to(ranks, len(parts)), strict=True))


def runs(net, params, piece, rng, batch=3):
    """(outputs, those with the weight multiplied out)."""
    x = rng.standard_normal((batch, net.inputs))
    W, *rest = params.blocks
    W = unfold(piece.parts, windows(net)[0].kernel, piece.scheme)
    found, found_params = replaced(net, params, [piece, *[None] * (len(net.weight_shapes) - 1)])
    return found.outputs(found_params, x), net.outputs(DirectSum([W, *rest]), x)


def close(found, truth):
    """Sums of 90 products of numbers of size 1, twice."""
    return found.shape == truth.shape and np.abs(found - truth).max() <= 1e-12 * max(
        1, np.abs(truth).max())
