"""Threads that take buffers at once never share one, and drop none that another one needs."""

import sys
import threading
import time
from collections import OrderedDict

import numpy as np
import pytest

from lowrank_ode.nets import buffers
from lowrank_ode.nets.buffers import buffer


@pytest.fixture(autouse=True)
def empty():
    buffers._free.clear()


def shared(buffer, monkeypatch, seconds=0.5):
    """How many of the arrays that four threads hold are overwritten by another one meanwhile, and
    what went wrong where nobody could catch it."""
    errors, spoilt, end = [], [], time.perf_counter() + seconds
    monkeypatch.setattr(sys, "unraisablehook", lambda error: errors.append(error.exc_value))

    def work(thread):
        rng, held, k = np.random.default_rng(thread), [], 0
        while time.perf_counter() < end:
            k += 4
            A = buffer((int(rng.integers(1, 6)), 5), float)
            A[...] = thread + k
            held.append((A.T[1:], thread + k))
            if len(held) > 3:
                spoilt.extend(number for view, number in held if not (view == number).all())
                held.clear()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(spoilt), errors


@pytest.mark.parametrize("most", [64, 1])
def test_threads_that_take_buffers_at_once_never_share_one(monkeypatch, most):
    """Nor does one fail when another drops a size. Planted: memory lent before it is back."""
    before, one = sys.getswitchinterval(), [np.empty((n, 5)) for n in range(6)]
    monkeypatch.setattr(buffers, "SIZES", most)
    sys.setswitchinterval(1e-6)
    try:
        assert shared(buffer, monkeypatch) == (0, [])
        assert shared(lambda shape, dtype: one[shape[0]], monkeypatch, 0.1)[0] > 0
    finally:
        sys.setswitchinterval(before)


def test_a_size_that_another_thread_drops_meanwhile_is_no_fault(monkeypatch):
    class Dropped(OrderedDict):
        """Empty as soon as a size has been looked up."""
        def setdefault(self, size, new):
            found = super().setdefault(size, new)
            self.clear()
            return found

    errors, before = [], set(buffers._lent)
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    monkeypatch.setattr(buffers, "_free", Dropped())
    buffer((5,), float)
    assert not errors and set(buffers._lent) <= before
