"""Memory: how much a step and a prediction take; what is used again is used never while anybody can
see it."""

import gc
import math
import subprocess
import sys
import weakref

import numpy as np
import pytest
from measures import peak_of

from lowrank_ode import DLRT
from lowrank_ode.matrices import dense
from lowrank_ode.nets import buffers, layers, lenet5, mlp
from lowrank_ode.nets.buffers import buffer
from lowrank_ode.training import gradient_field


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True, scope="module")
def what_others_left():
    """What other tests have left is looked through once, not before each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def empty(what_others_left):
    gc.collect()
    buffers._free.clear()


def test_a_buffer_is_used_again_when_the_last_view_of_it_is_gone():
    first = buffer((3, 4), np.float32)
    assert first.shape == (3, 4) and first.dtype == np.float32
    assert first.flags.c_contiguous and first.flags.writeable
    where, view = address(first), first.T[1:, ::2].reshape(-1)[:2]
    view = first.T[1:]
    del first
    other = buffer((4, 3), np.float32)
    assert address(other) != where                      # a view is still alive
    del view
    assert address(buffer((6, 2), np.float32)) == where


def lent_by_what_is_handed_out(shape, dtype):
    """Planted: lent until the array itself is gone, which views of it do not keep alive."""
    waiting = buffers._free.get(math.prod(shape) * np.dtype(dtype).itemsize)
    memory = waiting.pop() if waiting else memoryview(np.empty(shape, dtype)).cast("B")
    array = np.frombuffer(memory, dtype).reshape(shape)
    reference = weakref.ref(array, buffers._give_back)
    buffers._lent[id(reference)] = reference, memory
    return array


def is_kept(buffer, keep):
    """Whether memory is lent as long as there is what `keep` makes of the array, and not longer."""
    first = buffer((8, 8), float)
    where, held = address(first), [keep(first)]
    del first
    meanwhile = [address(other) != where for other in [buffer((8, 8), float) for _ in range(3)]]
    held.clear()
    return all(meanwhile) and where in map(address, [buffer((8, 8), float) for _ in range(4)])


VIEWS = {"slice": lambda A: A[1:][1:], "transpose": lambda A: A.T, "bytes": lambda A: A.view("B"),
         "row": lambda A: A.reshape(-1)[::2], "broadcast": lambda A: np.broadcast_to(A[0], (5, 8)),
         "windows": lambda A: np.lib.stride_tricks.sliding_window_view(A, (3, 3)), "iterator": iter,
         "memory": lambda A: memoryview(A[1:][1:]), "columns": layers.columns,
         "function": lambda A: lambda: A[:1]}


@pytest.mark.parametrize("keep", VIEWS.values(), ids=VIEWS)
def test_whatever_shows_the_numbers_keeps_a_buffer(keep):
    assert is_kept(buffer, keep)


def test_memory_that_is_taken_from_under_a_view_is_seen_and_memory_that_never_comes_back():
    hoard = []
    for keep in (VIEWS["slice"], VIEWS["transpose"]):
        assert not is_kept(lent_by_what_is_handed_out, keep)
    assert not is_kept(lambda *form: hoard.append(np.empty(*form)) or hoard[-1], VIEWS["slice"])


@pytest.mark.parametrize("dtype", [bool, np.float16, np.float32, float, complex, np.longdouble])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4)])
def test_a_buffer_may_have_any_shape_and_type(shape, dtype):
    lent = buffer(shape, dtype)
    assert lent.shape == shape and lent.dtype == dtype and lent.flags.aligned
    lent[...] = 1
    assert (lent == 1).all()


def test_buffers_that_are_lent_when_the_interpreter_ends_are_no_fault():
    """In a global variable, in another module, and in a circle of references."""
    script = """
