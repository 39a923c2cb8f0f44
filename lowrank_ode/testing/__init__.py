"""The theorems as a kit that anybody can run on an integrator of their own; and a check of
gradients, for networks of their own."""

from .gradients import Derivative, GradientFails, check_gradient
from .kit import Report, Row, TheoremFails, check_integrator
from .theorems import THEOREMS, Theorem

__all__ = ["THEOREMS", "Derivative", "GradientFails", "Report", "Row", "Theorem",
           "TheoremFails", "check_gradient", "check_integrator"]
