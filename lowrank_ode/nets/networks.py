"""Networks: layers one after another, and a loss. Hand-written backprop, without a graph.

Activations are kept example after example, so that a part of the batch lies in one piece. With an example (for a convolution, a pixel) a
column of Z, as in the papers, and Δ = ∂loss/∂(W Z + b 1ᵀ), the gradients are ∇_W = Δ Zᵀ, kept as these two factors, and ∇_b = Δ 1. W may be
an ndarray or a LowRank, in which case nothing of size m × n appears, but for kernels and their gradients (`Dense.sums_pixels`).
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np

from ..matrices import THREADS, DirectSum, LowRank, all_finite, check_count, check_ranks, in_threads
from .activations import ACTIVATIONS
from .layers import Dense, Flatten, MaxPool, Patches
from .losses import LOSSES
from .rooms import begin_pass, room

CHUNK = 1000        # predictions are made for so many examples at a time
CACHED = 2_200_000  # so many numbers of images, activations one after another, are found in the cache by the layer that reads them next


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
        weights, x, dtype = self._checked(params, x)

        def forward(J):
            A = x[J]
            for layer, shape, own in zip(self.layers, self._shapes[1:], weights, strict=True):
                out = room((len(A), *shape), dtype)
                layer.forward(A, out, *own)
                A = out
            return A

        return np.concatenate(in_threads(forward, self._parts(len(x), CHUNK)))

    def value(self, params, x, labels):
        """Loss of the batch x (batch, inputs) with labels (batch,), see nets/losses.py."""
        return LOSSES[self.loss](self.outputs(params, x).T, labels)[0]

    def value_and_grad(self, params, x, labels):
        """Loss and its gradient, a DirectSum like params; the gradient of a weight is a LowRank Δ Zᵀ with a column an example (or pixel),
        or for kernels, if smaller, an ndarray. Z of the first layer may be x itself, not a copy.

        Raises ValueError for an empty batch, complex weights, NaN or Inf in x, or labels out of range.
        """
        loss, blocks = self.backprop(params, x, labels)
        return loss, DirectSum([*blocks][::-1])

    def backprop(self, params, x, labels, scale=1):
        """`value_and_grad`, but the gradient, that of scale · loss, as an iterator over its blocks, the last one first.

        Each is found when its turn comes, from params and x as they are then; where the batch goes there and back in several parts, for
        images or threads, not before the last part is back.
        """
        weights, x, dtype = self._checked(params, x)
        if dtype.kind == "c":
            raise ValueError(f"params: {dtype}, expected real weights; only `value` takes complex ones, for a complex step")
        labels, batch, first = np.asarray(labels), len(x), self._dense[0]
        if labels.shape[:1] != (batch,):
            raise ValueError(f"labels: shape {labels.shape}, expected one for each of {batch} examples")
        summed = {k for k in self._dense if self.layers[k].sums_pixels(self._shapes[k], weights[k][0])}
        kept = {j for k in set(self._dense) - summed for j in (k, k + 1)}               # of these consist gradients in factors
        A = {k: room((batch, *self._shapes[k]), dtype) for k in kept - {0}} | {0: x}
        D = {k: room((batch, *self._shapes[k]), dtype) for k in kept if k > first}

        def there_and_back(J):
            """The loss of a part of the batch; of each layer with weights, from the last one on, (ZᴴV, ΔᴴU), or the gradient, if summed."""
            size = J.stop - J.start

            def lent(X, k):
                return X[k][J] if k in X else room((size, *self._shapes[k]), dtype)

            a = [lent(A, k) for k in range(len(self._shapes))]
            d = [lent(D, k) if k > first else None for k in range(len(self._shapes))]
            ZV = [layer.forward(a[k], a[k + 1], *weights[k]) for k, layer in enumerate(self.layers)]
            loss, delta = LOSSES[self.loss](a[-1].T, labels[J])
            d[-1][...] = scale * size / batch * delta.T
            yield size / batch * loss
            for k in reversed(range(first, len(weights))):
                layer, known = self.layers[k], ()
                if k in self._dense:
                    known = [layer.delta(a[k + 1], d[k + 1], weights[k][0])]
                    yield layer.gradient(a[k], d[k + 1]) if k in summed else (ZV[k], *known)
                if k > first:
                    layer.backward(a[k], a[k + 1], d[k + 1], d[k], *weights[k], *known)

        parts = [there_and_back(J) for J in self._parts(batch, batch)]
        parts = [*map(iter, parts if len(parts) == 1 else in_threads(list, parts))]     # several: to the end, one after the other
        loss = sum(map(next, parts))

        def blocks():
            for k, found in zip(reversed(self._dense), zip(*parts, strict=True), strict=True):
                if k in summed:
                    W, b = map(sum, zip(*found, strict=True))
                else:
                    products = (X[0] if X[0] is None or len(X) == 1 else np.concatenate(X) for X in zip(*found, strict=True))
                    W, b = self.layers[k].gradient(A[k], D[k + 1], weights[k][0], *products)
                yield b
                yield W

        return loss, blocks()

    def accuracy(self, params, x, labels):
        """Fraction of examples whose largest output is that of their label."""
        outputs, labels = self.outputs(params, x), np.asarray(labels)
        if labels.shape != (len(outputs),):
            raise ValueError(f"labels: shape {labels.shape}, expected ({len(outputs)},)")
        return (outputs.argmax(axis=1) == labels).mean()

    def _checked(self, params, x):
        """(W, b) of each dense layer and () of the others; x as images, in the precision of the weights; that of the activations."""
        weights, dtype = self._weights(params), np.result_type(*{X.dtype for X in params.blocks})
        x = np.asarray(x, dtype=params.blocks[0].dtype)
        if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != self.inputs:
            raise ValueError(f"x: shape {x.shape}, expected (batch ≥ 1, {self.inputs})")
        if not all_finite(x):
            raise ValueError("x: NaN or Inf, expected finite numbers")
        begin_pass()
        return weights, x.reshape(len(x), *self.shape), dtype

    def _parts(self, batch, most):
        """The batch in slices: at most so many examples, and no more than have their images in a cache at the same time; one a thread."""
        numbers = sum(math.prod(shape) for shape in self._shapes if len(shape) > 1)
        most = max(1, min(most, CACHED // max(1, numbers)))
        parts = min(batch, THREADS * -(-batch // (most * THREADS)))
        return [slice(batch * k // parts, batch * (k + 1) // parts) for k in range(parts)]

    def _weights(self, params):
        """(W, b) of each dense layer and () of the others."""
        if not isinstance(params, DirectSum):
            raise ValueError(f"params: got {type(params).__name__}, expected a DirectSum of blocks of shapes {self._block_shapes}")
        if [X.shape for X in params.blocks] != self._block_shapes:
            raise ValueError(f"params: blocks of shapes {[X.shape for X in params.blocks]}, expected {self._block_shapes}")
        pairs = zip(params.blocks[::2], params.blocks[1::2], strict=True)
        return [next(pairs) if isinstance(layer, Dense) else () for layer in self.layers]

    @cached_property
    def _shapes(self):
        """Of an example before the first layer, and after each."""
        return [*accumulate(self.layers, lambda shape, layer: layer.shape(shape), initial=self.shape)]

    @cached_property
    def _block_shapes(self):
        """Of the blocks of parameters."""
        return [shape for m, n in self.weight_shapes for shape in ((m, n), (m, 1))]

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


def _dense_start(rng, m, n, gain, dtype):
    return (np.sqrt(gain / n) * rng.standard_normal((m, n))).astype(dtype)


def _lowrank_start(rng, m, n, r, gain, dtype):
    r = check_count("rank", r, most=min(m, n), where=f" for a {m} × {n} layer")
    U, V = (np.linalg.qr(rng.standard_normal((k, r)))[0].astype(dtype) for k in (m, n))
    return LowRank(U, (np.sqrt(gain * m) / r * rng.standard_normal((r, r))).astype(dtype), V)
