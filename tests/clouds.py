"""The smallest training run: two clouds of points in a plane, and a network that tells them
apart."""

import numpy as np
from methods import low_rank

from lowrank_ode import DLRT, Dense
from lowrank_ode.data import Data
from lowrank_ode.matrices import dense
from lowrank_ode.nets import mlp
from lowrank_ode.substeps import euler


def two_clouds(n=120, seed=0):
    """Two classes on either side of a curve in a plane, with 6 inputs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2 * n, 6))
    labels = (x[:, 0] ** 2 + x[:, 1] > 0.7).astype(np.int64)
    return Data("two clouds", x[:n], labels[:n], x[n:], labels[n:], 2)


NET = mlp([6, 20, 20, 2], activation="tanh")
TRAINING = [Dense(euler), *low_rank(tol=0.05, relative=True, solve=euler), DLRT(0.05, max_rank=3)]


def equal(A, B):
    return all(np.array_equal(X, Z) for X, Z in zip(dense(A).blocks, dense(B).blocks, strict=True))


def start(method, seed=0):
    return NET.init(np.random.default_rng(seed), None if isinstance(method, Dense) else 5)