import sys
from types import SimpleNamespace
import numpy as np
from lowrank_ode.nets import mlp
net, x, labels = mlp([6, 20, 3]), np.ones((5, 6)), np.arange(5) % 3
params = net.init(np.random.default_rng(0), 2)
held, sys.held = net.value_and_grad(params, x, labels), net.value_and_grad(params, x, labels)
circle = SimpleNamespace(held=net.value_and_grad(params, x, labels))
circle.itself = circle
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_sizes_used_last_are_kept(monkeypatch):
    monkeypatch.setattr(buffers, "SIZES", 3)
    for n in (1, 2, 3, 1, 4):
        buffer((n,), float)
    assert [*buffers._free] == [24, 8, 32]              # bytes; 16 was used before all others
    where = {len(memory): address(np.asarray(memory)) for (memory,) in buffers._free.values()}
    assert [address(buffer((n,), float)) for n in (3, 1, 4)] == [where[8 * n] for n in (3, 1, 4)]


@pytest.mark.parametrize("most, batches", [(64, 3000), (10**9, 300)], ids=["", "planted: no limit"])
def test_of_three_thousand_batch_sizes_only_some_are_kept(monkeypatch, most, batches):
    """So what a call has to look through does not grow. A network asks for 3, 2 and 3 numbers an
    example: sizes of all batches, and some between."""
    assert buffers.SIZES == 64
    monkeypatch.setattr(buffers, "SIZES", most)
    net, x, before = mlp([2, 3, 2]), np.ones((batches, 2)), set(buffers._lent)
    params, kept = net.init(np.random.default_rng(0)), []
    for n in range(1, batches + 1):
        net.value_and_grad(params, x[:n], np.zeros(n, int))
        kept.append((len(buffers._free), sum(map(len, buffers._free.values()))))
    sizes, waiting = map(max, zip(*kept, strict=True))
    assert set(buffers._lent) <= before
    assert (sizes <= 64 and waiting <= 3 * 64) == (most == 64) == (sizes < batches)


def test_of_buffers_of_one_size_the_one_used_last_is_lent_first():
    pair = [buffer((5,), float), buffer((5,), float)]
    where = address(pair[1])
    pair.pop(0)
    pair.clear()
    assert len(buffers._free[40]) == 2 and address(buffer((5,), float)) == where


@pytest.mark.parametrize("net", [mlp([784, 20, 20, 3]), lenet5(classes=3)], ids=str)
def test_no_later_step_needs_new_memory(monkeypatch, net):
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((100, 784)), rng.integers(0, 3, 100)
    params, made = net.init(rng, 3), []
    monkeypatch.setattr(buffers, "memoryview",
                        lambda array: made.append(array.nbytes) or memoryview(array), raising=False)
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
    truths = [dense(net.value_and_grad(params, *batch)[1]) for batch in batches]
    for G, truth in zip(kept, truths, strict=True):
        assert all(map(np.array_equal, dense(G).blocks, truth.blocks))


@pytest.mark.parametrize("width, rank, batch",
                         [(5120, 8, 16), (2000, 4, 128), (2000, 16, 32), (2000, 64, 8)])
def test_a_training_step_takes_memory_for_its_activations_and_three_and_a_half_times_its_bases(
        width, rank, batch):
    """O(r (m + n)) and activations, each kept once, as is its gradient: nothing m × n."""
    net, rng = mlp([784, width, width, 10]), np.random.default_rng(0)
    params = net.init(rng, rank, np.float32)
    F = gradient_field(net, rng.random((batch, 784), np.float32), rng.integers(0, 10, batch))
    bases = 4 * rank * sum(m + n for m, n in net.weight_shapes[:-1])                # bytes
    activations = 2 * 4 * batch * (2 * width + 10)                  # and their gradients
    bound = 3.5 * bases + 1.1 * activations + 2**17
    assert peak_of(lambda: DLRT(0, max_rank=rank).step(params, 0, 0.1, F)) <= bound < 4 * width**2
    assert peak_of(lambda: dense(F(0, params).blocks[2])) >= 4 * width**2   # one gradient formed
