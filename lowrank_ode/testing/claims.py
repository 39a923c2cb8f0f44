"""The theorems that a method claims: order, exactness, symmetry, norm, descent, robustness, and
rank."""

from functools import cache

import numpy as np

from ..flow import evolve
from ..matrices import (
    DirectSum,
    LowRank,
    best_approximation,
    dense,
    norm,
    retract,
    tangent_projection,
)
from ..problems import quadratic_flow, random_lowrank, random_orthonormal, rank_r_curve
from ..substeps import exact
from .draws import cast, random_like, tangent_field
from .theorems import (
    NotAsked,
    asked_if_kept,
    asked_if_small,
    needs,
    step,
    tail_allowed,
    theorem,
    tolerance,
    uncapped_step,
    with_max_rank,
)


class _CutToRank:
    """The method, each step cut to the rank of its start: on a solution of that rank, this at most
    doubles the error."""

    def __init__(self, method):
        self.step = lambda Y, t, h, F: retract(Y, step(method, Y, t, h, F))


@theorem("‖Y_n − W(T)‖ ≤ C h^order, F tangent, not separable in time: shortfall of the slope",
         claim="order", seeds=2)
def converges_with_its_order(method, seed):
    return shortfall(method, seed, [(16, 15, (1, 0.6, 0.3))])


@theorem("‖Y_n − W(T)‖ ≤ C h^order, complex matrices: shortfall of the slope", claim="order",
         seeds=1)
def converges_on_complex_matrices(method, seed):
    needs(method, "complex")
    return shortfall(method, seed, [(10, 9, (1, 0.5))], complex)


@theorem("‖Y_n − W(T)‖ ≤ C h^order, blocks that drive each other: shortfall of the slope",
         claim="order", seeds=1)
def converges_on_coupled_blocks(method, seed):
    needs(method, "direct_sums")
    return shortfall(method, seed, [(10, 9, (1, 0.5)), (3, 2), (9, 10, (0.8, 0.4)), (3, 1)])


def shortfall(method, seed, blocks, dtype=float, steps=(8, 16), T=0.125):
    """How far the slope of the error against h is below `order`; what is allowed."""
    F, t0, Y0, truth = solved(seed, tuple(blocks), dtype, T)
    asked_if_kept(method, Y0)

    def error(n):
        *_, (_, Y) = evolve(_CutToRank(method), Y0, F, (t0, t0 + T), n)
        return norm(dense(Y) - truth)

    slope = np.log(error(steps[0]) / error(steps[1])) / np.log(steps[1] / steps[0])
    return max(0.0, method.order - slope), 0.15


@cache                      # the same for every method
def solved(seed, blocks, dtype, T):
    """F(t, Y), tangent, the start t0 and Y0, and the solution at t0 + T."""
    rng = np.random.default_rng(seed)
    start = [cast(rng, random_lowrank(rng, *block), dtype) if len(block) == 3
             else random_like(rng, block, dtype) / 3 for block in blocks]
    Y0 = DirectSum(start) if len(start) > 1 else start[0]
    F, t0 = tangent_field(rng, Y0), float(rng.uniform(-1, 2))
    return F, t0, Y0, exact(F, t0, dense(Y0), T)


@theorem("F = A'(t), A of rank r, Y0 = A(0)  ⟹  Y1 = A(h), to the accuracy of RK4 quadrature",
         claim="exact_on_rank_r")
def reproduces_curves_of_rank_r(method, seed):
    rng, r, h = np.random.default_rng(seed), 3 if seed == 0 else 1 + seed % 6, 0.1
    m, n, t = (12, 11, 0.0) if seed == 0 else (*rng.integers(2 * r, 40, 2), rng.uniform(-5, 10))
    curve = rank_r_curve(rng, m, n, np.linspace(1, 0.3, r))
    end = curve.solution(h)
    theta = asked_if_small(method, norm(end))
    Y1 = uncapped_step(method, curve.Y0, t, h, lambda s, Y: curve.F(s - t, Y))
    return norm(Y1 - end), 4e-8 * (norm(curve.Y0) + norm(end)) + theta


