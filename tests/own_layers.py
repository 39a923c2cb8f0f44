"""Layers that the package does not have, as anybody may write them (nets/layers.py), and errors to
plant in them."""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from lowrank_ode.nets import Network
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense


class BatchNorm:
    """(z − mean) / deviation · γ + β for each feature, over the batch, and all pixels; deviations
    are ≥ √0.1, so that rounding errors are enlarged by 3 at most."""

    def shape(self, inputs):
        return inputs

    def blocks(self, inputs):
        return (inputs[-1], 1), (inputs[-1], 1)

    def init(self, rng, inputs, rank, dtype):
        return np.ones((inputs[-1], 1), dtype), np.zeros((inputs[-1], 1), dtype)

    def forward(self, A, gamma, beta):
        centred = A - A.mean(axis=self.all_but_last(A))
        deviation = np.sqrt((centred * centred).mean(axis=self.all_but_last(A)) + 0.1)
        z = centred / deviation
        return z * gamma.T[0] + beta.T[0], (z, deviation)

    def backward(self, dout, kept, gamma, beta):
        (z, deviation), axes = kept, self.all_but_last(dout)
        slopes = (dout * z).sum(axis=axes), dout.sum(axis=axes)
        dz = dout * gamma.T[0]
        dA = (dz - self.mean(dz) - z * self.mean(dz * z)) / deviation
        return dA, [slope[:, None] for slope in slopes]

    def mean(self, d):
        return d.mean(axis=self.all_but_last(d))

    @staticmethod
    def all_but_last(A):
        return tuple(range(A.ndim - 1))


@dataclass(frozen=True)
class Skip:
    """z + f(z), f made of layers."""

    layers: tuple

    def shapes(self, inputs):
        return [*accumulate(self.layers, lambda A, layer: layer.shape(A), initial=inputs)]

    def shape(self, inputs):
        return self.shapes(inputs)[-1]

    def blocks(self, inputs):
        return [shape for layer, A in zip(self.layers, self.shapes(inputs), strict=False)
                for shape in layer.blocks(A)]

    def init(self, rng, inputs, rank, dtype):
        return [X for layer, A in zip(self.layers, self.shapes(inputs), strict=False)
                for X in layer.init(rng, A, rank, dtype)]

    def forward(self, A, *blocks):
        out, passed, blocks = A, [], iter(blocks)
        for layer, inputs in zip(self.layers, self.shapes(A.shape[1:]), strict=False):
            own = [next(blocks) for _ in layer.blocks(inputs)]
            out, kept = layer.forward(out, *own)
            passed.append((layer, kept, own))
        return A + out, passed

    def backward(self, dout, passed, *blocks):
        dA, grads = dout.copy(), []                         # a layer may overwrite it
        for layer, kept, own in reversed(passed):
            dA, found = layer.backward(dA, kept, *own)
            grads = [*found, *grads]
        return self.joined(dA, dout), grads

    def joined(self, dA, dout):
        return dA + dout


class LowRankSkip(Skip):
    low_rank = True                                         # its first block is a weight


@dataclass(frozen=True)
class AveragePool:
    size: int = 2

    def shape(self, inputs):
        height, width, channels = inputs
        return height // self.size, width // self.size, channels

    blocks = init = staticmethod(lambda *_: ())

    def forward(self, A):
        height, width, channels = self.shape(A.shape[1:])
        return A.reshape(-1, height, self.size, width, self.size, channels).mean(axis=(2, 4)), None

    def backward(self, dout, kept):
        return self.spread(dout) / self.size**2, ()

    def spread(self, d):
        return d.repeat(self.size, axis=1).repeat(self.size, axis=2)


@dataclass(frozen=True)
class Grouped:
    """A convolution in which each group of channels has kernels of its own."""

    groups: int
    patches: Patches
    dense: Dense

    def shape(self, inputs):
        *image, n = self.dense.shape(self.patches.shape(self.part(inputs)))
        return *image, n * self.groups

    def blocks(self, inputs):
        return self.dense.blocks(self.patches.shape(self.part(inputs))) * self.groups

    def init(self, rng, inputs, rank, dtype):
        inputs = self.patches.shape(self.part(inputs))
        return [X for _ in range(self.groups) for X in self.dense.init(rng, inputs, None, dtype)]

    def forward(self, A, *blocks):
        outs, passed = [], []
        for k, part in enumerate(np.split(A, self.groups, axis=-1)):
            P, shape = self.patches.forward(part)
            out, kept = self.dense.forward(P, *blocks[2 * k:2 * k + 2])
            outs.append(out)
            passed.append((shape, kept))
        return np.concatenate(outs, axis=-1), passed

    def backward(self, dout, passed, *blocks):
        dAs, grads = [], []
        for k, (shape, kept) in enumerate(passed):
            part = np.split(dout, self.groups, axis=-1)[k].copy()
            dP, found = self.dense.backward(part, kept, *blocks[2 * k:2 * k + 2])
            dAs.append(self.way_back().backward(dP, shape)[0])
            grads += found
        return np.concatenate(dAs, axis=-1), grads

    def way_back(self):
        return self.patches

    def part(self, inputs):
        return *inputs[:-1], inputs[-1] // self.groups


class Without:
    """Planted errors."""

    class Mean(BatchNorm):
        def backward(self, dout, kept, gamma, beta):
            dA, grads = super().backward(dout, kept, gamma, beta)
            return dA + self.mean(dout * gamma.T[0]) / kept[1], grads

    class Variance(BatchNorm):
        def backward(self, dout, kept, gamma, beta):
            dA, grads = super().backward(dout, kept, gamma, beta)
            return dA + kept[0] * self.mean(dout * gamma.T[0] * kept[0]) / kept[1], grads

    class Shortcut(Skip):
        def joined(self, dA, dout):
            return dA

    class Copy(LowRankSkip):
        def backward(self, dout, passed, *blocks):
            (layer, kept, own), = passed
            dA, grads = layer.backward(dout, kept, *own)
            return dA + dout, grads

    class Size(AveragePool):
        def backward(self, dout, kept):
            return self.spread(dout), ()

    class Stride(Grouped):
        def way_back(self):
            return Patches(self.patches.kernel)


def own_network(norm=BatchNorm, skip=Skip, pool=AveragePool, grouped=Grouped, wide=LowRankSkip):
    """All of them, and one with blocks as the first: 9 × 9 pixels, then 4 × 4, 2 × 2, rows."""
    return Network((9, 9, 2), (
        norm(), grouped(2, Patches(3, stride=2), Dense(3, "tanh")), norm(),
        skip((Patches(3, padding=1), norm(), Dense(6, "tanh"))), pool(), Flatten(),
        wide((Dense(24, "tanh"),)), norm(), Dense(5, "tanh"), Dense(3, "identity")))


class Absolute(AveragePool):
    """|z|, which no complex step differentiates."""

    def shape(self, inputs):
        return inputs

    def forward(self, A):
        return np.abs(A), np.sign(A)

    def backward(self, dout, sign):
        return dout * sign, ()


class WithoutSign(Absolute):
    def backward(self, dout, sign):
        return dout, ()
