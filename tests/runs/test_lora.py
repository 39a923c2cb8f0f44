"""A pair of LoRA is a matrix of low rank, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import eps_of, lowrank_matrices

from lowrank_ode.matrices import dense
from lowrank_ode.nets import from_lora, to_lora


@given(lowrank_matrices())
@settings(max_examples=50)
def test_a_lora_pair_is_a_low_rank_and_back(Y):
    """σ down to 0, r up to min(m, n). Planted: the scale forgotten."""
    A, B = to_lora(Y)
    assert A.dtype == B.dtype == Y.dtype
    assert A.shape == (Y.rank, Y.shape[1]) and B.shape == (Y.shape[0], Y.rank)
    size = np.linalg.norm(Y.S) or 1.0
    again = from_lora(A, B, scale=0.5)
    assert np.linalg.norm(B @ A - dense(Y)) <= 50 * Y.rank * eps_of(Y.S.real) * size
    assert np.linalg.norm(2 * dense(again) - dense(Y)) <= 50 * Y.rank * eps_of(Y.S.real) * size
    for X in (again.U, again.V):
        assert np.abs(X.conj().T @ X - np.eye(Y.rank)).max() <= 50 * Y.rank * eps_of(Y.S.real)
    assert again.dtype == Y.dtype
    assert np.linalg.norm(dense(again) - dense(Y)) >= 0.4 * np.linalg.norm(Y.S)


@pytest.mark.parametrize("A, B, words", [
    (np.ones((2, 5)), np.ones((4, 3)), r"A, B: got shapes \(2, 5\) and \(4, 3\), expected"),
    (np.ones(5), np.ones((4, 1)), r"A: shape \(5,\), expected a matrix"),
    (np.ones((6, 5)), np.ones((7, 6)), "r: got 6 rows of A, expected a whole number ≥ 1 and ≤ 5"),
    (np.full((1, 5), np.nan), np.ones((4, 1)), "A: NaN or Inf")])
def test_factors_that_are_no_pair_are_refused(A, B, words):
    with pytest.raises(ValueError, match=words):
        from_lora(A, B)


def test_only_a_low_rank_is_a_pair():
    with pytest.raises(TypeError, match="Y: got ndarray, expected a LowRank"):
        to_lora(np.eye(3))
    with pytest.raises(ValueError, match="scale: got nan"):
        from_lora(np.ones((1, 5)), np.ones((4, 1)), np.nan)
