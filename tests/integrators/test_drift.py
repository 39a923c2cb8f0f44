"""Over many steps the bases stay orthonormal, to rounding."""

import numpy as np
import pytest
from methods import low_rank
from strategies import random_basis

from lowrank_ode import DLRT, AdaptiveBUG, LowRank
from lowrank_ode.matrices import H, dense, norm, orthonormal
from lowrank_ode.substeps import euler

PLAIN = low_rank(plain=True, tol=1e-3, solve=euler)
METHODS_AND_SHAPES = [*((method, 9, 8, 2) for method in PLAIN),
                      (DLRT(0, max_rank=16), 40, 36, 16)]


def defect_after_1000_steps(method, m, n, r, dtype):
    rng = np.random.default_rng(0)
    T, S = rng.standard_normal((m, n)).astype(dtype), np.diag(np.linspace(1, 0.5, r)).astype(dtype)
    Y = LowRank(random_basis(rng, m, r, dtype), S, random_basis(rng, n, r, dtype))
    for _ in range(1_000):
        Y = method.step(Y, 0, 1e-3, lambda t, Y: T - dense(Y))
    return max(norm(H(X) @ X - np.eye(X.shape[1])) for X in (Y.U, Y.V))


@pytest.mark.parametrize("method, m, n, r", METHODS_AND_SHAPES, ids=str)
@pytest.mark.parametrize("dtype, bound", [(np.float64, 1e-14), (np.float32, 5e-6)],
                         ids=["float64", "float32"])
def test_orthonormality_does_not_drift_in_1000_steps(method, m, n, r, dtype, bound):
    """At rank 16 the core is large enough for the search of its dominant vectors."""
    assert defect_after_1000_steps(method, m, n, r, dtype) <= bound


def test_without_the_mending_of_augmented_bases_orthonormality_drifts(monkeypatch):
    """Planted, in bases that are augmented and cut again in each step."""
    monkeypatch.setattr(orthonormal, "_mending", lambda G, q: np.eye(len(G), dtype=G.dtype))
    for method, *shape in METHODS_AND_SHAPES:
        if isinstance(method, (AdaptiveBUG, DLRT)):
            assert defect_after_1000_steps(method, *shape, np.float64) > 1e-14
