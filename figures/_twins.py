"""The slow, obvious twin of each speed-up of a training step, and where it takes its place."""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np

from lowrank_ode.integrators import AdaptiveBUG, ParallelBUG, dlrt, parallel_bug
from lowrank_ode.matrices import H, Identity, augment, blockwise, outer, truncation
from lowrank_ode.matrices.augmented import Augmented
from lowrank_ode.nets import images, layers
from lowrank_ode.substeps import euler


@blockwise
def by_householder(U0, K):
    """`augment` as LAPACK would do it, with U0 put back in front."""
    if isinstance(U0, Identity):
        return U0
    Q = np.linalg.qr(np.hstack([U0, K]))[0]
    Q[:, :U0.shape[1]] = U0
    return Augmented(U0, Q, np.eye(Q.shape[1], dtype=Q.dtype))


@blockwise
def multiplied_out(U0, K):
    """`augment`, with nothing left to mend."""
    if isinstance(U0, Identity):
        return U0
    Q = augment(U0, K)
    return Augmented(U0, Q.array, np.eye(Q.shape[1], dtype=Q.dtype))


def _augment(twin):
    return [(dlrt, "augment", twin), (parallel_bug, "augment", twin)]


TWINS = {           # the speed-up, and what it is replaced by: (where, name, twin), …
    "gradient in factors": [
        (layers, "gradient", lambda W, D, Z, DU, ZV: H(D) @ Z),
        (layers, "outer", lambda K, V: K @ H(V))],
    "Gram matrices": _augment(by_householder),
    "known products": [(layers, "gradient", lambda W, D, Z, DU, ZV: outer(H(D), H(Z)))],
    "basis in factors": _augment(multiplied_out),
    "Newton iteration": [(truncation, "_by_newton", lambda *_: None)],
    "memory used again": [(layers, "buffer", np.empty), (images, "buffer", np.empty)],
    "kernels multiplied out": [
        (layers, "_cheaper_multiplied_out", lambda shape, rank, *_: rank is None)],
    "nothing below": [
        (layers.Dense, "gradient", lambda self, *args: self.backward(*args)[1])],
}
THREE_GRADIENTS = {     # in place of "one gradient": integrators with one for each substep
    "DLRT": lambda rank: AdaptiveBUG(0, relative=True, max_rank=rank, solve=euler),
    "GeoLoRA": lambda rank: ParallelBUG(0, relative=True, max_rank=rank, solve=euler)}


@contextmanager
def without(speed_up):
    """While this lasts the twin is in place of the speed-up."""
    with ExitStack() as patches:
        for where, name, twin in TWINS[speed_up]:
            patches.enter_context(patch.object(where, name, twin))
        yield
