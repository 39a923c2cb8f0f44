"""Matrix differential equations that travel with their truth: exact solution, and the constants
that the theorems speak of.

Notation as in docs/theorems.md: L a Lipschitz constant of F, B a bound of ‖F‖, ε of the normal part
‖(I − P(Y))F(t, Y)‖, all in the Frobenius norm. Random problems take an rng, a Generator or a seed;
`sigma` are the singular values of the start, so a test sets its own hard case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps

import numpy as np

from .matrices import DirectSum, H, LowRank, best_approximation, dense, norm
from .substeps import exact


@dataclass(frozen=True)
class Problem:
    """Y' = F(t, Y), Y(0) = Y0; solution(t, W0=Y0) is the exact flow at time t, as an ndarray;
    lipschitz is L, or None if only local."""

    F: Callable
    Y0: LowRank
    solution: Callable
    lipschitz: float | None = None


@dataclass(frozen=True)
class RankRCurve(Problem):
    """F = A'(t) of a curve A(t) of rank r: `solution` is A itself, and increment(t0, t1) the field
    whose integral over a step is exact."""

    def increment(self, t0, t1):
        """The constant field (A(t1) − A(t0)) / (t1 − t0): every quadrature of A'(t) is exact."""
        slope = (self.solution(t1) - self.solution(t0)) / (t1 - t0)
        return lambda t, Y: slope


@dataclass(frozen=True)
class ClosedConstants(Problem):
    """F(Y) = a A Y + b Y B + k A1 Y B1 + η C with ‖A‖₂ = … = 1, ‖C‖ = 1; weights = (a, b, k, η)."""

    weights: tuple = (1, 1, 1, 1)

    def bound(self, Y0, h):
        """B ≥ ‖F‖ on every flow of F, projected or not, of length h from Y0: L ρ + η with
        ρ = e^{2Lh}(‖Y0‖ + η h)."""
        eta = self.weights[3]
        return self.lipschitz * np.exp(2 * self.lipschitz * h) * (norm(Y0) + eta * h) + eta


@dataclass(frozen=True)
class GradientFlow(Problem):
    """F = −∇f of a convex loss f, `loss`: the flow is non-expansive, and ‖∇f‖ falls along it."""

    loss: Callable = None


@dataclass(frozen=True)
class Schroedinger(Problem):
    """i Y' = 𝓗[Y], 𝓗 = `hamiltonian` Hermitian: ‖Y‖ and energy(Y) = ⟨Y, 𝓗[Y]⟩ are conserved."""

    hamiltonian: Callable = None

    def energy(self, Y):
        Y = dense(Y)
        return float(np.vdot(Y, self.hamiltonian(Y)).real)


def seeded(function):
    """`function` with a numpy Generator for its first argument, rng, a seed as well."""
    return wraps(function)(lambda rng, *args, **options:
                           function(np.random.default_rng(rng), *args, **options))


@seeded
def random_orthonormal(rng, m, r):
    """An (m, r) matrix with orthonormal columns, uniformly distributed."""
    Q, R = np.linalg.qr(rng.standard_normal((m, r)))
    return Q * np.sign(np.diag(R))


@seeded
def random_lowrank(rng, m, n, sigma):
    """A random LowRank with singular values sigma."""
    return LowRank(random_orthonormal(rng, m, len(sigma)), np.diag(np.asarray(sigma, float)),
                   random_orthonormal(rng, n, len(sigma)))


