"""The baseline that must fail: explicit Euler on the equations of the factors, with S⁻¹ in them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..fields import checked
from ..matrices import H, LowRank, blockwise


@dataclass(frozen=True)
class FactorODE:
    """The naive method, by explicit Euler and QR [KL07]:

        U' = (I − U Uᴴ) F V S⁻¹,   V' = (I − V Vᴴ) Fᴴ U S⁻ᴴ,   S' = Uᴴ F V

    Its error grows as the smallest singular value of S falls; it is here to be seen failing, and is
    not in METHODS. Raises numpy.linalg.LinAlgError where S is exactly singular.
    """

    order: ClassVar[int] = 1
    exact_on_rank_r: ClassVar[bool] = False
    keeps_symmetry: ClassVar[bool] = True
    keeps_norm: ClassVar[bool] = False
    descends: ClassVar[bool] = False
    robust: ClassVar[bool] = False
    adaptive: ClassVar[bool] = False

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        G = F(t, Y)
        U, _, V = Y
        return _euler(Y, G @ V, H(G) @ U, h)


@blockwise
def _euler(Y, GV, GU, h):
    if isinstance(Y, np.ndarray):
        return Y + h * GV
    U, S, V = Y
    M = H(U) @ GV
    U1, R_U = np.linalg.qr(U + h * H(np.linalg.solve(H(S), H(GV - U @ M))))
    V1, R_V = np.linalg.qr(V + h * H(np.linalg.solve(S, H(GU - V @ H(M)))))
    return LowRank(U1, R_U @ (S + h * M) @ H(R_V), V1)
