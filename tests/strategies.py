"""What the theorems quantify over: hard spectra, all shapes, real and complex, single and double
precision; valid by construction."""

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from lowrank_ode import LowRank, best_approximation

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([np.float32, np.float64, np.complex128])
KINDS = {"ndarray": np.asarray, "sparse": sp.csr_array, "LinearOperator": aslinearoperator,
         "LowRank": lambda A: best_approximation(A, tol=0)}


@st.composite
def spectra(draw, max_size=8):
    """Singular values in [0, 1]: from 1 to 1e-16, with zeros and repeated values; flat,
    geometric, random, all zero."""
    r = draw(st.integers(1, max_size))
    kind = draw(st.sampled_from(["random", "geometric", "flat", "repeated", "zeros",
                                 "zero matrix"]))
    if kind == "random":
        sigma = [10.0**-draw(st.floats(0, 16)) for _ in range(r)]
    else:
        sigma = {"geometric": np.logspace(0, -16, r), "flat": np.ones(r),
                 "repeated": np.repeat(np.logspace(0, -16, r), 2)[:r],
                 "zeros": np.r_[np.ones((r + 1) // 2), np.zeros(r // 2)],
                 "zero matrix": np.zeros(r)}[kind]
    return np.sort(sigma)[::-1]


def random_basis(rng, m, r, dtype=np.float64):
    """An (m, r) matrix with orthonormal columns."""
    X = rng.standard_normal((m, r))
    if np.issubdtype(dtype, np.complexfloating):
        X = X + 1j * rng.standard_normal((m, r))
    return np.linalg.qr(X)[0].astype(dtype)


@st.composite
def lowrank_matrices(draw, dtype=None, max_rank=8):
    """LowRank matrices of shapes down to r × r, so that 2r > min(m, n) is common; the core is full,
    with the drawn singular values."""
    dtype = dtype or draw(dtypes)
    sigma = draw(spectra(max_rank))
    r = len(sigma)
    m, n = draw(st.integers(r, 4 * r + 4)), draw(st.integers(r, 4 * r + 4))
    rng = np.random.default_rng(draw(seeds))
    P, Q = random_basis(rng, r, r, dtype), random_basis(rng, r, r, dtype)
    return LowRank(random_basis(rng, m, r, dtype), ((P * sigma) @ Q.conj().T).astype(dtype),
                   random_basis(rng, n, r, dtype))


def eps_of(X):
    return float(np.finfo(X.dtype).eps)


def field_for(Y, rng):
    """F(Y) = A Y + C with a C of full rank, in the precision of Y."""
    m, n = Y.shape
    A = rng.standard_normal((m, m)).astype(Y.dtype) / m
    C = rng.standard_normal((m, n)).astype(Y.dtype)
    return lambda t, Y: A @ Y + C


@st.composite
def bases_and_updates(draw):
    """U0 (m, r) orthonormal and K (m, p) = U0 C + (a matrix with the drawn spectrum) · 10^-x; also
    K in span U0, m < r + p, K = 0."""
    dtype, sigma = draw(dtypes), draw(spectra())
    p = len(sigma)
    m = draw(st.integers(p, 4 * p + 4))
    r = draw(st.integers(0, m))
    rng = np.random.default_rng(draw(seeds))
    U0 = random_basis(rng, m, max(r, 1), dtype)[:, :r]
    K = (random_basis(rng, m, p, dtype) * sigma) @ random_basis(rng, p, p, dtype)
    if draw(st.booleans()):
        K = K * 10.0 ** -draw(st.floats(0, 20)) + U0 @ rng.standard_normal((r, p))
    return U0, (K * 10.0 ** draw(st.sampled_from([0, -30, 30]))).astype(dtype)
