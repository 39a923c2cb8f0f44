"""A gradient that is found block by block, the last one first: the same numbers, each block when its turn comes and once."""

import copy
import pickle

import numpy as np
import pytest

from lowrank_ode import METHODS, DirectSum, LowRank
from lowrank_ode.matrices import H, LazyDirectSum, blockwise, dense, norm
from lowrank_ode.nets import Network, layers, lenet5, mlp
from lowrank_ode.training import gradient_field


def problem(net):
    rng = np.random.default_rng(0)
    ranks = [min(3, *shape) for shape in net.weight_shapes[:-1]]
    return net.init(rng, [*ranks, None]), rng.standard_normal((7, net.inputs)), rng.integers(0, 3, 7)


def three_blocks():
    rng = np.random.default_rng(1)
    return [rng.standard_normal((4, 4)), LowRank(*(rng.standard_normal((n, 2)) for n in (5, 2, 5))), rng.standard_normal((3, 3))]


def lazy(blocks, found=None):
    """Writes down in `found` which block was asked for."""
    found = [] if found is None else found
    return LazyDirectSum((found.append(k) or blocks[k] for k in reversed(range(len(blocks)))), len(blocks))


@pytest.mark.parametrize("operation", [
    lambda X, Y: X + Y, lambda X, Y: Y - X, lambda X, Y: X @ Y, lambda X, Y: Y @ X, lambda X, Y: -X, lambda X, Y: 2 * X,
    lambda X, Y: H(X), lambda X, Y: X + X, lambda X, Y: blockwise(lambda A, B: A + B)(Y, X)])
def test_a_lazy_direct_sum_is_the_direct_sum_of_its_blocks(operation):
    blocks, Y = three_blocks(), DirectSum(three_blocks())
    X = lazy(blocks)
    truth = dense(operation(DirectSum(blocks), Y))
    for _ in range(2):                                          # the second time all blocks are there
        assert all(map(np.array_equal, dense(operation(X, Y)).blocks, truth.blocks))
    assert X.shape == (12, 12) and X.count == 3 and norm(X) == norm(DirectSum(blocks)) and repr(X) == repr(DirectSum(blocks))


def test_each_block_is_found_once_and_not_before_somebody_asks():
    blocks, found = three_blocks(), []
    X = lazy(blocks, found)
    first, second = X.from_last(), X.from_last()
    assert X.count == 3 and found == []
    assert next(first) is blocks[2] and found == [2]
    assert next(second) is blocks[2] and next(second) is blocks[1] and found == [2, 1]
    assert next(first) is blocks[1] and found == [2, 1]
    assert all(A is B for A, B in zip(X.blocks, blocks, strict=True)) and found == [2, 1, 0]


def test_after_an_error_the_blocks_that_are_missing_are_named():
    """What was found is there; the error itself is raised when it happens."""
    blocks = three_blocks()
    X = LazyDirectSum((blocks[k] if k else 1 / k for k in (2, 1, 0)), 3)
    with pytest.raises(ZeroDivisionError):
        norm(X)
    found = X.from_last()
    assert next(found) is blocks[2] and next(found) is blocks[1]
    for again in (X.from_last, lambda: X.blocks):
        with pytest.raises(RuntimeError, match="block 0: not there, for an error before"):
            list(again())


def test_a_copy_and_what_goes_to_another_process_are_complete():
    for again in (copy.deepcopy, lambda X: pickle.loads(pickle.dumps(X))):
        X, truth = again(lazy(three_blocks())), DirectSum(three_blocks())
        assert type(X) is DirectSum and all(map(np.array_equal, dense(X).blocks, dense(truth).blocks))


def test_too_few_blocks_are_an_error():
    with pytest.raises(ValueError, match=r"direct sums of \[3, 4\] blocks, expected equally many"):
        LazyDirectSum(iter(three_blocks()), 4) + DirectSum(three_blocks())
    with pytest.raises(RuntimeError):
        LazyDirectSum(iter(three_blocks()), 4).adjoint()


def order(monkeypatch, params, gradient):
    """What happens in a pass through a gradient: ("step", shape) where a block has its turn, "backward" where a layer hands on."""
    events, backward = [], layers.Dense.backward
    monkeypatch.setattr(layers.Dense, "backward", lambda *args: events.append("backward") or backward(*args))
    blockwise(lambda Y, G: events.append(("step", Y.shape)) or Y + G)(params, gradient())
    return events


