"""The dominant singular vectors of a small matrix by a Newton iteration of matrix products."""

import math

import numpy as np

from .direct_sum import H
from .lapack import eye_like, frobenius, inverted, precision
from .orthonormal import orthonormalising


def dominant(S, r, theta):
    """(P, S1, Q): orthonormal bases P, Q of the r dominant singular vectors of S on the left and on
    the right, and S1 = Pᴴ S Q, to rounding; None where the iteration does not find them, or S1 has
    a singular value not above θ and all that is beside the first r coordinates.

    Let S = [[A, B], [C, D]], P ~ [I; Y], Q ~ [I; X]. S has no blocks beside S1 if C + D X =
    Y (A + B X) and Bᴴ + Dᴴ Y = X (Aᴴ + Cᴴ Y): a simplified Newton iteration,
    docs/derivations.md#dominant-singular-vectors.
    """
    A, B, C, D = S[:r, :r], S[:r, r:], S[r:, :r], S[r:, r:]
    rounding = precision(S.dtype)[0] * frobenius(S)
    beside = [*map(frobenius, (B, C, D))]
    least = max(theta, math.hypot(*beside)) + rounding
    inverse = _inverse(A, least)
    found = inverse is not None and _decoupled(A, B, C, D, inverse, rounding)
    if not found:
        return None
    X, Y, M = found
    T_X, T_Y = (orthonormalising(eye_like(A) + H(Z) @ Z) for Z in (X, Y))
    S1 = H(T_Y) @ M @ T_X
    x = frobenius(X)        # σ_r(S1) ≥ (1/‖A⁻¹‖ − ‖B‖ x) / (1 + x²)^½
    bound = frobenius(inverse) * (beside[0] * x + math.hypot(1, x) * (least + rounding))
    if not (bound < 1 or _above(S1, least)):
        return None
    return np.concatenate([T_Y, Y @ T_Y]), S1, np.concatenate([T_X, X @ T_X])


def _decoupled(A, B, C, D, inverse, rounding):
    """(X, Y, [I; Y]ᴴ S [I; X]) for the X, Y of the equations above; None if they are not found."""
    X, Y, before = H(inverse @ B), C @ inverse, np.inf
    while True:
        M, N = A + B @ X, C + D @ X
        left, right = N - Y @ M, H(B) + H(D) @ Y - X @ (H(A) + H(C) @ Y)
        residual = math.hypot(frobenius(left), frobenius(right))
        if residual <= rounding:
            return X, Y, M + H(Y) @ N
        if not residual < before / 4:
            return None
        X, Y, before = X + right @ H(inverse), Y + left @ inverse, residual


def _above(S, least):
    """Whether all singular values of a square S are above `least`: whether ‖least · S⁻¹‖ < 1."""
    inverse = _inverse(S, least)
    if inverse is None:
        return False
    try:
        np.linalg.cholesky(eye_like(S) - H(least * inverse) @ (least * inverse))
    except np.linalg.LinAlgError:
        return False
    return True


def _inverse(A, least):
    """A⁻¹; None if A is singular, or σ_r(A) is below `least`, as it is if ‖least · A⁻¹‖ ≥ √r."""
    inverse = inverted(A)
    near = inverse is None or not least * frobenius(inverse) < len(A)**0.5
    return None if near else inverse
