"""Is the gradient of a network its derivative? A check that anybody can run on layers, activations
and losses of one's own."""

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..generators import generator
from ..matrices import DirectSum, LowRank, dense, norm
from ..nets import Network
from ..nets.losses import mean_squares

EPS = np.finfo(float).eps
STEPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)    # of differences
BLUNT = 1e-3        # of ‖∇L‖: differences that are no surer than that tell nothing
DRAWS = 10          # starts, at most, until they are
BATCH = 4


@dataclass(frozen=True)
class Derivative:
    """Of a block along a random direction D, ‖D‖ = 1: measured = |⟨∇L, D⟩ − L'(D)|, and its bound.
    layer: its place in the network; block: among those of the layer; low_rank: whether weights were
    so; how: what L'(D) comes from, "complex step" or "differences"."""

    layer: int
    block: int
    shape: tuple
    low_rank: bool
    how: str
    measured: float
    bound: float


class GradientFails(AssertionError):
    """A gradient is no derivative; `row`, a Derivative, tells where."""

    def __init__(self, row, layers):
        self.row = row
        super().__init__(
            f"gradient of block {row.block}, {'×'.join(map(str, row.shape))}, of layer {row.layer}"
            f"{', weights of low rank' if row.low_rank else ''}: |⟨∇L, D⟩ − L'(D)| = "
            f"{row.measured:.1e} by {row.how}, expected at most {row.bound:.1e}; wrong is this "
            f"gradient, or what comes down from a layer above: {layers}")


def check_gradient(net, rng=0, x=None, labels=None):
    """Check ∇L of a Network against derivatives of its loss L, a random direction for each block;
    the rows found, a list of `Derivative`, with dense weights, then with those of rank ≤ 2.

        complex step    L'(D) = Im L(W + i ε D)/ε           no subtraction: the bound is rounding,
                                                            50 EPS ‖∇L‖ times the numbers summed up
        differences     L'(D) ≈ (L(W + s D) − L(W − s D))/2s    the bound is ten times what those of
                                                            two steps s differ by, and rounding

    All blocks are compared with a complex step where it agrees with differences, up to their bound;
    where it does not, as with functions that take no complex numbers, with differences alone. Near
    a kink, as of relu, these tell nothing, and another start is drawn.

    rng: a Generator or a seed, draws weights, x and labels. x (batch, inputs), labels: others, for
    a loss that wants them: normal numbers, and classes, or targets for "mean_squares".
    Raises GradientFails for the last layer of those that fail: an error on the way back spreads to
    the layers below. ValueError for what is no Network, for a loss that is another one if computed
    again, for gradients of other shapes, and where differences tell nothing at all.

    >>> from lowrank_ode.nets import mlp
    >>> sorted({row.how for row in check_gradient(mlp([3, 4, 2], "tanh"))})
    ['complex step']
    """
    if not isinstance(net, Network):
        raise ValueError(f"net: got {type(net).__name__}, expected a Network")
    rng, found = generator(rng), []
    for rank in (None, 2):
        ranks = [rank and min(rank, *shape) for shape in net.weight_shapes]
        rows = _rows(net, rng, ranks, x, labels)
        if failed := [row for row in rows if not row.measured <= row.bound]:
            last = max(failed, key=lambda row: row.layer)
            above = min((row.layer for row in rows if row.layer > last.layer),
                        default=len(net.layers))
            raise GradientFails(last, net.layers[last.layer:above + 1])
        found += rows
    return found


def _rows(net, rng, ranks, x, labels):
    """Those of a start at which differences tell something."""
    for _ in range(DRAWS):
        params = _start(net, rng, ranks)
        inputs = rng.standard_normal((BATCH, net.inputs)) if x is None else x
        batch = inputs, _labels(net, rng, len(inputs)) if labels is None else labels
        loss, grads = net.value_and_grad(params, *batch)
        _check(net, params, batch, loss, grads)
        places = [(layer, block) for layer, own in enumerate(net.split(params))
                  for block in range(len(own))]
        size, rows = float(norm(grads)), []
        for k, place in enumerate(places):
            D = _direction(rng, params, k)
            how, slope, bound = _derivative(net, dense(params), D, batch, size)
            measured = float(abs(np.sum(dense(grads.blocks[k]) * D.blocks[k]) - slope))
            rows.append(Derivative(*place, params.blocks[k].shape, any(ranks), how, measured,
                                   bound))
        if size and all(row.bound <= BLUNT * size for row in rows):
            return rows
    raise ValueError(f"net: differences tell nothing about the gradient at {DRAWS} random starts, "
                     "expected a loss with derivatives that are not 0")


def _derivative(net, W, D, batch, size):
    """(how, L'(D), bound of its error and that of a gradient of norm `size`) at W."""
    ends = [[net.value(W + c * s * D, *batch) for c in (1, -1)] for s in STEPS]
    slopes = [(there - back) / (2 * s) for (there, back), s in zip(ends, STEPS, strict=True)]
    rounding = 50 * EPS * np.abs(ends).max()
    doubts = [abs(fine - coarse) + rounding / s for (coarse, fine), s
              in zip(pairwise(slopes), STEPS[1:], strict=True)]
    k = int(np.argmin(doubts))
    slope, bound = float(slopes[k + 1]), 10 * float(doubts[k])
    complex_slope = _complex_step(net, W, D, batch)
    if abs(complex_slope - slope) <= bound:
        summed = len(batch[0]) + sum(map(sum, net.weight_shapes))
        return "complex step", complex_slope, 50 * EPS * summed * size
    return "differences", slope, bound


def _complex_step(net, W, D, batch):
    """Im L(W + i ε D)/ε; NaN where the network takes no complex numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")              # of a layer that drops imaginary parts
            return float(net.value(W + 1e-30j * D, *batch).imag / 1e-30)
    except Exception:                                   # whatever functions of one's own raise
        return float("nan")


def _start(net, rng, ranks):
    """Random weights, and biases that are not 0."""
    return DirectSum([X if isinstance(X, LowRank) else
                      X + 0.3 * rng.standard_normal(X.shape) / np.sqrt(X.shape[1])
                      for X in net.init(rng, ranks).blocks])


def _labels(net, rng, batch):
    if net.loss in ("mean_squares", mean_squares):
        return rng.standard_normal((batch, net.classes))
    return rng.integers(0, net.classes, batch)


def _direction(rng, params, k):
    """In block k alone, of norm 1."""
    D = rng.standard_normal(params.blocks[k].shape)
    return DirectSum([D / np.linalg.norm(D) if i == k else np.zeros(X.shape)
                      for i, X in enumerate(params.blocks)])


def _check(net, params, batch, loss, grads):
    again = net.value(params, *batch)
    if not np.isclose(again, loss, rtol=1e-10, atol=0):
        raise ValueError(f"net: a loss of {loss}, and of {again} if computed again, expected the "
                         "same: nothing random may be in it")
    shapes, expected = ([X.shape for X in Y.blocks] for Y in (grads, params))
    if shapes != expected:
        raise ValueError(f"net: gradients of shapes {shapes}, expected {expected}, as blocks have")