@seeded
def rank_r_curve(rng, m, n, sigma, speed=1.0):
    """A(t) = e^{tX} U Σ(t) Vᵀ e^{tZᵀ}, skew X, Z of norm `speed`, σᵢ(t) = σᵢ e^{cᵢ t} [LO14]."""
    U, S, V = Y0 = random_lowrank(rng, m, n, sigma)
    (X, turn_U), (Z, turn_V) = _rotation(rng, m, speed), _rotation(rng, n, speed)
    c = rng.uniform(-1, 1, len(sigma))

    def A(t, W0=None):
        return (turn_U(t) @ U * (np.diag(S) * np.exp(c * t))) @ (turn_V(t) @ V).T

    def derivative(t):
        P, Q, s = turn_U(t) @ U, turn_V(t) @ V, np.diag(S) * np.exp(c * t)
        return (X @ P * s + P * (c * s)) @ Q.T + P * s @ (Z @ Q).T

    return RankRCurve(_of_time(derivative), Y0, A, lipschitz=0.0)


@seeded
def tangent_family(rng, m, n, sigma, source=0.0):
    """F(Y) = (A0 + A1 Y A2) Y + Y (B0 + B1 Y B2) + source · C, spectral norms 1, ‖C‖ = 1: but for
    the source F(Y) is tangent at every Y, so ε ≤ source; without one the rank stays r.

    Not a Sylvester flow (projector splitting is exact on those, and a test of its order would show
    nothing). Quadratic: the solution surely exists for t < ½ ln(1 + 1/‖Y0‖) only; it is computed by
    DOP853. min(m, n) > 4r tells the integrators apart.
    """
    A0, A1, A2, B0, B1, B2 = (_spectral(rng, *shape)
                              for shape in ((m, m), (m, m), (n, m), (n, n), (n, m), (n, n)))
    C = source * (C := rng.standard_normal((m, n))) / np.linalg.norm(C)

    def F(t, Y):
        return A0 @ Y + A1 @ (Y @ (A2 @ Y)) + Y @ B0 + (Y @ B1) @ (Y @ B2) + C

    return _with_reference(Problem, F, random_lowrank(rng, m, n, sigma))


@seeded
def closed_constants(rng, m, n, sigma, weights=(0.5, 0.5, 0.5, 0.5), C=None):
    """A random ClosedConstants problem: L = |a| + |b| + |k| and ε ≤ |k| ‖Y‖ + |η|, in closed form.
    C is random unless given."""
    a, b, k, eta = weights
    A, A1, B, B1 = (_spectral(rng, *shape) for shape in ((m, m), (m, m), (n, n), (n, n)))
    C = rng.standard_normal((m, n)) if C is None else C
    C = C / np.linalg.norm(C)

    def F(t, Y):
        return (a * A) @ Y + Y @ (b * B) + (k * A1) @ (Y @ B1) + eta * C

    return _with_reference(ClosedConstants, F, random_lowrank(rng, m, n, sigma),
                           lipschitz=abs(a) + abs(b) + abs(k), weights=tuple(weights))


@seeded
def quadratic_flow(rng, target, sigma, curvature=None):
    """Gradient flow of the convex quadratic f(W) = ½ ⟨W − T, Q[W − T]⟩ with T = target (m, n),
    started at singular values sigma.

    Q multiplies entry by entry with the m × n array `curvature` ≥ 0 in random orthonormal bases
    (Q = 1 if None: F = T − W); L is its largest entry, and the flow is known in closed form.
    """
    m, n = target.shape
    D = np.ones((m, n)) if curvature is None else np.asarray(curvature, float)
    P, R = random_orthonormal(rng, m, m), random_orthonormal(rng, n, n)

    def in_basis(multiplier, X):
        return P @ (multiplier * (P.T @ X @ R)) @ R.T

    def F(t, W):
        return in_basis(-D, dense(W) - target)

    def loss(W):
        return 0.5 * np.sum((dense(W) - target) * in_basis(D, dense(W) - target))

    Y0 = random_lowrank(rng, m, n, sigma)

    def solution(t, W0=Y0):
        return target + in_basis(np.exp(-D * t), dense(W0) - target)

    return GradientFlow(F, Y0, solution, lipschitz=D.max(), loss=loss)


