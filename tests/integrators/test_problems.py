"""A problem tells the truth about itself: its solution solves it,
and its constants bound what they say they bound."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from strategies import seeds, spectra

from lowrank_ode import (
    AdaptiveBUG,
    DirectSum,
    ProjectorSplitting,
    best_approximation,
    evolve,
    problems,
    tangent_projection,
)
from lowrank_ode.matrices import dense, norm
from lowrank_ode.problems import (
    closed_constants,
    lubich_oseledets,
    normal_part,
    quadratic_flow,
    random_lowrank,
    random_orthonormal,
    rank_r_curve,
    tangent_family,
)
from lowrank_ode.substeps import exact

SIGMA = [1, 0.1, 1e-6]
MAKERS = {
    "rank-r curve": lambda rng: rank_r_curve(rng, 9, 8, SIGMA),
    "tangent family": lambda rng: tangent_family(rng, 9, 8, SIGMA, source=0.1),
    "closed constants": lambda rng: closed_constants(rng, 9, 8, SIGMA),
    "quadratic": lambda rng: quadratic_flow(rng, rng.standard_normal((9, 8)), SIGMA,
                                            rng.uniform(0, 2, (9, 8))),
    "Lubich–Oseledets": lambda rng: lubich_oseledets(rng, n=20, r=10),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_solution_starts_at_Y0_and_satisfies_the_equation(name):
    """By the fourth-order difference of the solution at step 1e-2,
    which errs by about 1e-8 times its fifth derivative."""
    p, t, d = MAKERS[name](np.random.default_rng(0)), 0.2, 1e-2
    slope = (8 * (p.solution(t + d) - p.solution(t - d))
             - (p.solution(t + 2 * d) - p.solution(t - 2 * d))) / (12 * d)
    assert norm(slope - p.F(t, p.solution(t))) <= 1e-6 * (1 + norm(slope))
    if name != "Lubich–Oseledets":          # its start is the best approximation of A(0)
        assert norm(p.solution(1e-12) - p.Y0) <= 1e-10


def test_an_equation_that_is_not_satisfied_is_seen():
    p, d = rank_r_curve(np.random.default_rng(0), 9, 8, SIGMA), 1e-2
    slope = (p.solution(0.2 + d) - p.solution(0.2 - d)) / (2 * d)
    assert norm(slope - 1.001 * p.F(0.2, None)) > 1e-4


@given(seeds, spectra(3))
def test_the_rank_r_curve_has_rank_r_and_its_increments_add_up(seed, sigma):
    p = rank_r_curve(np.random.default_rng(seed), 7, 6, sigma)
    A = p.solution(0.7)
    assert np.linalg.svd(A, compute_uv=False)[len(sigma):].sum() <= 1e-13
    total = 0.3 * p.increment(0, 0.3)(0, None) + 0.4 * p.increment(0.3, 0.7)(0, None)
    assert norm(dense(p.Y0) + total - A) <= 1e-13


@given(seeds, spectra(3))
def test_the_tangent_family_is_tangent_everywhere_and_a_source_is_the_whole_of_its_normal_part(
        seed, sigma):
    rng = np.random.default_rng(seed)
    p = tangent_family(rng, 9, 8, sigma)
    Y = random_lowrank(rng, 9, 8, sigma)                    # any Y of rank r, not the start alone
    F = p.F(0, Y.dense())
    assert normal_part(Y, F) <= 1e-13 * (1 + norm(F))
    assert norm(p.F(0, Y) - F) <= 1e-13 * (1 + norm(F))      # in factors or dense
    q = tangent_family(np.random.default_rng(seed), 9, 8, sigma, source=0.3)
    assert 0 < normal_part(q.Y0, q.F(0, q.Y0.dense())) <= 0.3


@given(seeds, spectra(3))
def test_the_closed_constants_bound_slope_normal_part_and_size(seed, sigma):
    rng = np.random.default_rng(seed)
    _, _, k, eta = weights = rng.uniform(0, 1, 4)
    p = closed_constants(rng, 9, 8, sigma, weights)
    X, Z = rng.standard_normal((2, 9, 8))
    assert norm(p.F(0, X) - p.F(0, Z)) <= p.lipschitz * norm(X - Z)
    assert normal_part(p.Y0, p.F(0, p.Y0.dense())) <= k * norm(p.Y0) + eta + 1e-14
    h = 0.3
    B = p.bound(p.Y0, h)
    for t in (0, h / 2, h):
        assert norm(p.F(t, p.solution(t))) <= B
    *_, (_, Y) = evolve(AdaptiveBUG(0), p.Y0, p.F, (0, h), 4)
    assert norm(p.F(h, dense(Y))) <= B


@given(seeds)
def test_the_quadratic_flow_is_non_expansive_and_its_gradient_falls_and_is_that_of_the_loss(seed):
    """Two solutions approach each other at rates between the smallest
    and the largest curvature, μ and L."""
    rng = np.random.default_rng(seed)
    D = rng.uniform(0, 2, (9, 8))
    p = quadratic_flow(rng, rng.standard_normal((9, 8)), SIGMA, D)
    X, Z = rng.standard_normal((2, 9, 8))
    ratio = norm(p.solution(0.5, X) - p.solution(0.5, Z)) / norm(X - Z)
    least, most = np.exp(-0.5 * D.max()), np.exp(-0.5 * D.min())
    assert least * (1 - 1e-14) <= ratio <= most * (1 + 1e-14) <= 1 + 1e-14
    sizes = [norm(p.F(0, p.solution(t))) for t in (0, 0.2, 0.4, 0.8)]
    assert all(later <= earlier * (1 + 1e-14) for earlier, later in pairwise(sizes))
    assert norm(p.F(0, X) - p.F(0, Z)) <= p.lipschitz * norm(X - Z) * (1 + 1e-14)
    # exact for a quadratic, up to rounding
    slope = (p.loss(X + 1e-4 * Z) - p.loss(X - 1e-4 * Z)) / 2e-4
    assert abs(slope + np.sum(p.F(0, X) * Z)) <= 1e-9 * (1 + norm(Z) ** 2)


# ---------------------------------------------------------- constants are attained, not only bounds

def spectral_norm(p):
    """Of the linear part of F, an mn × mn matrix."""
    m, n = p.Y0.shape
    zero = p.F(0, np.zeros((m, n)))
    return np.linalg.norm([(p.F(0, E.reshape(m, n)) - zero).ravel() for E in np.eye(m * n)], 2)


@pytest.mark.parametrize("weights", [(-2, 0, 0, 0.5), (0, 3, 0, 0.5), (0, 0, -0.5, 0.5)])
def test_the_lipschitz_constant_of_each_term_of_the_closed_constants_is_attained(weights):
    p = closed_constants(np.random.default_rng(0), 6, 5, [1], weights)
    assert spectral_norm(p) == pytest.approx(p.lipschitz, rel=1e-13)
    assert p.lipschitz == sum(map(abs, weights[:3]))
    assert norm(p.F(0, np.zeros((6, 5)))) == pytest.approx(0.5, rel=1e-14)              # |η| ‖C‖


def test_the_lipschitz_constant_of_the_quadratic_flow_is_its_largest_curvature():
    D = np.random.default_rng(0).uniform(0, 2, (6, 5))
    p = quadratic_flow(np.random.default_rng(0), np.ones((6, 5)), [1], D)
    assert spectral_norm(p) == pytest.approx(p.lipschitz, rel=1e-13) and p.lipschitz == D.max()
    assert quadratic_flow(np.random.default_rng(0), np.ones((6, 5)), [1]).lipschitz == 1


def test_the_bound_on_F_is_its_formula():
    p = closed_constants(np.random.default_rng(0), 6, 5, [3, 4], (0.1, 0.2, 0.3, 0.4))
    L, h, eta = 0.1 + 0.2 + 0.3, 0.25, 0.4
    assert p.bound(p.Y0, h) == pytest.approx(L * np.exp(2 * L * h) * (5 + eta * h) + eta, rel=1e-14)


@pytest.mark.parametrize("name", ["tangent family", "closed constants", "quadratic"])
def test_the_solution_starts_wherever_it_is_told_to(name):
    p = MAKERS[name](np.random.default_rng(0))
    W0 = np.random.default_rng(1).standard_normal((9, 8)) / 9
    assert norm(p.solution(0.0, W0) - W0) <= 1e-14
    assert norm(p.solution(0.1, W0) - exact(p.F, 0, W0, 0.1)) <= 1e-12
    assert norm(p.solution(0.1, W0) - p.solution(0.1)) > 0.1


def test_the_derivative_of_a_curve_is_found_once_and_is_the_callers_own_each_time(monkeypatch):
    """Who overwrites it does not change what the next one gets."""
    times, rotation = [], problems._rotation

    def counting(*args):
        X, turn = rotation(*args)
        return X, lambda t: times.append(t) or turn(t)

    monkeypatch.setattr(problems, "_rotation", counting)
    p = rank_r_curve(np.random.default_rng(0), 9, 8, SIGMA)
    first = p.F(0.1, p.Y0)
    kept = first.copy()
    first *= 0
    assert (p.F(0.1, p.Y0) == kept).all() and kept.any() and (p.F(0.2, p.Y0) != kept).any()
    assert times == [0.1, 0.1, 0.2, 0.2]


@pytest.mark.parametrize("speed", [0.0, 0.3, 1.0])
def test_the_bases_of_a_rank_r_curve_turn_at_its_speed(speed):
    """In the plane eˣᵗ is a rotation by the angle speed · t."""
    p = rank_r_curve(np.random.default_rng(0), 2, 2, [1], speed)
    P, _, Qh = np.linalg.svd(p.solution(0.7))
    for start, end in ((p.Y0.U, P[:, 0]), (p.Y0.V, Qh[0])):
        assert abs(end @ start[:, 0]) == pytest.approx(np.cos(0.7 * speed), abs=1e-14)
    # in more dimensions no vector turns faster
    big = rank_r_curve(np.random.default_rng(0), 9, 8, [1], speed)
    directions = [abs(np.linalg.svd(big.solution(t))[0][:, 0] @ big.Y0.U[:, 0]) for t in (0.1, 0.7)]
    assert all(cosine >= np.cos(speed * t) - 1e-14
               for cosine, t in zip(directions, (0.1, 0.7), strict=True))


def test_the_singular_values_of_a_rank_r_curve_grow_exponentially_each_at_its_own_rate():
    p = rank_r_curve(np.random.default_rng(0), 9, 8, [1, 1e-2, 1e-6])
    sigma = np.array([1, 1e-2, 1e-6])
    rates = [np.log(np.linalg.svd(p.solution(t), compute_uv=False)[:3] / sigma) / t
             for t in (0.5, 1)]
    np.testing.assert_allclose(rates[0], rates[1], atol=1e-8)
    assert (abs(rates[0]) < 1).all() and abs(np.diff(rates[0])).min() > 0.01
    assert abs(rates[0]).min() > 0.01


def test_lubich_oseledets_has_ten_singular_values_of_size_one_and_noise_that_grows_as_e_to_the_t():
    p = lubich_oseledets(np.random.default_rng(0), n=30, noise=1e-3)
    before, after = (np.linalg.svd(p.solution(t), compute_uv=False) for t in (0, 1))
    assert 1 < before[0] < 10 and before[9] > 0.1 and before[10] < 0.03
    np.testing.assert_allclose(after[12:] / before[12:], np.e, rtol=0.05)


def test_the_normal_part_of_a_direct_sum_is_that_of_its_blocks_and_a_dense_block_has_none():
    rng = np.random.default_rng(0)
    Y, W = random_lowrank(rng, 6, 5, [1, 0.5]), np.ones((3, 2))
    Z, X = rng.standard_normal((2, 6, 5))
    parts = normal_part(Y, Z), normal_part(Y, X)
    both = normal_part(DirectSum([Y, W, Y]), DirectSum([Z, W, X]))
    assert both == pytest.approx(np.hypot(*parts), rel=1e-14)
    assert normal_part(W, W) == 0
    assert norm(tangent_projection(Y, Z)) ** 2 + parts[0] ** 2 == pytest.approx(norm(Z) ** 2)


def test_random_bases_are_uniform_of_both_signs():
    positive = sum(random_orthonormal(np.random.default_rng(seed), 5, 1)[0, 0] > 0
                   for seed in range(100))
    assert 30 < positive < 70       # 4 sigma


def test_lubich_oseledets_at_rank_10_and_over_approximated_at_rank_20():
    """[LO14] The error is of the size of the noise at rank 10, and smaller, not larger, at rank 20
    with singular values of that size."""
    errors = {}
    for r in (10, 20):
        p = lubich_oseledets(np.random.default_rng(0), n=50, r=r, noise=1e-3)
        *_, (_, Y) = evolve(ProjectorSplitting(order=2), p.Y0, p.F, (0, 1), 40)
        A = p.solution(1)
        errors[r] = norm(Y - A), norm(best_approximation(A, rank=r) - A)
    assert errors[10][0] < 3 * errors[10][1] and errors[20][0] < 3 * errors[20][1]
    assert errors[20][0] < errors[10][0]
    assert 1e-6 < np.diag(p.Y0.S)[-1] < 1e-2
