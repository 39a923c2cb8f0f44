"""Gradients are gradients: by complex step where the activation is analytic, by differences elsewhere; planted errors are rejected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_basis, seeds

from lowrank_ode import DLRT, DirectSum, LowRank
from lowrank_ode.matrices import H, dense, norm, outer
from lowrank_ode.nets import mlp
from lowrank_ode.nets.activations import ACTIVATIONS
from lowrank_ode.training import gradient_field

ANALYTIC = ["tanh", "softplus", "identity"]
LOSSES = ["cross_entropy", "mean_squares"]


def draw(net, rng, ranks, batch=7):
    """Parameters with biases ≠ 0 and cores that are not diagonal, and a batch."""
    params = DirectSum([X if isinstance(X, LowRank) else rng.standard_normal(X.shape) for X in net.init(rng, ranks).blocks])
    x = rng.standard_normal((batch, net.inputs))
    classes = net.classes
    return params, x, rng.standard_normal((batch, classes)) if net.loss == "mean_squares" else rng.integers(0, classes, batch)


def inner(A, B):
    return sum(np.sum(dense(X) * dense(Z)) for X, Z in zip(A.blocks, B.blocks, strict=True))


def derivative_defect(net, params, grads, x, labels, direction, step):
    """|⟨∇L, D⟩ − derivative of L along D|, relative to ‖∇L‖ ‖D‖; a complex step has no subtraction, so no loss of digits."""
    at = dense(params)
    if step == "complex":
        truth = net.value(at + 1e-30j * direction, x, labels).imag / 1e-30
    else:
        truth = (net.value(at + step * direction, x, labels) - net.value(at + (-step) * direction, x, labels)) / (2 * step)
    return abs(inner(grads, direction) - truth) / (norm(grads) * norm(direction))


def random_direction(rng, params):
    return DirectSum([rng.standard_normal(X.shape) for X in params.blocks])


def block_directions(rng, params):
    """A direction in each block alone, so that an error in a small block cannot hide behind a large one."""
    zero = DirectSum([np.zeros(X.shape) for X in params.blocks])
    for k, X in enumerate(params.blocks):
        yield DirectSum([*zero.blocks[:k], rng.standard_normal(X.shape), *zero.blocks[k + 1:]])


RANKS = st.sampled_from([None, 2, [2, None, 3], [None, 3, None]])


@pytest.mark.parametrize("activation", ANALYTIC)
@pytest.mark.parametrize("loss", LOSSES)
@given(seeds, RANKS)
def test_gradients_agree_with_a_complex_step_to_rounding(activation, loss, seed, ranks):
    rng = np.random.default_rng(seed)
    net = mlp([5, 6, 7, 4], activation, loss)
    params, x, labels = draw(net, rng, ranks)
    value, grads = net.value_and_grad(params, x, labels)
    assert abs(value - net.value(dense(params), x, labels)) <= 1e-13 * abs(value)
    for direction in block_directions(rng, params):
        assert derivative_defect(net, params, grads, x, labels, direction, "complex") <= 1e-12


@pytest.mark.parametrize("loss", LOSSES)
@given(seeds, RANKS)
def test_relu_gradients_agree_with_directional_differences(loss, seed, ranks):
    """Away from kinks the loss is smooth: central differences at step 1e-6 err by EPS · loss / step ≈ 1e-10, for gradients ≥ 1e-3."""
    rng = np.random.default_rng(seed)
    net = mlp([5, 6, 7, 4], "relu", loss)
    params, x, labels = draw(net, rng, ranks)
    _, grads = net.value_and_grad(params, x, labels)
    nearest_kink = min(np.abs(a).min() for a in preactivations(params, x))
    step = 1e-6
    if nearest_kink > 1e-3:
        assert derivative_defect(net, params, grads, x, labels, random_direction(rng, params), step) <= 1e-7
    assert derivative_defect(net, params, grads, x, labels, random_direction(rng, params), "complex") <= 1e-12     # one-sided at no kink


def preactivations(params, x):
    Z = x.T
    for W, b in zip(params.blocks[:-2:2], params.blocks[1:-2:2], strict=True):
        a = W @ Z + b
        yield a
        Z = np.maximum(a, 0)


def with_factor(grads):
    return DirectSum([1.001 * grads.blocks[0], *grads.blocks[1:]])


def with_dropped_bias(grads):
    return DirectSum([grads.blocks[0], 0 * grads.blocks[1], *grads.blocks[2:]])


def with_dropped_example(grads):
    G = grads.blocks[2]
    return DirectSum([*grads.blocks[:2], outer(G.U[:, :-1], G.V[:, :-1]), *grads.blocks[3:]])


def with_transposed_factor(grads):
    G = grads.blocks[2]
    return DirectSum([*grads.blocks[:2], H(G), *grads.blocks[3:]])


@pytest.mark.parametrize("planted", [with_factor, with_dropped_bias, with_dropped_example, with_transposed_factor])
@pytest.mark.parametrize("step, tolerance", [("complex", 1e-12), (1e-6, 1e-7)])
def test_the_check_rejects_planted_errors(planted, step, tolerance):
    rng = np.random.default_rng(0)
    net = mlp([5, 6, 6, 4], "tanh")
    params, x, labels = draw(net, rng, 2)
    _, grads = net.value_and_grad(params, x, labels)
    directions = [D for _ in range(5) for D in block_directions(rng, params)]
    assert max(derivative_defect(net, params, grads, x, labels, D, step) for D in directions) <= tolerance
    assert max(derivative_defect(net, params, planted(grads), x, labels, D, step) for D in directions) > 100 * tolerance


def test_a_wrong_slope_of_an_activation_is_rejected(monkeypatch):
    from lowrank_ode.nets import networks
    value, _, gain = networks.ACTIVATIONS["tanh"]
    monkeypatch.setitem(networks.ACTIVATIONS, "tanh", type(networks.ACTIVATIONS["tanh"])(value, lambda z: 1 - 0.999 * z * z, gain))
    rng = np.random.default_rng(0)
    net = mlp([5, 6, 6, 4], "tanh")
    params, x, labels = draw(net, rng, None)
    _, grads = net.value_and_grad(params, x, labels)
    assert derivative_defect(net, params, grads, x, labels, random_direction(rng, params), "complex") > 1e-8


@given(seeds, st.sampled_from([1.0, 1e3]))
def test_the_losses_are_stable_for_large_outputs(seed, scale):
    rng = np.random.default_rng(seed)
    net = mlp([3, 4], "softplus")
    W = DirectSum([scale * rng.standard_normal((4, 3)), np.zeros((4, 1))])
    loss, grads = net.value_and_grad(W, rng.standard_normal((5, 3)), rng.integers(0, 4, 5))
    assert np.isfinite(loss) and loss >= 0 and np.isfinite(norm(grads))


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_stay_factored_and_precision_is_kept(loss):
    net = mlp([8, 20, 20, 3], loss=loss)
    params = net.init(np.random.default_rng(0), 4, np.float32)
    x, labels = np.ones((2, 8)), np.array([0, 2])           # double precision data, or lists, must not promote the parameters
    loss, grads = net.value_and_grad(params, x.tolist(), labels.tolist())
    assert all(isinstance(G, LowRank) and G.rank == 2 for G in grads.blocks[::2])
    assert {X.dtype for X in grads.blocks} == {np.dtype(np.float32)} and loss.dtype == np.float32
    assert {X.dtype for X in DLRT().step(params, 0, 0.1, gradient_field(net, x, labels)).blocks} == {np.dtype(np.float32)}


GAINS = {"relu": 2, "tanh": 1, "softplus": 2, "identity": 1}        # the variance of an entry of W is gain / inputs


@pytest.mark.parametrize("activation", GAINS)
def test_a_random_start_has_the_same_size_dense_or_low_rank(activation):
    """‖W‖² is gain · outputs on average; over ten seeds the mean norm of a core of rank 20 is within 15 % of that, and b = 0."""
    net = mlp([50, 200, 10], activation)
    starts = {rank: [net.init(np.random.default_rng(seed), rank) for seed in range(10)] for rank in (None, 20)}
    for params in starts.values():
        assert np.mean([norm(P.blocks[0]) for P in params]) == pytest.approx(np.sqrt(GAINS[activation] * 200), rel=0.15)
        assert not any(P.blocks[1].any() or P.blocks[3].any() for P in params)
    assert [isinstance(X, LowRank) for X in starts[20][0].blocks] == [True, False, False, False]        # the last layer is dense


def test_the_slope_of_softplus_keeps_its_digits_far_to_the_left():
    """σ'(a) = 1/(1 + e^{−a}), which is e^a to 16 digits at a = −40; 1 − e^{−σ(a)} would be 0 or EPS/2."""
    value, slope, _ = ACTIVATIONS["softplus"]
    a = np.array([-40.0, -700])
    np.testing.assert_allclose(slope(value(a.copy())), np.exp(a), rtol=1e-15)
    assert not np.allclose(1 - np.exp(-value(a.copy())), np.exp(a), rtol=1e-3, atol=0)


