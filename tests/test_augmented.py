"""Bases that are kept in factors, against `augment`; and products that a gradient knows already."""

from unittest.mock import patch
from weakref import ref

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from strategies import eps_of, lowrank_matrices, random_basis, seeds
from test_orthonormal import ORTHONORMAL, bases_and_updates, defect, missed

from lowrank_ode import DLRT, DirectSum, LowRank
from lowrank_ode.integrators import dlrt
from lowrank_ode.matrices import (
    H,
    Identity,
    augment,
    augment_in_factors,
    augmented,
    coordinates,
    dense,
    image,
    images,
    norm,
    orthonormal,
)
from lowrank_ode.matrices.augmented import Augmented

COORDINATES = 6         # ‖X − ÛᴴK‖ in units of EPS √p ‖K‖, p columns: what a product has, too


@given(bases_and_updates(), seeds)
def test_a_basis_in_factors_is_the_basis(case, seed):
    """Planted: another product with U0."""
    (U0, K), rng = case, np.random.default_rng(seed)
    Q, truth, r = augment_in_factors(U0, K), augment(U0, K), U0.shape[1]
    (m, k), size = truth.shape, 50 * eps_of(truth) * truth.shape[1]
    assert Q.shape == truth.shape and Q.dtype == truth.dtype and np.array_equal(Q.dense(), truth) and np.array_equal(H(Q), H(truth))
    A, P = rng.standard_normal((3, m)).astype(truth.dtype), rng.standard_normal((k, 2)).astype(truth.dtype)
    assert np.linalg.norm(Q @ P - truth @ P) <= size * np.linalg.norm(P) and defect(Q @ np.eye(k, dtype=truth.dtype)) <= ORTHONORMAL
    for found in (A @ Q, Q.combined(A @ Q.W)):
        assert np.linalg.norm(found - A @ truth) <= size * np.linalg.norm(A)
    assert r == 0 or np.linalg.norm(Q.combined(A @ Q.W + (np.arange(Q.W.shape[1]) < r)) - A @ truth) > size * np.linalg.norm(A)


