"""The networks of the paper."""

import numpy as np

from ..options import check_count
from .activations import activation_of
from .images import Flatten, MaxPool, Patches
from .layers import Dense
from .networks import Network


def mlp(widths, activation="relu", loss="cross_entropy"):
    """Fully connected network of widths [inputs, hidden …, outputs], the activation after every
    layer but the last.

    activation: relu, tanh, softplus, identity, or an Activation; loss: cross_entropy, mean_squares,
    or a function.

    >>> net = mlp([784, 100, 100, 10])
    >>> params = net.init(np.random.default_rng(0), rank=20)
    >>> loss, grads = net.value_and_grad(params, np.ones((3, 784)), np.array([0, 1, 2]))
    >>> grads.blocks[0]
    <100×784 LowRank matrix of rank 3, float64>
    """
    if np.ndim(widths) != 1 or len(widths) < 2:
        raise ValueError(f"widths: got {widths}, "
                         "expected at least two: inputs, hidden widths, outputs")
    inputs, *hidden, classes = (check_count("widths", n) for n in widths)
    activation_of(activation)                               # refused also where no layer has it
    last = _last(classes, activation if hidden else "identity")
    return Network((inputs,), (*(Dense(n, activation) for n in hidden), last), loss)


def lenet5(shape=(28, 28, 1), classes=10, activation="relu", loss="cross_entropy"):
    """LeNet5 as in [SZKCT22]: 20 and 50 kernels of 5 × 5, each layer with max pooling by 2, then
    500 and `classes` outputs.

    Weight matrices 20 × 25, 50 × 500, 500 × 800, 10 × 500 for MNIST: kernels are unfolded filter by
    filter, a row each.
    """
    layers = (Patches(5), Dense(20, activation), MaxPool(),
              Patches(5), Dense(50, activation), MaxPool(),
              Flatten(), Dense(500, activation), _last(classes, activation))
    return Network(shape, layers, loss)


def _last(classes, below):
    """The last layer, its start scaled for what made its inputs."""
    return Dense(classes, "identity", gain=activation_of(below).gain)
