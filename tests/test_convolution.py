"""Convolution as a dense layer on patches, pooling, and LeNet5: against slow twins, adjoints, and derivatives by complex steps."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate
from test_nets import derivative_defect, inner, random_direction

from lowrank_ode import DLRT, DirectSum, LowRank
from lowrank_ode.matrices import best_approximation, dense, norm
from lowrank_ode.nets import Network, layers, lenet5, networks
from lowrank_ode.nets.layers import Dense, Flatten, MaxPool, Patches
from lowrank_ode.training import gradient_field

EPS = np.finfo(float).eps
images = st.tuples(st.integers(1, 3), st.integers(5, 9), st.integers(5, 9), st.integers(1, 3))         # batch, height, width, channels
windows = st.builds(Patches, st.integers(1, 5), st.integers(1, 3), st.integers(0, 2))


def laid_out(layer, A):
    out = np.empty((len(A), *layer.shape(A.shape[1:])), A.dtype)
    layer.forward(A, out)
    return out


def back(layer, A, out, dout):
    dA = np.full_like(A, np.nan)
    layer.backward(A, out, dout, dA)
    return dA


def small_lenet(activation, loss="cross_entropy"):
    """Odd sizes, padding, a stride: what LeNet5 does not have."""
    return Network((9, 8, 2), (Patches(3, padding=1), Dense(4, activation), MaxPool(), Patches(2, stride=2), Dense(5, activation),
                               Flatten(), Dense(6, activation), Dense(3, "identity")), loss)


@given(images, windows, st.integers(0, 2**32 - 1))
def test_patches_and_a_dense_layer_are_a_convolution(shape, layer, seed):
    """Against scipy's correlation, summed over channels: rows of W are kernels (row, column, channel)."""
    rng = np.random.default_rng(seed)
    A, kernels = rng.standard_normal(shape), rng.standard_normal((2, layer.kernel, layer.kernel, shape[-1]))
    p, s = layer.padding, layer.stride
    padded = np.pad(A, ((0, 0), (p, p), (p, p), (0, 0)))
    truth = np.array([[correlate(image, K, "valid")[::s, ::s, 0] for K in kernels] for image in padded]).transpose(0, 2, 3, 1)
    found = laid_out(layer, A) @ kernels.reshape(2, -1).T
    assert found.shape == truth.shape and np.abs(found - truth).max() <= 50 * EPS * np.abs(kernels).sum() * np.abs(A).max()
    flipped = laid_out(layer, A) @ kernels[:, ::-1, ::-1].reshape(2, -1).T                              # planted: a true convolution
    assert layer.kernel == 1 or np.abs(flipped - truth).max() > 1e-6


@given(images, windows, st.integers(0, 2**32 - 1))
def test_the_way_back_from_patches_is_the_adjoint(shape, layer, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape)
    P = laid_out(layer, A)
    X = rng.standard_normal(P.shape)
    there, here = np.vdot(P, X), np.vdot(A, back(layer, A, P, X))
    assert abs(there - here) <= 50 * EPS * np.linalg.norm(P) * np.linalg.norm(X)
    assert layer.kernel == 1 or abs(there - np.vdot(A, back(layer, A, P, X[..., ::-1]))) > 1e-9        # planted: windows read backwards


@given(images, st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_pooling_takes_the_largest_and_sends_the_gradient_to_one_of_them(shape, size, seed):
    """Few different numbers: many ties. The rest of an image that is no whole window gets nothing."""
    rng = np.random.default_rng(seed)
    A, layer = rng.integers(0, 3, shape).astype(float), MaxPool(size)
    out = laid_out(layer, A)
    dout = rng.standard_normal(out.shape)
    dA = back(layer, A, out, dout)
    for b, i, j, c in np.ndindex(out.shape):
        window, gradient = (X[b, size * i:size * i + size, size * j:size * j + size, c].ravel() for X in (A, dA))
        assert out[b, i, j, c] == window.max() and np.count_nonzero(gradient) == 1
        assert gradient.sum() == dout[b, i, j, c] and window[gradient.argmax() if gradient.max() > 0 else gradient.argmin()] == window.max()
    assert np.count_nonzero(dA) == dout.size


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squares"])
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 2, [3, None, 2, 3]]))
def test_the_gradient_of_a_network_with_convolutions_is_the_derivative(activation, loss, seed, ranks):
    rng, net = np.random.default_rng(seed), small_lenet(activation, loss)
    params = DirectSum([X if isinstance(X, LowRank) else rng.standard_normal(X.shape) for X in net.init(rng, ranks).blocks])
    x, labels = rng.standard_normal((4, net.inputs)), rng.integers(0, 3, 4)
    value, grads = net.value_and_grad(params, x, labels)
    assert abs(value - net.value(params, x, labels)) <= 4 * EPS * abs(value)
    direction = random_direction(rng, params)
    assert derivative_defect(net, params, grads, x, labels, direction, "complex") <= 1e-13
    wrong = DirectSum([1.001 * grads.blocks[0], *grads.blocks[1:]])
    planted = abs(inner(wrong, direction) - inner(grads, direction)) / (norm(grads) * norm(direction))
    assert derivative_defect(net, params, wrong, x, labels, direction, "complex") >= 0.9 * planted - 1e-13


