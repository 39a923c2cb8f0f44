"""What a network is made of: activations with their slopes, at every point, and losses with theirs;
those of one's own."""

import numpy as np
import pytest
from derivatives import block_directions, derivative_defect, draw, random_direction
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_basis, seeds

from lowrank_ode import DLRT, DirectSum, LowRank
from lowrank_ode.matrices import dense, norm
from lowrank_ode.nets import Activation, Network, activations, lenet5, mlp
from lowrank_ode.nets.activations import ACTIVATIONS
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.losses import LOSSES, cross_entropy
from lowrank_ode.training import gradient_field


@pytest.mark.parametrize("activation", ["tanh", "softplus", "identity"])
def test_the_slope_is_the_derivative_by_complex_step_at_every_point_zero_included(activation):
    """At 0 the halves of softplus meet, and |Im a| decides nothing: the slope is 1/2, not 3/2."""
    value, slope, _ = ACTIVATIONS[activation]
    a = np.array([-30.0, -1, -1e-300, 0, 1e-300, 1, 30])
    for step in (1e-30, -1e-30):
        derivative = value(a + 1j * step).imag / step
        np.testing.assert_allclose(slope(value(a.copy())), derivative, rtol=1e-14,
                                   atol=5e-16)                              # 1 − z² of tanh


def test_the_slope_of_softplus_keeps_its_digits_far_to_the_left():
    """σ'(a) = 1/(1 + e^{−a}), which is e^a to 16 digits at a = −40; 1 − e^{−σ(a)} would be 0 or
    EPS/2."""
    value, slope, _ = ACTIVATIONS["softplus"]
    a = np.array([-40.0, -700])
    np.testing.assert_allclose(slope(value(a.copy())), np.exp(a), rtol=1e-15)
    assert not np.allclose(1 - np.exp(-value(a.copy())), np.exp(a), rtol=1e-3, atol=0)


def test_a_wrong_slope_of_an_activation_is_rejected(monkeypatch):
    value, _, gain = ACTIVATIONS["tanh"]
    wrong = Activation(value, lambda z: 1 - 0.999 * z * z, gain)
    monkeypatch.setitem(activations.ACTIVATIONS, "tanh", wrong)
    rng = np.random.default_rng(0)
    net = mlp([5, 6, 6, 4], "tanh")
    params, x, labels = draw(net, rng, None)
    _, grads = net.value_and_grad(params, x, labels)
    direction = random_direction(rng, params)
    assert derivative_defect(net, params, grads, x, labels, direction, "complex") > 1e-8


def worst_defect(net, ranks=(2, None, 3), batch=7):
    """Over the blocks, by complex step."""
    rng = np.random.default_rng(1)
    params, x, labels = draw(net, rng, ranks, batch)
    _, grads = net.value_and_grad(params, x, labels)
    return max(derivative_defect(net, params, grads, x, labels, direction, "complex")
               for direction in block_directions(rng, params))


NEW = Activation(np.arcsinh, lambda z: 1 / np.cosh(z))                      # a new array
OVERWRITING = Activation(lambda a: np.arcsinh(a, out=a), lambda z: 1 / np.cosh(z))


@pytest.mark.parametrize("activation", [NEW, OVERWRITING], ids=["a new array", "overwritten"])
def test_an_activation_of_ones_own_has_right_gradients(activation):
    """Planted: its slope as a function of the argument, and the value of another one."""
    assert worst_defect(mlp([5, 6, 7, 4], activation)) <= 1e-12
    wrong = activation._replace(slope=lambda a: 1 / np.sqrt(1 + a * a))
    for planted in (wrong, activation._replace(value=np.tanh)):
        assert worst_defect(mlp([5, 6, 7, 4], planted)) > 1e-8


class Dropping(Dense):
    """Planted: what the activation returns is dropped, what it leaves in its argument is used."""

    def forward(self, A, W, b):
        value = Activation(lambda a: activations.activation_of(self.activation).value(a) * 0 + a,
                           lambda z: z)
        out, (A, _, ZV) = Dense(self.n, value).forward(A, W, b)
        return out, (A, out, ZV)


