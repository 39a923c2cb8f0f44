"""The augmented, backward-corrected projector splitting of Kusch, Schotthöfer and Walter."""

from dataclasses import dataclass
from typing import ClassVar

from ..fields import checked
from ..matrices import H, LowRank, augment, leading, orth
from .projected import K_field, L_field
from .truncating import Truncating


@dataclass(frozen=True)
class ABCPSI(Truncating):
    """Augmented backward-corrected projector splitting [KSW25]: the L-step from Y itself, in the
    augmented basis; no backward step.

        K-step    K' = F(K V0ᴴ) V0    from U0 S0                            Û = augment(U0, K1)
        L-step    L' = F(Û Lᴴ)ᴴ Û     from V0 S0ᴴ (Ûᴴ U0)ᴴ, which is Y      L1 = V1 S1ᴴ
        truncate  Û S1 V1ᴴ as adaptive BUG does

    With Euler substeps Ŷ = Y + h Û Ûᴴ F(Y) if both gradients are taken at Y, as here.
    """

    order: ClassVar[int] = 1
    exact_on_rank_r: ClassVar[bool] = True
    keeps_symmetry: ClassVar[bool] = False
    keeps_norm: ClassVar[bool] = True
    descends: ClassVar[bool] = True

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        U0, S0, V0 = Y
        U1 = augment(U0, self.solve(K_field(F, V0), t, U0 @ S0, h))
        L1 = self.solve(L_field(F, U1), t, V0 @ H(leading(S0, U1, V0)), h)
        V1 = orth(L1, V0)
        return self.truncate(LowRank(U1, H(L1) @ V1, V1))
