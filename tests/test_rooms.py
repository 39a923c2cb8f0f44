"""Memory: how much a step and a prediction take; what is used again is used never while anybody can see it."""

import gc
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from lowrank_ode import DLRT
from lowrank_ode.matrices import dense
from lowrank_ode.nets import layers, lenet5, mlp, networks, rooms
from lowrank_ode.nets.rooms import room
from lowrank_ode.training import gradient_field


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True)
def empty():
    gc.collect()
    rooms._free.clear()


def test_a_room_is_used_again_when_the_last_view_of_it_is_gone():
    first = room((3, 4), np.float32)
    assert first.shape == (3, 4) and first.dtype == np.float32 and first.flags.c_contiguous and first.flags.writeable
    where, view = address(first), first.T[1:, ::2].reshape(-1)[:2]
    view = first.T[1:]
    del first
    other = room((4, 3), np.float32)
    assert address(other) != where                      # a view is still alive
    del view
    assert address(room((6, 2), np.float32)) == where


def test_rows_of_a_matrix_are_no_multiple_of_a_page_apart():
    for shape, dtype, apart in (((3, 1024), np.float32, 4160), ((3, 1024), np.float64, 8256), ((3, 512), np.float64, 4160),
                                ((3, 512), np.float32, 2048), ((3, 1025), np.float32, 4100), ((2, 3, 1024), np.float32, 4096)):
        lent = room(shape, dtype)
        assert lent.shape == shape and lent.dtype == dtype and lent.strides[-2:] == (apart, np.dtype(dtype).itemsize)
        assert lent.flags.c_contiguous == (apart != 4160 and apart != 8256)


