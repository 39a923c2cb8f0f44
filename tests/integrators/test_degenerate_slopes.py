"""Slopes that leave little or nothing to orthogonalise take the road of all others: zero, of rank
one, within the bases of Y."""

from unittest.mock import patch

import numpy as np
import pytest
from methods import low_rank
from strategies import random_basis

from lowrank_ode import DLRT, LowRank
from lowrank_ode.matrices import Identity, check_state, dense, norm, orthonormal

METHODS = low_rank(tol=0)
SHAPES = [(9, 8, 2), (5, 4, 4), (70, 60, 20)]   # the last one: cores large enough for `dominant`
KINDS = {                                       # ∇_W = Δ Zᴴ, from U, V and a source of numbers
    "zero": lambda U, V, full: (np.zeros((len(U), 3), U.dtype), full(len(V), 3)),
    "one example": lambda U, V, full: (full(len(U), 1), full(len(V), 1)),
    "one example, thrice": lambda U, V, full: (np.repeat(full(len(U), 1), 3, axis=1),
                                               np.repeat(full(len(V), 1), 3, axis=1)),
    "within the bases": lambda U, V, full: (U @ full(U.shape[1], 3), V @ full(V.shape[1], 3)),
}


def drawn(shape, dtype, kind, sigma):
    """Y with singular values from 1 to sigma, and a gradient in factors."""
    rng, (m, n, r) = np.random.default_rng(0), shape
    U, V = random_basis(rng, m, r, dtype), random_basis(rng, n, r, dtype)
    Y = LowRank(U, np.diag(np.geomspace(1, sigma, r)).astype(dtype), V)
    D, Z = KINDS[kind](U, V, lambda *shape: rng.standard_normal(shape).astype(dtype))
    return Y, LowRank(D, Identity(D.shape[1]), Z)


def distance(method, Y, G, other):
    """Of a step along G from another matrix, in units of EPS and of the size of Y and G; the bases
    of the step are orthonormal."""
    found = check_state(method.step(Y, 0, 0.5, lambda t, P: G))
    size = np.finfo(Y.dtype).eps * (norm(Y) + norm(G))
    return norm(found.dense() - dense(other)) / size


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_along_a_degenerate_gradient_is_that_along_the_same_matrix(method, dtype, shape):
    for kind in KINDS:
        Y, G = drawn(shape, dtype, kind, 0.1)
        truth = method.step(Y, 0, 0.5, lambda t, P, G=G: dense(G))
        assert distance(method, Y, G, truth) <= 100, kind


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("sigma", [0.1, 1e-16])
@pytest.mark.parametrize("shape", SHAPES)
def test_within_its_bases_a_matrix_moves_freely_however_small_its_singular_values(
        method, sigma, shape):
    for kind in ("zero", "within the bases"):
        Y, G = drawn(shape, np.float64, kind, sigma)
        assert distance(method, Y, G, Y + 0.5 * G) <= 50, kind


def test_a_wrong_gradient_and_a_direction_that_is_rounding_are_noticed():
    """Planted: twice the gradient; nothing dropped, and nothing orthogonalised a second time."""
    method = DLRT(0)
    Y, G = drawn((9, 8, 2), np.float64, "one example", 0.1)
    truth = method.step(Y, 0, 0.5, lambda t, P: dense(G))
    assert distance(method, Y, G, truth) <= 100 and distance(method, Y, 2 * G, truth) > 1e10
    Y, G = drawn((9, 8, 2), np.float64, "within the bases", 0.1)
    with patch.object(orthonormal, "DROP", 1e-9), pytest.raises(ValueError, match="orthonormal"):
        with patch.object(orthonormal, "orthonormalising", lambda G: np.eye(len(G))):
            distance(method, Y, G, Y)
