"""Time: the one loop over steps, and the exact flow to compare with."""

import numpy as np

from .matrices import check_count, check_state, dense
from .substeps import exact


def evolve(method, Y0, F, t_span, n_steps):
    """Integrate Y' = F(t, Y) from Y0 over t_span = (t0, t1) in n_steps equal steps; a generator of
    (t, Y), the start included.

    Raises ValueError if t1 ≤ t0, n_steps < 1, Y0 is not a valid start (`check_state`), or a step
    returns NaN or Inf.

    >>> from lowrank_ode import BUG, best_approximation
    >>> Y0 = best_approximation(np.eye(5), rank=2)
    >>> *_, (t, Y) = evolve(BUG(), Y0, lambda t, Y: -Y, (0, 1), 10)
    >>> bool(abs(Y.norm() - np.exp(-1) * Y0.norm()) < 1e-6)
    True
    """
    return _march(method.step, check_state(Y0), F, t_span, n_steps)


def exact_flow(Y0, F, t_span, n_steps=1):
    """The exact solution of W' = F(t, W) at the times of `evolve`, as full ndarrays: DOP853 at
    tight tolerances, from W(t0) = Y0.

    F is called with ndarrays (a DirectSum of ndarrays) here. Raises as `evolve`.
    """
    return _march(lambda W, t, h, F: exact(F, t, W, h), dense(check_state(Y0)), F, t_span, n_steps)


def _march(step, Y, F, t_span, n_steps):
    t0, t1 = map(float, t_span)
    if not -np.inf < t0 < t1 < np.inf:
        raise ValueError(f"t_span: got {t_span}, expected (t0, t1) with t0 < t1")
    n_steps = check_count("n_steps", n_steps)
    times, h, shape = ([*(t0 + k * (t1 - t0) / n_steps for k in range(n_steps)), t1],
                       (t1 - t0) / n_steps, Y.shape)

    def steps(Y):
        yield t0, Y
        for k in range(n_steps):
            Y = check_state(step(Y, times[k], h, F), f"Y after step {k + 1}")
            if Y.shape != shape:
                raise ValueError(f"Y after step {k + 1}: shape {Y.shape}, expected {shape}: "
                                 "a field must have the shape of its matrix")
            yield times[k + 1], Y

    return steps(Y)