@seeded
def lubich_oseledets(rng, n=100, r=10, noise=1e-3):
    """The example of [LO14, §4]: A(t) = Q1(t)(A1 + eᵗ A2)Q2(t)ᵀ; A1 = I₁₀ + ½ · noise block of
    rank 10, A2 of size `noise`; Qᵢ(t) rotate.

    Started at the best approximation of rank r: r = 10 fits, r = 20 over-approximates, with
    singular values of the size of the noise.
    """
    A1, A2 = np.zeros((n, n)), noise * rng.uniform(0, 1, (n, n))
    A1[:10, :10] = np.eye(10) + 0.5 * rng.uniform(0, 1, (10, 10))
    (X, Q1), (Z, Q2) = _rotation(rng, n), _rotation(rng, n)

    def A(t, W0=None):
        return Q1(t) @ (A1 + np.exp(t) * A2) @ Q2(t).T

    def derivative(t):
        P, Q = Q1(t), Q2(t)
        W = P @ (A1 + np.exp(t) * A2) @ Q.T
        return X @ W + W @ Z.T + P @ (np.exp(t) * A2) @ Q.T

    return RankRCurve(_of_time(derivative), best_approximation(A(0), rank=r), A, lipschitz=0.0)


@seeded
def schroedinger(rng, n=40, r=4):
    """The discrete Schrödinger equation i Y' = D Y + Y Dᵀ − V Y V on an n × n periodic grid, with
    D = ½ tridiag(−1, 2, −1) and V = diag(1 − cos x).

    Complex, L ≤ ‖D‖ + ‖D‖ + ‖V‖² = 2 + 2 + 4; from random orthonormal factors, singular values 2⁻ⁱ.
    """
    D = np.eye(n) - 0.5 * (np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0))
    v = 1 - np.cos(2 * np.pi / n * np.arange(-(n // 2), n - n // 2))
    U, V = (np.linalg.qr(rng.standard_normal((n, r)) + 1j * rng.standard_normal((n, r)))[0]
            for _ in range(2))

    def hamiltonian(Y):
        return D @ Y + Y @ D.T - np.diag(v) @ Y @ np.diag(v)

    Y0 = LowRank(U, np.diag(2.0 ** -np.arange(r)).astype(complex), V)
    return _with_reference(Schroedinger, lambda t, Y: -1j * hamiltonian(Y), Y0, lipschitz=8.0,
                           hamiltonian=hamiltonian)


def normal_part(Y, Z):
    """‖(I − P(Y))Z‖, Z an ndarray. On direct sums, of all blocks together; a dense one has none."""
    if isinstance(Y, DirectSum):
        return np.hypot.reduce([normal_part(*pair)
                                for pair in zip(Y.blocks, Z.blocks, strict=True)])
    if isinstance(Y, np.ndarray):
        return 0.0
    R = Z - Y.U @ (H(Y.U) @ Z)
    return np.linalg.norm(R - (R @ Y.V) @ H(Y.V))


def _of_time(derivative):
    """The field F(t, Y) = A'(t), found once for all substeps that ask for it at the same t."""
    found = lru_cache(maxsize=8)(derivative)
    return lambda t, Y: found(t).copy()


def _with_reference(kind, F, Y0, **constants):
    def solution(t, W0=Y0):
        return exact(F, 0.0, dense(W0), t) if t else dense(W0)

    return kind(F, Y0, solution, **constants)


def _rotation(rng, n, speed=1.0):
    """A random skew X of norm `speed`, and t ↦ e^{tX}, by the eigenvectors of the Hermitian iX."""
    X = rng.standard_normal((n, n))
    X = speed * (X - X.T) / np.linalg.norm(X - X.T, 2)
    frequencies, W = np.linalg.eigh(1j * X)
    return X, lambda t: ((W * np.exp(-1j * frequencies * t)) @ W.conj().T).real


def _spectral(rng, m, n):
    X = rng.standard_normal((m, n))
    return X / np.linalg.norm(X, 2)
