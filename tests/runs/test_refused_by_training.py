"""What `train` refuses, at once or on the way, and of what it warns."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from clouds import NET, start, two_clouds

from lowrank_ode import BUG, DLRT, AdaptiveBUG, Dense, DirectSum, LowRank
from lowrank_ode.matrices import best_approximation
from lowrank_ode.nets import Network, layers, mlp
from lowrank_ode.nets.images import Flatten
from lowrank_ode.substeps import euler
from lowrank_ode.training import train


@pytest.mark.parametrize("options, message", [
    ({"lr": 0}, "lr: got 0"), ({"lr": -0.1}, "lr: got"), ({"lr": (0.1, np.nan)}, "lr: got"),
    ({"lr": ()}, "lr: got"), ({"drop": 1}, "drop: got 1"), ({"drop": np.nan}, "drop: got nan"),
    ({"method": "sgd"}, "method: got 'sgd', expected one of dense, "),
    ({"net": None}, "net: got None, expected a Network"), ({"net": mlp}, "net: got <function mlp"),
    ({"net": Network}, "net: got <class .*, expected a Network"),
    ({"drop": None}, "drop: got None"), ({"drop": "0.1"}, "drop: got '0.1'"),
    ({"lr": "fast"}, "lr: got fast"), ({"lr": None}, "lr: got None"), ({"lr": 1j}, "lr: got 1j"),
    ({"rng": -1}, "rng: got -1, expected a numpy Generator or a seed"),
    ({"data": (np.ones((4, 6)), np.zeros(4, int))}, "data: got tuple, expected a .*Data"),
    ({"data": replace(two_clouds(), shape=(2, 3, 1)),
      "net": Network((3, 2, 1), (Flatten(), layers.Dense(2)))},
     r"data: images of shape \(2, 3, 1\), expected \(3, 2, 1\)"),
    ({"drop": -0.1}, r"drop: got -0\.1, expected a probability in \[0, 1\)"),
    ({"lr": (0.2, 0.1)}, "lr: got 2 step sizes, expected at most one for each of 1 epochs"),
    ({"batch_size": 0}, "batch_size: got 0"), ({"batch_size": 2.5}, r"batch_size: got 2\.5"),
    ({"epochs": 0}, "epochs: got 0"), ({"epochs": 1.5}, r"epochs: got 1\.5"),
    ({"every": 0}, "every: got 0"), ({"net": mlp([5, 2])}, "data: 6 inputs"),
    ({"net": mlp([6, 1])}, "2 classes"), ({"net": mlp([6, 3, 1])}, "2 classes"),
    ({"params": DirectSum([LowRank(np.ones((20, 2)), np.eye(2), np.ones((6, 2)))])},
     "params.blocks.*orthonormal"),
    ({"params": mlp([6, 3, 2]).init(np.random.default_rng(0))}, "params: blocks of shapes"),
    ({"params": best_approximation(np.ones((2, 6)), rank=1)}, "params: got LowRank, expected"),
    ({"params": DirectSum([np.full((2, 6), np.inf), np.zeros((2, 1))])}, "params.blocks.*NaN or"),
])
def test_bad_arguments_are_refused_at_once(options, message):
    arguments = {"net": NET, "params": start(None), "data": two_clouds(), "method": DLRT(), "lr": 1}
    with pytest.raises(ValueError, match=message):
        train(**arguments | options)            # not iterated: the error is raised by the call


@pytest.mark.parametrize("method", [Dense(euler), DLRT()], ids=str)
def test_a_step_size_that_blows_up_is_named_and_no_nan_is_returned(method):
    net = mlp([6, 20, 20, 2], activation="relu", loss="mean_squares")
    params = net.init(np.random.default_rng(0), None if isinstance(method, Dense) else 5)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="step size"):
        list(train(net, params, two_clouds(), method, lr=1e6, batch_size=20, epochs=50))


def test_weights_that_overflow_in_the_outputs_are_named_and_no_accuracy_is_told():
    """Finite weights, and a loss that a network of one's own says is finite."""
    net, params = mlp([6, 4, 2]), mlp([6, 4, 2]).init(0)
    huge = DirectSum([1e200 * X for X in params.blocks])
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="outputs: NaN or Inf"):
        net.accuracy(huge, two_clouds().test_x, two_clouds().test_labels)


class Own:
    """A method of somebody's, for dense weights."""

    def step(self, Y, t, h, F):
        return Y + h * F(t, Y)


def multiplied_out(params):
    return DirectSum([X.dense() if isinstance(X, LowRank) else X for X in params.blocks])


@pytest.mark.parametrize("method, warns", [(DLRT(), True), (AdaptiveBUG(), True),
                                           (BUG(euler), True), (Dense(euler), False),
                                           (Own(), False)], ids=lambda x: type(x).__name__)
def test_a_method_for_low_rank_on_a_dense_start_says_that_it_compresses_nothing(method, warns):
    """By the call, and once; where one weight is a LowRank there is nothing to say."""
    some, none = NET.init(0, [4, None, None]), multiplied_out(NET.init(0, 4))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert train(NET, some, two_clouds(), method, 0.1, 60, 2) and not said
        records = train(NET, none, two_clouds(), method, 0.1, 60, 2)
        assert len(said) == warns
        *_, record = records
    assert record.ranks == () and len(said) == warns
    name = type(method).__name__
    for warning in said:
        assert str(warning.message).startswith(
            f"params: no LowRank among the blocks, so that {name} compresses nothing: "
            "start from net.init(rng, rank=")
        assert warning.filename == __file__


def test_a_method_may_be_given_by_its_name_and_a_class_is_told_from_an_integrator():
    named, made = (list(train(NET, start(None), two_clouds(), method, 0.1, 60, 2))
                   for method in ("dlrt", DLRT()))
    assert [r.loss for r in named] == [r.loss for r in made]
    with pytest.raises(TypeError, match=r"method: got the class DLRT, expected .*: DLRT\(\)"):
        train(NET, start(None), two_clouds(), DLRT, 0.1)


def test_a_record_prints_a_line():
    (record,) = train(NET, start(None), two_clouds(), DLRT(), 0.1, 60, 1)
    told = repr(replace(record, loss=0.12345678, accuracy=0.975, ranks=(3, 4), seconds=1.25))
    assert told == "<Record epoch 1, step 2: loss 0.1235, accuracy 97.50 %, ranks (3, 4), 1.2 s>"
