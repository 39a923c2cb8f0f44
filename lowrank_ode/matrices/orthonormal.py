"""Orthonormal bases made of matrix products: block Gram–Schmidt and Gram matrices, each done twice."""

import numpy as np

from .direct_sum import H, Identity, blockwise

DROP = 10       # a direction of K below DROP · EPS · ‖K‖ is rounding, and is dropped
RESOLVE = 100   # one Gram matrix RᴴR resolves singular values down to σ₁(R) √(RESOLVE · p · EPS); the rest goes round again


@blockwise
def augment(U0, K):
    """Orthonormal basis Û (m, r + k) of range [U0, K], with U0 (m, r, orthonormal) as its leading block [CKL22]; K is (m, p).

    Dependent directions are dropped: k ≤ p, and r + k ≤ m. The range of K is captured to rounding: ‖K − Û Ûᴴ K‖ ≤ 12 √p · EPS · ‖K‖
    in the Frobenius norm, whatever the singular values of K, with EPS the coarser of the two precisions; Û is as orthonormal as U0, up
    to a small multiple of EPS. For a dense block (U0 an Identity) the basis is complete already.

    Each round orthogonalises K against the basis, takes the directions that one Gram matrix resolves, and orthogonalises them again
    ("twice is enough"); what it does not resolve, a steeply graded rest, is left to the next round. A benign K takes one round.

    Raises ValueError if K holds NaN or Inf.
    """
    if isinstance(U0, Identity):
        return U0
    scale = np.abs(K).max(initial=0)
    if not np.isfinite(scale):
        raise ValueError("K: NaN or Inf in a basis update, expected finite numbers: the field is not finite, or the step size too large")
    if scale == 0:
        return U0
    K = K / scale
    eps = max(np.finfo(X.dtype).eps for X in (U0, K))
    floor = (DROP * eps * np.linalg.norm(K)) ** 2
    U = U0
    while K.shape[1] and U.shape[1] < len(U):
        R = K - U @ (H(U) @ K)
        square, Q = np.linalg.eigh(H(R) @ R)
        keep = square > max(floor, RESOLVE * len(Q) * eps * square[-1])
        keep[:-(len(U) - U.shape[1])] = False
        if not keep.any():
            break
        B = R @ (Q[:, keep] / np.sqrt(square[keep]))
        B = B - U @ (H(U) @ B)
        square_B, Q_B = np.linalg.eigh(H(B) @ B)
        new = square_B > 0.5                # less is left where B was but the rounding errors of U itself
        U = np.hstack([U, B @ (Q_B[:, new] / np.sqrt(square_B[new]))])
        K = R @ Q[:, ~keep]
    return U


@blockwise
def orth(K, U0=None):
    """Orthonormal basis of the range of K (m, r).

    With U0 (m, r, orthonormal) it has exactly r columns: where K is deficient to rounding, directions of U0 complete it. Without U0 it has
    as many columns as K has independent ones. For a dense block (U0 an Identity) it is the Identity.
    """
    if isinstance(U0, Identity):
        return U0
    Q = augment(np.zeros((len(K), 0), K.dtype), K)
    return Q if U0 is None or Q.shape == K.shape else augment(Q, U0)[:, :K.shape[1]]
