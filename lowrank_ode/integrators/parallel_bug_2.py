"""The second-order parallel integrator of Kusch."""

from dataclasses import dataclass
from typing import ClassVar

from ..fields import checked
from ..matrices import H, LowRank, augment, leading
from .parallel_bug import bordered
from .projected import K_field, L_field, S_field
from .truncating import Truncating


@dataclass(frozen=True)
class ParallelBUG2(Truncating):
    """Second-order parallel BUG [KUS24]: parallel BUG from bases that hold the slope at the start
    already; at most 4r columns.

        G = F(t, Y),   Û0 = augment(U0, G V0),   V̂0 = augment(V0, Gᴴ U0),   Y = Û0 Ŝ0 V̂0ᴴ
        then the K-, L- and S-step of parallel BUG from Û0, Ŝ0, V̂0, side by side;
        truncate as adaptive BUG does
    """

    order: ClassVar[int] = 2
    exact_on_rank_r: ClassVar[bool] = False
    keeps_symmetry: ClassVar[bool] = True
    keeps_norm: ClassVar[bool] = False
    descends: ClassVar[bool] = True

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        G = F(t, Y)
        U0, S0, V0 = Y
        U, V = augment(U0, G @ V0), augment(V0, H(G) @ U0)
        S = leading(S0, U, V)
        K1 = self.solve(K_field(F, V), t, U @ S, h)
        L1 = self.solve(L_field(F, U), t, V @ H(S), h)
        S1 = self.solve(S_field(F, U, V), t, S, h)
        return self.truncate(bordered(LowRank(U, S, V), K1, L1, S1))
