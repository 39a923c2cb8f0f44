"""Dynamical low-rank training of Schotthöfer, Zangrando, Kusch, Ceruti and Tudisco."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..fields import checked
from ..matrices import H, LowRank, augment, leading, restrict, truncate
from ..options import check_truncation


@dataclass(frozen=True)
class DLRT:
    """Dynamical low-rank training [SZKCT22]: adaptive BUG with Euler substeps, from one gradient.

        Û = augment(U0, G V0),   V̂ = augment(V0, Gᴴ U0)         with G = F(t, Y)
        Ŝ = (Ûᴴ U0) S0 (V̂ᴴ V0)ᴴ + h Ûᴴ G V̂                      that is Ŷ = Y + h Û Ûᴴ G V̂ V̂ᴴ
        truncate to the smallest rank whose tail is ≤ θ = τ ‖Ŝ‖, per block; at most max_rank

    One gradient serves because K-, L- and S-step start at the same matrix: span [U0, K1] =
    span [U0, G V0], and Û, V̂ hold Y exactly. A dense block takes a step of Euler's.
    """

    tau: float = 0.1
    max_rank: int | Sequence | None = None
    order: ClassVar[int] = 1
    exact_on_rank_r: ClassVar[bool] = False         # an Euler step is exact for increments only
    keeps_symmetry: ClassVar[bool] = True
    keeps_norm: ClassVar[bool] = False
    descends: ClassVar[bool] = True
    robust: ClassVar[bool] = True
    adaptive: ClassVar[bool] = True

    def __post_init__(self):
        check_truncation("tau", self.tau, self.max_rank)

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        G = F(t, Y)
        U0, S0, V0 = Y
        U1, V1 = augment(U0, G @ V0), augment(V0, H(G) @ U0)
        S1 = leading(S0, U1, V1) + h * restrict(U1, G, V1)
        return truncate(LowRank(U1, S1, V1), self.tau, relative=True, max_rank=self.max_rank)