@theorem("F(±Yᵀ) = ±F(Y)ᵀ for all Y, Y0ᵀ = ±Y0, span U0 = span V0  ⟹  Y1ᵀ = ±Y1",
         claim="keeps_symmetry")
def keeps_symmetry(method, seed):
    rng, n, sign = np.random.default_rng(seed), 12, (1, -1)[seed % 2]
    A, C = rng.standard_normal((n, n)) / n, rng.standard_normal((n, n))
    Q, d = random_orthonormal(rng, n, 4), np.repeat([1, 0.3], 2)
    J = np.diag([1.0, -1, 1, 1]) if sign == 1 else np.kron(np.eye(2), [[0, 1], [-1, 0]])
    Y = LowRank(Q, np.diag(d), Q @ J.T)

    def F(t, Y):
        Y = dense(Y)
        return A @ Y + Y @ A.T + C + sign * C.T - 0.5 * Y @ Y @ Y

    theta = asked_if_small(method, norm(Y))
    Y1 = dense(uncapped_step(method, Y, 0.0, 0.1, F))
    return norm(Y1 - sign * Y1.T), 1e-9 * norm(Y1) + 2 * theta     # 50 EPS over a gap of 1e-5


@theorem("⟨Y, F(Y)⟩ = 0  ⟹  ‖Y1‖ = ‖Y‖, to the accuracy of RK4", claim="keeps_norm")
def keeps_norm(method, seed):
    """A tail θ takes θ²/2‖Y‖ away, and a bit: ‖Y‖ − √(‖Y‖² − θ²) ≤ θ²/‖Y‖."""
    rng, (m, n) = np.random.default_rng(seed), (12, 11)
    skew_m, skew_n, C = (rng.standard_normal((k, k)) for k in (m, n, n))
    skew_m, skew_n, C = ((X + s * X.T) / np.linalg.norm(X + s * X.T, 2)
                         for X, s in ((skew_m, -1), (skew_n, -1), (C, 1)))
    Y = random_lowrank(rng, m, n, [1, 0.5, 0.2])
    theta = asked_if_small(method, norm(Y))
    Y1 = uncapped_step(method, Y, 0.0, 0.1, lambda t, Y: (skew_m @ Y) @ C + Y @ skew_n)
    return abs(norm(Y1) - norm(Y)), 1e-7 * norm(Y) + theta**2 / norm(Y)


@theorem("f convex, h ≤ 1/(4L)  ⟹  f(Y1) ≤ f(Y) + β θ", claim="descends")
def descends(method, seed):
    rng, h = np.random.default_rng(seed), 0.1
    if seed == 0:               # fixed-rank BUG fails: its bases lose what the loss needs (page 4)
        T = np.array([[1.0, 1.0], [1.0, -120.0]])
        Y = best_approximation(np.diag([1.0, 0.0]), rank=1)
        F, f = (lambda t, Y: T - dense(Y)), (lambda Y: 0.5 * norm(dense(Y) - T) ** 2)
    else:
        m, n = rng.integers(3, 9, 2)
        curvature = 10.0 ** rng.uniform(-3, 0, (m, n))
        target, r = rng.standard_normal((m, n)), int(rng.integers(1, 3))
        p = quadratic_flow(rng, target, 10.0 ** -np.arange(0, 3 * r, 3), curvature)
        F, f, Y, h = p.F, p.loss, p.Y0, 10 ** rng.uniform(-2, np.log10(0.25)) / p.lipschitz
    Y1 = uncapped_step(method, Y, 0.0, h, F)
    theta = tail_allowed(method, norm(Y) + h * norm(F(0, Y)))
    return f(Y1) - f(Y), 1e-12 * f(Y) + theta * (norm(F(0, Y1)) + theta)


