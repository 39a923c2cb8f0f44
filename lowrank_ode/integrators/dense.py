"""The classical one-step method on the full matrix: the yardstick."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from ..fields import as_field, step_size
from ..matrices import dense
from ..substeps import check_solver, rk4


@dataclass(frozen=True)
class Dense:
    """W' = F(t, W) on the full m × n matrix by the one-step method `solve`; a LowRank start becomes
    an ndarray."""

    solve: Callable = field(default=rk4, repr=False)
    order: ClassVar[None] = None        # that of `solve`

    def __post_init__(self):
        check_solver(self.solve)

    def step(self, Y, t, h, F):
        F = as_field(F)
        return self.solve(lambda t, W: dense(F(t, W)), t, dense(Y), step_size(h))
