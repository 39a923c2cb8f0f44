"""GeoLoRA of Schotthöfer, Zangrando, Ceruti, Tudisco and Kusch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..fields import checked
from ..matrices import H, truncate
from ..options import check_truncation
from .parallel_bug import bordered


@dataclass(frozen=True)
class GeoLoRA:
    """Parallel BUG with Euler substeps [SZCTK25]: a step along P(Y)G of one gradient G = F(t, Y).

        K = G V0,   L = Gᴴ U0,   Û = [U0, Ũ] = augment(U0, K),   V̂ = [V0, Ṽ] = augment(V0, L)
        P(Y)G = Û T V̂ᴴ with T = [[U0ᴴ K, Lᴴ Ṽ], [Ũᴴ K, 0]],   Ŝ = [[S0, 0], [0, 0]] + h T
        truncate to the smallest rank whose tail is ≤ θ = τ ‖Ŝ‖, per block; at most max_rank

    It is parallel BUG, for span [U0, U0 S0 + h K] = span [U0, K] and Ũᴴ (U0 S0 + h K) = h Ũᴴ K.
    Cut to the rank of the start it is Riemannian gradient descent with SVD retraction,
    `ProjectedRK(1)`.
    """

    tau: float = 0.1
    max_rank: int | Sequence | None = None
    order: ClassVar[int] = 1
    exact_on_rank_r: ClassVar[bool] = False
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
        U0, _, V0 = Y
        K, L = G @ V0, H(G) @ U0
        return truncate(Y + h * bordered(Y, K, L), self.tau, relative=True, max_rank=self.max_rank)
