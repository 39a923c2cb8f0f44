"""Gradients are gradients: by complex step where the activation is analytic, by differences
elsewhere; planted errors are rejected."""

import numpy as np
import pytest
from derivatives import block_directions, derivative_defect, draw, random_direction
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from lowrank_ode import DLRT, DirectSum, LowRank
from lowrank_ode.matrices import H, dense, norm, outer
from lowrank_ode.nets import mlp
from lowrank_ode.training import gradient_field

ANALYTIC = ["tanh", "softplus", "identity"]
LOSSES = ["cross_entropy", "mean_squares"]


RANKS = st.sampled_from([None, 2, [2, None, 3], [None, 3, None]])


@pytest.mark.parametrize("activation", ANALYTIC)
@pytest.mark.parametrize("loss", LOSSES)
@given(seeds, RANKS)
def test_the_gradient_is_the_derivative_along_every_parameter(activation, loss, seed, ranks):
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
    """Away from kinks the loss is smooth: central differences at step 1e-6 err by EPS · loss / step
    ≈ 1e-10, for gradients ≥ 1e-3. A complex step is one-sided at no kink."""
    rng = np.random.default_rng(seed)
    net = mlp([5, 6, 7, 4], "relu", loss)
    params, x, labels = draw(net, rng, ranks)
    _, grads = net.value_and_grad(params, x, labels)
    nearest_kink = min(np.abs(a).min() for a in preactivations(params, x))

    def defect(step):
        return derivative_defect(net, params, grads, x, labels, random_direction(rng, params), step)

    if nearest_kink > 1e-3:
        assert defect(1e-6) <= 1e-7
    assert defect("complex") <= 1e-12


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


@pytest.mark.parametrize("planted", [with_factor, with_dropped_bias, with_dropped_example,
                                     with_transposed_factor])
@pytest.mark.parametrize("step, tolerance", [("complex", 1e-12), (1e-6, 1e-7)])
def test_the_check_rejects_planted_errors(planted, step, tolerance):
    rng = np.random.default_rng(0)
    net = mlp([5, 6, 6, 4], "tanh")
    params, x, labels = draw(net, rng, 2)
    _, right = net.value_and_grad(params, x, labels)
    directions = [D for _ in range(5) for D in block_directions(rng, params)]

    def worst(grads):
        return max(derivative_defect(net, params, grads, x, labels, D, step) for D in directions)

    assert worst(right) <= tolerance and worst(planted(right)) > 100 * tolerance


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_stay_factored_and_precision_is_kept(loss):
    """Data in double precision, or lists, must not promote the parameters."""
    net = mlp([8, 20, 20, 3], loss=loss)
    params = net.init(np.random.default_rng(0), 4, np.float32)
    x, labels = np.ones((2, 8)), np.array([0, 2])
    loss, grads = net.value_and_grad(params, x.tolist(), labels.tolist())
    assert all(isinstance(G, LowRank) and G.rank == 2 for G in grads.blocks[::2])
    assert {X.dtype for X in grads.blocks} == {np.dtype(np.float32)} and loss.dtype == np.float32
    after = DLRT().step(params, 0, 0.1, gradient_field(net, x, labels))
    assert {X.dtype for X in after.blocks} == {np.dtype(np.float32)}


GAINS = {"relu": 2, "tanh": 1, "softplus": 2, "identity": 1}    # variance of an entry · inputs


@pytest.mark.parametrize("activation", GAINS)
def test_a_random_start_has_the_same_size_dense_or_low_rank(activation):
    """‖W‖² is gain · outputs on average; over ten seeds the mean norm of a core of rank 20 is
    within 15 % of that, and b = 0. The last layer is dense."""
    net, seeds = mlp([50, 200, 10], activation), range(10)
    starts = {rank: [net.init(np.random.default_rng(seed), rank) for seed in seeds]
              for rank in (None, 20)}
    for params in starts.values():
        size = np.mean([norm(P.blocks[0]) for P in params])
        assert size == pytest.approx(np.sqrt(GAINS[activation] * 200), rel=0.15)
        assert not any(P.blocks[1].any() or P.blocks[3].any() for P in params)
    found = [isinstance(X, LowRank) for X in starts[20][0].blocks]
    assert found == [True, False, False, False]


