"""Matrices in factors: LowRank, block-diagonal sums, orthonormal bases and the two projections. Y = U S Vᴴ throughout."""

from .direct_sum import DirectSum, H, Identity, LazyDirectSum, blockwise, blockwise_in_threads, factors
from .lapack import all_finite
from .lowrank import LowRank
from .orthonormal import augment, augment_in_factors, image, images, orth
from .products import coordinates, dense, leading, norm, outer, restrict
from .threads import THREADS, in_threads
from .truncation import best_approximation, check_truncation, cut, retract, tangent_projection, truncate
from .validation import check_count, check_ranks, check_state

__all__ = [
           "THREADS",
           "DirectSum",
           "H",
           "Identity",
           "LazyDirectSum",
           "LowRank",
           "all_finite",
           "augment",
           "augment_in_factors",
           "best_approximation",
           "blockwise",
           "blockwise_in_threads",
           "check_count",
           "check_ranks",
           "check_state",
           "check_truncation",
           "coordinates",
           "cut",
           "dense",
           "factors",
           "image",
           "images",
           "in_threads",
           "leading",
           "norm",
           "orth",
           "outer",
           "restrict",
           "retract",
           "tangent_projection",
           "truncate",
]
