"""Independent pieces of one step, blocks or parts of a batch, in several Python threads: NumPy and BLAS let each other run meanwhile.

LOWRANK_ODE_THREADS is their number, 1 unless set; use it with one BLAS thread (OPENBLAS_NUM_THREADS=1). docs/6-speed.md has measurements.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

_wanted = os.environ.get("LOWRANK_ODE_THREADS", "1")
if not (_wanted.isdecimal() and int(_wanted)):
    raise ValueError(f"LOWRANK_ODE_THREADS: got {_wanted!r}, expected a whole number ≥ 1")
THREADS = int(_wanted)
_here = threading.local()


def _begin():
    global _pool
    _pool = ThreadPoolExecutor(max(1, THREADS - 1), "lowrank_ode")


_begin()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)              # the threads themselves are not there in a forked process


def in_threads(function, *columns):
    """[function(*row) for row in zip(*columns)]; the next free thread, the caller among them, takes the next row; within one, in turn.

    With one thread columns that are iterators go forward row by row; with several, at once.
    """
    rows = zip(*columns, strict=True)
    alone = THREADS == 1 or getattr(_here, "busy", False)
    rows = rows if alone else list(rows)
    if alone or len(rows) == 1:
        return [function(*row) for row in rows]
    waiting, results = iter(range(len(rows))), [None] * len(rows)

    def work():
        _here.busy = True
        try:
            for k in waiting:
                results[k] = function(*rows[k])
        finally:
            _here.busy = False

    others = [_pool.submit(work) for _ in range(min(THREADS, len(rows)) - 1)]
    try:
        work()
    finally:
        for other in others:
            other.result()
    return results