@pytest.mark.parametrize("activation", GAINS)
@pytest.mark.parametrize("ranks", [[None, None, None], [2, None, 3]])
def test_a_start_takes_random_numbers_layer_by_layer_and_the_last_has_the_gain_below(
        activation, ranks):
    """Of a LowRank first U, then V, then the core; biases take none. Without a layer below the gain
    of the last is 1. Planted: that of its own activation, which is none."""
    def expected(widths, gains, rng):
        for n, m, r, gain in zip(widths, widths[1:], ranks[-len(gains):], gains, strict=False):
            if r is None:
                yield np.sqrt(gain / n) * rng.standard_normal((m, n))
            else:
                yield from (np.linalg.qr(rng.standard_normal((k, r)))[0] for k in (m, n))
                yield np.sqrt(gain * m) / r * rng.standard_normal((r, r))

    def are_equal(widths, gains):
        rng, again, found = np.random.default_rng(0), np.random.default_rng(0), []
        for W in mlp(widths, activation).init(rng, ranks[-len(gains):]).blocks[::2]:
            found += [W.U, W.V, W.S] if isinstance(W, LowRank) else [W]
        same = all(map(np.array_equal, found, expected(widths, gains, again)))
        assert rng.random() == again.random()
        return same

    gain = GAINS[activation]
    assert are_equal([5, 6, 7, 4], [gain] * 3) and are_equal([5, 4], [1])
    assert are_equal([5, 6, 7, 4], [gain, gain, 1]) == (gain == 1)


def test_activations_keep_their_size_through_a_deep_random_network():
    rng = np.random.default_rng(0)
    for activation, rank in (("relu", None), ("relu", 100), ("tanh", None)):
        net, size = mlp([500] * 9, activation), 1 if activation == "relu" else 0.1
        x = size * rng.standard_normal((50, 500))
        out = net.outputs(net.init(rng, [*[rank] * 7, None]), x)
        assert 0.3 < np.linalg.norm(out) / np.linalg.norm(x) < 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_dense_weights_may_have_any_precision(dtype):
    net, x, labels = mlp([5, 6, 4]), 0.1 * np.arange(15.0).reshape(3, 5), np.array([0, 1, 3])
    params = net.init(np.random.default_rng(0), dtype=dtype)
    in_double = DirectSum(X.astype(float) for X in params.blocks)
    (loss, grads), (truth, _) = (net.value_and_grad(P, x, labels) for P in (params, in_double))
    assert {X.dtype for X in grads.blocks} == {np.dtype(dtype)}
    assert abs(loss - truth) <= 50 * max(np.finfo(dtype).eps, 1e-15)


def start(widths):
    return mlp(widths).init(np.random.default_rng(0))


def batch(x, labels, loss="cross_entropy"):
    return mlp([5, 4], loss=loss).value_and_grad(start([5, 4]), x, np.asarray(labels))


def rank(given):
    return mlp([5, 6, 4]).init(np.random.default_rng(0), given)


@pytest.mark.parametrize("make, message", [
    (lambda: mlp([5]), "widths: got"), (lambda: mlp([5, 0]), "widths: got 0"),
    (lambda: mlp([5.5, 4]), r"widths: got 5\.5"), (lambda: rank([2]), "rank: got 1 entries"),
    (lambda: rank(0), "rank: got 0 for a 6 × 5"), (lambda: rank(6), "rank: got 6 for a 6 × 5"),
    (lambda: rank(2.5), r"rank: got 2\.5 for a 6 × 5 layer"),
    (lambda: mlp([5, 4]).init(np.random.default_rng(0), 2), "rank: got 2 for a single layer"),
    (lambda: batch(np.ones((0, 5)), []), "x: shape"),
    (lambda: batch(np.ones((2, 4)), [0, 1]), "x: shape"),
    (lambda: mlp([5, 4]).value_and_grad(1j * start([5, 4]), np.ones((1, 5)), [0]),
     "params: complex, expected real weights"),
    (lambda: batch(np.full((1, 5), np.nan), [0]), "x: NaN or Inf"),
    (lambda: batch(np.ones((2, 5)), [0, 4]), r"labels: range \[.*4\]"),
    (lambda: batch(np.ones((2, 5)), [0, -1]), r"labels: range \[-1, .*\]"),
    (lambda: batch(np.ones((2, 5)), [0.0, 1.0]), "whole numbers"),
    (lambda: batch(np.ones((2, 5)), [0]), "labels: shape"),
    (lambda: batch(np.ones((2, 5)), np.ones((2, 3)), "mean_squares"), "labels: shape"),
    (lambda: batch(np.ones((1, 5)), [[0, np.nan, 0, 0]], "mean_squares"), "labels: NaN or Inf"),
    (lambda: batch(np.ones((1, 5)), [[0, np.inf, 0, 0]], "mean_squares"), "labels: NaN or Inf"),
    (lambda: mlp([5, 4]).accuracy(start([5, 4]), np.ones((2, 5)), [[0], [1]]),
     r"labels: shape \(2, 1\), expected \(2,\)"),
    (lambda: mlp([5, 6, 4]).value(start([5, 4]), np.ones((1, 5)), [0]), "params: blocks of shapes"),
    (lambda: mlp([5, 6, 4]).outputs(start([5, 7, 4]), np.ones((1, 5))), "params: blocks of shapes"),
    (lambda: mlp([5, 4]).outputs(start([5, 6, 4]), np.ones((1, 5))), "params: .* expected")])
def test_bad_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
