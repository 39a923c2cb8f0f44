"""What compression is measured by."""

from .counts import CONVENTIONS, count_parameters, count_weights

__all__ = ["CONVENTIONS", "count_parameters", "count_weights"]
