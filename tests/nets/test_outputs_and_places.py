"""What a network says of its weights, and what it takes from a loss and gives out."""

import numpy as np
import pytest
from measures import peak_of

from lowrank_ode import DirectSum, LowRank
from lowrank_ode.nets import Network, mlp
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.layers import Dense


@pytest.mark.parametrize("layers, places, low", [
    ((Grouped(3, 2), Dense(2)), [0, 1, 3], [True, True, False, False, False]),
    ((Dense(4), Grouped(3, 2)), [0, 2, 3], [True, False, False, False, False])])
def test_a_rank_for_all_leaves_the_weights_of_the_last_layer_dense(layers, places, low):
    net = Network((4,), layers)
    assert net.weight_places == places
    assert [isinstance(X, LowRank) for X in net.init(0, 1).blocks] == low


def test_an_unknown_loss_is_refused_when_the_network_is_made():
    with pytest.raises(ValueError, match="loss: got 'nonsense', expected a function"):
        Network((4,), (Dense(2),), "nonsense")


def test_a_gradient_of_a_loss_stays_as_it_is_and_in_the_precision_of_the_network():
    """The way back multiplies in place. The loss keeps its Δ, of double precision."""
    kept = []

    def loss(outputs, labels):
        kept.append(np.ones(outputs.shape))
        return 0.0, kept[-1]

    net = Network((3,), (Dense(4, "tanh"), Dense(2, "tanh")), loss)
    x = np.random.default_rng(0).standard_normal((5, 3))
    _, grads = net.value_and_grad(net.init(0, dtype=np.float32), x, np.zeros(5, int))
    assert {X.dtype for X in grads.blocks} == {np.dtype(np.float32)}
    assert np.array_equal(kept[0], np.ones((2, 5)))
    net = Network((3,), (Dense(2, "tanh"),), lambda outputs, labels: (0.0, kept[0].T[:2].T))
    for dtype in (np.float64, np.float32):
        net.value_and_grad(net.init(0, dtype=dtype), x[:2], np.zeros(2, int))
    assert np.array_equal(kept[0], np.ones((2, 5)))


def test_an_accuracy_of_outputs_that_are_not_finite_is_refused():
    net = mlp([3, 4, 2])
    with np.errstate(over="ignore", invalid="ignore"), \
            pytest.raises(ValueError, match="outputs: NaN or Inf, expected finite numbers"):
        net.accuracy(1e200 * net.init(0), np.full((1, 3), 1e200), [0])


def test_a_network_may_have_one_block():
    net, x = Network((3,), (Dense(2, "identity", bias=False),)), np.ones((4, 3))
    params = net.init(0)
    assert np.allclose(net.outputs(params, x), x @ params.blocks[0].T, rtol=1e-14, atol=1e-14)


def test_inputs_are_taken_as_complex_where_the_first_weight_is():
    """As in a complex step of a weight alone; the bias stays real."""
    rng, net = np.random.default_rng(0), Network((3,), (Dense(2, "identity"),))
    W, b = rng.standard_normal((2, 3)) + 1e-20j, rng.standard_normal((2, 1))
    x = rng.standard_normal((4, 3)) + 1j
    outputs = net.outputs(DirectSum([W, b]), x)
    assert np.allclose(outputs, x @ W.T + b.T, rtol=1e-14, atol=1e-14)


def test_inputs_in_the_precision_of_the_weights_are_not_copied():
    """Beside them there is one byte a number, whether it is finite. Planted: another precision."""
    net, x = Network((1000,), (Dense(1),)), np.ones((500, 1000))
    same, other = (peak_of(lambda dtype=dtype: net.outputs(net.init(0, dtype=dtype), x))
                   for dtype in (np.float64, np.float32))
    assert same < x.nbytes / 4 < x.nbytes / 2 < other
