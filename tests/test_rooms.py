"""Memory that is used again: never while anybody can see it."""

import gc

import numpy as np
import pytest

from lowrank_ode.nets import mlp, rooms
from lowrank_ode.nets.rooms import room


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


def test_a_view_of_a_view_and_an_object_that_holds_one_keep_a_room():
    where = address(first := room((8, 8), float))
    held = [memoryview(first[1:][1:])]
    del first
    other = room((8, 8), float)
    assert address(other) != where
    held.clear()
    assert address(room((8, 8), float)) == where


def test_another_size_lets_the_others_go():
    where = address(room((5,), float))
    assert list(rooms._free) == [40] and where
    room((6,), float)
    assert list(rooms._free) == [48]


def test_the_second_step_needs_no_new_memory(monkeypatch):
    rng = np.random.default_rng(0)
    net, x, labels = mlp([6, 20, 20, 3]), rng.standard_normal((7, 6)), rng.integers(0, 3, 7)
    params, made = net.init(rng, 4), []
    monkeypatch.setattr(rooms, "memoryview", lambda array: made.append(array.nbytes) or memoryview(array), raising=False)
    net.value_and_grad(params, x, labels)
    assert sorted(made) == sorted(8 * 7 * n for n in (20, 20, 3, 20, 20))
    for _ in range(3):
        net.value_and_grad(params, x, labels)
    assert len(made) == 5
    held = net.value_and_grad(params, x, labels)
    net.value_and_grad(params, x, labels)
    assert held and len(made) > 5


def test_gradients_that_are_kept_do_not_change_while_others_are_computed():
    rng = np.random.default_rng(0)
    net = mlp([6, 20, 20, 3])
    params = net.init(rng, 4)
    batches = [(rng.standard_normal((7, 6)), rng.integers(0, 3, 7)) for _ in range(6)]
    kept = [net.value_and_grad(params, *batch)[1] for batch in batches]
    dense = [[X.dense() if hasattr(X, "dense") else X for X in net.value_and_grad(params, *batch)[1].blocks] for batch in batches]
    for G, truth in zip(kept, dense, strict=True):
        assert all(np.array_equal(X.dense() if hasattr(X, "dense") else X, Y) for X, Y in zip(G.blocks, truth, strict=True))