@given(st.integers(0, 2**32 - 1))
def test_factored_kernels_are_the_kernels_multiplied_out(seed):
    """Outputs and gradients of LowRank weights are those of their dense products; so are the products of the gradient with U and V."""
    rng, net = np.random.default_rng(seed), small_lenet("relu")
    params = net.init(rng, [3, 2, 3, 2])
    x, labels = rng.standard_normal((5, net.inputs)), rng.integers(0, 3, 5)
    (value, grads), (truth, dense_grads) = (net.value_and_grad(P, x, labels) for P in (params, dense(params)))
    assert abs(value - truth) <= 1e-13 * max(1, abs(truth)) and norm(dense(grads) - dense(dense_grads)) <= 1e-13 * norm(dense_grads)
    for W, G, full in zip(params.blocks[::2], grads.blocks[::2], dense(dense_grads).blocks[::2], strict=True):
        assert np.linalg.norm(G @ W.V - full @ W.V) + np.linalg.norm(W.U.T @ G - W.U.T @ full) <= 1e-13 * np.linalg.norm(full) + 1e-16


def test_lenet5_has_the_published_shapes_and_count_and_learns():
    net, rng = lenet5(), np.random.default_rng(0)
    assert net.weight_shapes == [(20, 25), (50, 500), (500, 800), (10, 500)] and str(net) == "784-20-50-500-10"
    assert sum(m * n for m, n in net.weight_shapes) == 430_500
    x, labels = rng.random((8, 784), np.float32), rng.integers(0, 10, 8)
    params = net.init(rng, [10, 25, 60, None], np.float32)
    for _ in range(3):
        after = DLRT(1e-3).step(params, 0.0, 0.005, gradient_field(net, x, labels))
        assert net.value(after, x, labels) < net.value(params, x, labels) and {X.dtype for X in after.blocks} == {np.dtype(np.float32)}
        params = after
    assert net.outputs(params, np.ones((2001, 784))).shape == (2001, 10)          # in chunks
    assert np.allclose(net.outputs(params, x), net.outputs(params, x[::-1])[::-1], rtol=0, atol=1e-5) and lenet5([28, 28, 1]) == net


@pytest.mark.parametrize("make, message", [
    (lambda: Patches(0), "kernel: got 0"), (lambda: Patches(3, 0), "stride: got 0"), (lambda: MaxPool(0), "size: got 0"),
    (lambda: Dense(0), "n: got 0"), (lambda: Dense(3, "sigmoid"), "activation: got 'sigmoid'"),
    (lambda: Patches(3, 1, -1), "padding: got -1, expected a whole number ≥ 0"),
    (lambda: lenet5((8, 8, 1)), r"kernel: got 5, expected at most 2 for an image of shape \(2, 2, 20\)"),
    (lambda: lenet5((28, 28)), r"shape: got \(28, 28\) for Patches"), (lambda: lenet5((28, 0, 1)), "shape: got 0"),
    (lambda: Network((3, 3, 1), (MaxPool(4), Flatten(), Dense(2))), "size: got 4, expected at most 3"),
    (lambda: Network((5, 5, 1), (Patches(2), Dense(2))), "layers: got .* expected a Dense one on a row"),
    (lambda: Network((5,), ()), "layers: got"), (lambda: Network((5,), (Dense(2), Flatten())), "layers: got"),
    (lambda: lenet5().value(lenet5((28, 28, 3)).init(np.random.default_rng(0)), np.ones((1, 784)), [0]), "params: blocks of shapes"),
    (lambda: lenet5().init(np.random.default_rng(0), 21), "rank: got 21 for a 20 × 25 layer"),
    (lambda: lenet5().outputs(lenet5().init(np.random.default_rng(0)), np.ones((1, 783))), "x: shape"),
])
def test_layers_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("layer", lenet5().layers, ids=str)
def test_layers_cannot_be_changed_and_are_equal_if_they_do_the_same(layer):
    assert lenet5() == lenet5() != lenet5(activation="tanh") and layer == replace(layer)
    with pytest.raises(FrozenInstanceError):
        layer.kernel = 2


