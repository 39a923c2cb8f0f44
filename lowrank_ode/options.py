"""Counts, numbers and tolerances, checked where an object is made."""

import math
import operator

import numpy as np


def check_count(name, n, most=None, where="", least=1):
    """n as an int; ValueError unless it is a whole number, least ≤ n, and n ≤ most if given."""
    try:
        count = least - 1 if isinstance(n, bool | np.bool_) else operator.index(n)
    except TypeError:
        count = least - 1
    if not least <= count <= (count if most is None else most):
        limit = "" if most is None else f" and ≤ {most}"
        raise ValueError(f"{name}: got {n}{where}, expected a whole number ≥ {least}{limit}")
    return count


def check_number(name, x, expected="a finite number", within=math.isfinite):
    """x as a float; ValueError unless it is a real number, or an array of one, that is `within`."""
    if np.ndim(x) or np.asarray(x).dtype.kind not in "iuf" or not within(float(x)):
        raise ValueError(f"{name}: got {x!r}, expected {expected}")
    return float(x)


def check_truncation(name, tol, max_rank):
    """ValueError unless tol ≥ 0 and max_rank is None, or a number ≥ 1, or a sequence of these;
    methods call it when they are made."""
    check_number(name, tol, "a truncation tolerance ≥ 0", lambda tol: tol >= 0)
    for r in np.atleast_1d(np.asarray(max_rank, object)):
        if r is not None:
            check_count("max_rank", r)
