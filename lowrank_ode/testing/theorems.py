"""What the theorems of the kit are made of: their list, one checked step, and the hypotheses.

A theorem is a function (method, seed) → (measured, bound), a problem a seed. It is asked only where
its hypotheses hold for the method as it is: else it raises `NotAsked`. Where a method truncates
within them, what its tolerance allows is added to the bound.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..matrices import LowRank, dense, norm

EPS = np.finfo(float).eps
FEATURES = ("complex", "float32", "direct_sums", "operators")
NEGLIGIBLE = 1e-3       # of ‖Y‖: a larger θ cuts what theorems without truncation speak of


@dataclass(frozen=True)
class Theorem:
    """`claim` is the attribute that claims it, None for the contract, which every method keeps;
    `seeds` the usual number of draws; after a `vital` one that fails no other is asked."""

    name: str
    equation: str
    claim: str | None
    residual: Callable
    seeds: int = 30
    vital: bool = False


THEOREMS = {}


class NotAsked(Exception):
    """The hypotheses of a theorem do not hold for a method as it is, or it does not claim them."""


def theorem(equation, claim=None, **options):
    """Enter the function below into THEOREMS under its name."""
    def enter(residual):
        name = residual.__name__
        THEOREMS[name] = Theorem(name, equation, claim, residual, **options)
        return residual
    return enter


def step(method, Y, t, h, F):
    """One step, with a plain word on what is no integrator."""
    if not callable(getattr(method, "step", None)):
        raise TypeError(f"{method!r} has no method step(Y, t, h, F)")
    Y1 = method.step(Y, t, h, F)
    like = Y if is_low_rank(method) else dense(Y)
    if type(Y1) is not type(like):
        raise TypeError(f"step returned {type(Y1).__name__} for {type(like).__name__}")
    blocks, expected = (getattr(X, "blocks", (X,)) for X in (Y1, like))
    kinds = [[type(X).__name__ if isinstance(X, LowRank | np.ndarray) else X for X in blocks_of]
             for blocks_of in (blocks, expected)]
    if kinds[0] != kinds[1]:
        raise TypeError(f"step returned blocks {kinds[0]} for {kinds[1]}")
    if [X.shape for X in blocks] != [X.shape for X in expected]:
        raise ValueError(f"step returned shape {Y1.shape} for {Y.shape}")
    return Y1


def uncapped_step(method, Y, t, h, F):
    """`step`, not asked where `max_rank` has cut what the tolerance would have kept."""
    Y1, max_rank = step(method, Y, t, h, F), getattr(method, "max_rank", None)
    if max_rank is not None and getattr(Y1, "rank", 0) >= max_rank:
        if with_max_rank(method, None).step(Y, t, h, F).rank > max_rank:
            raise NotAsked(f"not asked: max_rank = {max_rank} cuts what the theorem speaks of")
    return Y1


def is_low_rank(method):
    """False for a method on full matrices, such as `Dense`, whose results are ndarrays."""
    return getattr(method, "low_rank", True)


def with_max_rank(method, max_rank):
    """The same method with another max_rank."""
    if hasattr(method, "with_max_rank"):
        return method.with_max_rank(max_rank)
    method = copy.copy(method)
    object.__setattr__(method, "max_rank", max_rank)
    return method


def needs(method, *features):
    """Not asked where the method does not claim these features of the contract."""
    if missing := [name for name in features if name in getattr(method, "without", ())]:
        raise NotAsked(f"not claimed: {', '.join(missing)}")


def needs_dtype(method, dtype):
    """Not asked where the method does not claim numbers of that kind or precision."""
    needs(method, *(["complex"] if np.dtype(dtype).kind == "c" else []),
          *(["float32"] if np.finfo(dtype).eps > EPS else []))


def tail_allowed(method, size):
    """θ: what the tolerance of the method lets a truncation discard of a matrix of that norm."""
    name, value = tolerance(method)
    return value * size if name == "tau" or getattr(method, "relative", False) else value


def tolerance(method):
    """(name, value) of what the method truncates by: its tau or its tol, (None, 0.0) for none."""
    for name in ("tau", "tol"):
        if getattr(method, name, None) is not None:
            return name, getattr(method, name)
    return None, 0.0


def asked_if_small(method, size):
    """θ; not asked where it is no small part of a matrix of that norm."""
    theta = tail_allowed(method, size)
    if theta > NEGLIGIBLE * size:
        raise NotAsked("not asked: {} = {} may cut what the theorem says is kept"
                       .format(*tolerance(method)))
    return theta


def asked_if_kept(method, Y):
    """Not asked where a truncation may cut a singular value of Y (or of one of its blocks)."""
    for X in getattr(Y, "blocks", (Y,)):
        if not isinstance(X, LowRank):
            continue
        if tail_allowed(method, norm(X)) > 0.5 * X.singular_values()[-1]:
            raise NotAsked("not asked: {} = {} may cut singular values of the solution"
                           .format(*tolerance(method)))
        if (max_rank := getattr(method, "max_rank", None)) is not None and max_rank < X.rank:
            raise NotAsked(f"not asked: max_rank = {max_rank} is below the rank of the solution")