@pytest.mark.parametrize("activation", [NEW, OVERWRITING], ids=["a new array", "overwritten"])
def test_a_value_that_is_dropped_is_seen_in_the_outputs_and_in_the_gradient(activation):
    """It passes where the argument is overwritten, and only there."""
    def network(layer):
        return Network((5,), (layer(6, activation), layer(7, activation), Dense(4, "identity")))

    params, x, _ = draw(network(Dense), np.random.default_rng(0), (2, None, 3))
    Z = x.T
    for k in (0, 2, 4):
        Z = (np.arcsinh if k < 4 else np.positive)(params.blocks[k] @ Z + params.blocks[k + 1])
    for layer, right in ((Dense, True), (Dropping, activation is OVERWRITING)):
        assert (np.abs(network(layer).outputs(params, x) - Z.T).max() <= 1e-13) == right
        assert (worst_defect(network(layer)) <= 1e-12) == right


@pytest.mark.parametrize("make", [lambda activation: mlp([25, 9, 8, 3], activation),
                                  lambda activation: lenet5((16, 16, 1), 3, activation)],
                         ids=["mlp", "lenet5"])
def test_an_activation_may_overwrite_its_argument_or_not(make):
    """The same numbers, to the last bit: outputs, loss, blocks of the gradient and of a step."""
    def found(activation):
        net, rng = make(activation), np.random.default_rng(0)
        params = net.init(rng, [2] * (len(net.weight_shapes) - 1) + [None])
        x, labels = rng.standard_normal((6, net.inputs)), rng.integers(0, 3, 6)
        loss, grads = net.value_and_grad(params, x, labels)
        after = DLRT(0, max_rank=2).step(params, 0, 0.1, gradient_field(net, x, labels))
        return [net.outputs(params, x), loss, *dense(grads).blocks, *dense(after).blocks]

    assert all(map(np.array_equal, found(NEW), found(OVERWRITING)))
    assert not all(map(np.array_equal, found(NEW), found("tanh")))


def test_the_start_is_scaled_by_the_gain_of_an_activation_of_ones_own():
    def norms(activation):
        return [norm(X) for X in mlp([9, 20, 8], activation).init(np.random.default_rng(0)).blocks]

    assert NEW.gain == 1 and norms(NEW) == norms("tanh")
    assert norms(NEW._replace(gain=2.0)) == norms("relu") != norms("tanh")


def test_networks_are_equal_if_their_widths_are_and_serve_as_keys():
    assert mlp([5, 4]) == mlp((5, 4)) == mlp(np.array([5, 4])) != mlp([4, 5])
    assert len({mlp([5, 4]), mlp((5, 4)), mlp([5, 3, 4], NEW), mlp([5, 3, 4], NEW)}) == 2


def log_cosh(outputs, targets):
    """Σ log cosh(outputs − targets) / batch."""
    difference = outputs - targets.T
    return np.log(np.cosh(difference)).sum() / len(targets), np.tanh(difference) / len(targets)


def test_a_loss_of_ones_own_has_right_gradients():
    """Planted: a Δ that is not divided by the batch, and one with examples in another order."""
    def defect(loss):
        net, rng = mlp([5, 6, 7, 4], "tanh", loss), np.random.default_rng(0)
        params, x, _ = draw(net, rng, (2, None, 3))
        targets = rng.standard_normal((7, 4))
        value, grads = net.value_and_grad(params, x, targets)
        assert value == pytest.approx(loss(net.outputs(params, x).T, targets)[0], rel=1e-13)
        return max(derivative_defect(net, params, grads, x, targets, direction, "complex")
                   for direction in block_directions(rng, params))

    def undivided(outputs, targets):
        value, delta = log_cosh(outputs, targets)
        return value, delta * len(targets)

    def turned(outputs, targets):
        value, delta = log_cosh(outputs, targets)
        return value, delta[:, ::-1]

    assert defect(log_cosh) <= 1e-12 < 1e-8 < min(defect(undivided), defect(turned))


def test_the_gradient_of_a_loss_of_ones_own_is_copied_in_the_precision_of_the_network():
    """A loss may keep it, or forbid to write to it; what comes of it is in single precision."""
    net, kept = mlp([5, 6, 4], loss=lambda outputs, labels: (0.0, kept)), np.ones((4, 3))
    kept.flags.writeable = False
    params = net.init(np.random.default_rng(0), [2, None], np.float32)
    _, grads = net.value_and_grad(params, np.ones((3, 5)), None)
    assert {X.dtype for X in grads.blocks} == {np.dtype(np.float32)} and (kept == 1).all()
    assert np.array_equal(grads.blocks[-1], np.full((4, 1), 3))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_may_be_given_by_its_name_or_itself(name):
    rng = np.random.default_rng(0)
    params, x, labels = draw(mlp([5, 6, 4]), rng, (2, None))
    (one, G), (other, same) = (mlp([5, 6, 4], loss=loss).value_and_grad(params, x, labels)
                               for loss in (name, LOSSES[name]))
    assert one == other and all(map(np.array_equal, dense(G).blocks, dense(same).blocks))


