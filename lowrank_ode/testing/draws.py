"""What the theorems of the kit are asked on: matrices of all shapes, ranks, sizes and precisions,
and fields that couple their blocks and do not separate in time."""

import numpy as np

from ..matrices import DirectSum, LowRank, dense, norm
from ..problems import random_lowrank


def draw(seed, dtype=float):
    """(Y, t, h, F) with a hard spectrum (1 … 1e-16), some 2r > min(m, n), F = A Y + C.

    Each fifth draw has rank 5 to 8 and up to 60 rows; every third a norm from 1e-4 to 1e6.
    """
    rng, large = np.random.default_rng(seed), seed % 5 == 4
    r = int(rng.integers(5, 9)) if large else 1 + seed % 4
    m, n = rng.integers(r, 60 if large else 3 * r + 4, 2)
    size = 10.0 ** rng.uniform(-4, 6) if seed % 3 == 2 else 1.0
    sigma = size * np.sort(10.0 ** -rng.uniform(0, 16 if seed % 2 else 2, r))[::-1]
    Y = cast(rng, random_lowrank(rng, m, n, sigma), dtype)
    A, C = random_like(rng, (m, m), dtype) / m, size * random_like(rng, (m, n), dtype)
    A, C = A.astype(dtype), C.astype(dtype)
    return Y, *draw_times(rng, seed), lambda t, Y: A @ Y + C


def draw_times(rng, seed):
    """(t, h): 0 and .1, then t from −5 to 10 and h from 1e-3 to 3."""
    if not seed:
        return 0.0, 0.1
    return float(rng.uniform(-5, 10)), float(10.0 ** rng.uniform(-3, 0.5))


def draw_tangent(seed, dtype=float, couple=False):
    """(Y, t, h, rate, F) with singular values from 1 to .3 times a size from 1e-3 to 1e5 and F
    tangent at every Y: the rank of the solution does not change. F is about rate · Y.

    With `couple` Y is a DirectSum of two LowRank and two dense blocks, each of which drives all.
    """
    rng = np.random.default_rng(seed)
    r = 1 + seed % 8
    size = 10.0 ** rng.uniform(-3, 5) if seed % 2 else 1.0

    def block(r):
        m, n = rng.integers(r, 3 * r + 4 if seed % 3 else 41, 2)
        return cast(rng, random_lowrank(rng, m, n, size * np.linspace(1, 0.3, r)), dtype,
                    full=True)

    Y = block(r)
    if couple:
        W, b = (size * random_like(rng, shape, dtype).astype(dtype) for shape in ((4, 3), (3, 1)))
        Y = DirectSum([Y, W, block(1 + (seed + 3) % 4), b])
    t, h = draw_times(rng, seed)
    rate = (1e-4 if np.finfo(dtype).eps < 1e-10 else 1e-3) / h
    return Y, t, h, rate, tangent_field(rng, Y, rate)


def tangent_field(rng, Y0, rate=1.0):
    """F(t, Y) with, for s = rate · t and blocks X_k of Y (itself, if it has none),

        F_k = rate · ((A_k + cos(s) Σ_j L_kj X_j R_kj / n) X_k + (1 + ½ sin(2s)) X_k B_k)

    and random matrices of spectral norm 1 (‖X_j‖ = 1 at Y0): tangent, quadratic, not a function of
    t times one of Y, and each of the n blocks driven by all.
    """
    blocks = getattr(Y0, "blocks", (Y0,))
    dtype = np.result_type(*(X.dtype for X in blocks))
    sizes, shapes = [norm(X) for X in blocks], [X.shape for X in blocks]

    def spectral(m, n):
        X = random_like(rng, (m, n), dtype)
        return (X / np.linalg.norm(X, 2)).astype(dtype)

    A, B = [spectral(m, m) for m, _ in shapes], [spectral(n, n) for _, n in shapes]
    L = [[spectral(m, p) / (size * len(blocks)) for (p, _), size in zip(shapes, sizes, strict=True)]
         for m, _ in shapes]
    R = [[spectral(q, m) for _, q in shapes] for m, _ in shapes]
    L = [[X.astype(dtype) for X in row] for row in L]

    def F(t, Y):
        X = [dense(block) for block in getattr(Y, "blocks", (Y,))]
        c, d = rate * float(np.cos(rate * t)), rate * float(1 + 0.5 * np.sin(2 * rate * t))
        G = [rate * (A[k] @ X[k]) + d * (X[k] @ B[k])
             + c * (sum(L[k][j] @ (X[j] @ (R[k][j] @ X[k])) for j in range(len(X))))
             for k in range(len(X))]
        return DirectSum(G) if hasattr(Y, "blocks") else G[0]

    return F


def random_like(rng, shape, dtype):
    """Normally distributed numbers, complex where dtype is."""
    X = rng.standard_normal(shape)
    return X + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else X


def cast(rng, Y, dtype, full=False):
    """Y in another precision, of complex factors if that is complex; with a full core if `full`."""
    U, S, V = Y
    if np.dtype(dtype).kind == "c":
        U, V = (np.linalg.qr(random_like(rng, X.shape, dtype))[0] for X in (U, V))
    if full or np.dtype(dtype).kind == "c":
        P, Q = (np.linalg.qr(random_like(rng, S.shape, dtype))[0] for _ in range(2))
        S = P @ S @ Q
    return LowRank(*(X.astype(dtype) for X in (U, S, V)))
