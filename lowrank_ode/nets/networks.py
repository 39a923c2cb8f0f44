"""Networks: layers one after another, and a loss. Hand-written backprop, without a graph."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..matrices import DirectSum, check_count
from . import chains
from .activations import activation_of
from .chains import count_of_weights
from .images import Flatten, MaxPool, Patches
from .layers import Dense
from .losses import loss_of

CHUNK = 1 << 24         # numbers of activations, at most, while outputs are computed


@dataclass(frozen=True)
class Network:
    """`layers` (nets/layers.py) on inputs of the given shape, (inputs,) or (height, width,
    channels), and a loss of the last one's outputs, a name or a function (nets/losses.py).

    Raises ValueError if layers do not fit each other, for an unknown loss, and if no layer has a
    weight.
    """

    shape: tuple
    layers: tuple
    loss: str | Callable = "cross_entropy"

    def __post_init__(self):
        for n in self.shape:
            check_count("shape", n)
        loss_of(self.loss)
        if not self.weight_shapes or len(self._shapes[-1]) != 1:
            raise ValueError(f"layers: got {self.layers} with outputs {self._shapes[-1]}, "
                             "expected a weight, and a row of outputs")

    def __str__(self):
        outputs = [layer.shape(A)[-1] for _, layer, A in self.parts if count_of_weights(layer)]
        return "-".join(map(str, (self.inputs, *outputs)))

    @property
    def inputs(self):
        """Numbers of an example."""
        return math.prod(self.shape)

    @property
    def classes(self):
        return self._shapes[-1][0]

    @cached_property
    def weight_shapes(self):
        """(outputs, inputs) of each weight that may be of low rank."""
        return [shape for _, layer, A in self.parts
                for shape in layer.blocks(A)[:count_of_weights(layer)]]

    @cached_property
    def parts(self):
        """(layer below, layer, shape of its inputs) of all layers, those inside others, too, in
        the order of blocks; see nets/chains.py."""
        return [*chains.parts(self.layers, self.shape)]

    @cached_property
    def _shapes(self):
        """Of an example before the first layer, and after each."""
        return chains.shapes(self.layers, self.shape)

    @cached_property
    def _blocks(self):
        """Of each layer, the shapes of its blocks."""
        return [layer.blocks(A) for layer, A in zip(self.layers, self._shapes, strict=False)]

    @cached_property
    def _numbers(self):
        """Of one example, in the inputs and the outputs of all layers."""
        return self.inputs + chains.numbers(self.layers, self.shape)

    def init(self, rng, rank=None, dtype=np.float64):
        """Random start, the blocks of all layers in a row: [W1, b1, W2, b2, …], b = 0, scaled so
        that activations keep their size through the layers (He, LeCun).

        rank None: dense weights. An int: hidden layers are LowRank of that rank, the last layer
        dense. A sequence: one entry a weight, None for a dense one.
        Raises ValueError unless 1 ≤ rank ≤ min(m, n) in each layer.
        """
        counts = [count_of_weights(layer) for _, layer, _ in self.parts]
        last = next(filter(None, reversed(counts)))
        ranks = iter(check_ranks(rank, sum(counts), last))
        return DirectSum(chains.start(self.layers, rng, self.shape, ranks, dtype))

    def split(self, params):
        """The blocks of each layer, a list a layer; ValueError if params do not fit the layers."""
        shapes = [shape for own in self._blocks for shape in own]
        if not isinstance(params, DirectSum):
            raise ValueError(f"params: got {type(params).__name__}, "
                             f"expected a DirectSum of blocks of shapes {shapes}")
        if [X.shape for X in params.blocks] != shapes:
            raise ValueError(f"params: blocks of shapes {[X.shape for X in params.blocks]}, "
                             f"expected {shapes}")
        blocks = iter(params.blocks)
        return [[next(blocks) for _ in shapes] for shapes in self._blocks]

    def value_and_grad(self, params, x, labels):
        """Loss of the batch x (batch, inputs) with labels (batch,), and its gradient, a DirectSum
        like params.

        The gradient of a weight is a LowRank Δ Zᵀ with a column an example (or pixel), or for
        kernels, if smaller, an ndarray. Z of the first layer may be x itself, not a copy.
        Raises ValueError for an empty batch, complex weights, NaN or Inf in x, or labels out of
        range.
        """
        blocks, A = self.checked(params, x)
        if np.result_type(*{X.dtype for X in params.blocks}).kind == "c":
            raise ValueError("params: complex, expected real weights; only `value` takes complex "
                             "ones, for a complex step")
        A, passed = chains.forward(self.layers, blocks, A)
        loss, delta = loss_of(self.loss)(A.T, labels)
        dA = np.array(delta.T, dtype=A.dtype, order="C")
        return loss, DirectSum(chains.gradient(passed, dA))

    def outputs(self, params, x):
        """Outputs before the softmax, (batch, classes), for x (batch, inputs), in chunks; in one if
        a layer takes the batch together."""
        blocks, x = self.checked(params, x)
        together = any(getattr(layer, "together", False) for _, layer, _ in self.parts)
        size = len(x) if together else max(1, CHUNK // self._numbers)
        return np.concatenate([self._forward(blocks, x[k:k + size])
                               for k in range(0, len(x), size)])

    def _forward(self, blocks, A):
        for layer, own in zip(self.layers, blocks, strict=True):
            A, _ = layer.forward(A, *own)
        return A

    def value(self, params, x, labels):
        """Loss of the batch x (batch, inputs) with labels (batch,), see nets/losses.py."""
        return loss_of(self.loss)(self.outputs(params, x).T, labels)[0]

    def accuracy(self, params, x, labels):
        """Fraction of examples whose largest output is that of their label."""
        outputs, labels = self.outputs(params, x), np.asarray(labels)
        if labels.shape != (len(outputs),):
            raise ValueError(f"labels: shape {labels.shape}, expected ({len(outputs)},)")
        return (outputs.argmax(axis=1) == labels).mean()

    def checked(self, params, x):
        """The blocks of each layer; x as inputs of the first, in the precision of the weights."""
        own = self.split(params)
        x = np.asarray(x, dtype=params.blocks[0].dtype)
        if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != self.inputs:
            raise ValueError(f"x: shape {x.shape}, expected (batch ≥ 1, {self.inputs})")
        if not np.isfinite(x).all():
            raise ValueError("x: NaN or Inf, expected finite numbers")
        return own, x.reshape(len(x), *self.shape)


def check_ranks(rank, weights, last=1):
    """A rank for each of so many weights, None for a dense one: `rank` if it is a sequence; else
    that of the hidden layers, the last layer dense, which has the `last` of the weights.

    Raises ValueError for a sequence of another length, and for a number without hidden layers.
    """
    if np.isscalar(rank) and weights == last:
        raise ValueError(f"rank: got {rank} for a single layer, which it would leave dense, "
                         f"expected {[rank] * last} or None")
    number = rank is None or np.isscalar(rank)
    ranks = [rank] * (weights - last) + [None] * last if number else rank
    if len(ranks) != weights:
        raise ValueError(f"rank: got {len(ranks)} entries, "
                         f"expected one for each of {weights} weights")
    return ranks


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
    if len(widths) < 2:
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
    return Network(tuple(shape), layers, loss)


def _last(classes, below):
    """The last layer, its start scaled for what made its inputs."""
    return Dense(classes, "identity", gain=activation_of(below).gain)