def test_activations_keep_their_size_through_a_deep_random_network():
    rng = np.random.default_rng(0)
    for activation, rank in (("relu", None), ("relu", 100), ("tanh", None)):
        net, x = mlp([500] * 9, activation), rng.standard_normal((50, 500)) * (1 if activation == "relu" else 0.1)
        assert 0.3 < np.linalg.norm(net.outputs(net.init(rng, [*[rank] * 7, None]), x)) / np.linalg.norm(x) < 3


@pytest.mark.parametrize("make, message", [
    (lambda: mlp([5]), "widths: got"), (lambda: mlp([5, 0]), "widths: got 0"),
    (lambda: mlp([5.5, 4]), r"widths: got 5\.5"), (lambda: mlp([5, 4], "sigmoid"), "activation: got 'sigmoid'"),
    (lambda: mlp([5, 4], loss="hinge"), "loss: got 'hinge'"),
    (lambda: mlp([5, 6, 4]).init(np.random.default_rng(0), 0), "rank: got 0 for a 6 × 5 layer"),
    (lambda: mlp([5, 6, 4]).init(np.random.default_rng(0), 6), "rank: got 6 for a 6 × 5 layer"),
    (lambda: mlp([5, 6, 4]).init(np.random.default_rng(0), 2.5), r"rank: got 2\.5 for a 6 × 5 layer"),
    (lambda: mlp([5, 6, 4]).init(np.random.default_rng(0), [2]), "rank: got 1 entries"),
    (lambda: batch(np.ones((0, 5)), []), "x: shape"), (lambda: batch(np.ones((2, 4)), [0, 1]), "x: shape"),
    (lambda: mlp([5, 4]).value_and_grad(1j * start([5, 4]), np.ones((1, 5)), [0]), "params: complex128, expected real weights"),
    (lambda: batch(np.full((1, 5), np.nan), [0]), "x: NaN or Inf"), (lambda: batch(np.ones((2, 5)), [0, 4]), r"labels: range \[.*4\]"),
    (lambda: batch(np.ones((2, 5)), [0, -1]), r"labels: range \[-1, .*\]"), (lambda: batch(np.ones((2, 5)), [0.0, 1.0]), "whole numbers"),
    (lambda: batch(np.ones((2, 5)), [0]), "labels: shape"),
    (lambda: batch(np.ones((2, 5)), np.ones((2, 3)), "mean_squares"), "labels: shape"),
    (lambda: batch(np.ones((1, 5)), [[0, np.nan, 0, 0]], "mean_squares"), "labels: NaN or Inf"),
    (lambda: batch(np.ones((1, 5)), [[0, np.inf, 0, 0]], "mean_squares"), "labels: NaN or Inf"),
    (lambda: mlp([5, 4]).accuracy(start([5, 4]), np.ones((2, 5)), [[0], [1]]), r"labels: shape \(2, 1\), expected \(2,\)"),
    (lambda: mlp([5, 6, 4]).value(start([5, 4]), np.ones((1, 5)), [0]), "params: blocks of shapes .* expected"),
    (lambda: mlp([5, 6, 4]).outputs(start([5, 7, 4]), np.ones((1, 5))), "params: blocks of shapes .* expected"),
    (lambda: mlp([5, 4]).outputs(start([5, 6, 4]), np.ones((1, 5))), "params: blocks of shapes .* expected"),
])
def test_bad_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def start(widths):
    return mlp(widths).init(np.random.default_rng(0))


