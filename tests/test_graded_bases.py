"""augment on graded blocks of all shapes, where a Gram matrix resolves only a part of the singular values."""

import numpy as np
import pytest
from strategies import random_basis
from test_orthonormal import ORTHONORMAL, RANGE, defect, missed

from lowrank_ode.matrices import augment, orthonormal


def augments(seed):
    """Is the basis orthonormal, and holds it K, to the documented bounds?"""
    rng, dtype = np.random.default_rng(seed), (np.float32, np.float64)[seed % 2]
    m = int(rng.integers(20, 400))
    r, p = int(rng.integers(1, m // 3)), int(rng.integers(1, m // 2))
    U0, decades = random_basis(rng, m, r, dtype), rng.uniform(0, 18)
    K = (random_basis(rng, m, p) * np.logspace(0, -decades, p)) @ random_basis(rng, p, p)
    K = K * 10.0 ** -rng.uniform(0, 12) + U0 @ rng.standard_normal((r, p)) if seed % 3 == 0 else K
    Q = augment(U0, K.astype(dtype))
    return defect(Q) <= ORTHONORMAL and missed(Q, K.astype(dtype)) <= RANGE


@pytest.mark.parametrize("seed", range(60))
def test_graded_blocks_of_all_shapes_are_captured(seed):
    assert augments(seed)


def test_directions_that_one_gram_matrix_does_not_resolve_must_not_be_trusted(monkeypatch):
    """Planted: p singular values are trusted down to rounding; what is dropped again after them is lost."""
    monkeypatch.setattr(orthonormal, "RESOLVE", 0.05)
    assert not all(augments(seed) for seed in range(60))
