"""Time: the one loop over steps, and the exact flow to compare with."""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from .fields import as_field
from .integrators import method_of
from .matrices import DirectSum, LowRank, check_state, dense, norm
from .options import check_count, check_number
from .substeps import exact

Matrix = TypeVar("Matrix", np.ndarray, LowRank, DirectSum)
GROWN = 1e6     # times what its first step explains: then ‖Y‖ is said to blow up


def evolve(method, Y0: Matrix, F: Callable, t_span: tuple[float, float],
           n_steps: int) -> Iterator[tuple[float, Matrix]]:
    """Integrate Y' = F(t, Y) from Y0 over t_span = (t0, t1) in n_steps equal steps; a generator of
    (t, Y), the start included.

    method is an integrator or the name of one ("bug": with its defaults), see METHODS.

    Raises ValueError if t1 ≤ t0, n_steps < 1, Y0 is not a valid start (`check_state`), F does not
    keep to the contract (integrators/__init__.py), or a step returns NaN or Inf. Warns once, with a
    RuntimeWarning, if ‖Y‖ blows up as it does where h is too large for the method to be stable: an
    equation may grow as fast, so that is no error.

    >>> from lowrank_ode import BUG, best_approximation
    >>> Y0 = best_approximation(np.eye(5), rank=2)
    >>> *_, (t, Y) = evolve(BUG(), Y0, lambda t, Y: -Y, (0, 1), 10)
    >>> bool(abs(Y.norm() - np.exp(-1) * Y0.norm()) < 1e-6)
    True
    """
    return _march(method_of(method).step, check_state(Y0), F, t_span, n_steps)


def exact_flow(Y0: Matrix, F: Callable, t_span: tuple[float, float],
               n_steps: int = 1) -> Iterator[tuple[float, np.ndarray | DirectSum]]:
    """The exact solution of W' = F(t, W) at the times of `evolve`, as full ndarrays: DOP853 at
    tight tolerances, from W(t0) = Y0.

    F is called with ndarrays (a DirectSum of ndarrays) here. The precision is that of Y0, complex
    where F is. Raises as `evolve`.
    """
    return _march(lambda W, t, h, F: exact(F, t, W, h), dense(check_state(Y0)), F, t_span, n_steps)


def _march(step, Y, F, t_span, n_steps):
    t0, t1 = _times(t_span)
    n_steps, F = check_count("n_steps", n_steps), as_field(F)
    h, shape = (t1 - t0) / n_steps, Y.shape
    times = [*(t0 + k * h for k in range(n_steps)), t1]

    def steps(Y):
        yield t0, Y
        explained = _size(Y)
        for k in range(n_steps):
            Y = check_state(step(Y, times[k], h, F), f"Y after step {k + 1}")
            if Y.shape != shape:
                raise ValueError(f"Y after step {k + 1}: shape {Y.shape}, expected {shape}")
            size = _size(Y)
            explained = max(explained, size) if k == 0 else explained
            if size > GROWN * n_steps * explained:
                warnings.warn(f"h = {h}: ‖Y‖ is {size:.1e} after step {k + 1}, and was at most "
                              f"{explained:.1e} at the start: unless the equation grows so, h is "
                              "too large for the method to be stable", RuntimeWarning, stacklevel=2)
                explained = math.inf
            yield times[k + 1], Y

    return steps(Y)


def _times(t_span):
    if np.ndim(t_span) != 1 or len(t_span) != 2:
        raise ValueError(f"t_span: got {t_span}, expected (t0, t1)")
    t0, t1 = (check_number("t_span", t, "(t0, t1), two finite numbers") for t in t_span)
    if not t0 < t1:
        raise ValueError(f"t_span: got {t_span}, expected (t0, t1) with t0 < t1")
    return t0, t1


def _size(Y):
    """‖Y‖ of a valid state: its bases are orthonormal."""
    if isinstance(Y, DirectSum):
        return math.hypot(*map(_size, Y.blocks))
    return norm(Y.S if isinstance(Y, LowRank) else Y)
