"""augment and orth: orthonormal to rounding, range captured to rounding, over the hard spectra."""

import numpy as np
import pytest
from hypothesis import given
from measures import ORTHONORMAL, RANGE, defect, missed
from strategies import bases_and_updates, random_basis, seeds

from lowrank_ode import DirectSum, LowRank, truncate
from lowrank_ode.matrices import H, Identity, augment, orth, orthonormal


@given(bases_and_updates())
def test_augment_is_orthonormal_keeps_U0_captures_the_range_and_never_exceeds_m_columns(case):
    U0, K = case
    before = U0.copy(), K.copy()
    Q = augment(U0, K)
    (m, r), p = U0.shape, K.shape[1]
    assert Q.dtype == Q.array.dtype == K.dtype and r <= Q.shape[1] <= min(m, r + p)
    assert Q.U0 is U0 and np.array_equal(Q.array[:, :r], U0)
    assert defect(Q) <= ORTHONORMAL and missed(Q, K) <= RANGE
    assert np.array_equal(U0, before[0]) and np.array_equal(K, before[1])


def numpy_qr(U0, K):
    """The usual way: no leading U0, dependent directions filled with noise, 2r columns even where
    m < 2r is exceeded."""
    return np.linalg.qr(np.hstack([U0, K]))[0]


def gram_schmidt_once(U0, K):
    R = K - U0 @ (H(U0) @ K)
    C = np.linalg.cholesky(H(R) @ R + 1e-300 * np.eye(K.shape[1]))
    return np.hstack([U0, R @ np.linalg.inv(C.conj().T)])


def test_classical_gram_schmidt_once_and_a_plain_qr_fail_these_checks():
    rng = np.random.default_rng(0)
    U0 = random_basis(rng, 50, 4)
    K = U0 @ rng.standard_normal((4, 4)) + 1e-7 * rng.standard_normal((50, 4))
    assert defect(gram_schmidt_once(U0, K)) > 1e4 * ORTHONORMAL
    assert defect(augment(U0, K)) <= ORTHONORMAL
    inside = U0 @ rng.standard_normal((4, 4))
    assert numpy_qr(U0, inside).shape[1] == 8 and augment(U0, inside).shape[1] == 4
    assert not np.allclose(numpy_qr(-U0, K)[:, :4], -U0)


@given(bases_and_updates(), seeds)
def test_dependent_directions_are_dropped(case, seed):
    U0, K = case
    C = np.random.default_rng(seed).standard_normal((U0.shape[1], 5))
    assert augment(U0, (U0 @ C).astype(U0.dtype)).shape == U0.shape
    Q = augment(U0, K)
    assert augment(Q, K).shape == Q.shape
    assert np.array_equal(augment(U0, np.zeros_like(K)), U0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decades", [0, 4, 8, 16])
@pytest.mark.parametrize("p", [60, 200])
def test_large_graded_blocks(dtype, decades, p, monkeypatch):
    rng, rounds, one_round = np.random.default_rng(0), [], orthonormal._one_round
    U0 = random_basis(rng, 2000, 60, dtype)
    K = (random_basis(rng, 2000, p) * np.logspace(0, -decades, p)) @ random_basis(rng, p, p)
    K = K.astype(dtype)
    monkeypatch.setattr(orthonormal, "_one_round",
                        lambda *args: rounds.append(args) or one_round(*args))
    Q = augment(U0, K)
    assert defect(Q) <= ORTHONORMAL and missed(Q, K) <= RANGE
    assert decades or len(rounds) == 1          # a benign K takes one round


def test_how_many_rounds_it_takes_is_no_matter_of_the_number_of_rows(monkeypatch):
    """Columns of sizes 1, 1/3, … in single precision, 20 of their rows or 100 000."""
    rounds, one_round = [], orthonormal._one_round
    monkeypatch.setattr(orthonormal, "_one_round",
                        lambda *args: rounds.append(len(args[0])) or one_round(*args))
    for m in (20, 100_000):
        K = np.eye(m, 8, dtype=np.float32) * np.float32(3) ** -np.arange(8, dtype=np.float32)
        assert augment(K[:, :0], K).shape == (m, 8)
    assert rounds.count(20) == rounds.count(100_000) == 2


def test_of_nothing_nothing_is_asked_of_lapack(capfd):
    """It would say on stderr that it was, or stop."""
    for dtype in "fdFD":
        for r, p in ((0, 3), (2, 3), (0, 0), (2, 0)):
            assert augment(np.eye(4, r, dtype=dtype), np.zeros((4, p), dtype)).shape == (4, r)
    assert capfd.readouterr() == ("", "")


def test_orthonormality_does_not_drift_over_200_updates():
    for dtype, bound in ((np.float32, 1e-5), (np.float64, 1e-12)):
        rng = np.random.default_rng(0)
        U = random_basis(rng, 40, 4, dtype)
        for _ in range(200):
            K = rng.standard_normal((40, 4)).astype(dtype)
            U = augment(U, K).array @ random_basis(rng, 8, 4, dtype)
            U = truncate(LowRank(U, np.eye(4, dtype=dtype), U), max_rank=4).U
        assert np.linalg.norm(U.T @ U - np.eye(4)) <= bound


@given(bases_and_updates())
def test_orth_has_exactly_r_columns_that_hold_the_range_and_is_completed_from_U0(case):
    U0, K = case
    K = np.resize(K, U0.shape).astype(K.dtype)
    if not U0.shape[1]:
        return
    Q = orth(K, U0)
    assert type(Q) is np.ndarray and Q.shape == U0.shape
    assert defect(Q) <= ORTHONORMAL and missed(Q, K) <= RANGE
    span = augment(orth(K), U0)
    assert missed(span, Q) <= RANGE
    assert defect(orth(K)) <= ORTHONORMAL and missed(orth(K), K) <= RANGE


def test_a_matrix_in_factors_has_the_bases_of_its_array_and_a_direct_sum_those_of_its_blocks():
    rng = np.random.default_rng(0)
    U0, K = random_basis(rng, 9, 2), LowRank(*(rng.standard_normal(s) for s in ((9, 3), (3, 3),
                                                                                (5, 3))))
    assert np.array_equal(augment(U0, K).array, augment(U0, K.dense()).array)
    assert np.array_equal(orth(K), orth(K.dense())) and orth(K).shape == (9, 3)
    W = rng.standard_normal((4, 2))
    both = orth(DirectSum([K, W])).blocks
    assert np.array_equal(both[0], orth(K)) and np.array_equal(both[1], orth(W))
    kept = orth(DirectSum([K.dense(), W]), DirectSum([U0, Identity(4)])).blocks
    assert np.array_equal(kept[0], orth(K.dense(), U0)) and kept[1] == Identity(4)
