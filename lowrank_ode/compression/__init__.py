"""How compression is measured, how a trained network is compressed, and what for: prediction.

METHODS keep the contract in contract.py.
"""

from .alds import alds
from .counts import CONVENTIONS, count_parameters, count_weights
from .deployment import merged
from .energy import energy
from .filters import filters
from .flops import break_even, prediction_flops, step_flops
from .l_rank import l_rank
from .pca import pca
from .pfp import pfp
from .pruning import pruned
from .report import Report, Row
from .svd import svd
from .svd_error import svd_error

METHODS = (svd, energy, svd_error, l_rank, pca, alds, filters, pfp)

__all__ = ["CONVENTIONS", "METHODS", "Report", "Row", "alds", "break_even", "count_parameters",
           "count_weights", "energy", "filters", "l_rank", "merged", "pca", "pfp",
           "prediction_flops", "pruned", "step_flops", "svd", "svd_error"]
