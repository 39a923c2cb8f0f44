"""Batch normalisation, there and back, and folded into the weights below for prediction [IS15]."""

from dataclasses import dataclass, replace

import numpy as np

from ..matrices import DirectSum, LowRank
from ..options import check_number
from . import chains
from .activations import Activation, activation_of
from .buffers import buffer
from .groups import BlockDiagonal, Grouped
from .layers import Dense


@dataclass(frozen=True)
class BatchNorm:
    """σ(γ ẑ + β), ẑ = (z − μ)/d with d = √(v + eps), for each feature; μ and v are mean and
    variance of z over the N rows that the batch has, of all pixels if it is of images. Blocks are
    γ and β, (features, 1) both, 1 and 0 at the start.

    With Δ = σ' dout, sums over rows:  ∇_γ = Σ Δ ẑ,  ∇_β = Σ Δ, and, since μ and v depend on z,

        dA = γ/d (Δ − ∇_β/N − ẑ ∇_γ/N)

    Outputs are those of this batch; `folded` is for prediction. Raises ValueError for an unknown
    activation, for eps that is no number > 0, and for a batch of one row, which is its own mean.
    """

    activation: str | Activation = "identity"
    eps: float = 1e-5
    together = True

    def __post_init__(self):
        activation_of(self.activation)
        check_number("eps", self.eps, "a number > 0", lambda eps: 0 < eps < np.inf)

    def shape(self, inputs):
        return inputs

    def blocks(self, inputs):
        return (inputs[-1], 1), (inputs[-1], 1)

    def init(self, rng, inputs, rank, dtype):
        return np.ones((inputs[-1], 1), dtype), np.zeros((inputs[-1], 1), dtype)

    def forward(self, A, gamma, beta):
        mean, deviation = self.statistics(A)
        z, out = (buffer(A.shape, np.result_type(A, X)) for X in (A, gamma))
        np.subtract(A, mean, out=z)
        z /= deviation
        np.multiply(z, gamma.T[0], out=out)
        out += beta.T[0]
        out = activation_of(self.activation).value(out)
        return out, (z, deviation, out)

    def backward(self, dout, kept, gamma, beta):
        z, deviation, out = kept
        dout *= activation_of(self.activation).slope(out)
        count, dA = dout[..., 0].size, buffer(dout.shape, dout.dtype)
        sums, slopes = _sum(dout), _sum(np.multiply(dout, z, out=dA))
        np.multiply(z, slopes / count, out=dA)
        np.subtract(dout, dA, out=dA)
        dA -= sums / count
        dA *= gamma.T[0] / deviation
        return dA, (slopes[:, None], sums[:, None])

    def statistics(self, A):
        """(μ, d) of A (batch, …, features)."""
        count = A[..., 0].size
        if count < 2:
            raise ValueError("x: one number for each feature in a batch normalisation, expected a "
                             "batch of at least 2")
        mean = _sum(A) / count
        centred = A - mean
        return mean, np.sqrt(_sum(np.multiply(centred, centred, out=centred)) / count
                             + centred.dtype.type(self.eps))


def _sum(A):
    """Over all axes but the last."""
    rows = A.reshape(-1, A.shape[-1])
    return np.ones(len(rows), A.dtype) @ rows


def folded(net, params, x, statistics=None):
    """(net, params) in which every batch normalisation is a part of the weight below it, with the
    statistics of the batch x (batch, inputs): an example's outputs depend on it alone, and on x
    itself they are those of `net`.

        γ ((W z + b) − μ)/d + β = D W z + D (b − μ) + β,   D = diag(γ/d)

    A W of low rank stays so, with the same rank. statistics: of `statistics_of`, to take in the
    place of those of x. Raises ValueError, beside what `value_and_grad` does, for a normalisation
    that is not right above a `Dense` or weights in groups, without activation.
    """
    blocks, A = net.checked(params, x)
    given = None if statistics is None else iter(statistics)
    layers, blocks, _ = _folded(net.layers, blocks, A, lambda norm, A: (
        norm.statistics(A) if given is None else next(given)))
    return replace(net, layers=layers), DirectSum(blocks)


def statistics_of(net, params, x):
    """(μ, d) of each batch normalisation on the batch x, in order: a network with other weights,
    such as cut ones, can be `folded` with these."""
    blocks, A = net.checked(params, x)
    found = []

    def noted(norm, A):
        found.append(norm.statistics(A))
        return found[-1]

    _folded(net.layers, blocks, A, noted)
    return found


def for_prediction(net, params, x):
    """(net, params), `folded` with the statistics of x if it is a network with batch
    normalisations."""
    normalised = any(isinstance(layer, BatchNorm) for _, layer, _ in getattr(net, "parts", ()))
    return folded(net, params, x) if normalised else (net, params)


def _folded(layers, blocks, A, statistics):
    """The layers without normalisations, their blocks in a row, and the outputs of A;
    statistics(norm, inputs) are those of a normalisation."""
    found, out, lower = [], [], A
    for layer, own in zip(layers, blocks, strict=True):
        if isinstance(layer, chains.Branched):
            layer, own = layer.changed(
                lambda branch, within, _, A=A: _folded(branch, within, A, statistics)[:2], own,
                A.shape[1:])
        elif isinstance(layer, BatchNorm):
            below, under = (found.pop(), out.pop()) if found else (None, ())
            layer, own = _into(below, under, layer, own, statistics(layer, A))
            A = lower                           # inputs of the layer below
        found.append(layer)
        out.append(own)
        lower, A = A, layer.forward(A, *own)[0]
    return tuple(found), [X for own in out for X in own], A


def _into(below, under, norm, own, statistics):
    """The layer below and its blocks, with a normalisation of its outputs in them."""
    if not isinstance(below, Dense | Grouped) or below.activation != "identity":
        raise ValueError(f"layers: a batch normalisation above {below}, expected a Dense, Grouped "
                         "or BlockDiagonal with the activation identity")
    count = chains.count_of_weights(below)
    Ws, bias = under[:count], under[count:]
    (gamma, beta), (mean, deviation) = own, statistics
    scale = gamma / deviation[:, None]
    b = beta + scale * ((bias[0] if bias else 0) - mean[:, None])
    scales = np.split(scale, count) if isinstance(below, BlockDiagonal) else [scale] * count
    return replace(below, activation=norm.activation, bias=True), [*map(_scaled, scales, Ws), b]


def _scaled(scale, W):
    """diag(scale) W, its bases orthonormal."""
    if not isinstance(W, LowRank):
        return scale * W
    U, R = np.linalg.qr(scale * W.U)
    return LowRank(U, R @ W.S, W.V)
