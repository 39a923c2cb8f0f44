"""augment on graded blocks of all shapes, where a Gram matrix resolves only a part of the singular
values, and at the edge of what is rounding."""

import numpy as np
import pytest
from measures import ORTHONORMAL, RANGE, defect, missed
from strategies import eps_of, random_basis

from lowrank_ode import LowRank
from lowrank_ode.matrices import Identity, augment, augmented, check_state, orth, orthonormal


def augments(seed):
    """Is the basis orthonormal, and holds it K, to the documented bounds?"""
    rng, dtype = np.random.default_rng(seed), (np.float32, np.float64)[seed % 2]
    m = int(rng.integers(20, 400))
    r, p = int(rng.integers(1, m // 3)), int(rng.integers(1, m // 2))
    U0, decades = random_basis(rng, m, r, dtype), rng.uniform(0, 18)
    K = (random_basis(rng, m, p) * np.logspace(0, -decades, p)) @ random_basis(rng, p, p)
    if seed % 3 == 0:
        K = K * 10.0 ** -rng.uniform(0, 12) + U0 @ rng.standard_normal((r, p))
    K = K.astype(dtype)
    Q = augment(U0, K)
    return defect(Q) <= ORTHONORMAL and missed(Q, K) <= RANGE


@pytest.mark.parametrize("seed", range(60))
def test_graded_blocks_of_all_shapes_are_captured(seed):
    assert augments(seed)


@pytest.mark.parametrize("dtype, decades", [(np.float32, 40), (np.float32, 43), (np.float64, 311),
                                            (np.float64, 320)])
def test_a_block_of_subnormal_numbers_is_captured(dtype, decades):
    """As the same block is, times a power of 2. Planted: Gram–Schmidt without scaling, in numbers
    of a few digits."""
    rng, up = np.random.default_rng(0), 900 if dtype == np.float64 else 120
    U0 = random_basis(rng, 50, 4, dtype)
    K = (10.0 ** -decades * rng.standard_normal((50, 4))).astype(dtype)
    larger = np.ldexp(K, up)
    assert missed(augment(U0, K), larger) <= RANGE
    R = K - U0 @ (U0.T @ K)
    assert missed(np.linalg.qr(np.hstack([U0, np.ldexp(R, up)]))[0], larger) > RANGE


@pytest.mark.parametrize("dtype, size", [(np.complex128, 1e-320), (np.complex64, 1e-44), (int, 1),
                                         (bool, 1)])
def test_subnormal_complex_and_whole_numbers_are_no_fault(dtype, size):
    nothing = np.zeros((3, 0), np.result_type(dtype, np.float32))
    Q = augment(nothing, np.full((3, 1), size).astype(dtype))
    assert Q.shape == (3, 1) and np.allclose(np.abs(Q.array), 3**-0.5, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.clongdouble, object, int])
def test_numbers_that_lapack_does_not_know_are_taken_in_double_precision(dtype):
    """In the update, or in the basis that there is."""
    K, double = np.arange(8.0).reshape(4, 2), complex if dtype == np.clongdouble else float
    for basis, update in ((float, dtype), (dtype, float)):
        Q = augment(np.eye(4, 1, dtype=basis), K.astype(update))
        assert Q.shape == (4, 3) and Q.dtype == Q.array.dtype == double
        assert defect(Q) <= ORTHONORMAL


@pytest.mark.parametrize("number", [0.7, 1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_errors_of_many_rows_of_one_sign_do_not_add_up(dtype, number, monkeypatch):
    """The basis of a column of the same number a million times, and of one beside it, which takes
    10⁻⁵ or 10⁻¹³ of a million others.

    Planted: one sum; a threshold under which directions are rounding that is a hundred times as
    high, which loses the second column.
    """
    m, small = 10**6, 1e-5 if dtype == np.float32 else 1e-13
    ones, unit = np.full((m, 1), number, dtype), np.full((m, 1), m**-0.5, dtype)
    other = small * number * np.random.default_rng(0).standard_normal((m, 1))
    beside = (ones + other).astype(dtype)

    def off():
        squares = augment(ones[:, :0], ones).array.astype(np.longdouble) ** 2
        length = abs(float(squares.sum() - 1)) / float(np.finfo(dtype).eps)
        return length, augment(unit, beside).shape[1]

    length, columns = off()
    assert length <= ORTHONORMAL and columns == 2
    monkeypatch.setattr(augmented, "ROWS", m)
    assert off()[0] > 10 * ORTHONORMAL
    monkeypatch.setattr(orthonormal, "DROP", 100 * orthonormal.DROP)
    assert off()[1] == 1


def nothing_left_out(monkeypatch):
    """Planted: what is left out when columns are orthogonalised again does not go round once more,
    for it is there, with nothing in it."""
    mended = orthonormal.orthonormalising

    def planted(G):
        T = mended(G)
        return np.pad(T, ((0, 0), (0, len(T) - T.shape[1])))

    monkeypatch.setattr(orthonormal, "orthonormalising", planted)


def test_directions_that_one_gram_matrix_does_not_resolve_are_not_trusted_or_go_round_again(
        monkeypatch):
    """Planted: singular values are trusted down to rounding, which alone costs rounds only; then
    also what is dropped is lost."""
    monkeypatch.setattr(orthonormal, "RESOLVE", 0.05)
    assert all(augments(seed) for seed in range(60))
    nothing_left_out(monkeypatch)
    assert not all(augments(seed) for seed in range(60))


def kahan(p, angle):
    """Upper triangular, its columns in the order that pivoting takes, its smallest singular value
    far below the last pivot."""
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
    cases += [(p, angle, dtype) for p in range(3, 11) for angle in np.linspace(0.03, 0.4, 80)
              for dtype in "fd" if np.linalg.cond(kahan(p, angle)) < 0.01 / np.finfo(dtype).eps]
    assert all(captured(*case) for case in cases)

    nothing_left_out(monkeypatch)
    assert not all(captured(*case) for case in cases)


def test_a_triangle_of_bad_condition_is_no_matter_of_rounding(monkeypatch):
    """The range of Kahan's matrices, larger ones, in a random basis, in as many columns. Planted:
    no look at the condition."""
    def worst(angles):
        found = np.zeros(3)
        for p in (12, 20, 30):
            basis = random_basis(np.random.default_rng(p), 60, p)
            for angle in angles:
                K = basis @ (kahan(p, angle) * (1 - 1e-6 * np.arange(p)))
                Q = augment(np.zeros((60, 0)), K)
                found = np.maximum(found, [missed(Q, K), defect(Q), Q.shape[1] / p])
        return found

    angles = np.linspace(0.2, 1.4, 40)
    assert (worst(angles) <= [RANGE, ORTHONORMAL, 1]).all()
    monkeypatch.setattr(orthonormal, "BENIGN", np.inf)
    assert worst(angles)[0] > 10 * RANGE


PRECISIONS = [(np.float32, np.float64), (np.complex64, np.float64), (np.float64, np.float32)]
SIZES = [1e-300, 1e-30, 1e-18, 1, 1e26, 1e300]


@pytest.mark.parametrize("size, basis, update", [
    (size, *precisions) for size in SIZES for precisions in PRECISIONS
    if precisions[1] is np.float64 or 1e-37 < size < 1e37])         # numbers in its range
def test_a_basis_and_an_update_of_different_precision_and_of_any_size(basis, update, size):
    """The coarser precision decides what is rounding: 10⁻⁸ beside U0, or a direction: 10⁻³."""
    rng, U0 = np.random.default_rng(0), random_basis(np.random.default_rng(1), 30, 3).astype(basis)
    for beside, columns in ((1e-8, 3), (1e-3, 5)):
        K = U0.real @ rng.standard_normal((3, 2)) + beside * rng.standard_normal((30, 2))
        assert augment(U0, (size * K).astype(update)).shape == (30, columns)


@pytest.mark.parametrize("dtype, powers", [(np.float32, range(-90, 110, 2)),
                                           (np.float64, range(-900, 1000, 20))])
def test_the_same_directions_are_found_in_a_block_times_any_power_of_2(dtype, powers):
    """Of sizes 1 and 100 · EPS, but not of EPS / 10, where squares of numbers so large or so small
    are no numbers."""
    rng, eps = np.random.default_rng(0), np.finfo(dtype).eps
    Q = random_basis(rng, 40, 7)
    sizes = [1, 1, 100 * eps, 100 * eps, 0.1 * eps]
    K = (Q[:, :2] @ rng.standard_normal((2, 5)) + Q[:, 2:] * sizes).astype(dtype)
    U0 = Q[:, :2].astype(dtype)
    assert {augment(U0, np.ldexp(K, k)).shape[1] for k in powers} == {6}
    smallest, largest = (np.ldexp(K, k) for k in (powers[0], powers[-1]))
    with np.errstate(all="ignore"):
        assert not (smallest.T @ smallest).all() and not np.isfinite(largest.T @ largest).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_direction_is_not_lost_where_squares_of_its_entries_underflow(dtype):
    """One of 45 EPS ‖K‖ in a thousand rows; of what is just dropped the square is a number."""
    rng, found = np.random.default_rng(0), np.finfo(dtype)
    size = 2 * float(found.smallest_subnormal) ** 0.5 / (orthonormal.DROP * float(found.eps))
    K = np.stack([rng.standard_normal(1000), 45 * found.eps * rng.choice([-1, 1], 1000)], axis=1)
    K = (size / 1000**0.5 * K).astype(dtype)
    assert augment(K[:, :0], K).shape == (1000, 2) and not np.square(K[:, 1]).any()


def edge_of_what_is_dropped(rng, factor):
    """U0 (200, 8) and K (200, 8) of norm √8: inside range U0, but for eight equal directions of
    factor · EPS · ‖K‖ each."""
    B = random_basis(rng, 200, 16)
    beside = factor * np.finfo(float).eps * 8**0.5 * B[:, 8:]
    return B[:, :8], B[:, :8] @ random_basis(rng, 8, 8) + beside


def test_what_is_below_10_EPS_of_the_norm_is_dropped_and_the_range_bound_allows_no_more(
        monkeypatch):
    for factor, columns in ((9.5, 8), (10.5, 16), (13, 16)):
        U0, K = edge_of_what_is_dropped(np.random.default_rng(0), factor)
        assert augment(U0, K).shape[1] == columns and missed(augment(U0, K), K) <= RANGE
    single = U0.astype(np.float32)              # the coarser of two precisions decides
    assert augment(single, K).shape[1] == 8
    monkeypatch.setattr(orthonormal, "DROP", 14)                    # planted: the bound sees it
    assert missed(augment(U0, K), K) > RANGE


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("scale", [-400, -20, -1, 1, 20, 400])
def test_the_rounding_of_a_U0_that_is_orthonormal_only_roughly_is_no_new_direction(dtype, scale):
    """UᴴU = (1 + 2 · scale · p EPS) I is within what `check_state` allows, 1000 p EPS: none of it
    may be taken for a direction of K."""
    rng = np.random.default_rng(0)
    U0 = (random_basis(rng, 6, 4) * (1 + scale * 4 * np.finfo(dtype).eps)).astype(dtype)
    check_state(LowRank(U0, np.eye(4, dtype=dtype), U0))
    assert augment(U0, (U0 @ rng.standard_normal((4, 6))).astype(dtype)).shape == (6, 4)
    for K in (rng.standard_normal((6, 6)),
              U0 @ rng.standard_normal((4, 6)) + 1e-4 * rng.standard_normal((6, 6))):
        Q = augment(U0, K.astype(dtype))
        new, most = Q.array[:, 4:], 3000 * eps_of(Q)
        assert Q.shape == (6, 6) and np.linalg.norm(new.conj().T @ new - np.eye(2)) <= most


def test_a_dense_block_needs_no_basis_and_no_columns_add_none():
    assert augment(np.eye(3, 2), np.ones((3, 0))).shape == (3, 2)
    assert augment(Identity(3), np.ones((3, 2))) == Identity(3)
    assert orth(np.ones((3, 2)), Identity(3)) == Identity(3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_inf_in_a_basis_update_are_named_before_lapack_sees_them(bad):
    K = np.ones((5, 2))
    K[3, 1] = bad
    with pytest.raises(ValueError, match="K: NaN or Inf"):
        augment(np.eye(5, 2), K)
