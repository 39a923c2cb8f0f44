"""The fixed-rank Basis Update & Galerkin integrator of Ceruti and Lubich."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from ..fields import checked
from ..matrices import H, LowRank, orth
from ..substeps import check_solver, rk4
from .projected import K_field, L_field, S_field


@dataclass(frozen=True)
class BUG:
    """Basis Update & Galerkin, the "unconventional" integrator [CL22]: both bases from the start,
    then one Galerkin step in the new ones.

        K-step    K' = F(K V0ᴴ) V0          from U0 S0                        U1 = orth(K1)
        L-step    L' = F(U0 Lᴴ)ᴴ U0         from V0 S0ᴴ                       V1 = orth(L1)
        S-step    S' = U1ᴴ F(U1 S V1ᴴ) V1   from (U1ᴴ U0) S0 (V1ᴴ V0)ᴴ

    Fixed rank, no backward substep. The S-step starts at the projected matrix, not at Y: a convex
    loss may rise.
    """

    solve: Callable = field(default=rk4, repr=False)
    order: ClassVar[int] = 1
    exact_on_rank_r: ClassVar[bool] = True
    keeps_symmetry: ClassVar[bool] = True
    keeps_norm: ClassVar[bool] = False
    descends: ClassVar[bool] = False
    robust: ClassVar[bool] = True
    adaptive: ClassVar[bool] = False

    def __post_init__(self):
        check_solver(self.solve)

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        U0, S0, V0 = Y
        U1 = orth(self.solve(K_field(F, V0), t, U0 @ S0, h), U0)
        V1 = orth(self.solve(L_field(F, U0), t, V0 @ H(S0), h), V0)
        S = (H(U1) @ U0) @ S0 @ (H(V0) @ V1)
        return LowRank(U1, self.solve(S_field(F, U1, V1), t, S, h), V1)
