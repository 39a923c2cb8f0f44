"""Midpoint BUG is what its docstring says, against the same written with plain arrays."""

import numpy as np
import pytest
from outsiders import rk4

from lowrank_ode.integrators import MidpointBUG
from lowrank_ode.matrices import norm
from lowrank_ode.problems import random_lowrank

EPS, KAPPA = np.finfo(float).eps, 1e5


def basis(*parts):
    """Orthonormal columns that span those of the parts, by an SVD: those of singular values that
    are 1/KAPPA of the largest, or rounding."""
    U, sigma, _ = np.linalg.svd(np.hstack(parts), full_matrices=False)
    kept = sigma > sigma[0] / KAPPA
    assert np.all(kept | (sigma < 1e-12 * sigma[0]))
    return U[:, kept]


def best(Z, r):
    """(U, S, Vᵀ) of the best approximation of rank r."""
    P, sigma, Qt = np.linalg.svd(Z)
    return P[:, :r], np.diag(sigma[:r]), Qt[:r]


def galerkin(F, U, V, Y, t, h):
    """S' = Uᵀ F(U S Vᵀ) V from Uᵀ Y V, over h."""
    return U @ rk4(lambda s, S: U.T @ F(s, U @ S @ V.T) @ V, t, U.T @ Y @ V, h) @ V.T


def augmented(F, Y, r, t, h):
    """Augmented BUG without truncation: (Y1, Û, V̂)."""
    U, S, Vt = best(Y, r)
    K = rk4(lambda s, K: F(s, K @ Vt) @ Vt.T, t, U @ S, h)
    L = rk4(lambda s, L: F(s, U @ L.T).T @ U, t, Vt.T @ S.T, h)
    U, V = basis(U, K), basis(Vt.T, L)
    return galerkin(F, U, V, Y, t, h), U, V


def three_r(F, Y, r, t, h, cut=True, middle=0.5):
    """ "3r", no truncation at the end; planted: the slope at the half step as it is, before it is
    cut to rank r, and at another time."""
    U0, _, Vt0 = best(Y, r)
    half, _, _ = augmented(F, Y, r, t, h / 2)
    U, S, Vt = best(half, r)
    G = F(t + middle * h, U @ S @ Vt if cut else half)
    return galerkin(F, basis(U0, U, G @ Vt.T), basis(Vt0.T, Vt.T, G.T @ U), Y, t, h)


def four_r(F, Y, r, t, h, cut=False):
    """ "4r"; planted: the slope at the half step cut to rank r."""
    half, U, V = augmented(F, Y, r, t, h / 2)
    at = np.linalg.multi_dot(best(half, r)) if cut else half
    G = F(t + h / 2, at)
    return galerkin(F, basis(U, G @ V), basis(V, G.T @ U), Y, t, h)


@pytest.mark.parametrize("bases, by_hand, planted", [
    ("3r", three_r, {"cut": False}), ("3r", three_r, {"middle": 0.0}),
    ("4r", four_r, {"cut": True})], ids=["3r, uncut", "3r, at the start", "4r, cut"])
@pytest.mark.parametrize("seed", range(3))
def test_midpoint_bug_takes_its_slope_where_its_docstring_says(bases, by_hand, planted, seed):
    """At "3r" that of the half step once cut to rank r, at "4r" that of the uncut one. F has a term
    A Y B: of A Y + Y B + Y C Y alone both slopes span, with the other bases, the same."""
    rng, (m, n), r, h = np.random.default_rng(seed), (17, 16), 2, 0.2
    Y = random_lowrank(rng, m, n, [1, 0.4])
    A, B, C = (rng.standard_normal(shape) / 4 for shape in ((m, m), (n, n), (m, n)))

    def F(t, Y):
        Y = Y if isinstance(Y, np.ndarray) else Y.dense()
        return A @ Y + np.cos(t) * Y @ B + A @ Y @ B + np.sin(1 + t) * C

    found = MidpointBUG(0, bases=bases).step(Y, 0.3, h, F).dense()
    size = norm(Y) + h * norm(F(0.3, Y))
    assert norm(found - by_hand(F, Y.dense(), r, 0.3, h)) <= 50 * EPS * (m + n) * KAPPA * size
    assert norm(found - by_hand(F, Y.dense(), r, 0.3, h, **planted)) > 1e-6 * size


@pytest.mark.parametrize("bases", ["3r", "4r"])
@pytest.mark.parametrize("c", [2, -3, -1, -0.5])
def test_midpoint_bug_takes_no_rounding_for_a_direction(bases, c):
    """The slope c/h Y of a Y is in its bases. Measured by Y½ + c h/2 · Y½/h, which is not 0 for
    these c, what is left of it is rounding: F sees no basis of more than r columns."""
    Y, h, seen = random_lowrank(np.random.default_rng(0), 17, 16, [1, 0.4]), 0.2, set()

    def F(t, Y):
        seen.update(Y.S.shape)
        return Y * (c / h)

    MidpointBUG(0, bases=bases).step(Y, 0, h, F)
    assert seen == {2}
