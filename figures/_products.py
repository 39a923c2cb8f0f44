"""The matrix products that a step takes, seen by arrays that enter each one they take part in."""

from contextlib import ExitStack
from typing import ClassVar
from unittest.mock import patch

import numpy as np

from lowrank_ode import DirectSum, LowRank
from lowrank_ode.nets import images, layers


class Recorded(np.ndarray):
    """An array that enters each product it takes part in, and passes this on to whatever is made of
    it."""

    products: ClassVar = []         # (A, B, out): out None for a new array
    __array_priority__ = 1          # what is joined of such arrays is one of them

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        plain = [X.view(np.ndarray) if isinstance(X, Recorded) else X for X in inputs]
        into = tuple(X.view(np.ndarray) if isinstance(X, Recorded) else X for X in out)
        if ufunc is np.matmul:
            Recorded.products.append((*plain, *(into or (None,))))
        result = getattr(ufunc, method)(*plain, **({"out": into} if out else {}), **options)
        return result.view(Recorded) if isinstance(result, np.ndarray) else result


def products(function, *matrices):
    """[(A, B, out), …] of the products A B that function(*matrices) takes, in their order."""
    def recording(make):
        return lambda *args, **options: make(*args, **options).view(Recorded)

    with ExitStack() as patches:
        patches.enter_context(patch.object(np, "asarray", np.asanyarray))
        for place, name in ((np, "empty"), (layers, "buffer"), (images, "buffer")):
            patches.enter_context(patch.object(place, name, recording(getattr(place, name))))
        Recorded.products = []
        function(*map(_recorded, matrices))
        return Recorded.products


def again(products):
    """Take these products once more, and nothing else."""
    for A, B, out in products:
        np.matmul(A, B, out=out)


def _recorded(X):
    if isinstance(X, DirectSum):
        return DirectSum(map(_recorded, X.blocks))
    if isinstance(X, LowRank):
        return LowRank(*(F.view(Recorded) if isinstance(F, np.ndarray) else F for F in X))
    return X.view(Recorded)
