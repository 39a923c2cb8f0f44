"""The multilayer perceptron, forwards and backwards.

Activations are matrices with a column an example, Z (features, batch), as in the papers: a layer is Z ↦ σ(W Z + b 1ᵀ), and with
Δ = ∂loss/∂(W Z + b 1ᵀ) the gradients are ∇_W = Δ Zᵀ, kept as these two factors, ∇_b = Δ 1, and Wᵀ Δ for the layer below. W may be an
ndarray or a LowRank, in which case nothing of size m × n appears.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..matrices import THREADS, DirectSum, LowRank, check_count, in_threads, orth
from .activations import ACTIVATIONS
from .layers import backward, forward, gradient
from .losses import LOSSES


@dataclass(frozen=True)
class MLP:
    """Fully connected network of the given widths; the activation acts after every layer but the last. Make one with `mlp`."""

    widths: tuple
    activation: str = "relu"
    loss: str = "cross_entropy"

    def __post_init__(self):
        if len(self.widths) < 2:
            raise ValueError(f"widths: got {self.widths}, expected at least two: inputs, hidden widths, outputs")
        for n in self.widths:
            check_count("widths", n)
        for name, known in (("activation", ACTIVATIONS), ("loss", LOSSES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, expected one of {', '.join(known)}")

    def init(self, rng, rank=None, dtype=np.float64):
        """Random start [W1, b1, W2, b2, …], b = 0, scaled so that activations keep their size through the layers (He, LeCun).

        rank None: dense weights. An int: hidden layers are LowRank of that rank, the last layer dense. A sequence: one entry a layer, None
        for a dense one. A LowRank start has random orthonormal bases and a Gaussian core, with the mean ‖W‖² of a dense start.
        Raises ValueError unless 1 ≤ rank ≤ min(m, n) in each layer.
        """
        layers = len(self.widths) - 1
        ranks = [rank] * (layers - 1) + [None] if rank is None or np.isscalar(rank) else rank
        if len(ranks) != layers:
            raise ValueError(f"rank: got {len(ranks)} entries, expected one for each of {layers} layers")
        gain = ACTIVATIONS[self.activation].gain
        blocks = []
        for (n, m), r in zip(pairwise(self.widths), ranks, strict=True):
            W = _dense_start(rng, m, n, gain, dtype) if r is None else _lowrank_start(rng, m, n, r, gain, dtype)
            blocks += [W, np.zeros((m, 1), dtype)]
        return DirectSum(blocks)

    def outputs(self, params, x):
        """Outputs before the softmax, (batch, classes), for x (batch, inputs)."""
        return self._forward(params, x)[0][-1].T

    def value(self, params, x, labels):
        """Loss of the batch x (batch, inputs) with labels (batch,), see nets/losses.py."""
        return LOSSES[self.loss](self._forward(params, x)[0][-1], labels)[0]

    def value_and_grad(self, params, x, labels):
        """Loss and its gradient, a DirectSum like params; the gradient of a weight is a LowRank Δ Zᵀ of rank `batch`, never formed.

        Raises ValueError for an empty batch, NaN or Inf in x, or labels out of range.
        """
        weights, slope = params.blocks[::2], ACTIVATIONS[self.activation].slope
        Z, ZV = self._forward(params, x)
        loss, delta = LOSSES[self.loss](Z[-1], labels)
        D = [*map(np.empty_like, Z[1:-1]), delta]
        DU = _by_examples(lambda Z, D: _backward(weights, slope, Z, D), Z[:-1], D)
        gradients = map(gradient, weights, D, Z, DU, ZV)
        return loss, DirectSum([X for G, delta in zip(gradients, D, strict=True) for X in (G, delta.sum(axis=1, keepdims=True))])

    def accuracy(self, params, x, labels):
        """Fraction of examples whose largest output is that of their label."""
        outputs, labels = self.outputs(params, x), np.asarray(labels)
        if labels.shape != (len(outputs),):
            raise ValueError(f"labels: shape {labels.shape}, expected ({len(outputs)},)")
        return (outputs.argmax(axis=1) == labels).mean()

    def _forward(self, params, x):
        """[Z_0 = xᵀ, Z_1, …, outputs], in the precision of the parameters, and ZᴴV of each layer."""
        shapes = [shape for n, m in pairwise(self.widths) for shape in ((m, n), (m, 1))]
        if [X.shape for X in params.blocks] != shapes:
            raise ValueError(f"params: blocks of shapes {[X.shape for X in params.blocks]}, expected {shapes} for widths {self.widths}")
        x = np.asarray(x, dtype=params.blocks[0].dtype)
        if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != self.widths[0]:
            raise ValueError(f"x: shape {x.shape}, expected (batch ≥ 1, {self.widths[0]})")
        if not np.isfinite(x).all():
            raise ValueError("x: NaN or Inf, expected finite numbers")
        dtype, sigma = np.result_type(*(X.dtype for X in params.blocks)), ACTIVATIONS[self.activation].value
        Z = [x.T, *(np.empty((len(x), m), dtype).T for m in self.widths[1:])]           # F-ordered: a part of the batch lies in one piece
        return Z, _by_examples(lambda Z: _forward(params.blocks[::2], params.blocks[1::2], sigma, Z), Z)


def mlp(widths, activation="relu", loss="cross_entropy"):
    """An MLP of widths [inputs, hidden …, outputs]; activation relu, tanh, softplus or identity; loss cross_entropy or mean_squares.

    >>> net = mlp([784, 100, 100, 10])
    >>> params = net.init(np.random.default_rng(0), rank=20)
    >>> loss, grads = net.value_and_grad(params, np.ones((3, 784)), np.array([0, 1, 2]))
    >>> grads.blocks[0]
    <100×784 LowRank matrix of rank 3, float64>
    """
    return MLP(tuple(widths), activation, loss)


def _forward(weights, biases, sigma, Z):
    """From Z[0] on, write each activation into its place; the products ZᴴV."""
    products = []
    for k, (W, b) in enumerate(zip(weights, biases, strict=True)):
        products.append(forward(W, b, Z[k], out=Z[k + 1]))
        if k + 1 < len(weights):
            sigma(Z[k + 1])
    return products


def _backward(weights, slope, Z, D):
    """From D[-1] down, write each Δ into its place; the products ΔᴴU."""
    products = []
    for k in reversed(range(len(weights))):
        products.append(backward(weights[k], D[k], out=D[k - 1] if k else None))
        if k:
            D[k - 1] *= slope(Z[k])
    return products[::-1]


def _by_examples(function, *stacks):
    """function(*stacks) on as many parts of the batch, columns of all arrays, as there are threads; its products, rows, joined again."""
    batch = stacks[0][0].shape[1]
    parts = min(batch, THREADS)
    cuts = [slice(batch * k // parts, batch * (k + 1) // parts) for k in range(parts)]
    products = in_threads(lambda J: function(*([X[:, J] for X in stack] for stack in stacks)), cuts)
    return [None if pieces[0] is None else np.concatenate(pieces) for pieces in zip(*products, strict=True)]


def _dense_start(rng, m, n, gain, dtype):
    return (np.sqrt(gain / n) * rng.standard_normal((m, n))).astype(dtype)


def _lowrank_start(rng, m, n, r, gain, dtype):
    r = check_count("rank", r, most=min(m, n), where=f" for a {m} × {n} layer")
    U, V = (orth(rng.standard_normal((k, r))).astype(dtype) for k in (m, n))
    return LowRank(U, (np.sqrt(gain * m) / r * rng.standard_normal((r, r))).astype(dtype), V)
