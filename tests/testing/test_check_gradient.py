"""check_gradient passes what is right, and tells where an error is that was planted on the way
back."""

from dataclasses import dataclass

import numpy as np
import pytest
from own_layers import Absolute, Without, WithoutSign, own_network

from lowrank_ode.nets import Activation, Network, lenet5, mlp
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.losses import mean_squares
from lowrank_ode.testing import GradientFails, check_gradient

RIGHT = {
    "tanh": mlp([6, 5, 4], "tanh"), "relu": mlp([30, 40, 40, 10]),
    "softplus": mlp([3, 4, 2], "softplus"), "targets": mlp([6, 5, 4], "tanh", "mean_squares"),
    "own": own_network(), "single": mlp([3, 2]),
    "images": Network((8, 8, 2), (Patches(3), Dense(4), MaxPool(), Patches(1, groups=2),
                                  Grouped(6, 2), Patches(2, groups=3), BlockDiagonal(3, 3),
                                  Flatten(), Dense(3))),
    "lenet5": lenet5((16, 16, 1)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes_by_a_complex_step(name):
    """All blocks, with dense weights and with those of low rank."""
    rows = check_gradient(RIGHT[name])
    blocks = RIGHT[name].init(0).blocks
    assert [row.shape for row in rows] == 2 * [X.shape for X in blocks]
    assert {row.low_rank for row in rows} == {True, False}
    assert {row.how for row in rows} == {"complex step"}
    assert check_gradient(RIGHT[name], 0) == rows != check_gradient(RIGHT[name], 1)


@pytest.mark.parametrize("net, starts", [
    (mlp([6, 5, 4], "tanh"), 30), (mlp([8, 9, 7, 3]), 20), (own_network(), 2)], ids=str)
def test_what_is_right_passes_from_many_starts(net, starts):
    for seed in range(starts):
        check_gradient(net, seed)


@pytest.mark.parametrize("planted, layer", [
    ({"norm": Without.Mean}, 6), ({"norm": Without.Variance}, 6), ({"skip": Without.Shortcut}, 2),
    ({"wide": Without.Copy}, 3), ({"pool": Without.Size}, 3), ({"grouped": Without.Stride}, 0)])
def test_an_error_on_the_way_back_is_found_below_its_layer(planted, layer):
    """The last block that it spoils is that of the layer next below with blocks."""
    with pytest.raises(GradientFails) as caught:
        check_gradient(own_network(**planted))
    wrong = next(iter(planted.values()))
    assert caught.value.row.layer == layer and wrong.__name__ in str(caught.value)
    assert caught.value.row.measured > 1e-6


class Shifted(Dense):
    """Planted: ∇_b with an error in the tenth digit."""

    def _back(self, dout, kept, W):
        (G, b), DU = super()._back(dout, kept, W)
        return (G, b * (1 + 1e-10)), DU


class OfLowRank(Dense):
    """Planted: W z + b in the place of W z + b, right where W is dense."""

    def _back(self, dout, kept, W):
        (G, b), DU = super()._back(dout, kept, W)
        return (G if isinstance(W, np.ndarray) else 2 * G, b), DU


def test_an_error_in_the_tenth_digit_is_seen_by_a_complex_step():
    with pytest.raises(GradientFails,
                       match=r"gradient of block 1, 5×1, of layer 0: .*complex step"):
        check_gradient(Network((6,), (Shifted(5, "tanh"), Dense(3, "identity"))))


def test_an_error_of_weights_of_low_rank_alone_is_seen():
    with pytest.raises(GradientFails, match="block 0, 5×6, of layer 0, weights of low rank"):
        check_gradient(Network((6,), (OfLowRank(5, "tanh"), Dense(3, "identity"))))


def pixels(layer):
    return Network((8, 8, 1), (Patches(3), Dense(4, "tanh"), layer, Flatten(),
                               Dense(3, "identity")))


@pytest.mark.parametrize("layer, right", [(Absolute(), True), (WithoutSign(), False)])
def test_where_a_complex_step_tells_nothing_differences_do(layer, right):
    """|z| drops the imaginary part."""
    if right:
        rows = check_gradient(pixels(layer))
        assert {row.how for row in rows if row.layer == 1} == {"differences"}
        assert {row.how for row in rows if row.layer == 4} == {"complex step"}
        assert all(row.bound < 1e-6 for row in rows)
    else:
        with pytest.raises(GradientFails, match=r"of layer 1.* by differences, .*WithoutSign"):
            check_gradient(pixels(layer))


def only_real(a):
    if np.iscomplexobj(a):
        raise TypeError("no complex numbers")
    return np.arctan(a)


@pytest.mark.parametrize("slope, right", [(lambda z: np.cos(z) ** 2, True),
                                          (lambda z: 1 - z * z, False)])
def test_an_activation_of_ones_own(slope, right):
    """arctan' = 1/(1 + a²) = cos² z; planted: that of tanh."""
    for value in (np.arctan, only_real):
        net = mlp([6, 5, 4], Activation(value, slope))
        if right:
            check_gradient(net)
        else:
            with pytest.raises(GradientFails, match="of layer 0"):
                check_gradient(net)


def absolute(power):
    def loss(outputs, labels):
        difference = outputs - labels.T
        return np.abs(difference).sum() / len(labels), np.sign(difference) ** power / len(labels)
    return loss


def test_a_loss_of_ones_own_is_given_its_labels():
    T = np.random.default_rng(0).standard_normal((5, 4))
    x = np.random.default_rng(1).standard_normal((5, 6))
    rows = check_gradient(mlp([6, 5, 4], "tanh", absolute(1)), x=x, labels=T)
    assert {row.how for row in rows} == {"differences"}
    with pytest.raises(GradientFails, match="of layer 1"):
        check_gradient(mlp([6, 5, 4], "tanh", absolute(2)), x=x, labels=T)
    check_gradient(mlp([6, 5, 4], "tanh", mean_squares))


@dataclass(frozen=True)
class Noise(Absolute):
    def forward(self, A):
        return A + np.random.default_rng().standard_normal(A.shape), 1.0


class Short(Dense):
    def _back(self, dout, kept, W):
        (G, b), DU = super()._back(dout, kept, W)
        return (G, b.T), DU


@pytest.mark.parametrize("net, words", [
    (pixels(Noise()), "net: a loss of .*, and of .* if computed again"),
    (Network((3,), (Short(4, "tanh"), Dense(2))), r"net: gradients of shapes .*\(1, 4\)"),
    (mlp([3, 4, 2], "tanh", lambda outputs, labels: (0.0, 0 * outputs)),
     "net: differences tell nothing"),
    (mlp, "net: got function, expected a Network"), (None, "net: got NoneType")], ids=range(5))
def test_what_cannot_be_checked_is_refused(net, words):
    with pytest.raises(ValueError, match=words):
        check_gradient(net)
    with pytest.raises(ValueError, match="rng: got -1"):
        check_gradient(RIGHT["tanh"], rng=-1)
