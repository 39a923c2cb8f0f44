"""The stable rank against its definition."""

import numpy as np
import pytest
from hypothesis import given
from strategies import eps_of, lowrank_matrices

from lowrank_ode import LowRank
from lowrank_ode.compression import stable_rank
from lowrank_ode.matrices import best_approximation, dense, norm
from lowrank_ode.nets import mlp


@given(lowrank_matrices())
def test_it_is_the_squared_norm_over_that_of_the_largest_singular_value(Y):
    """In factors, with bases of any kind, as multiplied out; whatever the scale."""
    sigma = np.linalg.svd(dense(Y).astype(np.complex128), compute_uv=False)
    skewed = LowRank(Y.U * 2, Y.S, Y.V / 2)
    for W in (Y, dense(Y), skewed, dense(Y) * np.float32(2.0**40)):
        found = stable_rank(W)
        if sigma[0] == 0:
            assert found == 0
        else:
            expected = (sigma**2).sum() / sigma[0] ** 2
            assert type(found) is float
            assert abs(found - expected) <= 50 * eps_of(Y) * max(Y.shape) * expected
            assert 1 - 1e-5 <= found <= len(Y.S) * (1 + 1e-5)


@pytest.mark.parametrize("r", [1, 5, 20])
def test_a_cut_leaves_at_least_the_part_one_minus_rank_over_stable_rank_of_the_squared_norm_out(r):
    """Just this of equal singular values, so with a stable rank that is larger, planted, it does
    not hold."""
    def left_out(W):
        return norm(W - dense(best_approximation(W, rank=r))) ** 2 / norm(W) ** 2

    W = np.random.default_rng(0).standard_normal((40, 30))
    flat = np.linalg.qr(W)[0]
    assert left_out(W) >= 1 - r / stable_rank(W)
    assert left_out(flat) == pytest.approx(1 - r / stable_rank(flat), rel=1e-12)
    assert not left_out(flat) >= 1 - r / (1.01 * stable_rank(flat))


def test_of_the_random_start_of_a_layer_of_300_and_what_is_not_finite_is_refused():
    """The squares of 300 · 784 numbers of variance 1 over (√300 + √784)², from which ‖W‖₂² is 1.2 %
    away, with a deviation of 1.3 % (the law of Tracy and Widom)."""
    W = mlp([784, 300, 10]).init(np.random.default_rng(0)).blocks[0]
    limit = 300 * 784 / (300**0.5 + 784**0.5) ** 2
    assert stable_rank(W) == pytest.approx(limit, rel=0.012 + 3 * 0.013)
    with pytest.raises(ValueError, match=r"W: a norm of nan"):
        stable_rank(np.full((2, 2), np.nan))
