"""Convolution as a dense layer on patches, pooling, and LeNet5: against slow twins, adjoints, and
derivatives by complex steps."""

import math
from dataclasses import FrozenInstanceError, replace
from unittest.mock import patch

import numpy as np
import pytest
from derivatives import (
    block_directions,
    derivative_defect,
    draw,
    inner,
    random_direction,
    there_and_back,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate
from strategies import seeds

from lowrank_ode import DLRT, DirectSum, LowRank
from lowrank_ode.matrices import H, dense, norm
from lowrank_ode.nets import Network, layers, lenet5
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.training import gradient_field

EPS = np.finfo(float).eps
shapes = st.tuples(st.integers(1, 3), st.integers(5, 9), st.integers(5, 9), st.integers(1, 3))


def pairs(least, most):
    """A number for rows and columns, or one for each."""
    numbers = st.integers(least, most)
    return st.one_of(numbers, st.tuples(numbers, numbers))


windows = st.builds(Patches, pairs(1, 5), pairs(1, 3), pairs(0, 2))


def small_lenet(activation, loss="cross_entropy"):
    """Odd sizes, padding, a stride: what LeNet5 does not have."""
    convolutions = (Patches(3, padding=1), Dense(4, activation), MaxPool(),
                    Patches(2, stride=2), Dense(5, activation))
    rows = Flatten(), Dense(6, activation), Dense(3, "identity")
    return Network((9, 8, 2), (*convolutions, *rows), loss)


def with_groups(layer, inputs, data):
    """The same windows, the channels in groups."""
    return replace(layer, groups=data.draw(st.sampled_from(
        [k for k in (1, 2, 3) if inputs[-1] % k == 0]), label="groups"))


@given(shapes, windows, seeds, st.data())
def test_patches_and_a_dense_layer_are_a_convolution(shape, layer, seed, data):
    """Against scipy's correlation, summed over channels: rows of W are kernels (group, row, column,
    channel). Planted: a true convolution, with flipped kernels; strides, paddings or the sides of
    the window on the wrong axis."""
    rng, layer = np.random.default_rng(seed), with_groups(layer, shape[1:], data)
    (p, q), (s, t), k = layer.padding, layer.stride, layer.groups
    A, kernels = rng.standard_normal(shape), rng.standard_normal((2, *layer.kernel, shape[-1]))
    padded = np.pad(A, ((0, 0), (p, p), (q, q), (0, 0)))
    truth = [[correlate(image, K, "valid")[::s, ::t, 0] for K in kernels] for image in padded]
    truth = np.array(truth).transpose(0, 2, 3, 1)
    bound = 50 * EPS * np.abs(kernels).sum() * np.abs(A).max()

    def close(layer, kernels):
        parts = np.stack(np.split(kernels, k, axis=-1), axis=1)         # the group comes first
        found = there_and_back(layer, A) @ parts.reshape(2, -1).T
        return found.shape == truth.shape and np.abs(found - truth).max() <= bound

    assert close(layer, kernels)
    assert layer.kernel == (1, 1) or not close(layer, kernels[:, ::-1, ::-1])
    for name in ("stride", "padding", "kernel"):
        wrong = replace(layer, **{name: getattr(layer, name)[::-1]})
        try:
            same = wrong == layer or wrong.shape(shape[1:]) == (1, 1, math.prod(kernels.shape[1:]))
        except ValueError:
            continue                                    # a window larger than the image
        assert same or not close(wrong, kernels)


@given(shapes, windows, seeds, st.data())
def test_the_way_back_from_patches_is_the_adjoint(shape, layer, seed, data):
    """Planted: windows read backwards."""
    rng, layer = np.random.default_rng(seed), with_groups(layer, shape[1:], data)
    A = rng.standard_normal(shape)
    X = rng.standard_normal(there_and_back(layer, A).shape)
    P, dA = there_and_back(layer, A, X)
    there = np.vdot(P, X)
    assert abs(there - np.vdot(A, dA)) <= 50 * EPS * np.linalg.norm(P) * np.linalg.norm(X)
    _, backwards = there_and_back(layer, A, X[..., ::-1])
    assert layer.kernel == (1, 1) or abs(there - np.vdot(A, backwards)) > 1e-9


@given(shapes, st.integers(1, 3), seeds)
def test_pooling_takes_the_largest_and_sends_the_gradient_to_one_of_them(shape, size, seed):
    """Few different numbers: many ties. The rest of an image, no whole window, gets nothing."""
    rng = np.random.default_rng(seed)
    A, layer = rng.integers(0, 3, shape).astype(float), MaxPool(size)
    dout = rng.standard_normal(there_and_back(layer, A).shape)
    out, dA = there_and_back(layer, A, dout)
    for b, i, j, c in np.ndindex(out.shape):
        rows, columns = (slice(size * k, size * k + size) for k in (i, j))
        window, gradient = (X[b, rows, columns, c].ravel() for X in (A, dA))
        assert out[b, i, j, c] == window.max() and np.count_nonzero(gradient) == 1
        assert gradient.sum() == dout[b, i, j, c]
        assert window[np.abs(gradient).argmax()] == window.max()
    assert np.count_nonzero(dA) == dout.size


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squares"])
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
@given(seeds, st.sampled_from([None, 2, [3, None, 2, 3]]))
def test_the_gradient_of_a_network_with_convolutions_is_the_derivative(
        activation, loss, seed, ranks):
    rng, net = np.random.default_rng(seed), small_lenet(activation, loss)
    params, x, _ = draw(net, rng, ranks, 4)
    labels = rng.integers(0, 3, 4)
    value, grads = net.value_and_grad(params, x, labels)
    assert abs(value - net.value(params, x, labels)) <= 4 * EPS * abs(value)
    direction = random_direction(rng, params)
    assert derivative_defect(net, params, grads, x, labels, direction, "complex") <= 1e-13
    wrong = DirectSum([1.001 * grads.blocks[0], *grads.blocks[1:]])
    size = norm(grads) * norm(direction)
    planted = abs(inner(wrong, direction) - inner(grads, direction)) / size
    defect = derivative_defect(net, params, wrong, x, labels, direction, "complex")
    assert defect >= 0.9 * planted - 1e-13


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
@pytest.mark.parametrize("ranks", [None, 2, [3, None, 2, None]], ids=str)
def test_the_gradient_of_lenet5_is_the_derivative_along_every_parameter(activation, ranks):
    """Also along itself. There a planted one, of second kernels 1 % too large, is off by 1 % of
    the square of what they are of it."""
    rng, net = np.random.default_rng(0), lenet5((16, 16, 2), 4, activation)
    params, x, labels = draw(net, rng, ranks, 3)
    _, grads = net.value_and_grad(params, x, labels)
    wrong = DirectSum([*grads.blocks[:2], 1.01 * grads.blocks[2], *grads.blocks[3:]])
    directions = [*block_directions(rng, params), dense(grads)]

    def worst(grads):
        return max(derivative_defect(net, params, grads, x, labels, direction, "complex")
                   for direction in directions)

    part = norm(grads.blocks[2]) / norm(grads)
    assert worst(grads) <= 1e-12 < 1e-5 < 0.009 * part**2 <= worst(wrong)


@pytest.mark.parametrize("fetch", [layers.FETCH, -99], ids=["as it is", "gradients in factors"])
@given(seed=seeds)
def test_factored_kernels_are_the_kernels_multiplied_out(fetch, seed):
    """Outputs and gradients of LowRank weights are those of their dense products; so are the
    products of the gradient with U and V, which it may know."""
    rng, net = np.random.default_rng(seed), small_lenet("relu")
    params = net.init(rng, [1, 2, 3, 2])
    x, labels = rng.standard_normal((5, net.inputs)), rng.integers(0, 3, 5)
    with patch.object(layers, "FETCH", fetch):
        (value, grads), (truth, full) = (net.value_and_grad(P, x, labels)
                                         for P in (params, dense(params)))
    assert [isinstance(G, LowRank) for G in grads.blocks[::2]] == [*[fetch < 0] * 2, True, True]
    assert abs(value - truth) <= 1e-13 * max(1, abs(truth))
    full = dense(full)
    assert norm(dense(grads) - full) <= 1e-13 * norm(full)
    for W, G, truth in zip(*(X.blocks[::2] for X in (params, grads, full)), strict=True):
        defects = G @ W.V - truth @ W.V, H(G) @ W.U - truth.T @ W.U, W.U.T @ G - W.U.T @ truth
        assert sum(map(np.linalg.norm, defects)) <= 1e-13 * np.linalg.norm(truth) + 1e-16


def test_lenet5_has_the_published_shapes_and_count_and_learns():
    net, rng = lenet5(), np.random.default_rng(0)
    assert net.weight_shapes == [(20, 25), (50, 500), (500, 800), (10, 500)]
    assert str(net) == "784-20-50-500-10" and lenet5([28, 28, 1]) == net
    assert sum(m * n for m, n in net.weight_shapes) == 430_500
    x, labels = rng.random((8, 784), np.float32), rng.integers(0, 10, 8)
    params = net.init(rng, [10, 25, 60, None], np.float32)
    for _ in range(3):
        after = DLRT(1e-3).step(params, 0.0, 0.005, gradient_field(net, x, labels))
        assert net.value(after, x, labels) < net.value(params, x, labels)
        assert {X.dtype for X in after.blocks} == {np.dtype(np.float32)}
        params = after
    assert net.outputs(params, np.ones((2001, 784))).shape == (2001, 10)          # in chunks
    turned = net.outputs(params, x[::-1])[::-1]
    assert np.allclose(net.outputs(params, x), turned, rtol=0, atol=1e-5)


def of_lenet(x, shape=(28, 28, 1)):
    return lenet5().value(lenet5(shape).init(np.random.default_rng(0)), x, [0])


@pytest.mark.parametrize("make, message", [
    (lambda: Patches(0), "kernel: got 0"), (lambda: Patches(3, 0), "stride: got 0"),
    (lambda: Patches(3, 1, -1), "padding: got -1, expected a whole number ≥ 0"),
    (lambda: Patches((3, 0)), "kernel: got 0"), (lambda: Patches(3, (1, 1.5)), "stride: got 1.5"),
    (lambda: Patches(3, 1, (1, 2, 1)), "padding: got .1, 2, 1., expected .* or two"),
    (lambda: Patches(3, groups=0), "groups: got 0"),
    (lambda: Patches((1, 5)).shape((6, 4, 1)), "kernel: got .1, 5., expected at most .6, 4. for"),
    (lambda: Patches((5, 1)).shape((4, 6, 1)), "kernel: got .5, 1., expected at most .4, 6. for"),
    (lambda: Patches(2, groups=2).shape((4, 4, 3)), "groups: got 2, expected a divisor of the 3"),
    (lambda: MaxPool(0), "size: got 0"), (lambda: Dense(0), "n: got 0"),
    (lambda: lenet5((8, 8, 1)),
     r"kernel: got .5, 5., expected at most .2, 2. for an image of shape \(2, 2, 20\)"),
    (lambda: lenet5((28, 28)), r"shape: got \(28, 28\) for Patches"),
    (lambda: lenet5((28, 0, 1)), "shape: got 0"),
    (lambda: Network((3, 3, 1), (MaxPool(4), Flatten(), Dense(2))),
     "size: got 4, expected at most 3"),
    (lambda: Network((5, 5, 1), (Patches(2), Dense(2))),
     "layers: got .* expected .* a row of outputs"),
    (lambda: Network((5,), ()), "layers: got .* expected a weight"),
    (lambda: Network((5, 5, 1), (MaxPool(), Flatten())), "layers: got .* expected a weight"),
    (lambda: of_lenet(np.ones((1, 784)), (28, 28, 3)), "params: blocks of shapes"),
    (lambda: lenet5().init(np.random.default_rng(0), 21), "rank: got 21 for a 20 × 25 layer"),
    (lambda: of_lenet(np.ones((1, 783))), "x: shape"),
])
def test_layers_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("layer", lenet5().layers, ids=str)
def test_layers_cannot_be_changed_and_are_equal_if_they_do_the_same(layer):
    assert lenet5() == lenet5() != lenet5(activation="tanh") and layer == replace(layer)
    with pytest.raises(FrozenInstanceError):
        layer.kernel = 2


def test_a_window_may_be_as_large_as_the_image():
    assert Patches(5).shape((5, 7, 2)) == (1, 3, 50) and MaxPool(4).shape((4, 5, 3)) == (1, 1, 3)
    assert Patches((5, 9), (1, 2), (0, 1)).shape((5, 9, 1)) == (1, 2, 45)
    assert Patches((5, 5)) == Patches([5, 5]) == Patches(5, (1, 1), (0, 0)) != Patches((5, 4))
