"""The weights of a network as a compression method sees them, and the network with others in their
place. Methods know matrices; networks are known here, and in kernels.py and chains.py."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..matrices import DirectSum, LowRank, dense
from ..matrices.validation import check_finite
from ..nets.chains import Branched, count_of_weights, shapes
from ..nets.groups import Grouped
from ..nets.images import Patches
from ..nets.layers import Dense
from .counts import count_parameters
from .kernels import (
    FOLDINGS,
    PIXELS,
    Piece,
    decomposed,
    fold,
    folded_shapes,
    in_groups,
    replaced,
    unfold,
    windows_on,
)
from .report import Report, Row


@dataclass(frozen=True, eq=False)
class Weight:
    """The matrix W (n, m) of a layer σ(W z + b) as it is to be cut: folded by a scheme
    (kernels.py), W_1, …, W_k side by side if its channels are in k groups; in double precision.

    place: of the layer among net.parts, which are net.layers where none is made of others; rest: b
    (n, 1), or nothing; patches: the windows that the layer is on; image: the shape of an example
    before these; dtype: the precision of the network.
    """

    place: int
    layer: Dense
    W: np.ndarray
    rest: tuple
    patches: Patches
    image: tuple
    scheme: str
    dtype: np.dtype

    @property
    def shape(self):
        return self.W.shape

    @property
    def channels(self):
        """Column q of W belongs to channel q mod channels."""
        return self.shape[1] // math.prod(self.patches.kernel)

    @property
    def positions(self):
        """Pixels, to each of which W is applied."""
        return math.prod(self.image[:-1] if self.patches is PIXELS else
                         self.patches.shape(self.image)[:-1])

    @cached_property
    def sigma(self):
        """σ₁ ≥ σ₂ ≥ …, with 0 for those that are rounding errors of W."""
        return self.spectra(1)[0]

    def parts(self, groups):
        """W_1, …, W_k, the folded columns of each group of channels."""
        return fold(self.W, self.patches.kernel, self.scheme, groups)

    def spectra(self, groups):
        """The singular values of W_1, …, W_k, a row each; 0 for rounding errors of W."""
        parts = np.stack(self.parts(groups))
        sigma = np.linalg.svd(parts, compute_uv=False)
        rounding = max(parts.shape) * np.finfo(self.dtype).eps * sigma.max()
        return np.where(sigma > rounding, sigma, 0.0)

    def numbers(self, rank=None, groups=1):
        """Numbers of W dense, or of factors of rank r of each part: r (k n + m) if not folded."""
        if rank is None:
            return self.W.size
        return rank * sum(map(sum, folded_shapes(self.shape, self.patches.kernel, self.scheme,
                                                 groups)))

    def flops(self):
        """Operations of the layers that factors of rank 1 become, on an example."""
        shapes = folded_shapes(self.shape, self.patches.kernel, self.scheme)
        ones = (LowRank(np.ones((p, 1)), np.ones((1, 1)), np.ones((q, 1))) for p, q in shapes)
        return _work(self, Piece(tuple(ones), self.scheme))


@dataclass(frozen=True, eq=False)
class Approximation:
    """What takes the place of W: a LowRank for each of its parts, all of the same rank; the bound
    of the relative error that the method went by, and a new bias, if there are such."""

    parts: tuple
    bound: float | None
    bias: np.ndarray | None = None


def plain(net, params):
    """(net, params) with dense blocks, and `Dense` in the place of `Grouped` on as many groups, in
    layers made of others, too."""
    layers, blocks = _plain(net.layers, net.split(params), net.shape)
    return replace(net, layers=layers), DirectSum(blocks)


def _plain(chain, blocks, inputs):
    """(layers, their blocks in a row) of a chain."""
    layers, found = [], []
    for layer, own, A in zip(chain, blocks, shapes(chain, inputs), strict=False):
        patches = windows_on(layers[-1] if layers else None)
        if isinstance(layer, Branched):
            layer, own = layer.changed(_plain, own, A)
        elif isinstance(layer, Dense):
            own = [dense(X) for X in own]
        elif type(layer) is Grouped and (patches is PIXELS or patches.groups == layer.groups):
            if patches is not PIXELS:
                layers[-1] = replace(patches, groups=1)
            own = [unfold(own[:layer.groups], patches.kernel), *own[layer.groups:]]
            layer = Dense(layer.n, layer.activation, layer.gain, layer.bias)
        layers.append(layer)
        found += own
    return tuple(layers), found


def weights_of(net, params, scheme="channel"):
    """The weights of the `Dense` layers of a plain network, those inside others, too, in order, but
    for those on windows in groups.

    Raises ValueError for an unknown scheme, and for a weight that is complex or not finite.
    """
    if scheme not in FOLDINGS:
        raise ValueError(f"scheme: got {scheme!r}, expected one of {', '.join(FOLDINGS)}")
    net.split(params)                           # refuses what is not of this network
    blocks, before, found = iter(params.blocks), None, []
    for place, (below, layer, A) in enumerate(net.parts):
        own, patches = [next(blocks) for _ in layer.blocks(A)], windows_on(below)
        if not in_groups(layer, patches):
            for X in own:
                check_finite(f"params: layer {place}", X)
                if np.iscomplexobj(X):
                    raise ValueError(f"params: layer {place}: got {X.dtype}, expected real weights")
            folded = scheme if math.prod(patches.kernel) > 1 else "channel"
            found.append(Weight(place, layer, own[0].astype(np.float64), tuple(own[1:]), patches,
                                A if patches is PIXELS else before, folded, own[0].dtype))
        before = A
    return found


def total_numbers(params):
    """Numbers of the dense network."""
    return sum(math.prod(X.shape) for X in params.blocks)


def rebuilt(net, params, weights, approximations):
    """(net, params, report) with these in the places of the weights of a plain network; None leaves
    one dense."""
    pieces = {weight.place: given and _piece(weight, given)
              for weight, given in zip(weights, approximations, strict=True)}
    rows = [_row(weight, given, pieces[weight.place])
            for weight, given in zip(weights, approximations, strict=True)]
    inside = sum(weight.W.size + sum(X.size for X in weight.rest) for weight in weights)
    report = Report(tuple(rows), count_parameters(params) - inside, total_numbers(params),
                    sum(2 * weight.W.size * weight.positions for weight in weights))
    each = [pieces.get(place) for place, (_, layer, _) in enumerate(net.parts)
            for _ in range(count_of_weights(layer))]
    return *replaced(net, params, each), report


def _piece(weight, given):
    """In the precision of the network."""
    parts = tuple(LowRank(*(X.astype(weight.dtype) for X in part)) for part in given.parts)
    bias = None if given.bias is None else given.bias.astype(weight.dtype)
    return Piece(parts, weight.scheme, bias)


def _row(weight, given, piece):
    rest = sum(X.size for X in weight.rest)
    if piece is None:
        return Row(weight.place, weight.shape, "dense", 1, None, 0.0, 0.0, weight.W.size + rest,
                   2 * weight.W.size * weight.positions)
    k, rank, how = len(piece.parts), piece.parts[0].rank, (weight.patches.kernel, weight.scheme)
    error, = fold(weight.W - unfold(given.parts, *how), *how)
    error = float(np.linalg.norm(error, 2) / (weight.sigma[0] or 1.0))
    return Row(weight.place, weight.shape, weight.scheme, k, rank, error, given.bound,
               weight.numbers(rank, k) + rest, _work(weight, piece))


def _work(weight, piece):
    """Operations of the layers that a piece becomes, on an example."""
    layers, blocks = decomposed(weight.patches, weight.layer, [weight.W, *weight.rest], piece)
    shape, blocks, work = weight.image, iter(blocks), 0
    for layer in layers:
        own, shape = [next(blocks) for _ in layer.blocks(shape)], layer.shape(shape)
        numbers = sum(X.rank * sum(X.shape) if isinstance(X, LowRank) else X.size
                      for X in own[:count_of_weights(layer)])
        work += 2 * numbers * math.prod(shape[:-1])
    return work
