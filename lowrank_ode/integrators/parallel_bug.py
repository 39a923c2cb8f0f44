"""The parallel Basis Update & Galerkin integrator of Ceruti, Kusch and Lubich."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..fields import checked
from ..matrices import DirectSum, H, LowRank, augment, blockwise, leading, restrict
from ..options import check_number
from .projected import K_field, L_field, S_field
from .truncating import Truncating


@dataclass(frozen=True)
class ParallelBUG(Truncating):
    """Rank-adaptive parallel BUG [CKL24]: K-, L- and S-step all from the start, independent of each
    other.

        K-step    K' = F(K V0ᴴ) V0          from U0 S0       Û = [U0, Ũ] = augment(U0, K1)
        L-step    L' = F(U0 Lᴴ)ᴴ U0         from V0 S0ᴴ      V̂ = [V0, Ṽ] = augment(V0, L1)
        S-step    S' = U0ᴴ F(U0 S V0ᴴ) V0   from S0          S̄ = S(t1)
        Ŝ = [[S̄, L1ᴴ Ṽ], [Ũᴴ K1, 0]], and truncate: to the smallest rank whose tail is ≤ θ = tol,
        or tol · ‖Ŝ‖ if `relative`

    A step is rejected and repeated from the same matrix in the bases Û, V̂ if the new rank is all
    of 2r, or if the missing corner is large, ‖Ũᴴ F(Y) Ṽ‖ > rejection · θ/h (10 in the paper's
    code); `rejection` None accepts every step. With Euler substeps it is a step along the tangent
    projection of F (`GeoLoRA`). No exactness on curves of rank r: the missing corner is O(h²).
    """

    rejection: float | None = None
    order: ClassVar[int] = 1
    exact_on_rank_r: ClassVar[bool] = False
    keeps_symmetry: ClassVar[bool] = True
    keeps_norm: ClassVar[bool] = False
    descends: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if self.rejection is not None:
            check_number("rejection", self.rejection, "a number ≥ 0, or None", lambda c: c >= 0)

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        U0, S0, V0 = Y
        K1 = self.solve(K_field(F, V0), t, U0 @ S0, h)
        L1 = self.solve(L_field(F, U0), t, V0 @ H(S0), h)
        S1 = self.solve(S_field(F, U0, V0), t, S0, h)
        Z = bordered(Y, K1, L1, S1)
        Y1 = self.truncate(Z)
        if self.rejection is not None and _any(_rejects(Y, Z, Y1, F(t, Y), self, h)):
            U1, V1 = augment(U0, K1), augment(V0, L1)
            return self.step(LowRank(U1, leading(S0, U1, V1), V1), t, h, F)
        return Y1


@blockwise
def bordered(Y, K, L, S1=None):
    """Û [[S1, Lᴴ Ṽ], [Ũᴴ K, 0]] V̂ᴴ, Û = [U0, Ũ] = augment(U0, K), V̂ = [V0, Ṽ] = augment(V0, L).

    The results of three substeps, each in its own part of the augmented bases. S1 is U0ᴴ K unless
    given; with K = G V0 and L = Gᴴ U0 that is P(Y)G. For a dense block S1, or K, as an array that
    nobody else holds.
    """
    if isinstance(Y, np.ndarray):
        return np.array(K if S1 is None else S1)
    U0, S0, V0 = Y
    U1, V1 = augment(U0, K), augment(V0, L)
    (p, q), KU, LV = S0.shape, H(K) @ U1, H(L) @ V1
    S = leading(H(KU[:, :p]) if S1 is None else S1, U1, V1)
    S[p:, :q], S[:p, q:] = H(KU[:, p:]), LV[:, q:]
    return LowRank(U1, S, V1)


@blockwise
def _rejects(Y, Z, Y1, G, method, h):
    if isinstance(Y, np.ndarray) or Z.rank == Y.rank:
        return False
    (p, q), (U1, _, V1) = Y.S.shape, Z
    corner = np.linalg.norm(restrict(U1, G, V1)[p:, q:])
    theta = method.tol * np.linalg.norm(Z.S) if method.relative else method.tol
    return Y1.rank == Z.rank or corner > method.rejection * theta / h


def _any(verdict):
    return any(verdict.blocks) if isinstance(verdict, DirectSum) else verdict
