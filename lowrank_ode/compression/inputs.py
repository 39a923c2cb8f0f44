"""The inputs of each layer of a network, for methods that look at data."""

import numpy as np

from ..matrices.validation import check_finite
from ..nets.numerical import untouched

CHUNK = 1 << 22         # numbers of inputs of a layer, at most, that are looked at in one piece


def inputs_of(net, params, weights, x):
    """(weight, A) for parts of the examples, A (batch, …, m) the inputs of the layer of a weight,
    in double precision.

    Raises ValueError unless x is an array (samples ≥ 1, inputs) of finite floats.
    """
    x, seen = _checked(net, x), []
    together = any(getattr(layer, "together", False) for _, layer, _ in net.parts)
    largest = max(weight.positions * weight.shape[1] for weight in weights) if weights else 1
    batch = len(x) if together else max(1, CHUNK // largest)
    at = dict.fromkeys(range(len(net.parts))) | {weight.place: weight for weight in weights}
    layers, blocks = _watched(net.layers, iter(at.values()), seen), net.split(params)
    for k in range(0, len(x), batch):
        part = x[k:k + batch].astype(params.blocks[0].dtype, copy=False)
        A = part.reshape(-1, *net.shape)
        for layer, own in zip(layers, blocks, strict=True):
            A, _ = layer.forward(untouched(A), *own)
            while seen:
                yield seen.pop(0)


class _Watched:
    """A layer that notes its inputs, in double precision, beside a weight."""

    def __init__(self, layer, weight, seen):
        self.layer, self.weight, self.seen = layer, weight, seen

    def __getattr__(self, name):
        return getattr(self.layer, name)

    def forward(self, A, *blocks):
        self.seen.append((self.weight, A.astype(np.float64)))
        return self.layer.forward(A, *blocks)


def _watched(chain, weights, seen):
    """The chain with these layers; weights: the next ones, None for a layer without."""
    layers = []
    for layer in chain:
        if branches := getattr(layer, "branches", ()):
            layers.append(layer.rebranched([_watched(branch, weights, seen)
                                            for branch in branches]))
        else:
            weight = next(weights)
            layers.append(_Watched(layer, weight, seen) if weight else layer)
    return tuple(layers)


def _checked(net, x):
    if x is None:
        raise ValueError(f"x: got None, expected inputs of the training set, (samples, "
                         f"{net.inputs})")
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != net.inputs:
        raise ValueError(f"x: shape {x.shape}, expected (samples ≥ 1, {net.inputs})")
    check_finite("x", x)
    return x
