"""The size of a random start, layer by layer: of networks whose layers have different activations,
so that a gain of the wrong layer is seen."""

import numpy as np
import pytest

from lowrank_ode.matrices import dense
from lowrank_ode.nets import Network, lenet5
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense

GAINS = {"relu": 2.0, "tanh": 1.0, "softplus": 2.0, "identity": 1.0}
MIXED = ("tanh", "relu", "identity", "softplus")


def measured(net, seeds, rank=None):
    """(mean square of the entries of each weight times its inputs, over so many seeds; five of its
    standard deviations over its mean, √(2/N) for N normal numbers)."""
    starts = [[X for X in net.init(seed, rank).blocks if X.shape[1] > 1] for seed in range(seeds)]
    found = [np.mean([X.shape[1] * np.mean(dense(X) ** 2) for X in Xs]) for Xs in zip(
        *starts, strict=True)]
    numbers = [getattr(X, "rank", 0) ** 2 or np.prod(X.shape) for X in starts[0]]
    return np.array(found), 5 * np.sqrt(2 / (seeds * min(numbers)))


def has_gains(measurement, gains):
    found, near = measurement
    return bool(np.all(abs(found / gains - 1) <= near))


@pytest.mark.parametrize("rank", [None, 20])
def test_each_layer_starts_with_the_gain_of_its_own_activation(rank):
    """Planted: those of the layer above, of that below, and of relu for all."""
    layers = (*(Dense(200, name) for name in MIXED), Dense(3, "identity", gain=5.0))
    found = measured(Network((50,), layers), 20, rank)
    gains = np.array([*(GAINS[name] for name in MIXED), 5.0])
    assert has_gains(found, gains)
    for wrong in (np.roll(gains, 1), np.roll(gains, -1), np.array([2.0, 2, 2, 2, 5])):
        assert not has_gains(found, wrong)


def test_so_do_kernels():
    layers = (Patches(3), Dense(60, "relu"), MaxPool(), Patches(2), Dense(50, "tanh"), Flatten(),
              Dense(40, "softplus"), Dense(30, "tanh"), Dense(3, "identity"))
    found, gains = measured(Network((9, 9, 4), layers), 40), np.array([2.0, 1, 2, 1, 1])
    assert has_gains(found, gains)
    assert not has_gains(found, np.roll(gains, 1)) and not has_gains(found, np.roll(gains, -1))


@pytest.mark.parametrize("activation", GAINS)
def test_the_last_layer_of_lenet5_starts_with_the_gain_of_what_makes_its_inputs(activation):
    """Planted: that of its own activation, which is none."""
    found, gain = measured(lenet5((16, 16, 1), activation=activation), 10), GAINS[activation]
    assert has_gains(found, np.full(4, gain))
    assert has_gains(found, np.array([gain, gain, gain, 1])) == (gain == 1)


@pytest.mark.parametrize("kind", [Grouped, BlockDiagonal])
@pytest.mark.parametrize("activation, gain, size", [
    ("identity", None, 1), ("relu", None, 2), ("relu", 3, 3)])
def test_a_start_of_groups_has_the_size_of_one_weight(kind, activation, gain, size):
    """Mean square of outputs before the activation: its gain or the given one, whatever the groups;
    600 outputs, of 600 numbers each at least, stray by less than 4 √(2/600) of it."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((1, 2400))
    for rank in (None, 150):
        *Ws, _ = kind(600, 4, activation, gain).init(rng, (2400,), rank, float)
        out, _ = kind(600, 4, "identity").forward(z, *Ws, np.zeros((600, 1)))
        assert abs((out**2).mean() / size - 1) <= 4 * (2 / 600) ** 0.5
