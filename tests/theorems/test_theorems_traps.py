"""Vacuity traps: settings in which a theorem cannot be seen to fail, each shown to be one
(docs/theorems.md, Vacuity traps)."""

import numpy as np
import pytest
from measures import measured_order
from methods import CAPPED

from lowrank_ode import (
    BUG,
    DLRT,
    AdaptiveBUG,
    LowRank,
    ProjectorSplitting,
    best_approximation,
    evolve,
)
from lowrank_ode.integrators import MidpointBUG, ParallelBUG
from lowrank_ode.matrices import dense, norm
from lowrank_ode.problems import Problem, closed_constants, tangent_family
from lowrank_ode.substeps import euler, exact


def sylvester():
    """F = A Y + Y B at m, n > 4r."""
    return closed_constants(np.random.default_rng(0), 16, 15, [1, 0.5, 0.2], weights=(1, 1, 0, 0))


def final(method, problem, n, T):
    *_, (_, Y) = evolve(method, problem.Y0, problem.F, (0, T), n)
    return Y


def test_trap_sylvester_flows_flatter_splitting_and_adaptive_BUG():
    """On them the splitting is exact and adaptive BUG of order 2; only BUG and parallel BUG show
    their order, with local errors ∝ h²."""
    p = sylvester()
    assert norm(ProjectorSplitting(solve=exact).step(p.Y0, 0, 0.2, p.F) - p.solution(0.2)) <= 1e-12
    assert abs(measured_order(AdaptiveBUG(0, **CAPPED), p, steps=(8, 16, 32)) - 2) <= 0.1
    for method in (BUG(), ParallelBUG(0, **CAPPED)):
        errors = [norm(method.step(p.Y0, 0, h, p.F) - p.solution(h)) for h in (0.1, 0.05, 0.025)]
        assert np.allclose(np.divide(errors[:-1], errors[1:]), 4, atol=0.2)
        assert abs(measured_order(method, p, steps=(16, 32, 64)) - 1) <= 0.1


@pytest.mark.parametrize("method", [ProjectorSplitting(), AdaptiveBUG(0, max_rank=8),
                                    MidpointBUG(0, max_rank=8)], ids=str)
def test_trap_for_smooth_data_of_rank_8_every_method_sits_on_the_floor_of_the_best_approximation(
        method):
    """A heat equation with a Gaussian source: the error is 1 to 1.2 of the tail beyond rank 8, for
    h = ½, ¼, 1/16; it has no slope."""
    x = np.linspace(0, 1, 40)
    D = 0.25 * (np.eye(40, k=1) + np.eye(40, k=-1) - 2 * np.eye(40))
    C = np.exp(-np.subtract.outer(x, x) ** 2 / 0.1)
    C /= np.linalg.norm(C)
    Y0 = best_approximation(np.exp(-((x[:, None] - 0.4) ** 2 + (x - 0.5) ** 2 + x[:, None] * x)
                                   / 0.1), rank=8)
    p = Problem(lambda t, Y: D @ Y + Y @ D + C, Y0, None)
    truth = exact(p.F, 0, Y0.dense(), 1)
    floor = norm(truth - best_approximation(truth, rank=8))
    assert all(floor <= norm(final(method, p, n, 1) - truth) <= 1.2 * floor for n in (2, 4, 16))


@pytest.mark.parametrize("method", [ProjectorSplitting(2, euler),
                                    MidpointBUG(0, solve=euler, **CAPPED)], ids=str)
def test_trap_euler_substeps_turn_every_method_into_one_of_order_1(method):
    problem = tangent_family(np.random.default_rng(7), 16, 15, (1, 0.6, 0.3))
    assert method.order == 2 and 0.9 <= measured_order(method, problem) <= 1.1


def test_trap_a_normal_part_hides_the_order_2_of_midpoint_BUG():
    """Its error has a term h ε [CEKL24]: against its own limit the slope is 2 on the tangent family
    and 1 with a source of size 0.3."""
    def slopes(source):
        p = tangent_family(np.random.default_rng(7), 16, 15, (1, 0.6, 0.3), source)
        limit = final(MidpointBUG(0, **CAPPED), p, 512, 0.5)
        errors = [norm(final(MidpointBUG(0, **CAPPED), p, n, 0.5) - limit) for n in (8, 16, 32)]
        return np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.allclose(slopes(0.0), 2, atol=0.1) and np.allclose(slopes(0.3), 1, atol=0.1)


def test_trap_descent_is_up_to_truncation_a_large_tolerance_raises_the_loss():
    """f = ½‖W − T‖² at its minimum: ‖ΠF‖ = 0, and cutting T to half its norm costs
    tail²/2 = (β/2) · tail, within the bound β · tail."""
    T = LowRank(np.eye(5, 3), np.diag([1.0, 0.4, 0.2]), np.eye(4, 3))
    Y1 = DLRT(0.5).step(T, 0, 0.1, lambda t, Y: T.dense() - dense(Y))
    tail = np.hypot(0.4, 0.2)
    assert Y1.rank == 1 and norm(Y1 - T) == pytest.approx(tail)
    assert 0.5 * norm(Y1 - T) ** 2 <= tail * tail
