"""What would be answered wrongly without a word, a network refuses by name."""

import numpy as np
import pytest
from small_networks import LABELS, NET, X, start

from lowrank_ode import DirectSum
from lowrank_ode.compression import (
    count_parameters,
    count_weights,
    merged,
    prediction_flops,
    pruned,
    step_flops,
)
from lowrank_ode.matrices import dense
from lowrank_ode.nets import Activation, Network, lenet5, mlp
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.penalties import condition_penalty
from lowrank_ode.training import ranks

ASKED = {"outputs": lambda net, params, x, labels: net.outputs(params, x), "value": Network.value,
         "accuracy": Network.accuracy, "value_and_grad": Network.value_and_grad}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("x, words", [
    (X + 1j, "x: got complex128, expected real numbers"), (X * 1j, "x: got complex128"),
    ((X + 1j).tolist(), "x: got complex128"), (X.astype(np.complex64), "x: got complex64"),
    (np.ma.masked_less(X, 0), "x: got a masked array, expected one without mask"),
    (X.astype(str), "x: got <U.*, expected real numbers"), (X.astype(object), "x: got object"),
    (None, "x: got object"), ([[1, 2], [3]], "x: .*inhomogeneous"),
    (X.astype("datetime64[s]"), r"x: got datetime64\[s\]"),
    (X[0], r"x: shape \(5,\)"), (X[:, None], r"x: shape \(3, 1, 5\)")], ids=str)
def test_inputs_that_are_no_real_numbers_are_refused(ask, x, words):
    with pytest.raises(ValueError, match=words):
        ask(NET, start(), x, LABELS)


@pytest.mark.parametrize("x", [X > 0, np.rint(9 * X).astype(int), X.astype(np.float16)],
                         ids=lambda x: str(x.dtype))
def test_inputs_of_any_real_kind_are_their_numbers(x):
    assert np.array_equal(NET.outputs(start(), x), NET.outputs(start(), x.astype(float)))


def test_complex_inputs_are_taken_where_the_weights_are_complex():
    """The derivative with respect to x by complex step: that of the loss, ΔᴴW through the layers.
    Planted: the imaginary part is lost."""
    net, (W, b) = mlp([5, 4]), mlp([5, 4]).init(0).blocks
    x, direction = X + 0j, np.random.default_rng(2).standard_normal(X.shape)
    params = DirectSum([W + 0j, b + 0j])
    delta = np.exp(X @ W.T) / np.exp(X @ W.T).sum(axis=1)[:, None] - np.eye(4)[LABELS]
    truth = np.sum(delta @ W / 3 * direction)
    found = net.value(params, x + 1e-30j * direction, LABELS).imag / 1e-30
    assert abs(found - truth) <= 1e-13 * abs(truth) and abs(truth) > 0.01
    assert net.value(params, X, LABELS).imag == 0


@pytest.mark.parametrize("targets, words", [
    (np.ones((3, 4)) * 1j, "labels: got complex128, expected real numbers"),
    ([[1j, 0, 0, 0]] * 3, "labels: got complex128"),
    (np.ma.masked_equal(np.eye(4)[LABELS], 1), "labels: got a masked array"),
    (np.ma.masked_equal(LABELS, 1), "labels: got a masked array"),
    (np.eye(4)[LABELS].astype(str), "labels: got <U"), (None, "labels: got object")], ids=str)
@pytest.mark.parametrize("i", [0, 1j], ids=["real weights", "complex weights"])
def test_targets_that_are_no_real_numbers_are_refused(targets, words, i):
    net, params = mlp([5, 6, 4], "tanh", "mean_squares"), start() + i * start()
    for ask in (net.value, *([net.value_and_grad] if i == 0 else [])):
        with pytest.raises(ValueError, match=words):
            ask(params, X, targets)


@pytest.mark.parametrize("ask", [Network.value, Network.accuracy, Network.value_and_grad])
@pytest.mark.parametrize("labels, words", [
    (np.ma.masked_equal(LABELS, 1), "labels: got a masked array"),
    (LABELS + 0.5, "labels: got float64, expected whole numbers"),
    (LABELS.astype(str), "labels: got <U.*, expected whole numbers"),
    (LABELS + 1, r"labels: range \[1, 4\], expected class indices in \[0, 4\)"),
    (LABELS[:2], r"labels: shape \(2,\), expected \(3,\)"),
    (np.eye(4, dtype=int)[LABELS], r"labels: shape \(3, 4\), expected \(3,\)")], ids=str)
def test_labels_that_are_no_class_indices_are_refused_also_where_they_would_only_count_as_wrong(
        ask, labels, words):
    with pytest.raises(ValueError, match=words):
        ask(NET, start(), X, labels)


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_weights_that_are_no_floats_are_refused(ask):
    """Inputs would be rounded to whole numbers, a mask ignored."""
    blocks = start().blocks
    for wrong, words in ((np.ones((6, 5), int), "ndarray of int64, expected fl"),
                         (np.ma.masked_less(blocks[0], 0), "MaskedArray of float64")):
        with pytest.raises(ValueError, match=rf"params.blocks\[0\]: got {words}"):
            ask(NET, DirectSum([wrong, *blocks[1:]]), X, LABELS)


