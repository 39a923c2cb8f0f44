"""How compression is measured, how a trained network is compressed, and what for: prediction."""

from .counts import CONVENTIONS, count_parameters, count_weights
from .deployment import merged
from .flops import break_even, prediction_flops, step_flops
from .pruning import pruned

__all__ = ["CONVENTIONS", "break_even", "count_parameters", "count_weights", "merged",
           "prediction_flops", "pruned", "step_flops"]
