"""Norm and energy, complex matrices; the three terms of Theorem 1; starts with decaying singular
values (docs/theorems.md)."""

import numpy as np
import pytest
from methods import low_rank

from lowrank_ode import BUG, DLRT, AdaptiveBUG, LowRank, evolve, truncate
from lowrank_ode.integrators import (
    FactorDescent,
    GeoLoRA,
)
from lowrank_ode.integrators.adaptive_bug import augmented_step
from lowrank_ode.matrices import dense, norm
from lowrank_ode.problems import (
    quadratic_flow,
    random_lowrank,
    random_orthonormal,
    schroedinger,
    tangent_family,
)
from lowrank_ode.substeps import euler, repeated, rk4

FINE = repeated(rk4, 24)


# ---------------------------------------------------------------------------------- norm and energy

@pytest.mark.parametrize("method", low_rank("keeps_norm", plain=True, tol=1e-14, solve=FINE),
                         ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_norm_and_energy_of_a_schroedinger_wave_are_kept(method, seed):
    """[LO14, CKL22, CEKL24, KSW25] Re⟨Y, F(Y)⟩ = 0, complex matrices, h = 0.2:
    each substep is X' = ∓i π𝓗[X], πX = X."""
    p = schroedinger(np.random.default_rng(seed), 20)
    assert method.keeps_norm and abs(np.vdot(dense(p.Y0), p.F(0, dense(p.Y0))).real) <= 1e-14
    Y1 = method.step(p.Y0, 0, 0.2, p.F)
    assert abs(norm(Y1) - norm(p.Y0)) <= 1e-9 and abs(p.energy(Y1) - p.energy(p.Y0)) <= 1e-9


@pytest.mark.parametrize("method", [
    *(m for m in low_rank(plain=True, tol=1e-14, solve=FINE) if not m.keeps_norm),
    AdaptiveBUG(1e-14, solve=euler)], ids=str)
def test_norm_and_energy_are_lost_by_fixed_rank_and_parallel_BUG_and_with_euler_substeps(method):
    p = schroedinger(np.random.default_rng(0), 20)
    Y1 = method.step(p.Y0, 0, 0.2, p.F)
    assert abs(norm(Y1) - norm(p.Y0)) > 1e-4 and abs(p.energy(Y1) - p.energy(p.Y0)) > 1e-4


@pytest.mark.parametrize("seed", range(5))
def test_the_energy_is_kept_before_truncation_and_changes_by_at_most_gamma_theta_after(seed):
    """[CKL22] E(Ŷ) = E(Y); ‖Y1‖² = ‖Y‖² − tail²; |E(Y1) − E(Y)| ≤ γ · tail with γ = ‖𝓗[Y1 + Ŷ]‖."""
    p = schroedinger(np.random.default_rng(seed), 20)
    Z = augmented_step(p.Y0, 0, 0.2, p.F, FINE)
    assert abs(p.energy(Z) - p.energy(p.Y0)) <= 1e-9
    Y1 = truncate(Z, 0.05)
    tail = norm(Z - Y1)
    assert tail > 1e-3 and abs(norm(Y1) ** 2 + tail**2 - norm(p.Y0) ** 2) <= 1e-9
    gamma = norm(p.hamiltonian(dense(Y1) + dense(Z)))
    assert 0 < abs(p.energy(Y1) - p.energy(p.Y0)) <= gamma * tail + 1e-9


# --------------------------------------------------------------------- the three terms of Theorem 1

def final_error(method, problem, T, n):
    *_, (_, Y) = evolve(method, problem.Y0, problem.F, (0, T), n)
    return norm(Y - problem.solution(T))


def test_the_plateau_of_the_error_is_proportional_to_the_normal_part():
    errors = [final_error(DLRT(0, max_rank=3), tangent_family(np.random.default_rng(7), 16, 15,
                                                              (1, 0.6, 0.3), source), 0.5, 2000)
              for source in (0.02, 0.04)]
    assert abs(errors[1] / errors[0] - 2) < 0.1


def test_at_fixed_tolerance_the_error_is_U_shaped_and_the_rank_freezes_below_theta():
    """F = T − Y, singular values 2⁻ⁱ, start rank 1, θ = 1e-2:
    that the error decreases with h must fail."""
    rng = np.random.default_rng(0)
    target = random_lowrank(rng, 12, 11, 2.0 ** -np.arange(1, 9)).dense()
    problem = quadratic_flow(rng, target, [0.5])
    start = problem.Y0
    errors, ranks = [], []
    for n in (4, 16, 64, 256, 1024):
        *_, (_, Y) = evolve(AdaptiveBUG(1e-2, solve=euler), start, problem.F, (0, 4), n)
        errors.append(norm(Y - problem.solution(4)))
        ranks.append(Y.rank)
    smallest = int(np.argmin(errors))
    assert 0 < smallest < 4 and errors[-1] > 3 * errors[smallest]
    assert errors[0] > 1.5 * errors[smallest]
    assert 4 / 1024 * norm(problem.F(0, start)) <= 1e-2 and ranks[-1] == 1 and max(ranks) >= 4


# --------------------------------------------------------------- starts whose singular values decay

def loss_after(method, decay, seed, steps=20, h=0.5):
    """Loss ½‖W − T‖² from singular values decay^−k in the same bases, T of rank r."""
    rng = np.random.default_rng(seed)
    target = random_lowrank(rng, 15, 14, [1, 0.9, 0.8, 0.7, 0.6, 0.5]).dense()
    U, V = random_orthonormal(rng, 15, 6), random_orthonormal(rng, 14, 6)
    start = LowRank(U, np.diag(float(decay) ** -np.arange(6)), V)
    *_, (_, Y) = evolve(method, start, lambda t, Y: target - dense(Y), (0, steps * h), steps)
    return 0.5 * norm(Y - target) ** 2


@pytest.mark.parametrize("method, median_spread",
                         [(AdaptiveBUG(0, max_rank=6), (1, 10)), (BUG(), (1, 10)),
                          (GeoLoRA(0, max_rank=6), (1, 10)), (FactorDescent(), (100, np.inf))],
                         ids=str)
def test_decaying_singular_values_of_the_start_hold_up_factor_descent_but_not_the_integrators(
        method, median_spread):
    """Decay 1, 2, 10 at h = 0.5: largest over smallest loss, median of 9 draws.
    (At decay 1 factor descent is not slower.)"""
    spreads = []
    for seed in range(9):
        values = [loss_after(method, decay, seed) for decay in (1, 2, 10)]
        spreads.append(max(values) / min(values))
    assert median_spread[0] <= np.median(spreads) <= median_spread[1], np.median(spreads)
