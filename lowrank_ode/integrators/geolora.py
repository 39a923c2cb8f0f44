"""GeoLoRA of Schotthöfer, Zangrando, Ceruti, Tudisco and Kusch: parallel BUG with Euler substeps, from one gradient."""

from dataclasses import dataclass
from typing import ClassVar

from ..matrices import H, check_truncation, cut
from ..substeps import step_size
from .parallel_bug import bordered


@dataclass(frozen=True)
class GeoLoRA:
    """Parallel BUG with Euler substeps [SZCTK25]: one gradient G = F(t, Y), and a step along its tangent projection.

        K1 = U0 S0 + h G V0,   L1 = V0 S0ᴴ + h Gᴴ U0,   S̄ = S0 + h U0ᴴ G V0
        Ŷ = Û [[S̄, L1ᴴ Ṽ], [Ũᴴ K1, 0]] V̂ᴴ = Y + h P(Y)G
        truncate to the smallest rank whose tail is ≤ θ = τ ‖Ŝ‖, per block; at most max_rank

    Cut to the rank of the start it is Riemannian gradient descent with SVD retraction, that is `ProjectedRK(1)`.
    """

    tau: float = 0.1
    max_rank: int | None = None
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
        h = step_size(h)
        U0, S0, V0 = Y
        G = F(t, Y)
        GV, GU = G @ V0, H(H(U0) @ G)
        Z = bordered(Y, U0 @ S0 + h * GV, V0 @ H(S0) + h * GU, S0 + h * (H(U0) @ GV))
        return cut(Z, self.tau, relative=True, max_rank=self.max_rank)
