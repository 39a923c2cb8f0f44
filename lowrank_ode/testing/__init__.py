"""The theorems as a kit that anybody can run on an integrator of their own; and a check of
gradients, for networks of their own."""

from . import contract  # noqa: F401, I001 -- enters its theorems, before those that are claimed
from . import claims  # noqa: F401
from .gradients import Derivative, GradientFails, check_gradient
from .kit import Report, Row, TheoremFails, check_integrator
from .theorems import THEOREMS, Theorem

__all__ = ["THEOREMS", "Derivative", "GradientFails", "Report", "Row", "Theorem",
           "TheoremFails", "check_gradient", "check_integrator"]
