"""Truncation as the code released with a paper does it [CODE22], to be rejected."""

import numpy as np
from measures import smallest_rank

from lowrank_ode import LowRank


def published_truncation(Y, theta):
    """The released code [CODE22]: columns of Vᴴ, of the small V, where columns of V are meant."""
    U, S, V = Y
    P, sigma, Qh = np.linalg.svd(S)
    r = smallest_rank(sigma, theta)
    return LowRank(U @ P[:, :r], np.diag(sigma[:r]), V @ Qh[:, :r])


def published_rank(sigma, theta):
    """The released rule: the tail lacks the smallest σ, strict '<', and rank r of 2r where no j
    qualifies [CODE22]."""
    hits = [j for j in range(len(sigma) - 1) if np.linalg.norm(sigma[j:-1]) < theta]
    return max(2, hits[0]) if hits else len(sigma) // 2
