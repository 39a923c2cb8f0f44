"""Stationary points of the projected flow that are none of the flow (docs/theorems.md, 19), and
what of F midpoint BUG sees beside rounding."""

import numpy as np
import pytest
from methods import low_rank

from lowrank_ode import (
    DLRT,
    LowRank,
    best_approximation,
    evolve,
)
from lowrank_ode.integrators import (
    MidpointBUG,
    ParallelBUG2,
)
from lowrank_ode.matrices import augment, dense, norm, tangent_projection
from lowrank_ode.problems import random_lowrank

EPS = np.finfo(float).eps
LEAVING = [m for m in low_rank(tol=1e-10) if isinstance(m, (DLRT, ParallelBUG2))]
STAYING = [m for m in low_rank(tol=1e-10) if m not in LEAVING]


def saddle(seed):
    """(T, its best approximation of rank 2): singular values 1, ½, …, 1/32."""
    T = random_lowrank(np.random.default_rng(seed), 12, 11, 2.0 ** -np.arange(6)).dense()
    return T, best_approximation(T, rank=2)


def distance(method, Y, T, n=40, h=0.2):
    *_, (_, Y) = evolve(method, Y, lambda t, Y: T - dense(Y), (0, n * h), n)
    return norm(dense(Y) - T)


def widened(Y, more, delta, rng):
    """Y with so many random directions of singular value delta."""
    U, V = (augment(X, rng.standard_normal((len(X), more))).array for X in (Y.U, Y.V))
    return LowRank(U, np.diag(np.r_[np.diag(Y.S), [delta] * more]), V)


def test_at_the_best_approximation_the_projected_field_vanishes_and_the_field_does_not():
    T, Y = saddle(0)
    F = T - Y.dense()
    assert norm(tangent_projection(Y, F)) <= 50 * EPS * norm(T) and norm(F) > 0.2 * norm(T)


@pytest.mark.parametrize("method", STAYING, ids=str)
def test_a_method_that_sees_F_by_its_products_with_the_bases_stays_there(method):
    """Planted: a start that is not the best approximation."""
    T, Y = saddle(1)
    tail = norm(Y.dense() - T)
    assert abs(distance(method, Y, T) - tail) <= 1e-10
    other = random_lowrank(np.random.default_rng(2), 12, 11, [1.0, 0.5])
    assert distance(method, other, T) < 0.9 * norm(other.dense() - T)


@pytest.mark.parametrize("method", LEAVING, ids=str)
def test_a_basis_made_of_the_slope_alone_leaves_it_by_rounding(method):
    """F V0 is rounding, of size EPS, and its directions are noise; a basis does not tell sizes."""
    T, Y = saddle(1)
    Y1 = method.step(Y, 0, 0.2, lambda t, Y: T - dense(Y))
    assert Y1.rank > 2 and distance(method, Y, T) < 0.1 * norm(Y.dense() - T)


@pytest.mark.parametrize("method", low_rank("adaptive", tol=1e-10), ids=str)
def test_a_few_random_directions_of_small_weight_are_the_way_out(method):
    T, Y = saddle(1)
    start = widened(Y, 2, 1e-3, np.random.default_rng(0))
    assert distance(method, start, T) < 0.02 * norm(Y.dense() - T)


@pytest.mark.parametrize("bases", ["3r", "4r"])
@pytest.mark.parametrize("h", [1e-1, 1e-3, 1e-4])
def test_a_change_of_F_by_rounding_changes_a_midpoint_step_by_rounding(bases, h):
    """By EPS ‖Y‖ / h² of its increment at most, for constant F."""
    rng = np.random.default_rng(0)
    for r in (1, 2, 3):
        Y = random_lowrank(rng, 16, 15, 10.0 ** -rng.uniform(0, 2, r))
        C, noise = rng.standard_normal((16, 15)), 1 + 2e-16 * rng.standard_normal((16, 15))
        one, other = (dense(MidpointBUG(1e-12, bases=bases).step(Y, 0, h, lambda t, Y, G=G: G))
                      for G in (C, C * noise))
        assert norm(one - other) <= 100 * EPS * norm(Y) / h**2 * h * norm(C)


def test_next_to_the_slope_alone_rounding_is_a_direction():
    """What the bases 4r would be made of otherwise: of rank 1, and F constant, three columns."""
    rng = np.random.default_rng(0)
    columns, weighted = set(), set()
    for _ in range(20):
        Y, C = random_lowrank(rng, 16, 15, [1.0]), rng.standard_normal((16, 15))
        U0 = augment(Y.U, Y.U @ Y.S + 1e-3 * (C @ Y.V)).array
        columns.add(augment(U0, C @ Y.V).shape[1])
        weighted.add(augment(U0, Y.U @ Y.S + 1e-3 * (C @ Y.V)).shape[1])
    assert 3 in columns and weighted == {2}
