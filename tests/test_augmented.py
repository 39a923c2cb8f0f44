"""Bases that are kept in factors, against `augment`; and products that a gradient knows already."""

from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from strategies import eps_of, lowrank_matrices, random_basis, seeds
from test_orthonormal import bases_and_updates, missed

from lowrank_ode import DLRT, LowRank
from lowrank_ode.integrators import dlrt
from lowrank_ode.matrices import DirectSum, H, Identity, augment, augment_in_factors, coordinates, dense, norm, orthonormal, product
from lowrank_ode.matrices.augmented import Augmented


@given(bases_and_updates(), seeds)
def test_a_basis_in_factors_is_the_basis(case, seed):
    """Planted: another product with U0."""
    (U0, K), rng = case, np.random.default_rng(seed)
    Q, truth, r = augment_in_factors(U0, K), augment(U0, K), U0.shape[1]
    (m, k), size = truth.shape, 50 * eps_of(truth) * truth.shape[1]
    assert Q.shape == truth.shape and Q.dtype == truth.dtype and np.array_equal(Q.dense(), truth) and np.array_equal(H(Q), H(truth))
    A, P = rng.standard_normal((3, m)).astype(truth.dtype), rng.standard_normal((k, 2)).astype(truth.dtype)
    assert np.linalg.norm(Q @ P - truth @ P) <= size * np.linalg.norm(P)
    for found in (A @ Q, Q.combined(np.hstack([A @ U0, A @ Q.B]))):
        assert np.linalg.norm(found - A @ truth) <= size * np.linalg.norm(A)
    assert r == 0 or np.linalg.norm(Q.combined(np.hstack([A @ U0 + 1, A @ Q.B])) - A @ truth) > size * np.linalg.norm(A)


def test_bases_in_factors_of_a_network_are_those_of_its_blocks():
    U0, K = np.eye(5, 2), np.ones((5, 1))
    Q = augment_in_factors(DirectSum([U0, Identity(3)]), DirectSum([K, np.ones((3, 2))]))
    assert np.array_equal(Q.blocks[0].dense(), augment(U0, K)) and Q.blocks[1] == Identity(3)


def test_a_basis_grows_by_combinations_of_itself_and_new_columns():
    rng = np.random.default_rng(0)
    U0, B1, B2, E, T = (rng.standard_normal(shape) for shape in ((9, 2), (9, 3), (9, 2), (2, 3), (3, 3)))
    Q = Augmented(U0, U0[:, :0], np.zeros((2, 0)))
    P, S = rng.standard_normal((5, 1)), rng.standard_normal((2, 1))
    once = Q.extended(B1, E, T)
    assert Q.dense() is U0 and np.allclose(once.dense(), np.hstack([U0, U0 @ E + B1 @ T]), rtol=1e-14)
    twice = once.extended(B2, P, S)
    assert np.allclose(twice.dense(), np.hstack([once.dense(), once.dense() @ P + B2 @ S]), rtol=1e-14) and twice.shape == (9, 6)
    for basis in (Q, once, twice):
        X = rng.standard_normal((basis.shape[1], 2))
        assert np.allclose(basis @ X, basis.dense() @ X, rtol=1e-14) and np.allclose(B1.T @ basis, B1.T @ basis.dense(), rtol=1e-13)


def test_factors_of_a_step_have_a_norm():
    """Bases in factors, and what `image` returns, K · Identity · Identity."""
    U, S = augment_in_factors(np.eye(6, 2), np.ones((6, 1))), np.arange(9.0).reshape(3, 3)
    for Y in (LowRank(U, S, U), LowRank(S, Identity(3), Identity(3, 2)), LowRank(Identity(3), S, U)):
        assert np.isclose(Y.norm(), np.linalg.norm(S) * (2 if isinstance(Y.V, Identity) else 1), rtol=1e-14)


def test_nothing_is_written_into_a_basis_to_which_nothing_is_added():
    U0 = np.eye(3, 2)
    U0.flags.writeable = False
    assert np.array_equal(augment(U0, np.zeros((3, 1))), U0)


