"""Networks: layers one after another, and a loss. Hand-written backprop, without a graph."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from ..generators import generator
from ..matrices import DirectSum
from ..options import check_count
from . import chains
from .chains import count_of_weights
from .convolution import joined
from .losses import class_indices, determination, loss_of
from .numerical import blocks_of, numerical, untouched

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
        for name, expected in (("shape", "(inputs,) or (height, width, channels)"),
                               ("layers", "a sequence of layers")):
            given = getattr(self, name)
            if np.ndim(given) == 0:
                raise ValueError(f"{name}: got {given}, expected {expected}")
            object.__setattr__(self, name, tuple(given))
        for n in self.shape:
            check_count("shape", n)
        if wrong := [layer for layer in self.layers
                     if isinstance(layer, type) or not hasattr(layer, "forward")]:
            raise ValueError(f"layers: got {wrong[0]}, expected a layer, such as Dense(10)")
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
    def weight_places(self):
        """Where each of these is among the blocks of all layers."""
        starts = accumulate((len(layer.blocks(A)) for _, layer, A in self.parts), initial=0)
        return [start + k for start, (_, layer, _) in zip(starts, self.parts, strict=False)
                for k in range(count_of_weights(layer))]

    @property
    def weights_of_the_last(self):
        """How many of these are those of the last layer that has any."""
        counts = [count_of_weights(layer) for _, layer, _ in self.parts]
        return next(filter(None, reversed(counts)))

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
        dense. A sequence: one entry a weight, None for a dense one. rng: a Generator or a seed.
        Raises ValueError unless 1 ≤ rank ≤ min(m, n) in each layer, and for a dtype of no floats.
        """
        rng, dtype = generator(rng), np.dtype(dtype)
        if dtype.kind not in "fc":
            raise ValueError(f"dtype: got {dtype}, expected one of floats")
        ranks = iter(check_ranks(rank, len(self.weight_shapes), self.weights_of_the_last))
        return DirectSum(chains.start(self.layers, rng, self.shape, ranks, dtype))

    def split(self, params):
        """The blocks of each layer, a list a layer; ValueError if params do not fit the layers, or
        are no floats."""
        shapes = [shape for own in self._blocks for shape in own]
        if [X.shape for X in blocks_of(params)] != shapes:
            raise ValueError(f"params: blocks of shapes {[X.shape for X in params.blocks]}, "
                             f"expected {shapes}")
        for k, X in enumerate(params.blocks):
            if isinstance(X, np.ma.MaskedArray) or X.dtype.kind not in "fc":
                raise ValueError(f"params.blocks[{k}]: got {type(X).__name__} of {X.dtype}, "
                                 "expected floats, none of them masked")
        blocks = iter(params.blocks)
        return [[next(blocks) for _ in shapes] for shapes in self._blocks]

    def value_and_grad(self, params, x, labels):
        """Loss of the batch x (batch, inputs) with labels (batch,), and its gradient, a DirectSum
        like params.

        The gradient of a weight is a LowRank Δ Zᵀ with a column an example (or pixel), or for
        kernels, if smaller, an ndarray. Z of the first layer may be x itself, not a copy.
        Raises ValueError for an empty batch, complex weights, inputs or targets, NaN or Inf in x,
        labels out of range, and a loss that is no number or whose Δ is not like the outputs.
        """
        blocks, A = self.checked(params, x)
        if np.result_type(*{X.dtype for X in params.blocks}).kind == "c":
            raise ValueError("params: complex, expected real weights; only `value` takes complex "
                             "ones, for a complex step")
        A, passed = chains.forward(self.layers, blocks, A)
        loss, delta = self._loss(A, labels)
        return loss, DirectSum(chains.gradient(passed, _with_an_example_a_row(delta, A)))

    def outputs(self, params, x):
        """Outputs before the softmax, (batch, classes), for x (batch, inputs), complex only where
        the weights are; in chunks, in one if a layer takes the batch together."""
        blocks, x = self.checked(params, x)
        together = any(getattr(layer, "together", False) for _, layer, _ in self.parts)
        size = len(x) if together else max(1, CHUNK // self._numbers)
        return np.concatenate([self._forward(blocks, x[k:k + size])
                               for k in range(0, len(x), size)])

    def _forward(self, blocks, A):
        for layer, own in joined(self.layers, blocks):
            A, _ = layer.forward(untouched(A), *own)
        return A

    def value(self, params, x, labels):
        """Loss of the batch x (batch, inputs) with labels (batch,), see nets/losses.py."""
        return self._loss(self.outputs(params, x), labels)[0]

    def _loss(self, A, labels):
        """Value and Δ for outputs A, an example a row; ValueError unless the value is a number."""
        value, delta = loss_of(self.loss)(A.copy().T, labels)       # it may overwrite outputs
        if np.ndim(value) or (np.iscomplexobj(value) and not np.iscomplexobj(A)):
            raise ValueError(f"loss: value {value}, expected a real number")
        return value, delta

    def accuracy(self, params, x, labels):
        """Fraction of examples whose largest output is that of their label; for targets, floats
        (batch, classes), R², the part of their variance that the outputs explain (nets/losses.py).

        Raises ValueError as `value_and_grad`, and for outputs that are not finite.
        """
        outputs = self.outputs(params, x)
        if not np.isfinite(outputs).all():
            raise ValueError("outputs: NaN or Inf, expected finite numbers: "
                             "the weights, or the inputs, are too large")
        if np.ndim(labels) == 2 and np.asarray(labels).dtype.kind == "f":
            return determination(outputs, labels)
        labels = class_indices(labels, self.classes, len(outputs))
        return (outputs.argmax(axis=1) == labels).mean()

    def checked(self, params, x):
        """The blocks of each layer; x as inputs of the first, in the precision of the weights."""
        own = self.split(params)
        dtype = params.blocks[0].dtype
        x = numerical("x", x, "biufc" if dtype.kind == "c" else "biuf").astype(dtype, copy=False)
        if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != self.inputs:
            raise ValueError(f"x: shape {x.shape}, expected (batch ≥ 1, {self.inputs})")
        if not np.isfinite(x).all():
            raise ValueError("x: NaN or Inf, expected finite numbers")
        return own, x.reshape(len(x), *self.shape)


def _with_an_example_a_row(delta, outputs):
    """Δ = ∂loss/∂outputs, (classes, batch), as a new array like the outputs."""
    delta = numerical("loss: Δ", delta)
    if delta.shape != outputs.T.shape:
        raise ValueError(f"loss: Δ of shape {delta.shape}, expected {outputs.T.shape}, "
                         "(classes, batch)")
    return np.array(delta.T, dtype=outputs.dtype, order="C")


def check_ranks(rank, weights, last=1):
    """A rank for each of so many weights, None for a dense one: `rank` if it is a sequence; else
    that of the hidden layers, the last layer dense, which has the `last` of the weights.

    Raises ValueError for a sequence of another length, and for a number without hidden layers.
    """
    number = np.ndim(rank) == 0
    if number and rank is not None and weights == last:
        raise ValueError(f"rank: got {rank} for a single layer, which it would leave dense, "
                         f"expected {[rank] * last} or None")
    ranks = [rank] * (weights - last) + [None] * last if number else rank
    if len(ranks) != weights:
        raise ValueError(f"rank: got {len(ranks)} entries, "
                         f"expected one for each of {weights} weights")
    return ranks


