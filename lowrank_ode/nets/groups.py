"""Layers whose features, and so their weights, are in groups: W_1, …, W_k are blocks of their own,
and every integrator trains each as it trains a weight.

The groups are equal parts of the features, one behind the other, as `Patches` lays out those of an
image's channels.
"""

from dataclasses import dataclass

import numpy as np

from ..options import check_count
from .activations import Activation, activated, activation_of, slope_of
from .layers import Dense, columns, sums


@dataclass(frozen=True)
class Grouped:
    """σ(W_1 z_1 + … + W_k z_k + b) of the last axis, z = (z_1, …, z_k); blocks W_1, …, W_k, each
    (n, features/k), an ndarray or a LowRank, and b (n, 1).

    That is σ(W z + b) with W = [W_1 … W_k], each part of a rank of its own: k parts of rank j are
    k j (n + features/k) numbers, W of rank k j would be k j (n + features).

    gain: W starts with entries of variance gain/features; None is that of the activation.
    Raises ValueError for what `Dense` refuses, for groups that are no whole number ≥ 1, and for
    groups that do not divide the features.
    """

    n: int
    groups: int
    activation: str | Activation = "relu"
    gain: float | None = None
    bias: bool = True

    def __post_init__(self):
        Dense(self.n, self.activation, self.gain)
        check_count("groups", self.groups)

    @property
    def low_rank(self):
        return self.groups

    @property
    def _part(self):
        """What each group is: the sum of k such parts starts with variance gain/features, too."""
        return Dense(self.n, "identity", self._gain / self.groups, bias=False)

    @property
    def _gain(self):
        return activation_of(self.activation).gain if self.gain is None else self.gain

    def shape(self, inputs):
        return *inputs[:-1], self.n

    def blocks(self, inputs):
        part = self._part.blocks((self._features(inputs),))
        return (*part * self.groups, (self.n, 1))[:self.groups + self.bias]

    def init(self, rng, inputs, rank, dtype):
        """rank: a list with one entry for each group, or one for all."""
        ranks = [rank] * self.groups if rank is None or np.isscalar(rank) else rank
        features = self._features(inputs)
        Ws = [W for r in ranks for W in self._part.init(rng, (features,), r, dtype)]
        return (*Ws, np.zeros((self.n, 1), dtype))[:self.groups + self.bias]

    def forward(self, A, *blocks):
        Ws, bias = blocks[:self.groups], blocks[self.groups:]
        outs, kept = zip(*map(self._part.forward, self._split(A), Ws), strict=True)
        out = self._joined(outs)
        for b in bias:
            out += b.T
        out = activated(self.activation, out)
        return out, (out, kept)

    def backward(self, dout, kept, *blocks):
        found, bias = self._back("backward", dout, kept, blocks)
        dAs, grads = zip(*found, strict=True)
        return np.concatenate(dAs, axis=-1), (*(G for G, in grads), *bias)

    def gradient(self, dout, kept, *blocks):
        found, bias = self._back("gradient", dout, kept, blocks)
        return *(G for G, in found), *bias

    def _back(self, way, dout, kept, blocks):
        """What the way back of each group finds, and (∇_b,), or () without bias."""
        out, passed = kept
        dout *= slope_of(self.activation, out)
        found = [*map(getattr(self._part, way), self._parted(dout), passed, blocks)]
        return found, (sums(columns(dout)),)[:self.bias]

    def _features(self, inputs):
        """Of a group."""
        if inputs[-1] % self.groups:
            raise ValueError(f"groups: got {self.groups}, expected a divisor of the {inputs[-1]} "
                             "features")
        return inputs[-1] // self.groups

    def _split(self, A):
        return np.split(A, self.groups, axis=-1)

    def _joined(self, outs):
        return sum(outs[1:], outs[0])

    def _parted(self, dout):
        """Of a sum each term has the gradient of the sum."""
        return [dout] * self.groups


class BlockDiagonal(Grouped):
    """σ((W_1 z_1, …, W_k z_k) + b): each group has n/k outputs of its own, W_i is (n/k, features/k)
    and W block-diagonal. On `Patches` of as many groups it is the grouped convolution, and with a
    group for each channel the depthwise one.

    Raises ValueError, beside those of Grouped, for groups that do not divide n.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.n % self.groups:
            raise ValueError(f"groups: got {self.groups}, expected a divisor of n = {self.n}")

    @property
    def _part(self):
        return Dense(self.n // self.groups, "identity", self._gain, bias=False)

    def _joined(self, outs):
        return np.concatenate(outs, axis=-1)

    def _parted(self, dout):
        return self._split(dout)