def test_labels_go_to_a_loss_of_ones_own_as_they_are_and_a_step_takes_it_down():
    """A dict of targets and weights of the examples here."""
    def weighted(outputs, labels):
        difference = (outputs - labels["targets"].T) * labels["weights"]
        return np.vdot(difference, difference) / 2, difference * labels["weights"]

    rng = np.random.default_rng(0)
    net = mlp([5, 6, 7, 4], NEW, weighted)
    params, x = net.init(rng, [2, 3, None]), rng.standard_normal((9, 5))
    labels = {"targets": rng.standard_normal((9, 4)), "weights": rng.random(9)}
    after = DLRT(0, max_rank=3).step(params, 0, 0.01, gradient_field(net, x, labels))
    assert isinstance(after.blocks[0], LowRank)
    assert net.value(after, x, labels) < net.value(params, x, labels)


@pytest.mark.parametrize("make, message", [
    (lambda: Dense(3, "sigmoid"), "activation: got 'sigmoid', expected an Activation or one of re"),
    (lambda: mlp([5, 4, 3], "sigmoid"), "activation: got 'sigmoid'"),
    (lambda: mlp([5, 4], "sigmoid"), "activation: got 'sigmoid'"),          # where no layer has it
    (lambda: lenet5(activation="sigmoid"), "activation: got 'sigmoid'"),
    (lambda: mlp([5, 4, 3], np.tanh), "activation: got <ufunc 'tanh'>, expected an Activation"),
    (lambda: mlp([5, 4, 3], None), "activation: got None"),
    (lambda: mlp([5, 4, 3], ["relu"]),
     r"activation: got \['relu'\], expected an Activation or one"),
    (lambda: lenet5(activation={"relu": 1}), "activation: got {'relu': 1}, expected an Act"),
    (lambda: mlp([5, 4], loss=["cross_entropy"]), r"loss: got \['cross_entropy'\], expected a fun"),
    (lambda: mlp([5, 4], loss="hinge"), "loss: got 'hinge', expected a function of outputs"),
    (lambda: Network((5,), (Dense(2),), None), "loss: got None, expected a function")])
def test_an_unknown_activation_or_loss_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@given(seeds, st.sampled_from([1.0, 1e3]))
def test_the_losses_are_stable_for_large_outputs(seed, scale):
    rng = np.random.default_rng(seed)
    net = mlp([3, 4], "softplus")
    W = DirectSum([scale * rng.standard_normal((4, 3)), np.zeros((4, 1))])
    loss, grads = net.value_and_grad(W, rng.standard_normal((5, 3)), rng.integers(0, 4, 5))
    assert np.isfinite(loss) and loss >= 0 and np.isfinite(norm(grads))


def test_a_loss_in_half_precision_does_not_overflow_for_a_large_batch():
    """40,000 examples, when the largest number is 65,504: a sum of losses, and batch times Σ exp,
    would be infinite."""
    outputs, labels = np.zeros((10, 40_000), np.float16), np.arange(40_000) % 10
    loss, delta = cross_entropy(outputs, labels)
    assert abs(loss - np.log(10)) <= 2e-3 and delta.dtype == np.float16
    assert np.allclose(delta[1:, 0], 2.5e-6, rtol=0.05, atol=0)
    assert np.isclose(delta[0, 0], -22.5e-6, rtol=0.05, atol=0)


@pytest.mark.parametrize("i", [0, 1j])
def test_mean_squares_is_half_the_mean_square_of_the_distance_to_the_targets(i):
    net, x, T = mlp([5, 4], loss="mean_squares"), np.ones((3, 5)), np.arange(12.0).reshape(3, 4)
    params = net.init(0) + i * net.init(0)
    distance = net.outputs(params, x) - T
    assert net.value(params, x, T) == pytest.approx(0.5 * np.sum(distance**2) / 3, rel=1e-14)
    if not i:
        bias = net.value_and_grad(params, x, T)[1].blocks[1].ravel()
        np.testing.assert_allclose(bias, distance.mean(axis=0), rtol=1e-14)


def test_mean_squares_takes_class_indices_as_unit_vectors():
    net = mlp([5, 4], loss="mean_squares")
    params, x = net.init(0), random_basis(np.random.default_rng(1), 5, 3).T
    assert net.value(params, x, np.array([0, 3, 1])) == net.value(params, x, np.eye(4)[[0, 3, 1]])