@pytest.mark.usefixtures("one_thread")
def test_a_layer_has_its_turn_before_backprop_goes_on_to_the_layer_below(monkeypatch):
    """Planted: a gradient that is there as a whole."""
    net = mlp([4, 6, 5, 3])
    params, x, labels = problem(net)
    F = gradient_field(net, x, labels)
    expected = [("step", (3, 1)), ("step", (3, 5)), "backward", ("step", (5, 1)), ("step", (5, 6)), "backward", ("step", (6, 1)),
                ("step", (6, 4))]
    assert order(monkeypatch, params, lambda: F(0, params)) == expected
    assert order(monkeypatch, params, lambda: net.value_and_grad(params, x, labels)[1]) != expected


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_every_method_begins_with_a_layer_while_those_below_wait(monkeypatch, method):
    """A factor of the first gradient is worked with before backprop is through. Planted: a gradient that is there as a whole."""
    net, events = mlp([4, 6, 5, 3]), []
    params, x, labels = problem(net)
    F, backward, gradient = gradient_field(net, x, labels), layers.Dense.backward, layers.Dense.gradient

    def recorded(*args):
        G, b = gradient(*args)
        return LowRank(Seen(G.U, events), G.S, G.V, G.left, G.right), b

    monkeypatch.setattr(layers.Dense, "backward", lambda *args: events.append("backward") or backward(*args))
    monkeypatch.setattr(layers.Dense, "gradient", staticmethod(recorded))
    for whole in (False, True):
        events.clear()
        method().step(params, 0.0, 0.1, (lambda t, P: DirectSum(F(t, P).blocks)) if whole else F)
        last = events.index("backward", events.index("backward") + 1)
        assert ("step" not in events[:last]) == whole


class Seen(np.ndarray):
    """An array that says when it is worked with."""

    def __new__(cls, X, events):
        array = X.view(cls)
        array.events = events
        return array

    def __array_finalize__(self, other):
        self.events = getattr(other, "events", [])

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        self.events.append("step")
        return getattr(ufunc, method)(*(X.view(np.ndarray) if isinstance(X, Seen) else X for X in inputs), **options)


@pytest.mark.parametrize("scale", [1, -1, -2.5])
@pytest.mark.parametrize("net", [mlp([4, 6, 5, 3]), lenet5((16, 16, 1), 3)], ids=str)
def test_backprop_finds_the_gradient_of_a_multiple_of_the_loss_but_the_loss_itself(net, scale):
    params, x, labels = problem(net)
    loss, G = net.value_and_grad(params, x, labels)
    same, blocks = net.backprop(params, x, labels, scale)
    found = dense(LazyDirectSum(blocks, params.count))
    assert same == loss and norm(found - scale * dense(G)) <= 1e-14 * norm(G) < 1e-4 * norm(G) < norm(found - 1.001 * scale * dense(G))


@pytest.mark.parametrize("net", [mlp([4, 6, 5, 3]), lenet5((16, 16, 1), 3)], ids=str)
def test_a_gradient_as_a_whole_does_not_change_with_weights_that_are_overwritten_later(net):
    """As in `W *= 0.9; W -= h * G`. Planted: the gradient that waits."""
    params, x, labels = problem(net)
    truth = net.value_and_grad(params, x, labels)[1]
    for wait in (False, True):
        params, x, labels = problem(net)
        G = gradient_field(net, x, labels)(0, params) if wait else net.value_and_grad(params, x, labels)[1]
        params.blocks[-2][...] *= 2
        assert (norm(dense(G)) != norm(dense(truth))) == wait


@pytest.mark.parametrize("how", ["subclass", "patched", "no Network"])
def test_a_network_with_a_gradient_of_its_own_is_asked_for_that(monkeypatch, how):
    """As one with a penalty: half of every weight here."""
    net = mlp([4, 6, 5, 3])
    params, x, labels = problem(net)
    whole = Network.value_and_grad

    def penalised(self, params, x, labels):
        loss, G = whole(net, params, x, labels)
        return loss + norm(params)**2 / 4, G + 0.5 * params

    truth = gradient_field(net, x, labels)(0, params) - 0.5 * params
    if how == "patched":
        monkeypatch.setattr(Network, "value_and_grad", penalised)
    kind = {"subclass": (Network,), "no Network": ()}.get(how)
    other = net if kind is None else type("Penalised", kind, {"value_and_grad": penalised})(*[net.shape, net.layers][:2 * len(kind)])
    losses = []
    F = gradient_field(other, x, labels, losses.append)
    assert norm(dense(F(0, params)) - dense(truth)) <= 1e-14 * norm(truth) and losses == [penalised(net, params, x, labels)[0]]