@pytest.mark.parametrize("columns", [0, 2, 3])
def test_a_basis_in_factors_is_their_product(columns):
    """Of T with a leading block 1 and any other columns, fewer than, as many as, or none beside those of W."""
    rng = np.random.default_rng(0)
    W, T = rng.standard_normal((9, 5)), np.hstack([np.eye(5, 2), rng.standard_normal((5, columns))])
    U0, X, Y = W[:, :2], rng.standard_normal((2 + columns, 2)), rng.standard_normal((9, 3))
    Q = Augmented(U0, W, T)
    assert np.allclose(Q.dense(), W @ T, rtol=1e-14) and np.array_equal(Q.dense()[:, :2], U0) and Q.shape == (9, 2 + columns)
    assert (Q.dense() is U0) == (columns == 0)
    for found, truth in ((Q @ X, W @ T @ X), (Y.T @ Q, Y.T @ W @ T), (Q.combined(Y.T @ W), Y.T @ W @ T), (Q.inner(Y), T.T @ W.T @ Y)):
        assert np.allclose(found, truth, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("beside", [0, 1e-5, 1])
def test_a_basis_in_factors_mends_rounding_errors_that_have_added_up_in_U0(dtype, beside):
    """Up to half of the digits; whether K adds columns or none. Planted: no mending, as `augment` returns U0."""
    rng = np.random.default_rng(0)
    U0 = random_basis(rng, 40, 5, dtype)
    U0 = (U0 + 0.1 * eps_of(U0) ** 0.5 * rng.standard_normal((40, 5))).astype(dtype)
    K = (U0 @ rng.standard_normal((5, 4)) + beside * rng.standard_normal((40, 4))).astype(dtype)
    Q = augment_in_factors(U0, K)
    mended = Q @ np.eye(Q.shape[1], dtype=dtype)
    assert Q.shape[1] == (9 if beside else 5) and defect(mended) <= ORTHONORMAL < defect(Q.dense())
    assert norm(mended - Q.dense()) <= 5 * eps_of(U0) ** 0.5


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
    K = image(G, V)
    assert K.shape == (m, r) and K.U.shape == (m, 1) and K.dtype == Y.dtype
    Q, truth = augment(U, K), augment(U, G @ V if r == 1 else D)
    assert Q.shape == truth.shape and missed(Q, D) <= 100 * max(1, np.linalg.norm(D) * np.linalg.norm(H(Z) @ V) / max(norm(G @ V), 1e-300))
    planted = image(LowRank(D, Identity(1), Z, left=(U, H(D) @ U + 1)), V)
    assert not np.allclose(H(U) @ planted, H(U) @ planted.dense()) or not norm(G @ V)


@pytest.mark.parametrize("i", [0, 1j])
@pytest.mark.parametrize("r", [2, 5])
def test_coordinates_of_an_image_are_products_with_it(i, r):
    """Whatever the matrix, whether it knows, whether it has as many independent columns as V; of a multiple, too. Planted: a wrong known
    product, which is used."""
    rng = np.random.default_rng(0)
    D, Z, V, U0 = (rng.standard_normal(shape) + i * rng.standard_normal(shape) for shape in ((19, 4), (17, 4), (17, r), (19, 3)))
    U0, whole = np.linalg.qr(U0)[0], D @ H(Z) @ V
    plain, knowing = (LowRank(D, Identity(4), Z, *known) for known in ((), ((U0, H(D) @ U0), (V, H(Z) @ V))))
    for G in (plain, knowing, D @ H(Z), sp.csr_array(D @ H(Z)), plain + 0 * knowing):
        K = image(G, V)
        U1 = augment_in_factors(U0, K)
        assert isinstance(K, LowRank) == (G is plain or G is knowing) and norm(dense(K) - whole) <= 1e-13 * norm(whole)
        assert U1.shape == (19, 3 + min(r, 4)) and image(G, Identity(17)) is G
        for Q in (U1, augment_in_factors(U0, U0)):                  # made of K, and not
            for c in (1, 3):
                assert norm(coordinates(Q, c * K) - c * H(Q.dense()) @ whole) <= 1e-13 * norm(whole)
    wrong = image(LowRank(D, Identity(4), Z, (U0, 0 * H(D) @ U0), (V, H(Z) @ V)), V)
    U1 = augment_in_factors(U0, wrong)
    assert norm(coordinates(U1, wrong) - H(U1.dense()) @ whole) > 0.1 * norm(whole)


def test_images_of_a_direct_sum_are_those_of_its_blocks_and_a_dense_block_is_multiplied_out():
    """Planted: U0 and V0 in each other's place."""
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 7, 3), np.eye(3), random_basis(rng, 7, 3))
    G, W = LowRank(rng.standard_normal((7, 4)), Identity(4), rng.standard_normal((7, 4))), np.eye(7)
    (K, L), D = images(DirectSum([Y, W]), DirectSum([G, G])).blocks
    whole = dense(G)
    assert np.array_equal(D, whole) and np.allclose(dense(K), whole @ Y.V, atol=1e-13) and np.allclose(dense(L), whole.T @ Y.U, atol=1e-13)
    assert not np.allclose(dense(K), whole @ Y.U, atol=1e-2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("more", [0, 1])
def test_an_image_lies_by_columns_where_those_of_the_factor_are_more_than_a_page_apart(more, dtype):
    """And a basis made of it is as good."""
    rng, item = np.random.default_rng(0), np.dtype(dtype).itemsize
    m = 4096 // item + more
    D, Z, V, U0 = (random_basis(rng, *shape, dtype) for shape in ((m, 4), (9, 4), (9, 3), (m, 3)))
    K, whole = image(LowRank(np.asfortranarray(D), Identity(4), Z), V), D @ (H(Z) @ V)
    assert K.U.strides == ((item, item * m) if more else (3 * item, item)) and np.allclose(K.U, whole, rtol=0, atol=20 * eps_of(D))
    Q = augment_in_factors(U0, K)
    assert off(Q, K.U, coordinates(Q, K)) <= COORDINATES and np.allclose(Q.dense(), augment(U0, whole), rtol=0, atol=100 * eps_of(D))


@given(bases_and_updates())
def test_a_basis_knows_the_coordinates_of_what_it_was_made_of(case):
    """As if they were multiplied. Planted: K is not what the basis was made of, but something of the same size."""
    U0, K = case
    Q = augment_in_factors(U0, K)
    assert off(Q, K, coordinates(Q, K)) <= COORDINATES
    other = K.copy()
    other[-1] += K[0]
    assert off(Q, other, coordinates(Q, other)) <= COORDINATES


def off(Q, K, X):
    """‖X − QᴴK‖ in double precision, in units of EPS √p ‖K‖."""
    basis, columns = (A.astype(np.result_type(A, np.float64)) for A in (Q.dense(), K))
    return np.linalg.norm(X - H(basis) @ columns) / max(eps_of(K) * K.shape[1]**0.5 * np.linalg.norm(columns), 1e-300)


def test_a_basis_does_not_keep_alive_what_it_was_made_of():
    """Which is as large as the basis, and of no use to a step that goes on without its coordinates."""
    K = np.ones((5, 1))
    Q, gone, other = augment_in_factors(np.eye(5, 2), K), ref(K), 2 * K
    del K
    assert gone() is None and np.allclose(coordinates(Q, other), H(Q.dense()) @ other, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("size", [1e-4, 1, 1e4])
def test_of_a_K_that_one_round_resolves_coordinates_come_without_a_product(dtype, size, monkeypatch):
    """K = U0 A + R with a condition number of R up to the largest, 1/√(10 p EPS), but for a factor 4.

    Planted: columns in another order; a Cholesky factor that is off by 1/1000; the Gram matrix of B taken for 1, which in single precision,
    where condition numbers are no larger than 30, it nearly is.
    """
    rng, p, right = np.random.default_rng(0), 9, orthonormal._coordinates
    wrong = [lambda inside, UB, C, pivots: right(inside, UB, C, pivots[::-1]),
             lambda inside, UB, C, pivots: right(inside, UB, 1.001 * C, pivots),
             lambda inside, UB, C, pivots: right(inside, np.eye(p), C, pivots)]
    worst, U0 = np.zeros(4), random_basis(rng, 40, 5, dtype)
    for _ in range(20):
        sigma = 10.0 ** rng.uniform(np.log10(4 * (10 * p * np.finfo(dtype).eps) ** 0.5), 0, p)
        R = random_basis(rng, 40, p, dtype) * sigma @ (random_basis(rng, p, p, dtype) if rng.random() < 0.5 else np.eye(p))
        K = (size * (U0 @ rng.standard_normal((5, p)) + R)).astype(dtype)
        for k, function in enumerate([right, *wrong]):
            monkeypatch.setattr(orthonormal, "_coordinates", function)
            Q = augment_in_factors(U0, K)
            with patch.object(augmented, "inner", None):
                X = coordinates(Q, K)
            worst[k] = max(worst[k], off(Q, K, X))
    assert worst[0] <= COORDINATES < worst[1:3].min() and (worst[3] > COORDINATES or np.finfo(dtype).eps > 1e-10)


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
