"""Networks: layers one after another, and a loss. Hand-written backprop, without a graph.

Activations are kept example after example, so that a part of the batch lies in one piece. With an example (for a convolution, a pixel) a
column of Z, as in the papers, and Δ = ∂loss/∂(W Z + b 1ᵀ), the gradients are ∇_W = Δ Zᵀ, kept as these two factors, and ∇_b = Δ 1. W may be
an ndarray or a LowRank, in which case nothing of size m × n appears, but for the gradients of kernels (`Dense.gradient`).
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np

from ..matrices import THREADS, DirectSum, LowRank, check_count, check_ranks, in_threads, orth
from .activations import ACTIVATIONS
from .layers import Dense, Flatten, MaxPool, Patches
from .losses import LOSSES
from .rooms import room

CHUNK = 1000        # predictions are made for so many examples at a time


@dataclass(frozen=True)
class Network:
    """`layers` (nets/layers.py) on inputs of the given shape, (inputs,) or (height, width, channels), and a loss of the last one's outputs.

    Raises ValueError if layers do not fit each other, or for an unknown loss.
    """

    shape: tuple
    layers: tuple
    loss: str = "cross_entropy"

    def __post_init__(self):
        for n in self.shape:
            check_count("shape", n)
        if not (self.layers and isinstance(self.layers[-1], Dense) and len(self._shapes[-1]) == 1):
            raise ValueError(f"layers: got {self.layers} with outputs {self._shapes[-1]}, expected a Dense one on a row at the end")
        if self.loss not in LOSSES:
            raise ValueError(f"loss: got {self.loss!r}, expected one of {', '.join(LOSSES)}")

    def __str__(self):
        return "-".join(map(str, (self.inputs, *(self.layers[k].n for k in self._dense))))

    @property
    def inputs(self):
        """Numbers of an example."""
        return math.prod(self.shape)

    @property
    def classes(self):
        return self.layers[-1].n

    @property
    def weight_shapes(self):
        """(outputs, inputs) of each weight matrix."""
        return [(self.layers[k].n, self._shapes[k][-1]) for k in self._dense]

    def init(self, rng, rank=None, dtype=np.float64):
        """Random start [W1, b1, W2, b2, …], b = 0, scaled so that activations keep their size through the layers (He, LeCun).

        rank None: dense weights. An int: hidden layers are LowRank of that rank, the last layer dense. A sequence: one entry a layer, None
        for a dense one. A LowRank start has random orthonormal bases and a Gaussian core, with the mean ‖W‖² of a dense start.
        Raises ValueError unless 1 ≤ rank ≤ min(m, n) in each layer.
        """
        blocks, shapes = [], self.weight_shapes
        for (m, n), r, below in zip(shapes, check_ranks(rank, len(shapes)), [self._dense[0], *self._dense], strict=False):
            gain = ACTIVATIONS[self.layers[below].activation].gain      # of what made the inputs; of the layer itself for the first
            W = _dense_start(rng, m, n, gain, dtype) if r is None else _lowrank_start(rng, m, n, r, gain, dtype)
            blocks += [W, np.zeros((m, 1), dtype)]
        return DirectSum(blocks)

    def outputs(self, params, x):
        """Outputs before the softmax, (batch, classes), for x (batch, inputs)."""
        chunks = [x[k:k + CHUNK] for k in range(0, len(x), CHUNK)] or [x]
        return np.concatenate([self._forward(params, chunk)[0][-1] for chunk in chunks])

    def value(self, params, x, labels):
        """Loss of the batch x (batch, inputs) with labels (batch,), see nets/losses.py."""
        return LOSSES[self.loss](self._forward(params, x)[0][-1].T, labels)[0]

    def value_and_grad(self, params, x, labels):
        """Loss and its gradient, a DirectSum like params; the gradient of a weight is a LowRank Δ Zᵀ with a column an example (or pixel),
        or an ndarray where these are so many that it is smaller.

        Raises ValueError for an empty batch, NaN or Inf in x, or labels out of range.
        """
        A, ZV = self._forward(params, x)
        loss, delta = LOSSES[self.loss](A[-1].T, labels)
        first, weights = self._dense[0], self._weights(params)
        D = [delta.T]
        for k in reversed(range(first + 1, len(self.layers))):                  # put in front: with respect to A[k]
            D.insert(0, D[0].reshape(A[k].shape) if isinstance(self.layers[k], Flatten) else room(A[k].shape, A[k].dtype))
        D = [None] * (first + 1) + D

        def backward(A, D):
            return [self.layers[k].backward(A[k], A[k + 1], D[k + 1], D[k], *weights[k]) for k in reversed(range(first, len(weights)))]

        DU = [*_by_examples(backward, A, D), *[None] * first][::-1]
        grads = [self.layers[k].gradient(A[k], D[k + 1], weights[k][0], ZV[k], DU[k]) for k in self._dense]
        return loss, DirectSum(X for pair in grads for X in pair)

    def accuracy(self, params, x, labels):
        """Fraction of examples whose largest output is that of their label."""
        outputs, labels = self.outputs(params, x), np.asarray(labels)
        if labels.shape != (len(outputs),):
            raise ValueError(f"labels: shape {labels.shape}, expected ({len(outputs)},)")
        return (outputs.argmax(axis=1) == labels).mean()

    def _forward(self, params, x):
        """[A_0 = x, A_1, …, outputs], what goes into each layer, in the precision of the parameters, and ZᴴV of each layer of low rank."""
        weights, dtype = self._weights(params), np.result_type(*(X.dtype for X in params.blocks))
        x = np.asarray(x, dtype=params.blocks[0].dtype)
        if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != self.inputs:
            raise ValueError(f"x: shape {x.shape}, expected (batch ≥ 1, {self.inputs})")
        if not np.isfinite(x).all():
            raise ValueError("x: NaN or Inf, expected finite numbers")
        A = [x.reshape(len(x), *self.shape)]
        for layer, shape in zip(self.layers, self._shapes[1:], strict=True):
            A.append(A[-1].reshape(len(x), *shape) if isinstance(layer, Flatten) else room((len(x), *shape), dtype))

        def forward(A):
            return [layer.forward(A[k], A[k + 1], *weights[k]) for k, layer in enumerate(self.layers)]

        return A, _by_examples(forward, A)

    def _weights(self, params):
        """(W, b) of each dense layer and () of the others."""
        shapes = [shape for m, n in self.weight_shapes for shape in ((m, n), (m, 1))]
        if not isinstance(params, DirectSum):
            raise ValueError(f"params: got {type(params).__name__}, expected a DirectSum of blocks of shapes {shapes}")
        if [X.shape for X in params.blocks] != shapes:
            raise ValueError(f"params: blocks of shapes {[X.shape for X in params.blocks]}, expected {shapes}")
        pairs = zip(params.blocks[::2], params.blocks[1::2], strict=True)
        return [next(pairs) if isinstance(layer, Dense) else () for layer in self.layers]

    @cached_property
    def _shapes(self):
        """Of an example before the first layer, and after each."""
        return [*accumulate(self.layers, lambda shape, layer: layer.shape(shape), initial=self.shape)]

    @cached_property
    def _dense(self):
        """Numbers of the layers that have weights."""
        return [k for k, layer in enumerate(self.layers) if isinstance(layer, Dense)]


def mlp(widths, activation="relu", loss="cross_entropy"):
    """Fully connected network of widths [inputs, hidden …, outputs], the activation after every layer but the last.

    activation: relu, tanh, softplus or identity; loss: cross_entropy or mean_squares.

    >>> net = mlp([784, 100, 100, 10])
    >>> params = net.init(np.random.default_rng(0), rank=20)
    >>> loss, grads = net.value_and_grad(params, np.ones((3, 784)), np.array([0, 1, 2]))
    >>> grads.blocks[0]
    <100×784 LowRank matrix of rank 3, float64>
    """
    if len(widths) < 2:
        raise ValueError(f"widths: got {widths}, expected at least two: inputs, hidden widths, outputs")
    inputs, *widths = (check_count("widths", n) for n in widths)
    *hidden, last = (Dense(n, activation) for n in widths)
    return Network((inputs,), (*hidden, replace(last, activation="identity")), loss)


def lenet5(shape=(28, 28, 1), classes=10, activation="relu", loss="cross_entropy"):
    """LeNet5 as in [SZKCT22]: 20 and 50 kernels of 5 × 5, each layer with max pooling by 2, then 500 and `classes` outputs.

    Weight matrices 20 × 25, 50 × 500, 500 × 800, 10 × 500 for MNIST: kernels are unfolded filter by filter, a row each.
    """
    return Network(tuple(shape), (Patches(5), Dense(20, activation), MaxPool(), Patches(5), Dense(50, activation), MaxPool(), Flatten(),
                                  Dense(500, activation), Dense(classes, "identity")), loss)


def _by_examples(function, *stacks):
    """function(*stacks) on as many parts of the batch as there are threads, first indices of all arrays; what it returns, rows, joined."""
    batch = len(stacks[0][0])
    parts = min(batch, THREADS)
    cuts = [slice(batch * k // parts, batch * (k + 1) // parts) for k in range(parts)]
    rows = in_threads(lambda J: function(*([X if X is None else X[J] for X in stack] for stack in stacks)), cuts)
    return [None if pieces[0] is None else np.concatenate(pieces) for pieces in zip(*rows, strict=True)]


def _dense_start(rng, m, n, gain, dtype):
    return (np.sqrt(gain / n) * rng.standard_normal((m, n))).astype(dtype)


def _lowrank_start(rng, m, n, r, gain, dtype):
    r = check_count("rank", r, most=min(m, n), where=f" for a {m} × {n} layer")
    U, V = (orth(rng.standard_normal((k, r))).astype(dtype) for k in (m, n))
    return LowRank(U, (np.sqrt(gain * m) / r * rng.standard_normal((r, r))).astype(dtype), V)
