"""The rank-adaptive (augmented) Basis Update & Galerkin integrator of Ceruti, Kusch and Lubich."""

from dataclasses import dataclass
from typing import ClassVar

from ..fields import checked
from ..matrices import H, LowRank, augment, leading
from .projected import K_field, L_field, S_field
from .truncating import Truncating


@dataclass(frozen=True)
class AdaptiveBUG(Truncating):
    """Rank-adaptive Basis Update & Galerkin [CKL22]: augment the bases, one Galerkin step in them,
    truncate.

        K-step    K' = F(K V0ᴴ) V0      from U0 S0     Û = augment(U0, K1), at most 2r columns
        L-step    L' = F(U0 Lᴴ)ᴴ U0     from V0 S0ᴴ    V̂ = augment(V0, L1)
        S-step    S' = Ûᴴ F(Û S V̂ᴴ) V̂   from (Ûᴴ U0) S0 (V̂ᴴ V0)ᴴ, which is Y itself
        truncate  to the smallest rank whose tail is ≤ θ = tol, or tol · ‖S‖ if `relative`,
                  per block; at most max_rank
    """

    order: ClassVar[int] = 1
    exact_on_rank_r: ClassVar[bool] = True
    keeps_symmetry: ClassVar[bool] = True
    keeps_norm: ClassVar[bool] = True
    descends: ClassVar[bool] = True

    def step(self, Y, t, h, F):
        return self.truncate(augmented_step(Y, t, *checked(Y, h, F), self.solve))


def augmented_step(Y, t, h, F, solve):
    """The step before truncation, Ŷ = Û S1 V̂ᴴ, of rank ≤ 2r; Û begins with U0, and V̂ with V0."""
    U0, S0, V0 = Y
    U1 = augment(U0, solve(K_field(F, V0), t, U0 @ S0, h))
    V1 = augment(V0, solve(L_field(F, U0), t, V0 @ H(S0), h))
    return LowRank(U1, solve(S_field(F, U1, V1), t, leading(S0, U1, V1), h), V1)