@pytest.mark.parametrize("rank", [None, 2, np.array(2), [2, None], np.array([2, 3])], ids=str)
def test_a_seed_starts_a_network_as_its_generator_does(rank):
    first, second = (NET.init(rng, rank) for rng in (3, np.random.default_rng(3)))
    assert all(map(np.array_equal, dense(first).blocks, dense(second).blocks))
    assert not np.array_equal(dense(first).blocks[0], dense(NET.init(4, rank)).blocks[0])
    layer = Dense(6, "tanh").init(3, (5,), None, float)
    assert np.array_equal(layer[0], NET.init(3).blocks[0])


@pytest.mark.parametrize("make, words", [
    (lambda: NET.init(-1), "rng: got -1, expected a numpy Generator or a seed"),
    (lambda: NET.init("seed"), "rng: got 'seed'"),
    (lambda: NET.init(np.random), "rng: got <module"),
    (lambda: NET.init(0, dtype=int), "dtype: got int64, expected one of floats"),
    (lambda: NET.init(0, "5"), "rank: got 5 for a 6 × 5 layer"),
    (lambda: NET.init(0, iter([2, None])), "rank: got <list_iterator"),
    (lambda: mlp([5, 4]).init(0, np.array(2)), "rank: got 2 for a single layer"),
    (lambda: mlp(784), "widths: got 784, expected at least two"),
    (lambda: mlp(None), "widths: got None"), (lambda: mlp("5,4"), "widths: got 5,4"),
    (lambda: Network(784, (Dense(4),)), r"shape: got 784, expected \(inputs,\) or \(height, wid"),
    (lambda: lenet5(28), "shape: got 28, expected"),
    (lambda: Network((5,), Dense(4)), r"layers: got Dense\(n=4, .*, expected a sequence of layers"),
    (lambda: Network((5,), (Dense,)), "layers: got <class .*Dense'>, expected a layer, such as"),
    (lambda: Network((5,), ("Dense", Dense(4))), "layers: got Dense, expected a layer"),
    (lambda: Dense(4, gain=-1), "gain: got -1, expected a number > 0"),
    (lambda: Dense(4, gain=np.nan), "gain: got nan"), (lambda: Dense(4, gain="2"), "gain: got '2'"),
    (lambda: Dense(4, gain=np.inf), "gain: got inf"),
    (lambda: mlp([5, 4, 3], Activation(np.tanh, np.ones, 0)), "gain: got 0, expected a number"),
    (lambda: mlp([5, 4, 3], Activation("tanh", np.ones)), "expected functions value and slope"),
    (lambda: mlp([5, 4, 3], Activation(np.tanh, 1)), "expected functions value and slope"),
    (lambda: lenet5((784,)), r"shape: got \(784,\) for Patches.*, expected an image"),
    (lambda: count_weights([(4, 5)], [2], ["eval_KV"]), r"convention: got \['eval_KV'\]"),
    (lambda: count_weights([(4, 5)], 2), "ranks: got 2, expected one for each layer"),
    *((lambda ask=ask: ask((6, 3, 5, 5), 2, 1),
       r"shape: got \(6, 3, 5, 5\), expected \(outputs, in")
      for ask in (prediction_flops, step_flops, lambda shape, *_: count_weights([shape], [2]))),
    (lambda: step_flops((4, 2.5), None, 1), "shape: got 2.5, expected a whole number"),
    (lambda: prediction_flops((4, 0)), "shape: got 0, expected a whole number ≥ 1")])
def test_other_arguments_of_the_wrong_kind_are_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("ask", [count_parameters, ranks, condition_penalty,
                                 lambda params: pruned(params, 1),
                                 lambda params: NET.outputs(params, X)], ids=range(5))
@pytest.mark.parametrize("params", [lambda P: P.blocks[0], lambda P: [*P.blocks],
                                    lambda P: P.blocks, lambda P: None], ids=range(4))
def test_what_is_no_direct_sum_is_refused_where_one_is_meant(ask, params):
    params = params(start(2))
    with pytest.raises(ValueError, match=f"params: got {type(params).__name__}, expected a Direct"):
        ask(params)


def test_a_list_of_factors_is_not_returned_as_if_it_were_multiplied_out():
    with pytest.raises(ValueError, match="Y: got list, expected a LowRank, an ndarray or a Direct"):
        merged([*start(2).blocks])


def test_a_shape_and_layers_may_be_lists():
    one, other = Network([5], [Dense(6, "tanh"), Dense(4, "identity")]), Network(
        (5,), (Dense(6, "tanh"), Dense(4, "identity")))
    assert one == other and hash(one) == hash(other)