@pytest.mark.parametrize("m, n, r, often, once", [(135, 135, 1, True, False), (136, 136, 1, False, False), (100, 257, 2, True, False),
                                                  (100, 258, 2, False, False), (7, 7, 2, True, True), (8, 8, 2, True, False)])
def test_kernels_are_multiplied_out_where_they_are_smaller_than_their_products_with_bases(m, n, r, often, once):
    """At the limits m n < 4 (r + 16) (m + n) for a gradient, m n < 2 r (m + n) for both passes; rows are never multiplied out."""
    rng = np.random.default_rng(0)
    A, delta = rng.standard_normal((3, 2, 2, n)), rng.standard_normal((3, 2, 2, m))
    W, b = best_approximation(rng.standard_normal((m, n)), rank=r), rng.standard_normal((m, 1))
    out, dA = np.empty_like(delta), np.empty_like(A)
    layer = Dense(m, "identity")
    ZV, DU = layer.forward(A, out, W, b), layer.delta(out, delta, W)
    layer.backward(A, out, delta, dA, W, b, DU)
    assert (ZV is None, DU is None) == (once, once) and not layer.sums_pixels((n,), W)
    tolerance = {"rtol": 1e-13, "atol": 1e-13 * n}
    assert np.allclose(out, A @ dense(W).T + b.T, **tolerance) and np.allclose(dA, delta @ dense(W), **tolerance)
    assert layer.sums_pixels((2, 2, n), W) == often
    for known in ((), (W, A.reshape(-1, n) @ W.V, delta.reshape(-1, m) @ W.U)):
        G, _ = layer.gradient(A, delta, *known)
        assert isinstance(G, LowRank) == bool(known) and np.allclose(dense(G), delta.reshape(-1, m).T @ A.reshape(-1, n), **tolerance)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("ranks", [None, [3, 2, 3, None], [1, 1, 3, None]], ids=["dense", "low rank", "kernels in factors"])
def test_a_gradient_is_the_sum_over_parts_of_the_batch_whose_images_fit_into_the_cache(monkeypatch, ranks):
    rng, net = np.random.default_rng(0), small_lenet("tanh")
    monkeypatch.setattr(layers, "FETCH", 0)
    params, x, labels = net.init(rng, ranks), rng.standard_normal((7, net.inputs)), rng.integers(0, 3, 7)
    value, grads = net.value_and_grad(params, x, labels)
    outputs, sizes = net.outputs(params, x), []
    cross_entropy = networks.LOSSES["cross_entropy"]
    monkeypatch.setitem(networks.LOSSES, "cross_entropy", lambda Z, labels: sizes.append(len(labels)) or cross_entropy(Z, labels))
    numbers = sum(np.prod(shape) for shape in net._shapes if len(shape) > 1)
    for cached, expected in ((3 * numbers, [2, 2, 3]), (4 * numbers - 1, [2, 2, 3]), (4 * numbers, [3, 4]), (1, [1] * 7)):
        monkeypatch.setattr(networks, "CACHED", cached)
        sizes.clear()
        again, parts = net.value_and_grad(params, x, labels)
        assert sizes == expected
        assert abs(again - value) <= 1e-14 * value and norm(dense(parts) - dense(grads)) <= 1e-14 * norm(grads)
        assert np.allclose(net.outputs(params, x), outputs, rtol=1e-13, atol=1e-13)
        G, W = parts.blocks[2], params.blocks[2]
        assert not isinstance(G, LowRank) or np.allclose(G @ W.V, dense(G) @ W.V, rtol=1e-12, atol=1e-13)
    with pytest.raises(ValueError, match=r"labels: shape \(8,\), expected one for each of 7 examples"):
        net.value_and_grad(params, x, [*labels, 0])


def test_a_window_may_be_as_large_as_the_image():
    assert Patches(5).shape((5, 7, 2)) == (1, 3, 50) and MaxPool(4).shape((4, 5, 3)) == (1, 1, 3)


@pytest.mark.parametrize("rank, in_factors", [(1, True), (20, False)])
def test_it_is_the_kernel_of_a_network_that_decides_whether_its_gradient_is_in_factors(rank, in_factors):
    """200 × 360: 4 (rank + 16) (200 + 360) is on either side of 200 · 360."""
    net, rng = Network((4, 4, 40), (Patches(3), Dense(200), Flatten(), Dense(3, "identity"))), np.random.default_rng(0)
    params, batch = net.init(rng, [rank, None]), (rng.standard_normal((2, 640)), rng.integers(0, 3, 2))
    G = net.value_and_grad(params, *batch)[1].blocks[0]
    truth = net.value_and_grad(dense(params), *batch)[1].blocks[0]
    assert isinstance(G, LowRank) == in_factors and np.allclose(dense(G), dense(truth), rtol=1e-10, atol=1e-12)
