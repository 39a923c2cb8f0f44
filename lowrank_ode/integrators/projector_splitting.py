"""The projector-splitting integrator (KSL) of Lubich and Oseledets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from ..fields import checked
from ..matrices import H, LowRank, orth
from ..substeps import check_solver, rk4
from .projected import K_field, L_field, S_field


@dataclass(frozen=True)
class ProjectorSplitting:
    """Projector splitting [LO14]: the tangent projection P(Y)F = F V Vᴴ − U Uᴴ F V Vᴴ + U Uᴴ F, one
    term after the other.

        K-step    K' =  F(K V0ᴴ) V0          from U0 S0       K1 = U1 Ŝ,  U1 orthonormal
        S-step    S' = −U1ᴴ F(U1 S V0ᴴ) V0   from Ŝ           S̃ = S(t1)   (backward in time)
        L-step    L' =  F(U1 Lᴴ)ᴴ U1         from V0 S̃ᴴ       L1 = V1 S1ᴴ, V1 orthonormal

    Order 2 is the first-order step over h/2 followed by its adjoint, which is the first-order step
    on Yᴴ. Fixed rank. On a dense block the three terms are F − F + F at three different points: an
    O(h²) deviation from the plain step, with Euler substeps.
    """

    order: int = 1
    solve: Callable = field(default=rk4, repr=False)
    exact_on_rank_r: ClassVar[bool] = True
    keeps_symmetry: ClassVar[bool] = False
    keeps_norm: ClassVar[bool] = True
    descends: ClassVar[None] = None         # no proof, and no counterexample found
    robust: ClassVar[bool] = True
    adaptive: ClassVar[bool] = False

    def __post_init__(self):
        if self.order not in (1, 2):
            raise ValueError(f"order: got {self.order}, expected 1 (Lie splitting) or 2 (Strang)")
        check_solver(self.solve)

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        if self.order == 1:
            return self._KSL(Y, t, h, F)
        Y = self._KSL(Y, t, h / 2, F)
        return H(self._KSL(H(Y), t + h / 2, h / 2, lambda t, Z: H(F(t, H(Z)))))

    def _KSL(self, Y, t, h, F):
        U0, S0, V0 = Y
        K1 = self.solve(K_field(F, V0), t, U0 @ S0, h)
        U1 = orth(K1, U0)
        backward = S_field(F, U1, V0)
        S = self.solve(lambda t, S: -backward(t, S), t, H(U1) @ K1, h)
        L1 = self.solve(L_field(F, U1), t, V0 @ H(S), h)
        V1 = orth(L1, V0)
        return LowRank(U1, H(L1) @ V1, V1)
