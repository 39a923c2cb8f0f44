"""The projected Runge–Kutta methods of Kieri and Vandereycken."""

from dataclasses import dataclass
from typing import ClassVar

from ..fields import checked
from ..matrices import H, retract
from .parallel_bug import bordered

TABLEAUX = {        # nodes c, the strictly lower rows of a, weights b
    1: ((0,), ((),), (1,)),
    2: ((0, 1), ((), (1,)), (1 / 2, 1 / 2)),
    3: ((0, 1 / 3, 2 / 3), ((), (1 / 3,), (0, 2 / 3)), (1 / 4, 0, 3 / 4)),
}


@dataclass(frozen=True)
class ProjectedRK:
    """Projected Runge–Kutta [KV19]: slopes projected onto the tangent space, stages and result cut
    to rank r, R(·).

        Y_j = R(Y + h Σ_{l<j} a_jl K_l),   K_j = P(Y_j) F(t + c_j h, Y_j),   Y1 = R(Y + h Σ b_j K_j)

    Order 1: Euler; 2: Heun; 3: Heun's third-order rule. Fixed rank. On a dense block it is the
    Runge–Kutta method itself.
    """

    order: int = 2
    exact_on_rank_r: ClassVar[bool] = False
    keeps_symmetry: ClassVar[bool] = True
    keeps_norm: ClassVar[bool] = False
    descends: ClassVar[bool] = False
    robust: ClassVar[bool] = True
    adaptive: ClassVar[bool] = False

    def __post_init__(self):
        if self.order not in TABLEAUX:
            raise ValueError(f"order: got {self.order}, expected one of "
                             f"{', '.join(map(str, TABLEAUX))}")

    def step(self, Y, t, h, F):
        h, F = checked(Y, h, F)
        nodes, rows, weights = TABLEAUX[self.order]
        K = []
        for c, row in zip(nodes, rows, strict=True):
            Y_j = self._combine(Y, h, row, K)
            U, _, V = Y_j
            G = F(t + c * h, Y_j)
            K.append(bordered(Y_j, G @ V, H(G) @ U))            # P(Y_j) G
        return self._combine(Y, h, weights, K)

    @staticmethod
    def _combine(Y, h, weights, K):
        increments = [(h * weight) * K_l for weight, K_l in zip(weights, K, strict=True) if weight]
        return retract(Y, sum(increments, start=Y)) if increments else Y
