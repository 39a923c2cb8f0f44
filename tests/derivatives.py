"""Gradients of networks against derivatives: what is drawn, along which directions, and how far the
two are apart."""

from unittest.mock import patch

import numpy as np

from lowrank_ode import DirectSum, LowRank
from lowrank_ode.matrices import dense, norm
from lowrank_ode.nets import images


def draw(net, rng, ranks, batch=7):
    """Parameters with biases ≠ 0 and cores that are not diagonal, and a batch."""
    params = DirectSum([X if isinstance(X, LowRank) else rng.standard_normal(X.shape)
                        for X in net.init(rng, ranks).blocks])
    x = rng.standard_normal((batch, net.inputs))
    if net.loss == "mean_squares":
        return params, x, rng.standard_normal((batch, net.classes))
    return params, x, rng.integers(0, net.classes, batch)


def inner(A, B):
    return sum(np.sum(dense(X) * dense(Z)) for X, Z in zip(A.blocks, B.blocks, strict=True))


def derivative_defect(net, params, grads, x, labels, direction, step):
    """|⟨∇L, D⟩ − derivative of L along D|, relative to ‖∇L‖ ‖D‖; a complex step has no subtraction,
    so no loss of digits."""
    at = dense(params)
    if step == "complex":
        truth = net.value(at + 1e-30j * direction, x, labels).imag / 1e-30
    else:
        there, back = (net.value(at + s * direction, x, labels) for s in (step, -step))
        truth = (there - back) / (2 * step)
    return abs(inner(grads, direction) - truth) / (norm(grads) * norm(direction))


def random_direction(rng, params):
    return DirectSum([rng.standard_normal(X.shape) for X in params.blocks])


def block_directions(rng, params):
    """A direction in each block alone, so that an error in a small block cannot hide behind a large
    one."""
    zero = DirectSum([np.zeros(X.shape) for X in params.blocks])
    for k, X in enumerate(params.blocks):
        yield DirectSum([*zero.blocks[:k], rng.standard_normal(X.shape), *zero.blocks[k + 1:]])


def worst_defect(net, seed=0, ranks=(2, None, 2), step="complex"):
    """Over a direction in each block."""
    rng = np.random.default_rng(seed)
    params, x, labels = draw(net, rng, ranks, batch=4)
    _, grads = net.value_and_grad(params, x, labels)
    return max(derivative_defect(net, params, grads, x, labels, direction, step)
               for direction in block_directions(rng, params))


def there_and_back(layer, A, dout=None, *blocks):
    """out, and with dout also dA. A stays as it is. Buffers hold NaN at first: what is not written
    is seen."""
    before = A.copy()
    with patch.object(images, "buffer", lambda shape, dtype: np.full(shape, np.nan, dtype)):
        out, kept = layer.forward(A, *blocks)
        dA = None if dout is None else layer.backward(dout.copy(), kept, *blocks)[0]
    assert np.array_equal(A, before) and out.shape == (len(A), *layer.shape(A.shape[1:]))
    return out if dout is None else (out, dA)
