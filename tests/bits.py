"""Matrices compared bit by bit, and the kinds of files that hold them."""

import importlib.util

import pytest

from lowrank_ode import DirectSum, LowRank

SUFFIXES = [".npz", pytest.param(".safetensors", marks=pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is None, reason="an optional extra"))]


def arrays_of(X):
    """All arrays of a matrix, in order."""
    if isinstance(X, DirectSum):
        return [array for block in X.blocks for array in arrays_of(block)]
    return [*X] if isinstance(X, LowRank) else [X]


def same_bits(X, Z):
    """Kinds, precision, layout and bits."""
    return type(X) is type(Z) and all(
        type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
        and a.tobytes() == b.tobytes() and a.flags.f_contiguous == b.flags.f_contiguous
        for a, b in zip(arrays_of(X), arrays_of(Z), strict=True))
