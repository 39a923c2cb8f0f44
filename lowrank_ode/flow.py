"""Time: the one loop over steps, and the exact flow to compare with."""

import numpy as np

from .matrices import check_state, dense
from .substeps import exact


def evolve(method, Y0, F, t_span, n_steps):
    """Integrate Y' = F(t, Y) from Y0 over t_span = (t0, t1) in n_steps equal steps; a generator of (t, Y), the start included.

    Raises ValueError if t1 ≤ t0, n_steps < 1, Y0 is not a valid start (`check_state`), or a step returns NaN or Inf.

    >>> from lowrank_ode import BUG, best_approximation
    >>> Y0 = best_approximation(np.eye(5), rank=2)
    >>> *_, (t, Y) = evolve(BUG(), Y0, lambda t, Y: -Y, (0, 1), 10)
    >>> bool(abs(Y.norm() - np.exp(-1) * Y0.norm()) < 1e-6)
    True
    """
    return _march(method.step, check_state(Y0), F, t_span, n_steps)


def exact_flow(Y0, F, t_span, n_steps=1):
    """The exact solution of W' = F(t, W) at the times of `evolve`, as full ndarrays: DOP853 at tight tolerances, from W(t0) = Y0.

    F is called with ndarrays (a DirectSum of ndarrays) here. Raises as `evolve`.
    """
    return _march(lambda W, t, h, F: exact(lambda t, W: dense(F(t, W)), t, W, h), dense(check_state(Y0)), F, t_span, n_steps)


def _march(step, Y, F, t_span, n_steps):
    t0, t1 = map(float, t_span)
    if not -np.inf < t0 < t1 < np.inf:
        raise ValueError(f"t_span: got {t_span}, expected (t0, t1) with t0 < t1")
    if n_steps != int(n_steps) or n_steps < 1:
        raise ValueError(f"n_steps: got {n_steps}, expected a whole number ≥ 1")
    h = (t1 - t0) / n_steps

    def steps(Y):
        yield t0, Y
        for k in range(int(n_steps)):
            Y = check_state(step(Y, t0 + k * h, h, F), f"Y after step {k + 1}")
            yield t0 + (k + 1) * h, Y

    return steps(Y)
