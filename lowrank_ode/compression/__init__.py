"""How compression is measured, how a trained network is compressed, and what for: prediction.

METHODS keep the contract in contract.py.
"""

from .alds import alds
from .counts import CONVENTIONS, count_parameters, count_weights
from .deployment import merged
from .energy import energy
from .filters import filters
from .flops import break_even, flops_saved, multiplications, prediction_flops, step_flops
from .l_rank import l_rank
from .loose import compressed, multiplied_out
from .pca import pca
from .pfp import pfp
from .pruning import pruned
from .report import Report, Row
from .spectra import stable_rank
from .svd import svd
from .svd_error import svd_error
from .trp import TRP

METHODS = (svd, energy, svd_error, l_rank, pca, alds, filters, pfp)

__all__ = ["CONVENTIONS", "METHODS", "TRP", "Report", "Row", "alds", "break_even", "compressed",
           "count_parameters", "count_weights", "energy", "filters", "flops_saved", "l_rank",
           "merged", "multiplications", "multiplied_out", "pca", "pfp", "prediction_flops",
           "pruned", "stable_rank", "step_flops", "svd", "svd_error"]
