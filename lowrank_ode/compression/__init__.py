"""What compression is measured by, and what a compressed network is for: prediction."""

from .counts import CONVENTIONS, count_parameters, count_weights
from .deployment import merged

__all__ = ["CONVENTIONS", "count_parameters", "count_weights", "merged"]