@given(lowrank_matrices(), seeds)
def test_a_product_that_the_gradient_knew_is_used_and_changes_no_basis(Y, seed):
    rng, (U, _, V) = np.random.default_rng(seed), Y
    (m, n), r = Y.shape, Y.rank
    D, Z = rng.standard_normal((m, 1)).astype(Y.dtype), rng.standard_normal((n, 1)).astype(Y.dtype)
    G = LowRank(D, Identity(1), Z, left=(U, H(D) @ U), right=(V, H(Z) @ V))
    K = orthonormal.image(G, V)
    assert isinstance(K, LowRank) == (m >= 2) and K.shape == (m, 1) and K.dtype == Y.dtype
    Q, truth = augment(U, K), augment(U, G @ V if r == 1 else D)
    assert Q.shape == truth.shape and missed(Q, D) <= 100 * max(1, np.linalg.norm(D) * np.linalg.norm(H(Z) @ V) / max(norm(G @ V), 1e-300))
    if m >= 2:
        planted = orthonormal.image(LowRank(D, Identity(1), Z, left=(U, H(D) @ U + 1)), V)
        assert not np.allclose(H(U) @ planted, H(U) @ planted.dense()) or not norm(G @ V)


@pytest.mark.parametrize("i", [0, 1j])
def test_a_product_knows_its_part_in_a_basis_and_coordinates_use_it(i):
    """Whatever the matrix, and whether it knows. Planted: a wrong known product, which is used; a multiple of it is not taken for it."""
    rng = np.random.default_rng(0)
    D, Z, V, U0 = (rng.standard_normal(shape) + i * rng.standard_normal(shape) for shape in ((9, 4), (7, 4), (7, 2), (9, 2)))
    U0, whole, one = np.linalg.qr(U0)[0], D @ H(Z) @ V, Identity(2)
    plain, knowing = (LowRank(D, Identity(4), Z, *known) for known in ((), ((U0, H(D) @ U0), (V, H(Z) @ V))))
    for G in (plain, knowing, D @ H(Z), sp.csr_array(D @ H(Z)), plain + 0 * knowing):
        K = product(G, V)
        U1 = augment_in_factors(U0, K)
        assert isinstance(K, LowRank) == (G is knowing) and norm(dense(K) - whole) <= 1e-13 * norm(whole)
        for c in (1, 3):
            assert norm(coordinates(U1, c * K) - c * H(U1.dense()) @ whole) <= 1e-13 * norm(whole)
        assert product(G, Identity(7)) is G
    wrong = LowRank(whole, one, one, (U0, 0 * H(whole) @ U0))
    assert norm(coordinates(U1, wrong) - H(U1.dense()) @ whole) > 0.1 * norm(whole)
    assert norm(coordinates(U1, 2 * wrong) - 2 * H(U1.dense()) @ whole) <= 1e-13 * norm(whole)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_steps_with_bases_in_factors_are_those_with_bases_multiplied_out(dtype):
    rng = np.random.default_rng(0)
    Y, A = LowRank(random_basis(rng, 40, 5, dtype), np.diag([5, 4, 3, 2, 1]).astype(dtype), random_basis(rng, 30, 5, dtype)), []
    T = random_basis(rng, 40, 30, dtype)
    D, Z = rng.standard_normal((40, 7)).astype(dtype), rng.standard_normal((30, 7)).astype(dtype)
    for F in (lambda t, Y: T - Y, lambda t, Y: LowRank(D, Identity(7), Z, left=(Y.U, H(D) @ Y.U), right=(Y.V, H(Z) @ Y.V))):
        for basis in (augment, augment_in_factors):
            with patch.object(dlrt, "augment_in_factors", basis):
                A.append(DLRT(0.01).step(Y, 0, 0.3, F))
        assert norm(A[-1] - A[-2]) <= 50 * eps_of(Y.U) * norm(A[-1]) and A[-1].rank == A[-2].rank
