"""The algebra of the condition penalty R(S) = ‖SᵀS − α²I‖ [SYS25], each identity with a wrong
gradient or constant that it rejects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_basis, seeds, spectra

from lowrank_ode import DLRT, DirectSum, LowRank
from lowrank_ode.matrices import dense, norm
from lowrank_ode.nets import mlp
from lowrank_ode.nets.penalties import condition_penalty

EPS = np.finfo(float).eps


def block(sigma, seed, size=1.0):
    """A LowRank block with a full core of singular values size · sigma."""
    rng, r = np.random.default_rng(seed), len(sigma)
    S = random_basis(rng, r, r) @ np.diag(size * sigma) @ random_basis(rng, r, r).T
    return LowRank(random_basis(rng, r + 4, r), S, random_basis(rng, r + 3, r))


def penalty(W):
    value, gradient = condition_penalty(DirectSum([W]))
    return value, gradient.blocks[0]


@given(spectra(), seeds, st.sampled_from([1.0, 1e-3, 1e3]))
def test_the_penalty_measures_the_variance_of_the_squared_singular_values(sigma, seed, size):
    """R²/r = Var(σ²); √2 R ≥ σ₁² − σᵣ²; κ ≤ exp(R/(√2 σᵣ²)), compared by logarithms."""
    R, _ = penalty(block(sigma, seed, size))
    squares, r = (size * sigma) ** 2, len(sigma)
    rounding = 50 * EPS * r * squares.max()
    assert abs(R - np.sqrt(r * np.var(squares))) <= rounding
    assert np.sqrt(2) * R >= squares.max() - squares.min() - rounding
    if sigma[-1] > 0:
        assert 2 * squares[-1] * np.log(sigma[0] / sigma[-1]) <= np.sqrt(2) * R + rounding


def test_the_bounds_are_attained_and_need_their_constants():
    """σ² = (1 + d, 1, …, 1 − d) attains √2 R = σ₁² − σᵣ²; with d → 0 also log κ → R/(√2 σᵣ²)."""
    d = 1e-3
    R, _ = penalty(block(np.sqrt([1 + d, 1, 1, 1 - d]), 0))
    assert abs(np.sqrt(2) * R / (2 * d) - 1) <= 1e-10
    assert 1 - 2 * d <= np.log(np.sqrt((1 + d) / (1 - d))) / (R / (np.sqrt(2) * (1 - d))) <= 1


@given(spectra(), seeds)
def test_the_gradient_is_that_of_the_penalty_along_S_and_vanishes_along_the_bases(sigma, seed):
    """⟨∇R, S⟩ = 2R, for ⟨S(SᵀS − α²I), S⟩ = R² + α² tr(SᵀS − α²I), a trace that is zero but for
    rounding; R is the same in turned bases; fourth-order differences of R, with an error h⁴, and
    EPS/h from rounding, times derivatives that grow as R falls. Planted: a gradient without its
    factor, and without α²."""
    W, rng = block(sigma, seed), np.random.default_rng(seed)
    R, gradient = penalty(W)
    if R > 10 * EPS * norm(W) ** 2:
        assert abs(np.vdot(dense(gradient), dense(W)) - 2 * R) <= 100 * EPS * norm(W) ** 4 / R
    turned, _ = penalty(LowRank(random_basis(rng, 20, len(sigma)), W.S, W.V))
    assert turned == R
    direction = rng.standard_normal(W.S.shape)

    def along(s):
        return penalty(LowRank(W.U, W.S + s * direction, W.V))[0]

    h = 1e-5
    if R > 0.1:
        slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
        assert abs(slope - np.vdot(gradient.S, direction)) <= 1e-8 * norm(direction) ** 2
        for wrong in (gradient.S / 2, 2 * W.S @ W.S.T @ W.S / R):
            assert abs(np.vdot(wrong, W.S) - 2 * R) > 1e-3


def test_the_penalty_of_a_network_is_a_sum_over_its_low_rank_layers_and_a_step_evens_the_spectrum():
    params = mlp([6, 9, 8, 3]).init(np.random.default_rng(0), [3, 4, None])
    before, gradient = condition_penalty(params)
    blocks = [X for X in params.blocks if isinstance(X, LowRank)]
    assert before == pytest.approx(sum(penalty(X)[0] for X in blocks), rel=1e-14)
    assert not gradient.blocks[-2].any()
    after = DLRT(0).step(params, 0, 1e-3, lambda t, P: -condition_penalty(P)[1])
    assert condition_penalty(after)[0] < before
    descent = 1e-3 * sum(norm(X) ** 2 for X in gradient.blocks)
    assert abs(before - condition_penalty(after)[0] - descent) < 0.05 * descent


def test_equal_singular_values_and_the_zero_matrix_have_neither_penalty_nor_gradient():
    """Equal to rounding, that is: dividing by an R that is rounding would give a gradient of size 1
    in a random direction. Else it is 2 S(SᵀS − α²I)/R, with S = size · orthogonal here."""
    for size in (1e-6, 1.0, 1e6):
        for sigma in (np.ones(1), np.ones(4), np.zeros(3)):
            R, gradient = penalty(block(sigma, 0, size))
            assert R <= 10 * EPS * len(sigma) * size**2 and not gradient.S.any()
        R, gradient = penalty(block(np.array([1, 1 - 1e-13]), 0, size))
        assert abs(np.linalg.norm(gradient.S) / (2 * size) - 1) <= 1e-3


def test_what_is_rounding_grows_with_the_square_of_the_norm():
    """σ² = (1, …, 1, 1 − d) has R = d √(1 − 1/r): rounding up to 10 ε ‖S‖² = 640 ε. Planted: the
    norm, twice the norm and its third power in the place of its square."""
    r = 64
    for size in (1e-3, 1.0):
        for d, even in ((320 * EPS, True), (1000 * EPS, False)):
            S = size * np.diag([*np.ones(r - 1), np.sqrt(1 - d)])
            R, gradient = penalty(LowRank(np.eye(70, r), S, np.eye(66, r)))
            norms = norm(S / size)
            assert gradient.S.any() != even
            assert (R / size**2 <= 10 * EPS * norms**2) == even
            for wrong in (norms, 2 * norms) if even else (norms**3,):
                assert (R / size**2 <= 10 * EPS * wrong) != even


@pytest.mark.parametrize("dtype, powers", [(np.float32, (-60, -140, 60)),
                                           (np.float64, (-500, -1070, 500))])
def test_the_penalty_of_a_multiple_is_its_square_times_as_large(dtype, powers):
    """R(c S) = c² R(S), also where c² is no number any more, and ∇R(c S) = c ∇R(S), to the last bit
    but for subnormal numbers."""
    U, V = np.eye(5, 2, dtype=dtype), np.eye(4, 2, dtype=dtype)
    W = LowRank(U, np.array([[1, 0.5], [0, 2]], dtype), V)
    R, gradient = penalty(W)
    for power in powers:
        larger, slope = penalty(LowRank(W.U, np.ldexp(W.S, power), W.V))
        assert larger == np.ldexp(float(R), 2 * power) and slope.dtype == dtype
        defect = np.abs(slope.S - np.ldexp(gradient.S, power)).max()
        assert defect <= np.finfo(dtype).smallest_subnormal


def test_a_core_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"params: a core S of shape \(2, 3\)"):
        penalty(LowRank(np.eye(5, 2), np.ones((2, 3)), np.eye(5, 3)))


def test_single_precision_is_kept():
    U, S, V = (X.astype(np.float32) for X in (np.eye(5, 2), np.diag([2, 1]), np.eye(4, 2)))
    assert penalty(LowRank(U, S, V))[1].dtype == np.float32


def test_complex_cores_have_the_penalty_of_their_moduli_and_a_nan_is_refused():
    U = np.eye(4, 2, dtype=complex)

    def of(*sigma):
        return penalty(LowRank(U, np.diag(sigma).astype(complex), U))[0]

    assert of(1, 1j) <= 10 * EPS and abs(of(3, 1j) - of(3, 1)) <= 100 * EPS
    with pytest.raises(ValueError, match=r"params.S: NaN"):
        of(np.nan, 1j)