def batch(x, labels, loss="cross_entropy"):
    return mlp([5, 4], loss=loss).value_and_grad(start([5, 4]), x, np.asarray(labels))


@pytest.mark.parametrize("i", [0, 1j])
def test_mean_squares_is_half_the_mean_square_of_the_distance_to_the_targets(i):
    net, x, T = mlp([5, 4], loss="mean_squares"), np.ones((3, 5)), np.arange(12.0).reshape(3, 4)
    params = start([5, 4]) + i * start([5, 4])
    outputs = net.outputs(params, x)
    assert net.value(params, x, T) == pytest.approx(0.5 * np.sum((outputs - T) ** 2) / 3, rel=1e-14)
    if not i:
        np.testing.assert_allclose(net.value_and_grad(params, x, T)[1].blocks[1].ravel(), (outputs - T).mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_dense_weights_may_have_any_precision(dtype):
    net, x, labels = mlp([5, 6, 4]), 0.1 * np.arange(15.0).reshape(3, 5), np.array([0, 1, 3])
    params = net.init(np.random.default_rng(0), dtype=dtype)
    (loss, grads), (truth, _) = (net.value_and_grad(P, x, labels) for P in (params, DirectSum(X.astype(float) for X in params.blocks)))
    assert {X.dtype for X in grads.blocks} == {np.dtype(dtype)} and abs(loss - truth) <= 50 * max(np.finfo(dtype).eps, 1e-15)


def test_mean_squares_takes_class_indices_as_unit_vectors():
    net = mlp([5, 4], loss="mean_squares")
    params, x = net.init(np.random.default_rng(0)), random_basis(np.random.default_rng(1), 5, 3).T
    assert net.value(params, x, np.array([0, 3, 1])) == net.value(params, x, np.eye(4)[[0, 3, 1]])
