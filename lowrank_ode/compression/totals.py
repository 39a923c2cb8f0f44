"""What a whole network counts at given ranks: weights, parameters and multiply-adds, from the
shapes of its layers alone; a network of 138 million parameters is counted without one of them."""

import math

from ..nets.chains import count_of_weights
from ..nets.images import Patches
from ..options import check_count
from .counts import count_weights
from .kernels import PIXELS, check_scheme, folded_shapes, halves, windows


def positions(net):
    """For each weight of `net.weight_shapes` how often it is applied to an example: for each pixel
    of its outputs, once on rows."""
    return [math.prod(layer.shape(A)[:-1]) for _, layer, A in net.parts
            for _ in range(count_of_weights(layer))]


def other_parameters(net):
    """Numbers in the blocks that are no weights: biases, and γ and β of normalisations."""
    return sum(math.prod(shape) for _, layer, A in net.parts
               for shape in layer.blocks(A)[count_of_weights(layer):])


def total_parameters(net, ranks=None, convention="eval_KV"):
    """All numbers of a network, its weights of these ranks, one for each of net.weight_shapes, None
    for a dense one; ranks None: all are dense. ValueError as `count_weights`.

    >>> from lowrank_ode.nets import lenet5
    >>> total_parameters(lenet5()), total_parameters(lenet5(), [10, 20, 20, None])
    (431080, 43030)
    """
    kernels = [patches.kernel for patches in windows(net)]
    ranks = [None] * len(kernels) if ranks is None else ranks
    return (count_weights(net.weight_shapes, ranks, convention, kernels)
            + other_parameters(net))


def multiply_adds(net, ranks=None, core=False):
    """Of the weights, in a prediction of one example: r (n + m) for K Vᵀ, K = U S, or with the core
    r (n + m + r), n m for a dense weight, at each position. Half of the `prediction_flops`; biases,
    normalisations, pooling and sums are left out, as in published tables.

    >>> from lowrank_ode.nets import lenet5
    >>> multiply_adds(lenet5())
    2293000
    """
    return sum(at * (n * m if r is None else r * (n + m + core * r))
               for at, (n, m), r in zip(positions(net), net.weight_shapes, ranks_of(net, ranks),
                                        strict=True))


def folded_totals(net, ranks, scheme):
    """(parameters, multiply-adds) with the kernels folded by that scheme (compression/kernels.py)
    and run as two convolutions: for each part r (columns) multiply-adds at each pixel after the
    first of them, r (rows) after the second; r (rows + columns) numbers.

    Raises ValueError for an unknown scheme, for a rank that is not in 1 … min(rows, columns) of a
    part, and for one of channels in groups, unless the scheme is channel.

    >>> from lowrank_ode.nets import lenet5
    >>> folded_totals(lenet5(), [4, 20, 20, None], "spatial_transposed")
    (39000, 786840)
    """
    check_scheme(scheme)
    ranks = [None] * len(net.weight_shapes) if ranks is None else ranks
    if len(ranks) != len(net.weight_shapes):
        raise ValueError(f"ranks: got {len(ranks)}, "
                         f"expected one for each of {len(net.weight_shapes)} weights")
    found = [_folded(*place, shape, r, scheme) for place, shape, r
             in zip(_places(net), net.weight_shapes, ranks, strict=True)]
    numbers, macs = map(sum, zip(*found, strict=True))
    return numbers + other_parameters(net), macs


def _places(net):
    """(windows, shape of what they are taken from, positions of the outputs) of each weight."""
    before = None
    for below, layer, A in net.parts:
        windows, image = (below, before) if isinstance(below, Patches) else (PIXELS, A)
        yield from [(windows, image, math.prod(layer.shape(A)[:-1]))] * count_of_weights(layer)
        before = A


def _folded(windows, image, outputs, shape, r, scheme):
    """(numbers, multiply-adds) of one weight."""
    if r is None:
        return math.prod(shape), outputs * math.prod(shape)
    if windows.groups > 1 and scheme != "channel":
        raise ValueError(f"ranks: got {r} for channels in groups, expected None for the scheme "
                         f"{scheme}")
    parts = folded_shapes(shape, windows.kernel, scheme)
    rows, columns = parts[0]
    check_count("ranks", r, most=min(rows, columns), where=f" for parts of shape {parts[0]}")
    below, _ = halves(windows, scheme)
    between = math.prod(below.shape(image)[:2]) if len(image) == 3 else 1
    return (len(parts) * r * (rows + columns),
            len(parts) * r * (columns * between + rows * outputs))


def ranks_of(net, ranks):
    """ranks as a list, None for a dense weight; ValueError unless each is in 1 … min(n, m)."""
    shapes = net.weight_shapes
    if ranks is None:
        return [None] * len(shapes)
    if len(ranks) != len(shapes):
        raise ValueError(f"ranks: got {len(ranks)}, expected one for each of {len(shapes)} weights")
    return [None if r is None else
            check_count("ranks", r, most=min(shape), where=f" for a layer of shape {shape}")
            for r, shape in zip(ranks, shapes, strict=True)]


def share_of_ranks(net, share):
    """A rank for each weight, the same share of its full one, at least 1; None where factors of
    that rank would be no smaller than the weight, which stays dense. ValueError unless
    0 ≤ share ≤ 1.

    >>> from lowrank_ode.nets import lenet5
    >>> share_of_ranks(lenet5(), 0.5), share_of_ranks(lenet5(), 0)
    ([10, 25, 250, 5], [1, 1, 1, 1])
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: got {share}, expected a number in [0, 1]")
    ranks = [max(1, round(share * min(shape))) for shape in net.weight_shapes]
    return [r if r * sum(shape) < math.prod(shape) else None
            for r, shape in zip(ranks, net.weight_shapes, strict=True)]
