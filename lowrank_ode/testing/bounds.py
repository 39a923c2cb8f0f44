"""Errors next to bounds with explicit constants (docs/derivations.md): along runs, over draws.

Constants are measured or known in closed form, never fitted; the last term is what rounding adds.
"""

import numpy as np

from ..integrators import DLRT
from ..integrators.projected import K_field, L_field
from ..matrices import H, LowRank, dense, norm, orth
from ..problems import closed_constants, normal_part, quadratic_flow, random_lowrank
from ..substeps import exact

EPS = np.finfo(float).eps
# of L B h², in the local bounds of adaptive and parallel BUG
ADAPTIVE, PARALLEL = (1 + np.sqrt(2)) / 2, (1 + np.sqrt(3)) / 2


def theorem_1_along(method, problem, h, steps, W0=None):
    """Theorem 1 of [SZKCT22] in Euler form along a run on a `GradientFlow`, h the step size; a
    generator, after each step, of

    (error, terms): the distance to the exact flow from W0 (default Y0), and δ, Tε, T L B h/2,
    T ϑ/h, rounding, whose sum bounds it. ε and B are the largest ‖(I − P(Y))F‖ and ‖F‖ so far, ϑ
    the largest tail of the correct singular values beyond the rank that was kept.
    """
    Y, L, W0 = problem.Y0, problem.lipschitz, problem.Y0.dense() if W0 is None else W0
    delta, eps, B, theta = norm(Y - W0), 0.0, 0.0, 0.0
    for k in range(1, steps + 1):
        G = problem.F(0, Y)
        eps, B = max(eps, normal_part(Y, G)), max(B, norm(G))
        aug, Y = dense(DLRT(0).step(Y, 0, h, problem.F)), method.step(Y, 0, h, problem.F)
        theta = max(theta, np.linalg.norm(np.linalg.svd(aug, compute_uv=False)[Y.rank:]))
        T = k * h
        truth = problem.solution(T, W0)
        rounding = 100 * EPS * sum(Y.shape) * k * (norm(W0) + norm(truth) + T * B)
        terms = np.array([delta, T * eps, T * L * B * h / 2, T * theta / h, rounding])
        yield norm(Y - truth), terms


def draw_theorem_1(rng, method=DLRT, sigma_min=1e-16):
    """(error, terms) at the end of a run of method(tau) on a random convex quadratic, with random
    τ, h, number of steps and δ.

    Singular values of the start go down to sigma_min. Some starts have full rank, where ε = 0.
    """
    m, n = rng.integers(5, 13, 2)
    r = min(m, n) if rng.random() < 0.2 else int(rng.integers(1, min(m, n) // 2 + 1))
    sigma = np.sort(10 ** rng.uniform(np.log10(sigma_min), 0, r))[::-1]
    of_target = 10 ** rng.uniform(-3, 0.5, int(rng.integers(1, min(m, n) + 1)))
    target = random_lowrank(rng, m, n, of_target).dense()
    curvature = 10 ** rng.uniform(-2, 0, (m, n)) if rng.random() < 0.7 else None
    problem = quadratic_flow(rng, target, sigma, curvature)
    tau, steps = 10 ** rng.uniform(-8, -1), int(rng.choice([1, 3, 10, 30]))
    h = 10 ** rng.uniform(-3, 0) / problem.lipschitz
    delta = rng.choice([0, 1e-2]) * norm(problem.Y0)
    offset = rng.standard_normal((m, n))
    W0 = problem.Y0.dense() + delta * offset / np.linalg.norm(offset)
    *_, last = theorem_1_along(method(tau), problem, h, steps, W0)
    return last


def after_K_and_L(Y, F, h):
    """K1 V0ᴴ in the bases U1, V0, and U0 L1ᴴ in U0, V1: where the K- and the L-flow of F from Y
    arrive, exactly solved over [0, h]."""
    U0, S0, V0 = Y
    K1, L1 = exact(K_field(F, V0), 0, U0 @ S0, h), exact(L_field(F, U0), 0, V0 @ H(S0), h)
    U1, V1 = orth(K1, U0), orth(L1, V0)
    return LowRank(U1, H(U1) @ K1, V0), LowRank(U0, H(L1) @ V1, V1)


def draw_closed_constants(rng):
    """(random problem with constants in closed form and singular values down to 1e-12, h)."""
    m, n = rng.integers(5, 12, 2)
    sigma = 10 ** rng.uniform(-12, 0, int(rng.integers(1, min(m, n) // 2 + 1)))
    weights = rng.uniform(0, 1, 4) * 10 ** rng.uniform(-3, 0, 4)
    return closed_constants(rng, m, n, np.sort(sigma)[::-1], weights), 10 ** rng.uniform(-3, 0)


def draw_local_error(rng, method, constant, gronwall=True):
    """(error, bound, ε₀ h) of one step of a method on a problem drawn by `draw_closed_constants`.

    The bound is e^{Lh}(ε₀ h + constant · L B h²), and what rounding may add; without the
    exponential if `gronwall` is False.
    """
    problem, h = draw_closed_constants(rng)
    L, eps0 = problem.lipschitz, normal_part(problem.Y0, problem.F(0, problem.Y0.dense()))
    error = norm(method.step(problem.Y0, 0, h, problem.F) - problem.solution(h))
    B = problem.bound(problem.Y0, h)
    bound = np.exp(L * h * gronwall) * (eps0 * h + constant * L * B * h**2)
    return error, bound + 1e-12 * (norm(problem.Y0) + h), eps0 * h
