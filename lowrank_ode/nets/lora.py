"""Pairs of factors (A, B) that update a frozen weight, as LoRA has them [HSW22], and as LowRank."""

import numpy as np

from ..matrices import LowRank
from ..matrices.validation import check_finite, check_matrix
from ..options import check_count, check_number


def from_lora(A, B, scale=1.0):
    """The update scale · B A of a frozen weight W0, for A (r, inputs) and B (outputs, r), as a
    LowRank with orthonormal bases: with B = U R and Aᵀ = V T it is U (scale R Tᵀ) Vᵀ. The weight is
    W0 + update; LoRA's scale is α/r.

    Raises ValueError for factors that do not fit, that are not of finite floats, or of
    r > min(outputs, inputs).

    >>> from_lora(np.ones((2, 5)), np.ones((7, 2)), scale=0.5)
    <7×5 LowRank matrix of rank 2, float64>
    """
    A, B = (check_matrix(name, np.asarray(X)) for name, X in (("A", A), ("B", B)))
    check_finite("A", A)
    check_finite("B", B)
    if len(A) != B.shape[1]:
        raise ValueError(f"A, B: got shapes {A.shape} and {B.shape}, expected (r, inputs) and "
                         "(outputs, r)")
    check_count("r", len(A), most=min(len(B), A.shape[1]), where=" rows of A")
    (U, R), (V, T) = np.linalg.qr(B), np.linalg.qr(A.T)
    return LowRank(U, check_number("scale", scale) * (R @ T.T), V.conj())


def to_lora(Y):
    """(A, B) with B A = Y, a LowRank, at scale 1: B = P √σ and A = √σ Qᴴ for Y = P diag(σ) Qᴴ.
    TypeError for anything else."""
    if not isinstance(Y, LowRank):
        raise TypeError(f"Y: got {type(Y).__name__}, expected a LowRank")
    P, sigma, Qh = np.linalg.svd(Y.S, full_matrices=False)
    root = np.sqrt(sigma)
    return root[:, None] * (Qh @ Y.V.conj().T), (Y.U @ P) * root
