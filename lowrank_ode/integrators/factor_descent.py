"""The baseline of low-rank training: gradient descent on both factors of W = A Bᵀ."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..matrices import H, LowRank, blockwise, dense
from ..substeps import step_size


@dataclass(frozen=True)
class FactorDescent:
    """"Vanilla" factorised training: A1 = A + h F(A Bᴴ) B, B1 = B + h F(A Bᴴ)ᴴ A, every factor trained, with A = U √S, B = V √S balanced.

    It follows Y' = F BBᴴ + AAᴴ F, not the projected flow: directions of small singular values hardly move. (The flow keeps AᴴA − BᴴB, so
    that balancing anew in each step changes the method by O(h²) only.) A baseline, not in METHODS.
    """

    adaptive: ClassVar[bool] = False

    def step(self, Y, t, h, F):
        return _descend(Y, F(t, Y), step_size(h))


@blockwise
def _descend(Y, G, h):
    if isinstance(Y, np.ndarray):
        return Y + h * dense(G)
    U, S, V = Y
    P, sigma, Qh = np.linalg.svd(S, full_matrices=False)
    A, B = U @ (P * np.sqrt(sigma)), V @ (H(Qh) * np.sqrt(sigma))
    (U1, R_A), (V1, R_B) = np.linalg.qr(A + h * (G @ B)), np.linalg.qr(B + h * H(H(A) @ G))
    return LowRank(U1, R_A @ H(R_B), V1)
