"""Penalties on the weights: value, and gradient, to be added to those of the loss."""

import numpy as np

from ..matrices import DirectSum, H, LowRank, check_state, norm
from .numerical import blocks_of


def condition_penalty(params):
    """R = Σ ‖SᴴS − α²I‖ with α² = ‖S‖²/r, over the LowRank blocks W = U S Vᴴ (square S), and its
    gradient, a DirectSum like params [SYS25].

    R measures how far the singular values of a block are from equal: R²/r is the variance of the
    σᵢ², √2 R ≥ σ₁² − σᵣ², and κ(W) ≤ exp(R / (√2 σᵣ²)). The gradient of a block is U ∇R(S) Vᴴ, with
    ∇R(S) = 2 S(SᴴS − α²I)/R: the bases do not enter R. Where the singular values are equal to
    rounding R has no gradient, and 0 is taken. Dense blocks are not penalised.

    Raises ValueError for params that are no DirectSum, a core S that is not square, and for NaN,
    Inf or bases that are not orthonormal.
    """
    terms = [_penalty(W) if isinstance(W, LowRank) else (0.0, np.zeros_like(W))
             for W in blocks_of(params)]
    return sum(value for value, _ in terms), DirectSum([gradient for _, gradient in terms])


def _penalty(W):
    U, S, V = W
    r, columns = S.shape
    if r != columns:
        raise ValueError(f"params: a core S of shape {S.shape}, expected a square one")
    check_state(W, "params")
    size = float(np.abs(S).max()) or 1.0        # R(c S) = c² R(S): squares stay in range
    S = S / size
    spread = H(S) @ S - (norm(S) ** 2 / r) * np.eye(r, dtype=S.dtype)
    R = norm(spread)
    even = R <= 10 * np.finfo(S.dtype).eps * norm(S) ** 2
    return size**2 * R, LowRank(U, np.zeros_like(S) if even else size * ((2 / R) * (S @ spread)), V)
