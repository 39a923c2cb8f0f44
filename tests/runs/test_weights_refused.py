"""Weights from elsewhere that do not fit, and orders of which nothing is known, are refused by the
name of the layer."""

import numpy as np
import pytest

from lowrank_ode.nets import Network, from_torch, images_from_torch, mlp, to_torch
from lowrank_ode.nets.groups import BlockDiagonal
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense

NET = Network((6, 6, 2), (Patches(3), Dense(4), Flatten(), Dense(3, "identity")))


GOOD = {"conv.weight": np.ones((4, 2, 3, 3)), "conv.bias": np.ones(4),
        "fc.weight": np.ones((3, 64)), "fc.bias": np.ones(3)}


@pytest.mark.parametrize("changed, words", [
    ({"conv.weight": np.ones((3, 3, 2, 4))}, r"state\['conv.weight'\] for layer 1, Dense\(n=4.*: "
     r"got shape \(3, 3, 2, 4\), expected \(4, 2, 3, 3\)"),
    ({"conv.weight": np.ones((4, 18))}, r"got shape \(4, 18\), expected \(4, 2, 3, 3\)"),
    ({"fc.weight": np.ones((64, 3))}, r"'fc.weight'\] for layer 3, .*got shape \(64, 3\), expected "
     r"\(3, 64\) or \(3, 64, 1, 1\)"),
    ({"fc.bias": np.ones((3, 1))}, r"'fc.bias'\] for layer 3.*got shape \(3, 1\), expected \(3,\)"),
    ({"more": np.ones(3)}, r"state: got 5 arrays .*expected 4, of \[\(4, 2, 3, 3\), \(4,\), "),
    ({"fc.bias": np.array([1, np.nan, 1])}, r"'fc.bias'\] for layer 3.*: NaN or Inf, expected"),
    ({"fc.bias": np.ones(3, int)}, "got int64, expected an array of floats"),
    ({"fc.bias": np.ones(3, complex)}, "got complex128, expected real numbers"),
    ({"fc.bias": ["a", "b", "c"]}, "got <U1, expected an array of floats"),
    ({"fc.bias": np.array([None] * 3)}, "got object, expected an array of floats"),
])
def test_arrays_that_do_not_fit_are_refused_and_the_layer_named(changed, words):
    with pytest.raises(ValueError, match=words):
        from_torch(NET, GOOD | changed)
    from_torch(NET, GOOD)


def test_an_array_that_cannot_be_read_is_named():
    class OnADevice:
        shape = (3,)

        def __array__(self, *args, **kwargs):
            raise TypeError("copy it to the host first")

    with pytest.raises(ValueError, match=r"'fc.bias'\] for layer 3.*: copy it to the host first"):
        from_torch(NET, GOOD | {"fc.bias": OnADevice()})


class Scale:
    """A layer of one's own with columns as blocks."""

    def shape(self, inputs):
        return inputs

    def blocks(self, inputs):
        return ((inputs[-1], 1),)

    def init(self, rng, inputs, rank, dtype):
        return (np.ones((inputs[-1], 1), dtype),)

    def forward(self, A, g):
        return A * g.T[0], A

    def backward(self, dout, A, g):
        return dout * g.T[0], ((dout * A).reshape(-1, len(g)).sum(0)[:, None],)


class Matrix(Scale):
    def blocks(self, inputs):
        return ((inputs[-1], inputs[-1]),)

    def init(self, rng, inputs, rank, dtype):
        return (np.eye(inputs[-1], dtype=dtype),)


def test_columns_of_a_layer_of_ones_own_are_vectors_elsewhere():
    net = Network((3,), (Dense(2), Scale(), Dense(2, "identity")))
    params = net.init(0)
    arrays = to_torch(net, params)
    assert [X.shape for X in arrays] == [(2, 3), (2,), (2,), (2, 2), (2,)]
    assert all(map(np.array_equal, from_torch(net, arrays).blocks, params.blocks))


@pytest.mark.parametrize("layers, words", [
    ((Flatten(), Scale(), Dense(2)), "layer 1, .*: no layout known"),
    ((Dense(2), Matrix(), Flatten(), Dense(3)), "layer 1, .*: no layout known"),
    ((Dense(2), Patches(2), MaxPool(), Flatten(), Dense(2)), "layer 2, MaxPool.*: no layout known"),
    ((Flatten(), BlockDiagonal(2, 2)), "layer 1, BlockDiagonal.*: no layout known for groups"),
    ((Patches(2, groups=1), BlockDiagonal(2, 2), Flatten(), Dense(2)), "layer 1, .*: no layout"),
    ((Dense(2), Flatten()), "layer 1, Flatten.*: no layout known for outputs that are pixels"),
])
def test_where_nothing_is_known_of_the_order_nothing_is_guessed(layers, words):
    net = Network((4, 4, 2), layers)
    with pytest.raises(ValueError, match=words):
        to_torch(net, net.init(0))


@pytest.mark.parametrize("net, image", [
    (mlp([12, 3]), (2, 3)), (mlp([12, 3]), (2, 3, 3)), (mlp([12, 3]), 12), (NET, (6, 6, 2)),
    (mlp([12, 3]), (-2, 3, -2)), (mlp([12, 3]), (2.0, 3, 2))])
def test_an_image_that_is_none_is_refused(net, image):
    with pytest.raises(ValueError, match="image: got"):
        to_torch(net, net.init(0), image=image)


def test_images_of_another_number_of_axes_are_refused():
    with pytest.raises(ValueError, match=r"x: shape \(3, 4\), expected images \(N, channels"):
        images_from_torch(np.ones((3, 4)))
