"""The theorems as a kit that anybody can run on an integrator of their own."""

from . import contract  # noqa: F401, I001 -- enters its theorems, before those that are claimed
from . import claims  # noqa: F401
from .kit import Report, Row, TheoremFails, check_integrator
from .theorems import THEOREMS, Theorem

__all__ = ["THEOREMS", "Report", "Row", "Theorem", "TheoremFails", "check_integrator"]
