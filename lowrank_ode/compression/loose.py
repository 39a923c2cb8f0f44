"""Weights without their network, as a framework exports them: compressed by any method that needs
no data.

    W (n, m) of a dense layer, a kernel unfolded to W (n, a b c) (nets/layouts.py):
    W ≈ Ŵ = [U_1S_1V_1ᵀ … U_kS_kV_kᵀ], k groups of input channels, or W itself
"""

from dataclasses import dataclass, replace

import numpy as np

from ..matrices import DirectSum, LowRank, check_matrix
from ..matrices.validation import check_finite
from ..nets import Network
from ..nets.groups import Grouped
from ..nets.images import Patches
from ..nets.layers import Dense
from ..nets.layouts import LAYOUTS
from .kernels import unfold


@dataclass(frozen=True)
class _Next:
    """Between weights that do not follow each other: the inputs of the next one."""

    inputs: tuple

    def shape(self, inputs):
        return self.inputs

    def blocks(self, inputs):
        return ()

    def forward(self, A):
        raise NotImplementedError("these weights are no network")


@dataclass(frozen=True)
class _Rest(_Next):
    """Numbers that stay: they count."""

    numbers: int

    def blocks(self, inputs):
        return ((self.numbers, 1),)


def compressed(arrays, method, budget, layout="torch", **options):
    """({name: parts}, report) of {name: array}, with no more numbers than the budget, a part of
    all or a whole number, biases included.

    Arrays of floats with two axes are matrices, with four kernels, as the layout ("torch": (n, m),
    (n, c, a, b); "keras": (m, n), (a, b, c, n)) has them; all others stay, and count. parts: the
    LowRank W_1, …, W_k of a weight (n, m) or (n, a b c), columns row, column, channel of its group;
    or None for one that stays dense. method: of `compression`, one that makes weights LowRank and
    takes no data; options: its own, but for scheme. A row of the report has the name as `layer`,
    and its operations are those for one pixel.

    Raises ValueError for another layout, a method that needs more, and no weights; and as methods
    do.

    >>> from .svd import svd
    >>> parts, report = compressed({"w": np.eye(20), "b": np.ones(20)}, svd, 0.5)
    >>> parts["w"], report.numbers <= 210
    ((<20×20 LowRank matrix of rank 4, float64>,), True)
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout: got {layout!r}, expected one of {', '.join(LAYOUTS)}")
    if method.uses_data or not method.low_rank or "scheme" in options:
        with_scheme = " with a scheme" if "scheme" in options else ""
        raise ValueError(f"method: got {method.__name__}{with_scheme}, expected one that makes "
                         "weights LowRank, unfolded filter by filter, and takes no data")
    weights = {name: _unfolded(name, X, layout) for name, X in arrays.items() if _is_weight(X)}
    if not weights:
        raise ValueError(f"arrays: got {', '.join(arrays) or 'none'}, expected matrices or kernels "
                         "of floats among them")
    rest = sum(np.size(X) for name, X in arrays.items() if name not in weights)
    layers = [layer for W, kernel in weights.values() for layer in _layers(W, kernel)]
    layers += [_Rest((1,), rest)] * bool(rest) + [_Next((1,))]
    blocks = [W for W, _ in weights.values()]
    dtype = np.result_type(*blocks)
    net = Network((1,), layers)
    net, params, report = method(net, DirectSum(
        [*(W.astype(dtype) for W in blocks), *[np.zeros((rest, 1), dtype)] * bool(rest)]), budget,
        **options)
    found = [own for layer, own in zip(net.layers, net.split(params), strict=True)
             if isinstance(layer, Dense | Grouped)]
    rows = [replace(row, layer=name) for name, row in zip(weights, report.rows, strict=True)]
    return ({name: tuple(own) if isinstance(own[0], LowRank) else None
             for name, own in zip(weights, found, strict=True)}, replace(report, rows=tuple(rows)))


def multiplied_out(arrays, parts, layout="torch"):
    """{name: array} of the same names, shapes and precision as `arrays`, with the parts that
    `compressed` found multiplied out."""
    return {name: _folded(X, parts[name], layout) if parts.get(name) else np.array(X)
            for name, X in arrays.items()}


def _is_weight(X):
    return np.ndim(X) in (2, 4) and np.asarray(X).dtype.kind == "f" and np.size(X) > 0


def _unfolded(name, X, layout):
    """(W, kernel) of an array; kernel is () for a matrix."""
    check_finite(name, X)
    X = np.asarray(X).transpose(np.argsort(LAYOUTS[layout][X.ndim == 2]))
    if X.ndim == 2:
        return check_matrix(name, X), ()
    return X.transpose(0, 2, 3, 1).reshape(len(X), -1), X.shape[2:]


def _layers(W, kernel):
    n, m = W.shape
    if not kernel:
        return _Next((m,)), Dense(n, "identity", bias=False)
    a, b = kernel
    return _Next((a, b, m // (a * b))), Patches((a, b)), Dense(n, "identity", bias=False)


def _folded(X, parts, layout):
    """Ŵ in the place and the layout of an array X."""
    axes = LAYOUTS[layout][X.ndim == 2]
    shape = [X.shape[k] for k in np.argsort(axes)]
    W = unfold(parts, tuple(shape[2:]) or (1, 1)).astype(X.dtype)
    if X.ndim == 4:
        n, c, a, b = shape
        W = W.reshape(n, a, b, c).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(W.transpose(axes))
