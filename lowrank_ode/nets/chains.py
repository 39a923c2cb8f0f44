"""Layers one after another, there and back, and layers that are made of such chains."""

import math
from itertools import accumulate, repeat

import numpy as np

from .convolution import joined
from .numerical import untouched


def shapes(layers, inputs):
    """Of an example before the first layer, and after each."""
    return [*accumulate(layers, lambda A, layer: layer.shape(A), initial=tuple(inputs))]


def parts(layers, inputs):
    """(layer below or None, layer, shape of its inputs) of each layer that is not made of others,
    in the order of their blocks; None for the first layer of a chain."""
    below = None
    for layer, A in zip(layers, shapes(layers, inputs), strict=False):
        if branches := getattr(layer, "branches", ()):
            for branch in branches:
                yield from parts(branch, A)
        else:
            yield below, layer, A
        below = layer


def count_of_weights(layer):
    """How many of its blocks, the first ones, are weights that may be of low rank."""
    return int(getattr(layer, "low_rank", 0))


def numbers(layers, inputs):
    """Of one example, in the outputs of all layers."""
    return sum(math.prod(layer.shape(A)) for _, layer, A in parts(layers, inputs))


def start(layers, rng, inputs, ranks, dtype):
    """The blocks of all layers at a random start; ranks is an iterator, an entry a weight."""
    blocks = []
    for _, layer, A in parts(layers, inputs):
        own = [next(ranks) for _ in range(count_of_weights(layer))] or [None]
        blocks += layer.init(rng, A, own if len(own) > 1 else own[0], dtype)
    return blocks


def split(blocks, layers, inputs):
    """The blocks of each layer, a list a layer."""
    blocks = iter(blocks)
    return [[next(blocks) for _ in layer.blocks(A)]
            for layer, A in zip(layers, shapes(layers, inputs), strict=False)]


def forward(layers, blocks, A):
    """(outputs, what was passed on the way: layer, what it kept, its blocks)."""
    passed = []
    for layer, own in joined(layers, blocks):
        A, kept = layer.forward(untouched(A), *own)
        passed.append((layer, kept, own))
    return A, passed


def backward(passed, dA):
    """(gradient of the inputs, gradients of all blocks in a row); may overwrite dA."""
    grads = []
    for layer, kept, own in reversed(passed):
        dA, found = layer.backward(dA, kept, *own)
        grads = [*found, *grads]
    return dA, grads


def gradient(passed, dA):
    """The gradients of all blocks in a row. Nobody asks for one below the first layer with any."""
    first = next(k for k, (_, _, own) in enumerate(passed) if own)
    dA, grads = backward(passed[first + 1:], dA)
    layer, kept, own = passed[first]
    last = getattr(layer, "gradient", lambda *args: layer.backward(*args)[1])
    return [*last(dA, kept, *own), *grads]


class Branched:
    """A layer made of chains that all start from its inputs: `branches`, a tuple of them. Its
    blocks are those of their layers, in a row; `rebranched(branches)` is the same with others."""

    def blocks(self, inputs):
        return tuple(shape for branch in self.branches for _, layer, A in parts(branch, inputs)
                     for shape in layer.blocks(A))

    def init(self, rng, inputs, rank, dtype):
        """rank: a list with an entry for each weight, or one for all."""
        ranks = repeat(rank) if rank is None or np.isscalar(rank) else iter(rank)
        return [X for branch in self.branches for X in start(branch, rng, inputs, ranks, dtype)]

    def split(self, blocks, inputs):
        """For each branch the blocks of its layers, a list a layer."""
        blocks = iter(blocks)
        return [split(blocks, branch, inputs) for branch in self.branches]

    def changed(self, change, blocks, inputs):
        """(layer, blocks): change(branch, blocks, inputs) → (layers, their blocks in a row) in the
        place of each branch; blocks of a branch as `split` has them."""
        branches, found = zip(*(change(branch, own, inputs) for branch, own in
                                zip(self.branches, self.split(blocks, inputs), strict=True)),
                              strict=True)
        return self.rebranched(branches), [X for own in found for X in own]