@theorem("F constant  ⟹  ‖Y1 − (Y + h P(Y)F)‖ ≤ (1 + √2) h ‖F‖, whatever σ_r", claim="robust")
def is_robust_to_small_singular_values(method, seed):
    rng, h = np.random.default_rng(seed), 0.01
    Y = random_lowrank(rng, 12, 11, [1, 0.5, 10.0 ** -(seed % 18) if seed % 18 < 17 else 0.0])
    F = rng.standard_normal((12, 11))
    Y1 = dense(uncapped_step(method, Y, 0.0, h, lambda t, Y: F))
    deviation = norm(Y1 - Y.dense() - h * tangent_projection(Y, F).dense())
    return deviation, (1 + np.sqrt(2)) * h * norm(F) + tail_allowed(method, norm(Y) + h * norm(F))


@theorem("F constant and tangent, σ₂(Y + hF) = ½ > θ  ⟹  the rank grows from 1 to 2",
         claim="adaptive")
def finds_more_rank_where_it_is_needed(method, seed):
    Y, Z = tangent_pair(np.random.default_rng(seed), np.array([1.0, 0.5]), 1.5)
    if tail_allowed(method, norm(Z)) >= 0.5:
        raise NotAsked("not asked: {} = {} may cut the second singular value"
                       .format(*tolerance(method)))
    Y1 = uncapped_step(method, Y, 0.0, 0.5, lambda t, W: 2 * (dense(Z) - dense(Y)))
    return int(Y1.rank < 2), 0


@theorem("F constant and tangent  ⟹  Y1 is Y + hF cut to the smallest rank with a tail ≤ θ, and to "
         "max_rank: its rank, its distance", claim="adaptive")
def truncates_to_its_tolerance(method, seed):
    rng, (name, tol) = np.random.default_rng(seed), tolerance(method)
    if name is None or not hasattr(method, "max_rank"):
        raise NotAsked("not asked: the method has no tau or tol and max_rank")
    relative = name == "tau" or getattr(method, "relative", False)
    r, large = 2 + seed % 3, int(rng.integers(1, 4))
    unit = 1.0 if relative or tol < 0.05 else 20 * tol
    small = max(tol * (large**0.5 if relative else 1.0), 1e-7)
    sigma = np.sort(np.r_[unit * rng.uniform(0.8, 1, large),
                          small * rng.uniform(0.3, 1, 2 * r - large)])[::-1]
    Y, Z = tangent_pair(rng, sigma, 10 ** rng.uniform(0.1, 1))
    if seed % 3 == 2 and method.max_rank is None:
        method = with_max_rank(method, 1 + seed % r)
    tails = np.sqrt(np.cumsum(sigma[::-1] ** 2))[::-1]              # tails[j] beyond rank j
    theta = tol * tails[0] if relative else tol
    if np.any(abs(tails - theta) < 1e-6 * theta):
        raise NotAsked("not asked: a tail is θ to rounding")
    rank = min(max(1, int(np.sum(tails > theta))), method.max_rank or 2 * r)
    Y1 = step(method, Y, 0.0, 0.5, lambda t, W: 2 * (dense(Z) - dense(Y)))
    tail = tails[rank] if rank < 2 * r else 0.0
    return abs(Y1.rank - rank) + abs(norm(dense(Y1) - dense(Z)) - tail) / tails[0], 1e-10


def tangent_pair(rng, sigma, size):
    """(Y, Z) of rank r and 2r: Z has the 2r singular values sigma, and Z − Y is tangent at Y, whose
    singular values are between 1 and 2 times `size` of the largest (above 1, so that the middle
    between Y and Z, cut to rank r, has not lost a direction of Y).

    Z = Û [[a, b], [b, 0]] V̂ᵀ with b² = s₁s₂, a = s₁ − s₂ for each pair of singular values.
    """
    s1, s2 = sigma[::2], sigma[1::2]
    r, zero = len(s1), np.zeros((len(s1), len(s1)))
    U, V = (random_orthonormal(rng, n, 2 * r) for n in rng.integers(2 * r, 4 * r + 5, 2))
    b = np.diag(np.sqrt(s1 * s2))
    Z = LowRank(U, np.block([[np.diag(s1 - s2), b], [b, zero]]), V)
    Y = LowRank(U[:, :r], np.diag(size * max(sigma) * rng.uniform(1, 2, r)), V[:, :r])
    return Y, Z
