"""A network with blocks inside blocks, and whether two networks compute the same."""

import numpy as np

from lowrank_ode.nets import Network
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.norms import BatchNorm
from lowrank_ode.nets.skips import Residual

EPS = np.finfo(float).eps


def residual(normalised=False):
    """A block with a shortcut that has a weight, and a block inside a block; 8 × 7 pixels of 4
    channels. Weights 8 × 36, 8 × 72, 8 × 4, 8 × 72, 8 × 8, 3 × 48."""
    norm = (BatchNorm("tanh"),) if normalised else ()
    inner = Residual((Patches(3, 1, 1), Dense(8, "tanh", bias=False), *norm), (), "identity")
    return Network((8, 7, 4), (
        Residual((Patches(3, 2, 1), Dense(8, "tanh"), Patches(3, 1, 1), Dense(8, "tanh"), *norm),
                 (Patches(1, 2), Dense(8, "identity", bias=False)), "tanh"),
        Residual((inner, Dense(8, "tanh")), (), "tanh"),
        MaxPool(2), Flatten(), Dense(3, "identity")))


def agrees(net, whole, new, cut, x):
    outputs, right = new.outputs(cut, x), net.outputs(whole, x)
    return np.abs(outputs - right).max() <= 1e-12 * max(1, np.abs(right).max())
