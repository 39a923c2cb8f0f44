"""The weights of a network as a compression method sees them, and the network with others in their
place. Methods know matrices; networks are known here, and in chains.py."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np

from ..matrices import DirectSum, LowRank, dense
from ..matrices.validation import check_finite
from ..nets.groups import Grouped
from ..nets.images import Patches
from ..nets.layers import Dense
from ..nets.networks import count_of_weights
from .report import Report, Row


@dataclass(frozen=True, eq=False)
class Weight:
    """The matrix W (n, m) of a layer, in double precision.

    place: of the layer in net.layers. rest: the other blocks of the layer, b (n, 1) or none.
    positions: pixels, to each of which W is applied. Column q of W belongs to channel q mod
    `channels`, that is, columns are in the order row, column, channel; the layer in the network may
    have them in `groups` of channels. eps: the precision that W had.
    """

    place: int
    W: np.ndarray
    rest: tuple
    positions: int
    channels: int
    groups: int
    eps: float

    @property
    def shape(self):
        return self.W.shape

    @cached_property
    def sigma(self):
        """σ₁ ≥ σ₂ ≥ … of W, with 0 for those that are its rounding errors."""
        return self.spectra(1)[0]

    def columns(self, groups):
        """The columns of each group of channels, (groups, m/groups)."""
        group = np.arange(self.shape[1]) % self.channels // (self.channels // groups)
        return np.argsort(group, kind="stable").reshape(groups, -1)

    def chunks(self, groups):
        """W_1, …, W_k as (k, n, m/k): the columns of each group of channels."""
        return np.moveaxis(self.W[:, self.columns(groups)], 1, 0)

    def spectra(self, groups):
        """The singular values of W_1, …, W_k, (k, min(n, m/k)), 0 for rounding errors of W."""
        sigma = np.linalg.svd(self.chunks(groups), compute_uv=False)
        return np.where(sigma > max(self.shape) * self.eps * sigma.max(), sigma, 0.0)

    def numbers(self, rank=None, groups=1):
        """Numbers of W dense, or of k factorisations n × m/k: r (k n + m)."""
        n, m = self.shape
        return n * m if rank is None else rank * (groups * n + m)


@dataclass(frozen=True, eq=False)
class Piece:
    """What takes the place of a weight: W_1, …, W_k, each a LowRank of the same rank; a new bias,
    if it is given; and the bound of the relative error that the method went by."""

    blocks: tuple
    bound: float | None
    bias: np.ndarray | None = None


def weights_of(net, params):
    """The weights that may be cut, a list of `Weight`; ValueError if one is not finite."""
    blocks = net.split(params)
    shapes = accumulate(net.layers, lambda A, layer: layer.shape(A), initial=net.shape)
    found = []
    for place, (layer, own, shape) in enumerate(zip(net.layers, blocks, shapes, strict=False)):
        k = count_of_weights(layer)
        if k == 1 or type(layer) is Grouped:
            for X in own:
                for factor in X if isinstance(X, LowRank) else (X,):
                    check_finite(f"params: a block of layer {place}", np.asarray(dense(factor)))
            eps = float(np.finfo(own[0].dtype).eps)
            W = np.hstack([dense(X) for X in own[:k]]).astype(np.float64)
            found.append(_ungrouped(Weight(place, W, tuple(own[k:]), math.prod(shape[:-1]),
                                           _channels(net, place, W.shape[1]), k, eps)))
    return found


def _channels(net, place, m):
    """How many channels the m columns belong to; without `Patches` each is one."""
    if not isinstance(net.layers[place], Dense | Grouped):
        return 1
    below = net.layers[place - 1] if place else None
    return m // math.prod(below.kernel) if isinstance(below, Patches) else m


def _ungrouped(weight):
    W = np.empty_like(weight.W)
    W[:, weight.columns(weight.groups).ravel()] = weight.W
    return replace(weight, W=W)


def total_numbers(params):
    """Numbers of the dense network."""
    return sum(math.prod(X.shape) for X in params.blocks)


def rebuilt(net, params, weights, pieces):
    """(net, params, report) with a piece in the place of each weight; None leaves it dense."""
    layers, blocks, rows = list(net.layers), net.split(params), []
    for weight, piece in zip(weights, pieces, strict=True):
        place, dtype = weight.place, blocks[weight.place][0].dtype
        groups = 1 if piece is None else len(piece.blocks)
        if groups != weight.groups:
            _regroup(layers, place, groups)
        new = [weight.W] if piece is None else piece.blocks
        rest = weight.rest if piece is None or piece.bias is None else (piece.bias,)
        if piece is not None or isinstance(blocks[place][0], LowRank) or weight.groups > 1:
            blocks[place] = [*(_cast(X, dtype) for X in (*new, *rest))]
        rows.append(_row(weight, piece))
    inside = sum(weight.W.size + sum(X.size for X in weight.rest) for weight in weights)
    other, flops = total_numbers(params) - inside, sum(2 * w.W.size * w.positions for w in weights)
    report = Report(tuple(rows), other, total_numbers(params), flops)
    return (replace(net, layers=tuple(layers)), DirectSum([X for own in blocks for X in own]),
            report)


def _regroup(layers, place, groups):
    """Let the layer, and the patches below it, have so many groups."""
    old = layers[place]
    same = {name: getattr(old, name) for name in ("activation", "gain", "bias")}
    layers[place] = (Dense(old.n, **same) if groups == 1 else
                     Grouped(old.n, groups, **same))
    if place and isinstance(layers[place - 1], Patches):
        layers[place - 1] = replace(layers[place - 1], groups=groups)


def _cast(X, dtype):
    if isinstance(X, LowRank):
        return LowRank(*(factor.astype(dtype) for factor in X))
    return X.astype(dtype)


def _row(weight, piece):
    rest = sum(X.size for X in weight.rest)
    if piece is None:
        numbers, what = weight.numbers(), ("dense", 1, None, 0.0, 0.0)
    else:
        k, rank = len(piece.blocks), piece.blocks[0].rank
        error = np.empty_like(weight.W)
        error[:, weight.columns(k).ravel()] = np.hstack([dense(X) for X in piece.blocks])
        error = np.linalg.norm(weight.W - error, 2) / (weight.sigma[0] or 1.0)
        numbers = weight.numbers(rank, k)
        what = "channels", k, rank, float(error), piece.bound
    return Row(weight.place, weight.shape, *what, numbers + rest, 2 * numbers * weight.positions)
