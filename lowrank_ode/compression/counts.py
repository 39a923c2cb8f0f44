"""How many numbers a low-rank layer takes: conventions in circulation, named, with formulas."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..matrices import LowRank, check_count
from ..nets import blocks_of


@dataclass(frozen=True)
class Convention:
    """Numbers of a layer W = U S Vᵀ (n outputs × m inputs) of rank r; of a dense one, per entry."""

    meaning: str
    lowrank: Callable
    dense: int = 1


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
}


def count_weights(shapes, ranks, convention="eval_KV"):
    """Numbers in the weights (biases not counted) of layers of shape (n outputs, m inputs) and of
    these ranks, None for a dense layer.

    convention: a key of CONVENTIONS. Raises ValueError for an unknown one, for lists of different
    lengths, and for a rank that is not in 1 … min(n, m).

    >>> count_weights([(500, 784), (10, 500)], [20, None])
    30680
    """
    rule = _convention(convention)
    if np.ndim(ranks) == 0:
        raise ValueError(f"ranks: got {ranks}, expected one for each layer")
    shapes = [check_layer(shape) for shape in shapes]
    if len(shapes) != len(ranks):
        raise ValueError(f"ranks: got {len(ranks)}, expected one for each of {len(shapes)} layers")
    for r, shape in zip(ranks, shapes, strict=True):
        if r is not None:
            check_count("ranks", r, most=min(shape), where=f" for a layer of shape {shape}")
    return sum(rule.dense * n * m if r is None else rule.lowrank(n, m, r)
               for (n, m), r in zip(shapes, ranks, strict=True))


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
