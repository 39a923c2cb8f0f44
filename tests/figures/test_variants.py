"""The variants of a step that `what_matters` compares do what their names say, step by step."""

from itertools import pairwise

import numpy as np
import pytest

from figures.what_matters import BASE, VARIANTS, CoreAtTheEnd, Momentum, Seldom
from lowrank_ode import DLRT
from lowrank_ode.integrators import GeoLoRA
from lowrank_ode.matrices import dense, norm, tangent_projection
from lowrank_ode.problems import random_lowrank

H = 0.05


def path(method, steps):
    """Y after 0, 1, … steps towards a matrix of full rank."""
    rng = np.random.default_rng(0)
    T, Y = rng.standard_normal((9, 8)), random_lowrank(rng, 9, 8, [1, 0.5])
    found = [Y]
    for _ in range(steps):
        found.append(method.step(found[-1], 0.0, H, lambda t, Y: T - dense(Y)))
    return found


def moves(Y, Y1):
    """Whether the bases of Y1 span more than, or something else than, those of Y."""
    return norm(Y1.U - Y.U @ (Y.U.T @ Y1.U)) > 1e-6


def moving(method, steps):
    found = path(method, steps)
    return [moves(Y, Y1) for Y, Y1 in pairwise(found)]


@pytest.mark.parametrize("every", [5, 3])
def test_bases_move_each_fifth_step_the_core_alone_in_between_and_then_the_rank_is_cut(every):
    """Planted: each sixth."""
    expected = [k % every == 0 for k in range(3 * every)]
    assert moving(Seldom(2, every), 3 * every) == expected != moving(Seldom(2, every + 1),
                                                                     3 * every)
    ranks = [Y.rank for Y in path(Seldom(2, every), 2 * every)]
    assert ranks == [2, *[4] * (every - 1), 2, *[4] * (every - 1), 2]
    assert Seldom(2).every == 5


def test_a_fifth_step_is_one_of_DLRT_before_truncation_and_then_four_of_the_core():
    Y, *others = path(Seldom(2), 4)
    T = np.random.default_rng(0).standard_normal((9, 8))
    Z = DLRT(0).step(Y, 0.0, H, lambda t, Y: T - dense(Y))
    for found in others:
        assert norm(found - Z) <= 1e-13
        P, Q = Z.U @ Z.U.T, Z.V @ Z.V.T
        Z = type(Z)(Z.U, Z.S + H * Z.U.T @ (T - Z.dense()) @ Z.V, Z.V)
        assert norm(P @ Z.dense() @ Q - Z) <= 1e-13


@pytest.mark.parametrize("steps", [9, 30])
def test_bases_rest_in_the_last_third(steps):
    """Planted: in the last half."""
    def with_core(first):
        return [k < first for k in range(steps)]
    assert moving(CoreAtTheEnd(2, steps), steps) == with_core(2 * steps // 3)
    assert moving(CoreAtTheEnd(2, steps), steps) != with_core(steps // 2)


def test_momentum_is_a_heavy_ball_on_tangent_directions():
    """Y1 = cut(Y + h P(Y)(G + μ M)), M the direction before. Planted: μ = 0.8."""
    def by_hand(mu, steps=4):
        Y, M = path(GeoLoRA(0, max_rank=2), 0)[0], 0.0
        T = np.random.default_rng(0).standard_normal((9, 8))
        for _ in range(steps):
            M = tangent_projection(Y, T - dense(Y) + mu * (M if np.isscalar(M) else dense(M)))
            Y = GeoLoRA(0, max_rank=2).step(Y, 0.0, H, lambda t, Y, M=M: dense(M))
        return Y

    found = path(Momentum(2), 4)[-1]
    assert norm(found - by_hand(0.9)) <= 1e-12 and norm(found - by_hand(0.8)) > 1e-3


def test_each_variant_changes_what_its_name_says():
    changed = {name: {key for key, value in {**BASE, **change}.items() if value != BASE[key]}
               for name, change in VARIANTS.items()}
    assert changed == {
        "base": set(), "random core, half the step size": {"start", "lr"},
        "half the step size": {"lr"}, "constant step size": {"lr"}, "GeoLoRA": {"method"},
        "momentum": {"method", "lr"}, "basis each 5th step": {"method"},
        "at the end the core alone": {"method"}, "a fifth of the inputs dropped": {"drop"}}
    half = VARIANTS["half the step size"]["lr"]
    assert half == [h / 2 for h in BASE["lr"]]
    assert VARIANTS["a fifth of the inputs dropped"] == {"drop": 0.2}
    assert VARIANTS["momentum"]["lr"] == [h / 10 for h in BASE["lr"]]
