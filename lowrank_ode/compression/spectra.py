"""What the singular values of a weight say of it before it is cut."""

import numpy as np

from ..matrices import LowRank, dense, norm


def stable_rank(W):
    """‖W‖²/‖W‖₂² = Σ σᵢ²/σ₁², of any matrix W: from 1, of rank 1, to the rank, of equal singular
    values; near the rank no cut is good. 0 of W = 0.

    A cut to rank r leaves at least the part 1 − r/stable_rank(W) of ‖W‖² out. Raises ValueError if
    W is not finite.

    >>> round(stable_rank(np.diag([2.0, 1.0, 1.0])), 12)
    1.5
    """
    size = norm(W)
    if not np.isfinite(size):
        raise ValueError(f"W: a norm of {size}, expected finite numbers")
    largest = W.singular_values()[0] if isinstance(W, LowRank) else np.linalg.norm(dense(W), 2)
    return float(size / largest) ** 2 if largest else 0.0