@pytest.mark.parametrize("net", [mlp([784, 16, 12, 3]), lenet5(classes=3)], ids=str)
def test_how_far_apart_rows_lie_changes_no_gradient_and_no_output(monkeypatch, net):
    """With rooms of which every one is padded. Planted: rows that are read as if they were not."""
    rng = np.random.default_rng(0)
    params, x, labels = net.init(rng, 3), rng.standard_normal((9, 784)), rng.integers(0, 3, 9)

    def found():
        loss, grads = net.value_and_grad(params, x, labels)
        return [loss, net.outputs(params, x), *dense(grads).blocks]

    def packed(A):
        n = A.shape[-1]
        return np.lib.stride_tricks.as_strided(A, (A.size // n, n), (n * A.itemsize, A.itemsize)).T

    truth = found()
    monkeypatch.setattr(rooms, "PAGE", 1)
    assert all(np.allclose(X, Y, rtol=1e-12, atol=1e-14) for X, Y in zip(found(), truth, strict=True))
    monkeypatch.setattr(layers, "_columns", packed)
    assert not all(np.allclose(X, Y, rtol=1e-12, atol=1e-14) for X, Y in zip(found(), truth, strict=True))


def test_a_view_of_a_view_and_an_object_that_holds_one_keep_a_room():
    where = address(first := room((8, 8), float))
    held = [memoryview(first[1:][1:])]
    del first
    other = room((8, 8), float)
    assert address(other) != where
    held.clear()
    assert address(room((8, 8), float)) == where


def test_rooms_that_are_lent_when_the_interpreter_ends_are_no_fault():
    """In a global variable, in another module, in a circle of references, and in a gradient that was begun."""
    script = """
import sys
from types import SimpleNamespace
import numpy as np
from lowrank_ode.nets import mlp
net, x, labels = mlp([6, 20, 3]), np.ones((5, 6)), np.arange(5) % 3
params = net.init(np.random.default_rng(0), 2)
held, sys.held = net.value_and_grad(params, x, labels), net.value_and_grad(params, x, labels)
circle = SimpleNamespace(held=net.value_and_grad(params, x, labels))
circle.itself, (_, begun) = circle, net.backprop(params, x, labels)
next(begun)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_rooms_that_nobody_used_in_two_passes_go_back():
    where = address(room((5,), float))
    for _ in range(rooms.KEEP):
        rooms.begin_pass()
        address(room((6,), float))
    assert address(room((5,), float)) == where and len(rooms._free[48]) == 1          # used now, and so kept
    for _ in range(rooms.KEEP + 1):
        rooms.begin_pass()
    assert not any(rooms._free.values())


def test_rooms_of_a_network_go_back_when_others_have_been_at_work():
    rng, (one, other) = np.random.default_rng(0), (mlp([6, n, 3]) for n in (20, 30))
    x, labels = rng.standard_normal((7, 6)), rng.integers(0, 3, 7)
    one.value_and_grad(one.init(rng), x, labels)
    assert rooms._free[8 * 7 * 20]
    for _ in range(rooms.KEEP + 1):
        other.outputs(other.init(rng), x)
    assert not rooms._free[8 * 7 * 20] and rooms._free[8 * 7 * 30]


def test_a_room_that_another_thread_takes_meanwhile_is_no_fault():
    class Taken(list):
        """Empty as soon as it has been looked at."""
        def __getitem__(self, where):
            found = super().__getitem__(where)
            self.clear()
            return found

    rooms._free[40] = Taken([(rooms._passes - rooms.KEEP - 1, None)])
    rooms.begin_pass()
    assert not rooms._free[40]


def test_of_rooms_of_one_size_the_one_used_last_is_lent_first_and_goes_last():
    first, second = room((5,), float), room((5,), float)
    where = address(second)
    del first
    rooms.begin_pass()
    del second
    for _ in range(rooms.KEEP):
        rooms.begin_pass()
    assert len(rooms._free[40]) == 1 and address(room((5,), float)) == where


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("net", [mlp([784, 20, 20, 3]), lenet5(classes=3)], ids=str)
def test_no_later_step_needs_new_memory(monkeypatch, net):
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((100, 784)), rng.integers(0, 3, 100)
    params, made = net.init(rng, 3), []
    monkeypatch.setattr(rooms, "memoryview", lambda array: made.append(array.nbytes) or memoryview(array), raising=False)
    net.value_and_grad(params, x, labels)
    net.value_and_grad(params, x[:7], labels[:7])                       # the rest of an epoch
    at_first = len(made)
    assert at_first >= 10
    for _ in range(3):
        net.value_and_grad(params, x, labels)
    assert len(made) == at_first
    held = net.value_and_grad(params, x, labels)
    net.value_and_grad(params, x, labels)
    assert held and len(made) > at_first


def test_gradients_that_are_kept_do_not_change_while_others_are_computed():
    rng = np.random.default_rng(0)
    net = mlp([6, 20, 20, 3])
    params = net.init(rng, 4)
    batches = [(rng.standard_normal((7, 6)), rng.integers(0, 3, 7)) for _ in range(6)]
    kept = [net.value_and_grad(params, *batch)[1] for batch in batches]
    dense = [[X.dense() if hasattr(X, "dense") else X for X in net.value_and_grad(params, *batch)[1].blocks] for batch in batches]
    for G, truth in zip(kept, dense, strict=True):
        assert all(np.array_equal(X.dense() if hasattr(X, "dense") else X, Y) for X, Y in zip(G.blocks, truth, strict=True))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("width, rank, batch", [(5120, 8, 16), (2000, 4, 128), (2000, 16, 32), (2000, 64, 8)])
def test_a_training_step_takes_memory_for_its_activations_and_three_and_a_half_times_its_bases(width, rank, batch):
    """O(r (m + n)) and activations, each kept once, as is its gradient: nothing m × n."""
    net, rng = mlp([784, width, width, 10]), np.random.default_rng(0)
    params = net.init(rng, rank, np.float32)
    F = gradient_field(net, rng.random((batch, 784), np.float32), rng.integers(0, 10, batch))
    bases = 4 * rank * sum(m + n for m, n in net.weight_shapes[:-1])                # bytes
    activations = 2 * 4 * batch * (2 * width + 10)                                  # and their gradients
    peaks = []
    for with_dense in (False, True):
        tracemalloc.start()
        DLRT(0, max_rank=rank).step(params, 0, 0.1, F)
        if with_dense:                          # the check itself: forming one gradient is seen
            dense(F(0, params).blocks[2])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    bound = 3.5 * bases + 1.1 * activations + 2**17
    assert peaks[0] <= bound < 4 * width**2 <= peaks[1]


@pytest.mark.usefixtures("one_thread")
def test_predictions_are_made_for_a_few_examples_at_a_time(monkeypatch):
    net, rng, parts = mlp([4, 5, 3]), np.random.default_rng(0), []
    params, x = net.init(rng), rng.random((7, 4))
    whole = net.outputs(params, x)
    monkeypatch.setattr(networks, "CHUNK", 3)
    monkeypatch.setattr(networks, "room", lambda shape, dtype: parts.append(shape[0]) or np.empty(shape, dtype))
    assert np.allclose(net.outputs(params, x), whole, rtol=1e-14, atol=1e-14) and parts == [2, 2, 2, 2, 3, 3]
