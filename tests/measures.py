"""What is measured of matrices and bases: singular values, orthonormality, a range, a rank; and the
most of each that rounding explains. Memory."""

import tracemalloc

import numpy as np
from strategies import eps_of

from lowrank_ode import evolve
from lowrank_ode.matrices import H, dense, norm

ORTHONORMAL = 30        # ‖ÛᴴÛ − I‖ in units of EPS √columns
RANGE = 12              # ‖K − ÛÛᴴK‖ in units of EPS √p ‖K‖, as the docstring states


def sigmas(X):
    return np.linalg.svd(dense(X), compute_uv=False)


def defect(Q):
    Q = np.asarray(Q)
    return np.linalg.norm(H(Q) @ Q - np.eye(Q.shape[1])) / (eps_of(Q) * max(1, Q.shape[1]) ** 0.5)


def missed(Q, K):
    """What of K lies outside range Q, measured in double precision, in units of EPS √p ‖K‖."""
    eps, p = eps_of(K), K.shape[1]
    Q, K = (np.asarray(X).astype(np.result_type(X.dtype, np.float64)) for X in (Q, K))
    R = K - Q @ (H(Q) @ K)
    return np.linalg.norm(R) / max(eps * p**0.5 * np.linalg.norm(K), 1e-300)


def smallest_rank(sigma, theta):
    """Brute force in exact squares: the smallest j ≥ 1 with tail ≤ θ."""
    return next(j for j in range(1, len(sigma) + 1)
                if np.linalg.norm(sigma[j:].astype(float)) <= theta)


def close(X, Y, factor=50):
    """Equal to rounding: ‖X − Y‖ ≤ factor · EPS · (‖X‖ + ‖Y‖) · size^½, the size of the inner sums
    being at most that of X."""
    X, Y = dense(X), dense(Y)
    eps = max(eps_of(X), eps_of(Y))
    size = np.linalg.norm(X) + np.linalg.norm(Y)
    most = factor * eps * np.sqrt(max(X.shape)) * size
    return X.shape == Y.shape and np.linalg.norm(X - Y) <= most


def peak_of(run):
    """Bytes that run() takes, at most, at a time."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


# -------------------------------------------------------------------------------------------- order

def measured_order(method, problem, steps=(16, 32, 64, 128), T=0.5):
    errors = []
    for n in steps:
        *_, (_, Y) = evolve(method, problem.Y0, problem.F, (0, T), n)
        errors.append(norm(Y - problem.solution(T)))
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]
