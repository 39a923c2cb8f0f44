"""augment on graded blocks of all shapes, where a Gram matrix resolves only a part of the singular values."""

import numpy as np
import pytest
from strategies import random_basis
from test_augmented import COORDINATES, off
from test_orthonormal import ORTHONORMAL, RANGE, defect, missed

from lowrank_ode import LowRank
from lowrank_ode.matrices import Identity, augment, augment_in_factors, augmented, coordinates, image, orthonormal


def augments(seed):
    """Is the basis orthonormal, and holds it K, to the documented bounds?"""
    rng, dtype = np.random.default_rng(seed), (np.float32, np.float64)[seed % 2]
    m = int(rng.integers(20, 400))
    r, p = int(rng.integers(1, m // 3)), int(rng.integers(1, m // 2))
    U0, decades = random_basis(rng, m, r, dtype), rng.uniform(0, 18)
    K = (random_basis(rng, m, p) * np.logspace(0, -decades, p)) @ random_basis(rng, p, p)
    K = K * 10.0 ** -rng.uniform(0, 12) + U0 @ rng.standard_normal((r, p)) if seed % 3 == 0 else K
    Q = augment(U0, K.astype(dtype))
    return defect(Q) <= ORTHONORMAL and missed(Q, K.astype(dtype)) <= RANGE


@pytest.mark.parametrize("seed", range(60))
def test_graded_blocks_of_all_shapes_are_captured(seed):
    assert augments(seed)


@pytest.mark.parametrize("dtype, decades", [(np.float32, 40), (np.float32, 43), (np.float64, 311), (np.float64, 320)])
def test_a_block_of_subnormal_numbers_is_captured(dtype, decades):
    """As the same block is, times a power of 2. Planted: Gram–Schmidt without scaling, in numbers of a few digits."""
    rng, up = np.random.default_rng(0), 900 if dtype == np.float64 else 120
    U0, K = random_basis(rng, 50, 4, dtype), (10.0 ** -decades * rng.standard_normal((50, 4))).astype(dtype)
    larger = np.ldexp(K, up)
    assert missed(augment(U0, K), larger) <= RANGE
    R = K - U0 @ (U0.T @ K)
    assert missed(np.linalg.qr(np.hstack([U0, np.ldexp(R, up)]))[0], larger) > RANGE


@pytest.mark.parametrize("dtype, size", [(np.complex128, 1e-320), (np.complex64, 1e-44), (int, 1), (bool, 1)])
def test_subnormal_complex_and_whole_numbers_are_no_fault(dtype, size):
    Q = augment(np.zeros((3, 0), np.result_type(dtype, np.float32)), np.full((3, 1), size).astype(dtype))
    assert Q.shape == (3, 1) and np.allclose(np.abs(Q), 3**-0.5, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.clongdouble, object, int])
def test_numbers_that_lapack_does_not_know_are_taken_in_double_precision(dtype):
    Q = augment(np.eye(4, 1), np.arange(8).reshape(4, 2).astype(dtype))
    assert Q.shape == (4, 3) and Q.dtype == (complex if dtype == np.clongdouble else float) and defect(Q) <= ORTHONORMAL
    Q = augment(np.eye(4, 1, dtype=dtype), np.arange(8.0).reshape(4, 2))            # or in the basis that there is
    assert Q.shape == (4, 3) and Q.dtype == (complex if dtype == np.clongdouble else float) and defect(Q) <= ORTHONORMAL


@pytest.mark.parametrize("number", [0.7, 1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_errors_of_many_rows_of_one_sign_do_not_add_up(dtype, number, monkeypatch):
    """The basis of a column of the same number a million times, and of one beside it, which takes 10⁻⁵ or 10⁻¹³ of a million others.

    Planted: one sum; a threshold under which directions are rounding that is a hundred times as high, which loses the second column.
    """
    m, small = 10**6, 1e-5 if dtype == np.float32 else 1e-13
    ones, unit = np.full((m, 1), number, dtype), np.full((m, 1), m**-0.5, dtype)
    beside = (ones + small * number * np.random.default_rng(0).standard_normal((m, 1))).astype(dtype)
    def off():
        squares = augment(ones[:, :0], ones).astype(np.longdouble) ** 2
        return abs(float(squares.sum() - 1)) / float(np.finfo(dtype).eps), augment(unit, beside).shape[1]
    length, columns = off()
    assert length <= ORTHONORMAL and columns == 2
    monkeypatch.setattr(augmented, "ROWS", m)
    assert off()[0] > 10 * ORTHONORMAL
    monkeypatch.setattr(orthonormal, "DROP", 100 * orthonormal.DROP)
    assert off()[1] == 1


def nothing_left_out(monkeypatch):
    """Planted: what is left out when columns are orthogonalised again does not go round once more, for it is there, with nothing in it."""
    mended = orthonormal.orthonormalising
    def planted(G):
        T = mended(G)
        return np.pad(T, ((0, 0), (0, len(T) - T.shape[1])))
    monkeypatch.setattr(orthonormal, "orthonormalising", planted)


def test_an_image_that_cancels_is_captured(monkeypatch):
    """K = Δ (ZᴴV) much smaller than Δ and ZᴴV: what backprop knows of U0ᴴK is not exact to the size of K. Planted: a
    single round, though next to nothing of what it found was outside U0."""
    def worst():
        found = []
        for seed in range(200):
            rng = np.random.default_rng(seed)
            m, small = int(rng.integers(10, 60)), 10.0 ** -rng.uniform(2, 12)
            U0, Z, V = random_basis(rng, m, 1), np.ones((5, 2)), np.eye(5, 1)
            a = rng.standard_normal((m, 1))
            D = np.hstack([a, small * U0 - a])
            K = image(LowRank(D, Identity(2), Z, left=(U0, D.T @ U0), right=(V, Z.T @ V)), V)
            found.append(missed(augment(U0, K), K.U) if K.U.any() else 0)
        return max(found)
    assert worst() <= RANGE
    nothing_left_out(monkeypatch)
    assert worst() > RANGE


def test_directions_that_one_gram_matrix_does_not_resolve_are_not_trusted_or_go_round_again(monkeypatch):
    """Planted: singular values are trusted down to rounding, which alone costs rounds only; then also what is dropped is lost."""
    monkeypatch.setattr(orthonormal, "RESOLVE", 0.05)
    assert all(augments(seed) for seed in range(60))
    nothing_left_out(monkeypatch)
    assert not all(augments(seed) for seed in range(60))


def kahan(p, angle):
    """Upper triangular, its columns in the order that pivoting takes, its smallest singular value far below the last pivot."""
    s, c = np.sin(angle), np.cos(angle)
    return np.diag(s ** np.arange(p)) @ (np.eye(p) - c * np.triu(np.ones((p, p)), 1))


@pytest.mark.parametrize("r", [0, 3])
def test_no_direction_is_lost_where_pivots_hide_a_small_singular_value(r, monkeypatch):
    """Kahan's matrices; first one for which a direction of size 1e-8 was lost."""
    def captured(p, angle, dtype):
        K = np.zeros((20, p), dtype)
        K[r:r + p] = kahan(p, angle)
        Q = augment(np.eye(20, r, dtype=dtype), K)
        return Q.shape[1] == r + p and defect(Q) <= ORTHONORMAL and missed(Q, K) <= RANGE

    cases = [(7, 0.0745, np.float64), (5, 0.167, np.float32)]
    cases += [(p, angle, dtype) for p in range(3, 11) for angle in np.linspace(0.03, 0.4, 80) for dtype in "fd"
              if np.linalg.cond(kahan(p, angle)) < 0.01 / np.finfo(dtype).eps]
    assert all(captured(*case) for case in cases)

    nothing_left_out(monkeypatch)
    assert not all(captured(*case) for case in cases)


def test_a_triangle_of_bad_condition_is_no_matter_of_rounding(monkeypatch):
    """Kahan's matrices, larger ones, in a random basis: their range and their coordinates. Planted: no look at the condition."""
    def worst(angles):
        found = np.zeros(3)
        for p in (12, 20, 30):
            basis = random_basis(np.random.default_rng(p), 60, p)
            for angle in angles:
                K = basis @ (kahan(p, angle) * (1 - 1e-6 * np.arange(p)))
                Q = augment_in_factors(np.zeros((60, 0)), K)
                found = np.maximum(found, [missed(Q.dense(), K), off(Q, K, coordinates(Q, K)), defect(Q.dense())])
        return found

    angles = np.linspace(0.2, 1.4, 40)
    assert (worst(angles) <= [RANGE, COORDINATES, ORTHONORMAL]).all()
    monkeypatch.setattr(orthonormal, "BENIGN", np.inf)
    assert (worst(angles)[:2] > [10 * RANGE, 10 * COORDINATES]).all()


@pytest.mark.parametrize("basis, update", [(np.float32, np.float64), (np.complex64, np.float64), (np.float64, np.float32)])
@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e-18, 1, 1e26, 1e300])
def test_a_basis_and_an_update_of_different_precision_and_of_any_size(basis, update, size):
    """The coarser precision decides what is rounding: 10⁻⁸ beside U0, or a direction: 10⁻³."""
    if update == np.float32 and not 1e-37 < size < 1e37:
        pytest.skip("beyond single precision")
    rng, U0 = np.random.default_rng(0), random_basis(np.random.default_rng(1), 30, 3).astype(basis)
    for beside, columns in ((1e-8, 3), (1e-3, 5)):
        K = (size * (U0.real @ rng.standard_normal((3, 2)) + beside * rng.standard_normal((30, 2)))).astype(update)
        assert augment(U0, K).shape == (30, columns)


@pytest.mark.parametrize("dtype, powers", [(np.float32, range(-90, 110, 2)), (np.float64, range(-900, 1000, 20))])
def test_the_same_directions_are_found_in_a_block_times_any_power_of_2(dtype, powers):
    """Of sizes 1 and 100 · EPS, but not of EPS / 10, where squares of numbers so large or so small are no numbers."""
    rng, limits = np.random.default_rng(0), np.finfo(dtype)
    Q = random_basis(rng, 40, 7)
    K = (Q[:, :2] @ rng.standard_normal((2, 5)) + Q[:, 2:] * [1, 1, 100 * limits.eps, 100 * limits.eps, 0.1 * limits.eps]).astype(dtype)
    assert {augment(Q[:, :2].astype(dtype), np.ldexp(K, k)).shape[1] for k in powers} == {6}
    smallest, largest = (np.ldexp(K, k) for k in (powers[0], powers[-1]))
    with np.errstate(all="ignore"):
        assert not (smallest.T @ smallest).all() and not np.isfinite(largest.T @ largest).all()
