"""What the rank-adaptive methods share: their options, and the truncation that ends a step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..matrices import truncate
from ..options import check_truncation
from ..substeps import check_solver, rk4


@dataclass(frozen=True)
class Truncating:
    """A step ends with the smallest rank whose tail is ≤ θ = tol, or tol · ‖S‖ if `relative`, per
    block; at most max_rank, a number or one for each low-rank block [CKL22]."""

    tol: float = 1e-8
    relative: bool = False
    max_rank: int | Sequence | None = None
    solve: Callable = field(default=rk4, repr=False)
    robust: ClassVar[bool] = True
    adaptive: ClassVar[bool] = True

    def __post_init__(self):
        check_truncation("tol", self.tol, self.max_rank)
        check_solver(self.solve)

    def truncate(self, Y):
        return truncate(Y, self.tol, self.relative, self.max_rank)
