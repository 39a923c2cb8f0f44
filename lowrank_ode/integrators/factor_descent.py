"""The baseline of low-rank training: gradient descent on both factors of W = A Bᵀ."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..fields import checked
from ..matrices import H, LowRank, blockwise


@dataclass(frozen=True)
class FactorDescent:
    """"Vanilla" factorised training, every factor trained, with A = U √S, B = V √S balanced:

        A1 = A + h F(A Bᴴ) B,   B1 = B + h F(A Bᴴ)ᴴ A

    It follows Y' = F BBᴴ + AAᴴ F, not the projected flow: directions of small singular values
    hardly move. (The flow keeps AᴴA − BᴴB, so that balancing anew in each step changes the method
    by O(h²) only.) A baseline, not in METHODS.
    """

    adaptive: ClassVar[bool] = False

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        G = F(t, Y)
        U, _, V = Y
        return _descend(Y, G @ V, H(G) @ U, h)


@blockwise
def _descend(Y, GV, GU, h):
    if isinstance(Y, np.ndarray):
        return Y + h * GV
    U, S, V = Y
    P, sigma, Qh = np.linalg.svd(S, full_matrices=False)
    P, Q = P * np.sqrt(sigma), H(Qh) * np.sqrt(sigma)               # A = U P, B = V Q
    (U1, R_A), (V1, R_B) = np.linalg.qr(U @ P + h * (GV @ Q)), np.linalg.qr(V @ Q + h * (GU @ P))
    return LowRank(U1, R_A @ H(R_B), V1)
