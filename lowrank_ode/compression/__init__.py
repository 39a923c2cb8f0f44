"""How compression is measured, how a trained network is compressed, and what for: prediction."""

from .counts import CONVENTIONS, count_parameters, count_weights
from .deployment import merged
from .flops import break_even, flops_saved, multiplications, prediction_flops, step_flops
from .pruning import pruned
from .spectra import stable_rank
from .trp import TRP

__all__ = ["CONVENTIONS", "TRP", "break_even", "count_parameters", "count_weights", "flops_saved",
           "merged", "multiplications", "prediction_flops", "pruned", "stable_rank", "step_flops"]
