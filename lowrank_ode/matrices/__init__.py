"""Matrices in factors: LowRank, block-diagonal sums, orthonormal bases and the two projections.

Y = U S Vᴴ throughout.
"""

from .approximation import best_approximation, retract, tangent_projection
from .direct_sum import DirectSum, H, Identity, blockwise
from .lowrank import LowRank
from .orthonormal import augment, orth
from .products import dense, leading, norm, outer, restrict
from .truncation import truncate
from .validation import check_matrix, check_state

__all__ = ["DirectSum", "H", "Identity", "LowRank", "augment", "best_approximation", "blockwise",
           "check_matrix", "check_state", "dense", "leading", "norm", "orth", "outer", "restrict",
           "retract", "tangent_projection", "truncate"]
