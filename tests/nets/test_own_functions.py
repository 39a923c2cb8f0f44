"""What activations, losses and layers of one's own return or overwrite is right, or refused by
name."""

import numpy as np
import pytest
from derivatives import draw
from measures import peak_of
from small_networks import LABELS, X, start

from lowrank_ode import DLRT
from lowrank_ode.matrices import dense
from lowrank_ode.nets import Activation, Network, mlp
from lowrank_ode.nets.activations import activated
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.losses import mean_squares
from lowrank_ode.training import gradient_field


@pytest.mark.parametrize("value, words", [
    (lambda a: None, r"gave None, expected an array of shape \(3, 6\) of float64"),
    (lambda a: a[:, :1], r"gave shape \(3, 1\) of float64"), (lambda a: 1.0, "gave 1.0"),
    (lambda a: a[:, :, None], "gave shape"), (lambda a: a + 0j, "gave .* of complex128"),
    (lambda a: (a, a), "gave"), (lambda a: a.tolist(), r"gave \[\[")], ids=range(7))
def test_a_value_of_an_activation_that_is_not_like_its_argument_is_refused(value, words):
    net = mlp([5, 6, 4], Activation(value, lambda z: 1))
    with pytest.raises(ValueError, match=r"activation: value\(a\) " + words):
        net.outputs(start(), X)


def test_an_activation_that_computes_in_double_precision_does_not_promote_the_network():
    """np.float64(1.7) * a is one, where a has single precision."""
    net = mlp([5, 6, 4], Activation(lambda a: np.float64(1.7) * a, lambda z: np.float64(1.7)))
    params = net.init(0, 2, np.float32)
    _, grads = net.value_and_grad(params, X, LABELS)
    after = DLRT().step(params, 0, 0.1, gradient_field(net, X, LABELS))
    found = {A.dtype for A in (net.outputs(params, X), *grads.blocks, *after.blocks)}
    assert found == {np.dtype(np.float32)}


def test_an_activation_may_return_the_same_array_each_time():
    """Two layers have the same shape: the value of the first is wanted on the way back. Planted:
    what it returns is kept as it is."""
    def network(activation, layer=Dense):
        return Network((5,), (layer(6, activation), layer(6, activation), Dense(4, "identity")))

    memory = np.empty((3, 6))
    again = Activation(lambda a: np.tanh(a, out=memory), lambda z: 1 - z * z)
    params = network("tanh").init(0)
    (value, right), (same, found), (_, wrong) = (
        net.value_and_grad(params, X, LABELS)
        for net in (network("tanh"), network(again), network(again, Keeping)))
    assert value == same and all(map(np.array_equal, dense(right).blocks, dense(found).blocks))
    assert np.abs(dense(wrong).blocks[0] - dense(right).blocks[0]).max() > 1e-3


class Keeping(Dense):
    def forward(self, A, W, b):
        _, (A, _, ZV) = Dense(self.n, "identity").forward(A, W, b)
        out = self.activation.value(A @ W.T + b.T)
        return out, (A, out, ZV)


def changed(value=lambda v: v, delta=lambda d: d):
    """mean_squares with another value, or another Δ."""
    def loss(outputs, labels):
        right = mean_squares(outputs, labels)
        return value(right[0]), delta(right[1])
    return loss


@pytest.mark.parametrize("loss, words", [
    (changed(delta=lambda d: d + 1j), "loss: Δ: got complex128, expected real numbers"),
    (changed(delta=np.transpose), r"loss: Δ of shape \(3, 4\), expected \(4, 3\), \(classes, b"),
    (changed(delta=lambda d: d[:, :1]), r"loss: Δ of shape \(4, 1\), expected \(4, 3\)"),
    (changed(delta=np.sum), r"loss: Δ of shape \(\), expected"),
    (changed(delta=lambda d: None), "loss: Δ: got object"),
    (changed(lambda v: [v, v]), r"loss: value \[.*\], expected a real number"),
    (changed(lambda v: v + 0j), r"loss: value \(.*j\), expected a real number"),
    (changed(lambda v: np.full(3, v)), r"loss: value \[.*\], expected a real number")],
    ids=range(8))
def test_what_a_loss_of_ones_own_returns_is_like_the_outputs_or_refused(loss, words):
    net = mlp([5, 6, 4], "tanh", loss)
    params, x, _ = draw(net, np.random.default_rng(0), None, 3)
    with pytest.raises(ValueError, match=words):
        net.value_and_grad(params, x, LABELS)


@pytest.mark.parametrize("slope, words", [
    (lambda z: z[0], r"gave shape \(6,\) of float64, expected real numbers of shape \(3, 6\)"),
    (lambda z: z[:, :1], r"gave shape \(3, 1\) of"), (lambda z: z + 0j, "gave .* of complex128"),
    (lambda z: None, "gave .* of object")], ids=range(4))
def test_a_slope_that_is_not_like_the_value_is_refused(slope, words):
    net = mlp([5, 6, 4], Activation(np.tanh, slope))
    with pytest.raises(ValueError, match=r"activation: slope\(z\) " + words):
        net.value_and_grad(start(), X, LABELS)


class Shifting(Dense):
    """Planted: a layer that overwrites what it is given."""

    def forward(self, A, W, b):
        A += 1
        return super().forward(A, W, b)


@pytest.mark.parametrize("place", [0, 1])
def test_a_layer_that_overwrites_its_input_is_told_and_the_data_stay_as_they_are(place):
    """The data themselves, or what the layer before has kept for its way back."""
    layers = [Dense(6, "tanh"), Dense(4, "identity")]
    layers[place] = Shifting(layers[place].n, layers[place].activation)
    x = X.copy()
    for ask in (Network.value, Network.value_and_grad):
        with pytest.raises(ValueError, match="read-only"):
            ask(Network((5,), layers), start(), x, LABELS)
    assert np.array_equal(x, X)


def test_a_slope_that_overwrites_the_value_is_told():
    """The value is the input of the next layer, and its gradient wants it later."""
    overwriting = Activation(np.tanh, lambda z: np.subtract(1, z * z, out=z))
    with pytest.raises(ValueError, match="read-only"):
        mlp([5, 6, 4], overwriting).value_and_grad(start(), X, LABELS)


def test_a_loss_may_overwrite_the_outputs():
    """The slope of a last layer with an activation is a function of them."""
    def overwriting(outputs, labels):
        outputs -= labels.T
        return (outputs * outputs).sum() / (2 * len(labels)), outputs / len(labels)

    layers, T = (Dense(6, "tanh"), Dense(4, "tanh")), np.random.default_rng(3).random((3, 4))
    one, other = (Network((5,), layers, loss).value_and_grad(start(), X, T)
                  for loss in (overwriting, "mean_squares"))
    assert one[0] == other[0]
    assert all(map(np.array_equal, dense(one[1]).blocks, dense(other[1]).blocks))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_an_activation_is_written_over_its_argument(activation):
    """Planted: one that is not, of one's own."""
    a, own = np.ones((1000, 500)), Activation(lambda a: np.sin(a), lambda z: z)
    assert peak_of(lambda: activated(activation, a)) < a.nbytes / 10
    assert peak_of(lambda: activated(own, a)) >= a.nbytes
