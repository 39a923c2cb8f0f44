"""The midpoint BUG integrators of Ceruti, Einkemmer, Kusch and Lubich."""

from dataclasses import dataclass
from typing import ClassVar

from ..fields import checked
from ..matrices import H, LowRank, augment, leading, retract
from .adaptive_bug import augmented_step
from .projected import S_field
from .truncating import Truncating


@dataclass(frozen=True)
class MidpointBUG(Truncating):
    """Midpoint BUG [CEKL24]: bases that hold the start and the slope at the midpoint, then one
    Galerkin step over the whole of h.

        half step   Û Ŝ V̂ᴴ by augmented BUG over h/2, G = F(t + h/2, Û Ŝ V̂ᴴ)
        bases       Ū = augment(Û, G V̂), V̄ = augment(V̂, Gᴴ Û)       ("4r", at most 4r columns)
                    with the half step cut to rank r, U½ S½ V½ᴴ, and G taken there:
                    Ū = augment([U0, U½], G V½), V̄ = augment([V0, V½], Gᴴ U½)        ("3r")
        S-step      S' = Ūᴴ F(Ū S V̄ᴴ) V̄ from (Ūᴴ U0) S0 (V̄ᴴ V0)ᴴ, which is Y itself;
                    truncate as adaptive BUG does
    """

    bases: str = "3r"
    order: ClassVar[int] = 2
    exact_on_rank_r: ClassVar[bool] = False
    keeps_symmetry: ClassVar[bool] = True
    keeps_norm: ClassVar[bool] = True
    descends: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if self.bases not in ("3r", "4r"):
            raise ValueError(f"bases: got {self.bases!r}, expected '3r' or '4r'")

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        U0, S0, V0 = Y
        U, _, V = half = augmented_step(Y, t, h / 2, F, self.solve)
        if self.bases == "3r":
            U_half, _, V_half = half = retract(Y, half)
            U, V = augment(U0, U_half), augment(V0, V_half)
        else:
            U_half, V_half = U, V
        G = F(t + h / 2, half)
        U, V = augment(U, G @ V_half), augment(V, H(G) @ U_half)
        S = self.solve(S_field(F, U, V), t, leading(S0, U, V), h)
        return self.truncate(LowRank(U, S, V))
