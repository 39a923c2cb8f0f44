"""One step of y' = f(t, y), y an ndarray or a DirectSum of them: the only quadrature in the house.

A substep solver is any function solve(f, t, y, h) → y(t + h); y is untouched, its precision kept,
and complex if f is. What f returns is f's own, which it may overwrite when it is called again.
"""

import functools

import numpy as np
import scipy  # its `integrate`, which is slow to import, comes at first use

from .matrices import DirectSum, blockwise, dense


def check_solver(solve):
    """ValueError unless `solve` can be called; methods call it when they are made."""
    if not callable(solve):
        raise ValueError(f"solve: got {solve!r}, expected a function solve(f, t, y, h), such as "
                         "lowrank_ode.substeps.rk4")


def euler(f, t, y, h):
    """Explicit Euler, order 1."""
    return y + h * f(t, y)


def heun(f, t, y, h):
    """Heun's method (the explicit trapezoidal rule), order 2."""
    f = kept(f)
    k1 = f(t, y)
    k2 = f(t + h, y + h * k1)
    return y + (h / 2) * (k1 + k2)


def rk4(f, t, y, h):
    """The classical Runge–Kutta method, order 4."""
    f = kept(f)
    k1 = f(t, y)
    k2 = f(t + h / 2, y + (h / 2) * k1)
    k3 = f(t + h / 2, y + (h / 2) * k2)
    k4 = f(t + h, y + h * k3)
    return y + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)


def kept(f):
    """f, with results that stay what they are when it is called again."""
    copy = blockwise(lambda k: np.array(dense(k)))
    return lambda t, y: copy(f(t, y))


def exact(f, t, y, h, rtol=1e-13):
    """scipy's DOP853, relative tolerance 1e-13, absolute tolerance 1e-15 max(|y|, h |f|): the
    solution up to rounding, for smooth f.

    |f| is taken at t and at t + h/2, for a start at rest says nothing of the size of y later.
    Computed in double precision and returned in the precision of y, complex where f(t, y) is.
    Raises ValueError if f is not finite there, or complex later only, or if t + h is t in floating
    point; RuntimeError if the solver gives up.
    """
    if t + h == t:
        raise ValueError(f"h: got {h} at t = {t}, expected a step that changes t")
    first = f(t, y)
    y = _like(first, y)
    vector, rebuild = _flat(y)

    def slope(s, v):
        found = f(s, rebuild(v))
        pairs = zip(_blocks(found), _blocks(y), strict=True)
        if any(k.dtype.kind == "c" != x.dtype.kind for k, x in pairs):
            raise ValueError(f"f: complex at t = {s}, real at t = {t}, expected one of both")
        return _flat(found)[0]

    size = np.abs([vector, h * _flat(first)[0], h * slope(t + h / 2, vector)]).max()
    if not np.isfinite(size):
        raise ValueError(f"f: NaN or Inf at t = {t} or half a step later, expected finite numbers")
    solution = scipy.integrate.solve_ivp(slope, (t, t + h), vector, method="DOP853", rtol=rtol,
                                         atol=1e-15 * size + 1e-300, t_eval=[t + h])
    if not solution.success:
        raise RuntimeError(f"exact substep from t = {t} to {t + h}: {solution.message}")
    return rebuild(solution.y[:, -1], cast=True)


@blockwise
def _like(k, y):
    """y as an array, complex if k is, a value of f at it."""
    y = dense(y)
    return y.astype(np.result_type(y, np.complex64)) if k.dtype.kind == "c" else y


def repeated(solve, n):
    """The substep solver that takes n steps of size h/n of `solve`."""
    def steps(f, t, y, h):
        return functools.reduce(lambda y, k: solve(f, t + k * h / n, y, h / n), range(n), y)
    return steps


def _blocks(y):
    return y.blocks if isinstance(y, DirectSum) else (y,)


def _flat(y):
    """All entries of y as one vector in double precision, and the function back to such as y, real
    blocks real also where others are complex; cast to the precision of y if asked for."""
    blocks = _blocks(dense(y))
    cuts = np.cumsum([X.size for X in blocks])[:-1]

    def rebuild(vector, cast=False):
        parts = [(part if X.dtype.kind == "c" else part.real).reshape(X.shape)
                 for part, X in zip(np.split(vector, cuts), blocks, strict=True)]
        if cast:
            parts = [part.astype(X.dtype) for part, X in zip(parts, blocks, strict=True)]
        return DirectSum(parts) if isinstance(y, DirectSum) else parts[0]

    vector = np.concatenate([X.ravel() for X in blocks])
    return vector.astype(np.result_type(vector, np.float64)), rebuild
