"""Kernels as matrices in several ways, and how such a matrix in factors runs as convolutions.

A convolution's W (f, a b c) holds f kernels K of a × b pixels and c channels, a row each: row,
column, channel, as `Patches` lays windows out. A scheme folds them to a matrix of low rank j:

    channel              f × (a b c)        W itself                     j filters a × b, then 1 × 1
    spatial              (f a) × (b c)      rows of filters              1 × b, then a × 1
    spatial_transposed   (f b) × (a c)      columns of filters [JVZ14]   a × 1, then 1 × b
    filter               (f a b) × c        pixels of filters            1 × 1, then a × b
    decoupled            f times (a b) × c  each filter alone [GLLCL18]  1 × 1, a × b of each filter

A method folds each weight of `net.weight_shapes`, with the kernel of its `windows(net)`, chooses
ranks and approximates the parts, and hands a `Piece` a weight to `replaced`, None for one that
stays as it is:

    parts = fold(W, kernel, "spatial")
    net, params = replaced(net, params, [Piece(parts in factors, "spatial"), None, …])

The new network computes what the old one does with the weight `unfold(parts, kernel, scheme)`. Its
blocks are the numbers that the decomposition stores: count_parameters counts them. With groups the
channels are cut into k equal parts first, and each is folded by itself: parts are
[W_1, …, W_k] ≈ [U_1V_1ᵀ, …, U_kV_kᵀ]. As channel scheme that is ALDS, and its parts stay LowRank
blocks, of `Dense` or `Grouped`; of the other schemes both factors become kernels, dense blocks.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..matrices import DirectSum, H, LowRank, dense
from ..nets.chains import Branched, count_of_weights, shapes
from ..nets.groups import BlockDiagonal, Grouped
from ..nets.images import Patches
from ..nets.layers import Dense
from ..options import check_count
from .copies import copied

# Axes of K (filter, row, column, channel) in the order of the folded matrix, how many are its rows.
FOLDINGS = {"channel": ((0, 1, 2, 3), 1), "spatial": ((0, 1, 2, 3), 2),
            "spatial_transposed": ((0, 2, 1, 3), 2), "filter": ((0, 1, 2, 3), 3)}
SCHEMES = (*FOLDINGS, "decoupled")
PIXELS = Patches(1)     # in front of a layer that has no windows


@dataclass(frozen=True, eq=False)
class Piece:
    """What a method makes of a weight: parts like those of `fold`, and a new bias (f, 1), None for
    the old one. Parts are LowRank; of the channel scheme they may be dense."""

    parts: tuple
    scheme: str = "channel"
    bias: np.ndarray | None = None


def windows(net):
    """For each weight of a network its `Patches`, Patches(1) for a weight on rows or pixels."""
    return [windows_on(below) for below, layer, _ in net.parts
            for _ in range(count_of_weights(layer))]


def windows_on(below):
    """The windows that a layer above that one, or None, is applied to."""
    return below if isinstance(below, Patches) else PIXELS


def in_groups(layer, patches):
    """Whether the inputs of a layer on such windows are in groups: it is no `Dense` on windows of
    all channels."""
    return not isinstance(layer, Dense) or patches.groups > 1


def folded_shapes(shape, kernel, scheme="channel", groups=1):
    """Of the parts that `fold` makes of a weight of that shape.

    >>> folded_shapes((50, 500), (5, 5), "spatial"), folded_shapes((50, 500), (5, 5), groups=2)
    ([(250, 100)], [(50, 250), (50, 250)])
    """
    (f, columns), (a, b) = shape, kernel
    check_scheme(scheme)
    if columns % (a * b):
        raise ValueError(f"kernel: got {tuple(kernel)} for a weight of shape {tuple(shape)}, "
                         "expected rows × columns to divide its columns")
    c, k = columns // (a * b), check_count("groups", groups)
    if scheme == "decoupled":
        if k > 1:
            raise ValueError(f"groups: got {k} for the scheme decoupled, expected 1")
        return [(a * b, c)] * f
    if c % k:
        raise ValueError(f"groups: got {k}, expected a divisor of the {c} channels")
    rows = f * _pixels(kernel, scheme)
    return [(rows, f * columns // (rows * k))] * k


def fold(W, kernel, scheme="channel", groups=1):
    """The parts of W (f, a b c), a tuple of matrices: one for each group of channels, or, if
    decoupled, for each filter. kernel is (a, b), as a Patches has it.

    Raises ValueError for an unknown scheme, a kernel that does not fit, and groups that do not
    divide the channels.
    """
    shapes = folded_shapes(W.shape, kernel, scheme, groups)
    K = dense(W).reshape(W.shape[0], *kernel, -1)
    if scheme == "decoupled":
        return tuple(K.reshape(-1, *shapes[0]))
    order, _ = FOLDINGS[scheme]
    return tuple(part.transpose(order).reshape(shapes[0])
                 for part in np.split(K, groups, axis=-1))


def unfold(parts, kernel, scheme="channel"):
    """The weight W (f, a b c) whose parts these are, multiplied out; ValueError for an unknown
    scheme."""
    check_scheme(scheme)
    parts, (a, b) = [dense(part) for part in parts], kernel
    if scheme == "decoupled":
        return np.stack(parts).reshape(len(parts), -1)
    order, _ = FOLDINGS[scheme]
    f = len(parts[0]) // _pixels(kernel, scheme)
    folded = [(f, a, b, -1)[axis] for axis in order]
    K = np.concatenate([part.reshape(folded).transpose(np.argsort(order)) for part in parts], -1)
    return K.reshape(f, -1)


def replaced(net, params, pieces):
    """(net, params), new ones, in which pieces run in the place of their weights: one for each of
    net.weight_shapes, None for a weight that stays. Strides, paddings and activations are kept.
    Where channels are in groups already a piece is one part of the scheme channel.

    Raises ValueError for a number of pieces other than that of weights, for another piece of a
    weight whose channels are in groups, and for parts that do not fit.
    """
    pieces = [*pieces]
    if len(pieces) != len(net.weight_shapes):
        raise ValueError(f"pieces: got {len(pieces)}, "
                         f"expected one for each of {len(net.weight_shapes)} weights")
    layers, blocks = _replaced(net.layers, net.split(params), net.shape, iter(pieces))
    return replace(net, layers=layers), copied(DirectSum(blocks))


def _replaced(chain, blocks, inputs, pieces):
    """(layers, their blocks in a row) of a chain, with its pieces, the next ones, in place."""
    layers, found = [], []
    for layer, own, A in zip(chain, blocks, shapes(chain, inputs), strict=False):
        if isinstance(layer, Branched):
            layer, own = layer.changed(lambda *branch: _replaced(*branch, pieces), own, A)
        wanted, new = [next(pieces) for _ in range(count_of_weights(layer))], ((layer,), own)
        patches = windows_on(layers[-1] if layers else None)
        if any(piece is not None for piece in wanted):
            if in_groups(layer, patches):
                new = (layer,), _within_groups(patches, layer, own, wanted)
            else:
                del layers[len(layers) - (patches is not PIXELS):]
                new = decomposed(patches, layer, own, wanted[0])
        layers += new[0]
        found += new[1]
    return tuple(layers), found


def _within_groups(patches, layer, own, pieces):
    """The blocks of a layer whose inputs are in groups, each piece in the place of its weight."""
    own = list(own)
    for k, piece in enumerate(pieces):
        if piece is None:
            continue
        if piece.scheme != "channel" or len(piece.parts) > 1 or piece.bias is not None:
            raise ValueError(f"pieces: got {len(piece.parts)} parts of the scheme {piece.scheme} "
                             f"for {layer} on {patches}, expected one of the scheme channel, "
                             "with the old bias, for its inputs are in groups")
        _check(piece, own[k], patches.kernel)
        own[k] = piece.parts[0]
    return own


def decomposed(patches, layer, own, piece):
    """(layers, blocks) of a piece, in place of a `Dense` on those windows, without groups, with its
    own blocks."""
    _check(piece, own[0], patches.kernel)
    bias = own[1:] if piece.bias is None else [piece.bias]
    layer, k = replace(layer, bias=bool(bias)), len(piece.parts)
    if piece.scheme == "channel":
        last = layer if k == 1 else _apart(Grouped, layer, k)
        return (*_on(patches, k), last), [*piece.parts, *bias]
    below, above = halves(patches, piece.scheme)
    Ks, Vs = zip(*((U @ S, V) for U, S, V in piece.parts), strict=True)
    first = Dense(sum(V.shape[1] for V in Vs), "identity", bias=False)
    if piece.scheme == "decoupled":
        return ((*_on(below), first, *_on(above, k), _apart(BlockDiagonal, layer, k)),
                [np.vstack([*map(H, Vs)]), *(K.reshape(1, -1) for K in Ks), *bias])
    first = first if k == 1 else _apart(BlockDiagonal, first, k)
    filters = [K.reshape(layer.n, -1, K.shape[1]) for K in Ks]      # each reads its own group
    W = np.concatenate(filters, axis=-1).reshape(layer.n, -1)
    return (*_on(below, k), first, *_on(above), layer), [*map(H, Vs), W, *bias]


def _pixels(kernel, scheme):
    """How many pixels of a filter are rows of the folded matrix."""
    order, rows = FOLDINGS[scheme]
    return math.prod(kernel[axis - 1] for axis in order[1:rows])


def halves(patches, scheme):
    """The windows of the two convolutions, strides and paddings each in its own direction."""
    if scheme == "channel":
        return patches, PIXELS
    (a, b), (s, t), (p, q) = patches.kernel, patches.stride, patches.padding
    down, across = Patches((a, 1), (s, 1), (p, 0)), Patches((1, b), (1, t), (0, q))
    pairs = {"spatial": (across, down), "spatial_transposed": (down, across)}
    return pairs.get(scheme, (PIXELS, patches))


def _on(patches, groups=1):
    """These windows, in groups; windows of one pixel in the place of each are no layer."""
    return () if patches == PIXELS else (replace(patches, groups=groups),)


def _apart(kind, layer, groups):
    """A `Dense` with a weight for each group."""
    return kind(layer.n, groups, layer.activation, layer.gain, layer.bias)


def check_scheme(scheme):
    if scheme not in SCHEMES:
        raise ValueError(f"scheme: got {scheme!r}, expected one of {', '.join(SCHEMES)}")


def _check(piece, W, kernel):
    """ValueError unless these are the parts of such a weight, of equal ranks where they must be."""
    one_each = piece.scheme == "decoupled"
    groups = 1 if one_each else len(piece.parts)
    expected = folded_shapes(W.shape, kernel, piece.scheme, groups)
    found = [part.shape for part in piece.parts]
    if found != expected:
        raise ValueError(f"parts: got shapes {found}, expected {expected}, for the scheme "
                         f"{piece.scheme} and a weight of shape {W.shape}")
    if piece.bias is not None and piece.bias.shape != (W.shape[0], 1):
        raise ValueError(f"bias: got shape {piece.bias.shape}, expected {(W.shape[0], 1)}")
    if piece.scheme == "channel":
        return
    if not all(isinstance(part, LowRank) for part in piece.parts):
        raise ValueError(f"parts: got a dense one, expected LowRank for the scheme {piece.scheme}")
    if len({part.V.shape[1] for part in piece.parts}) > 1:
        raise ValueError(f"parts: got ranks {[part.V.shape[1] for part in piece.parts]}, expected "
                         f"equal ones for the scheme {piece.scheme}")
