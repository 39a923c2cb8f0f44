"""How many numbers a low-rank layer takes: conventions in circulation, named, with formulas."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..matrices import LowRank
from ..nets import blocks_of
from ..options import check_count


@dataclass(frozen=True)
class Convention:
    """Numbers of a layer W = U S Vᵀ (n outputs × m inputs) of rank r; of a dense one, per entry; of
    kernels, where they are no matrices there, n outputs × c channels × p pixels with a rank for the
    outputs and one for the channels."""

    meaning: str
    lowrank: Callable
    dense: int = 1
    kernels: Callable | None = None


CONVENTIONS = {
    "eval_KV": Convention("prediction, K = U S and V stored", lambda n, m, r: r * (n + m)),
    "eval_USV": Convention("prediction, U, S and V stored", lambda n, m, r: r * (n + m + r)),
    "train_paper": Convention("training, bases and core of twice the rank [SZKCT22]",
                              lambda n, m, r: 2 * r * (n + m) + 4 * r**2),
    "train_buffers": Convention("training, K, L, U, V, Û, V̂, Ŝ, M and N stored",
                                lambda n, m, r: 4 * r * (n + m) + 8 * r**2),
    "train_buffers_grads": Convention("training, these and the gradients of K, L and Ŝ; "
                                      "dense layers with their gradient",
                                      lambda n, m, r: 5 * r * (n + m) + 12 * r**2, dense=2),
    "published_slides_eval": Convention("an undercount, found in published tables: "
                                        "all but one row of the right factor is missing",
                                        lambda n, m, r: r * (n + 1)),
    "eval_Tucker": Convention("prediction, U, S and V stored; of kernels a core, and bases of "
                              "outputs and channels (Tucker) [SYS25]",
                              lambda n, m, r: r * (n + m + r),
                              kernels=lambda n, c, p, r, q: n * r + c * q + p * r * q),
}


def count_weights(shapes, ranks, convention="eval_KV", kernels=None):
    """Numbers in the weights (biases not counted) of layers of shape (n outputs, m inputs) and of
    these ranks, None for a dense layer.

    convention: a key of CONVENTIONS. kernels: for each layer the size (a, b) of its windows, as
    `windows(net)` has them; without, all layers are matrices. With eval_Tucker the rank of kernels
    is a pair, of outputs and of channels, or a number for both. Raises ValueError for an unknown
    convention, for lists of different lengths, for a rank that is not in 1 … min(n, m), or beyond
    the outputs or channels, and for windows whose pixels do not divide the inputs.

    >>> count_weights([(500, 784), (10, 500)], [20, None])
    30680
    >>> count_weights([(64, 288), (10, 64)], [(8, 4), None], "eval_Tucker", [(3, 3), (1, 1)])
    1568
    """
    rule = _convention(convention)
    kernels = [(1, 1)] * len(shapes) if kernels is None else kernels
    for name, given in (("ranks", ranks), ("kernels", kernels)):
        if not hasattr(given, "__len__"):
            raise ValueError(f"{name}: got {given}, expected one for each layer")
        if len(shapes) != len(given):
            raise ValueError(f"{name}: got {len(given)}, "
                             f"expected one for each of {len(shapes)} layers")
    return sum(_count(rule, check_layer(shape), r, math.prod(kernel))
               for shape, r, kernel in zip(shapes, ranks, kernels, strict=True))


def _count(rule, shape, r, pixels):
    (n, m), where = shape, f" for a layer of shape {shape}"
    if r is None:
        return rule.dense * n * m
    if rule.kernels is None or pixels == 1:
        return rule.lowrank(n, m, check_count("ranks", r, most=min(shape), where=where))
    c, rest = divmod(m, pixels)
    if rest:
        raise ValueError(f"kernels: got {pixels} pixels{where}, expected a divisor of {m}")
    pair = r if isinstance(r, tuple | list) else (r, r)
    if len(pair) != 2:
        raise ValueError(f"ranks: got {r}{where}, expected a whole number or two")
    outputs, channels = (check_count("ranks", rank, most=most, where=where)
                         for rank, most in zip(pair, (n, c), strict=True))
    return rule.kernels(n, c, pixels, outputs, channels)


def check_layer(shape):
    """(n outputs, m inputs) as ints; ValueError for another shape, that of a kernel say."""
    if np.shape(shape) != (2,):
        raise ValueError(f"shape: got {shape}, expected (outputs, inputs), "
                         "those of a kernel unfolded")
    return tuple(check_count("shape", n) for n in shape)


def count_parameters(params, convention="eval_KV"):
    """Numbers in the blocks of `params`, biases included: LowRank blocks by the convention, all
    entries of dense ones (see CONVENTIONS)."""
    rule = _convention(convention)
    return sum(rule.lowrank(*X.shape, X.rank) if isinstance(X, LowRank) else rule.dense * X.size
               for X in blocks_of(params))


def _convention(name):
    if not isinstance(name, str) or name not in CONVENTIONS:
        raise ValueError(f"convention: got {name!r}, expected one of {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]
