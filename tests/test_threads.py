"""Blocks and parts of a batch in several threads: the same results as in one, and every error seen."""

import importlib.util
import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest

from lowrank_ode import METHODS, DirectSum
from lowrank_ode.matrices import H, dense, direct_sum, in_threads, norm, threads
from lowrank_ode.nets import mlp, networks
from lowrank_ode.training import gradient_field

EPS = np.finfo(float).eps


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(threads, "THREADS", 2)
    monkeypatch.setattr(networks, "THREADS", 2)


def test_results_come_in_order_and_from_two_threads(two_threads):
    together = threading.Barrier(2, timeout=60)             # passes two at a time, or not at all

    def work(k, c):
        together.wait()
        return c * k

    assert in_threads(work, range(8), [2] * 8) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert in_threads(work, [3, 4], [1, 1]) == [3, 4]                                   # and again, two rows for two threads
    assert in_threads(lambda c: in_threads(work, [3, 4], [c, c]), [5]) == [[15, 20]]    # one row leaves the threads to what it calls


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_threads_of_its_own(two_threads):
    in_threads(abs, range(4))
    with warnings.catch_warnings():                         # newer Pythons warn of forks beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        signal.alarm(20)                                    # ends a process that waits for threads which are not there
        os._exit(in_threads(abs, [-1, 2, -3, 4]) != [1, 2, 3, 4])
    assert os.waitpid(pid, 0)[1] == 0


def test_each_row_is_worked_on_once(two_threads):
    done = []
    in_threads(lambda k: (time.sleep(0.001), done.append(k)), range(20))
    assert sorted(done) == list(range(20))


def test_a_row_keeps_to_its_thread_though_others_have_finished(two_threads):
    def work(k):
        time.sleep(0.1 * k)                                 # the second row waits until the first is done
        return set(in_threads(lambda j: (time.sleep(0.001), threading.get_ident())[1], range(8)))

    assert [len(seen) for seen in in_threads(work, range(2))] == [1, 1]


def test_threads_within_threads_run_in_turn(two_threads):
    """With one thread to wait for, a pool that waited for itself would never end."""
    assert in_threads(lambda k: in_threads(lambda j: k * j, range(3)), range(4)) == [[0, 0, 0], [0, 1, 2], [0, 2, 4], [0, 3, 6]]


@pytest.mark.parametrize("wrong", [0, 1, 5])
def test_an_error_in_any_piece_reaches_the_caller_and_the_next_call_works(two_threads, wrong):
    def work(k):
        time.sleep(0.002)
        return 1 / (k - wrong)

    with pytest.raises(ZeroDivisionError):
        in_threads(work, range(6))
    assert in_threads(abs, [-1, 2, -3]) == [1, 2, 3]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_step_with_its_blocks_in_two_threads_is_the_same_to_the_last_bit(monkeypatch, method):
    net, params, x, labels = problem(7)
    steps = []
    for number in (1, 2):
        monkeypatch.setattr(threads, "THREADS", number)
        steps.append(dense(method().step(params, 0.0, 0.1, gradient_field(net, x, labels))))
    assert all(np.array_equal(X, Y) for X, Y in zip(*(step.blocks for step in steps), strict=True))


def test_products_and_sums_of_direct_sums_are_made_in_threads_and_what_is_quick_is_not(monkeypatch):
    calls = []
    monkeypatch.setattr(direct_sum, "in_threads", lambda function, *columns: calls.append(1) or map(function, *columns))
    Y = DirectSum([np.eye(2), np.eye(3)])
    for operation in (lambda: Y @ Y, lambda: Y + Y, lambda: Y - Y):
        operation()
    assert len(calls) == 3
    for operation in (lambda: -Y, lambda: 2 * Y, lambda: H(Y), lambda: dense(Y)):
        operation()
    assert len(calls) == 3


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_a_gradient_from_two_parts_of_the_batch_is_the_same_to_rounding(two_threads, monkeypatch, batch):
    net, params, x, labels = problem(batch)
    halves = net.value_and_grad(params, x, labels)
    monkeypatch.setattr(networks, "THREADS", 1)
    whole = net.value_and_grad(params, x, labels)
    U, V = params.blocks[0].U, params.blocks[0].V
    assert abs(halves[0] - whole[0]) <= 50 * EPS and norm(halves[1] - whole[1]) <= 50 * EPS * norm(whole[1])
    for product in (lambda G: G @ V, lambda G: H(U) @ G):               # by the products that came with it
        assert norm(product(halves[1].blocks[0]) - product(whole[1].blocks[0])) <= 50 * EPS * norm(whole[1])


@pytest.mark.parametrize("wanted, number", [("1", 1), ("3", 3), (None, 1)])
def test_the_number_of_threads_is_that_of_the_environment_or_one(monkeypatch, wanted, number):
    monkeypatch.delenv("LOWRANK_ODE_THREADS", raising=False) if wanted is None else monkeypatch.setenv("LOWRANK_ODE_THREADS", wanted)
    module = imported_anew()
    together = threading.Barrier(number, timeout=60)
    assert module.THREADS == number and len(module.in_threads(lambda k: together.wait(), range(2 * number))) == 2 * number


@pytest.mark.parametrize("wanted", ["0", "-1", "two", "1.5", ""])
def test_a_wrong_number_of_threads_is_refused(monkeypatch, wanted):
    monkeypatch.setenv("LOWRANK_ODE_THREADS", wanted)
    with pytest.raises(ValueError, match=f"LOWRANK_ODE_THREADS: got '{wanted}', expected a whole number"):
        imported_anew()


def imported_anew():
    module = importlib.util.module_from_spec(threads.__spec__)
    threads.__spec__.loader.exec_module(module)
    return module


def problem(batch):
    rng = np.random.default_rng(0)
    net = mlp([6, 20, 20, 3])
    return net, net.init(rng, 4), rng.standard_normal((batch, 6)), rng.integers(0, 3, batch)
