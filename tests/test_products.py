"""Products in the cheapest order, leading blocks and multiples of the identity: each the same matrix as the plain formula."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator
from strategies import dtypes, eps_of, random_basis, seeds, spectra

from lowrank_ode import DirectSum, LowRank, best_approximation
from lowrank_ode.matrices import H, Identity, dense, image, leading, norm, orth, outer, restrict


@pytest.mark.parametrize("kind", ["ndarray", "LowRank", "sparse", "LinearOperator", "outer"])
def test_restrict_is_the_product_with_both_bases_in_whatever_form_the_matrix_comes(kind):
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((9, 3)) + 1j * rng.standard_normal((9, 3)), rng.standard_normal((7, 3))
    U, V = rng.standard_normal((9, 4)) + 1j * rng.standard_normal((9, 4)), rng.standard_normal((7, 2))
    G = {"ndarray": A @ B.T, "LowRank": LowRank(A, np.eye(3), B), "sparse": sp.csr_array(A @ B.T), "outer": -2 * outer(A, B),
         "LinearOperator": aslinearoperator(A @ B.T)}[kind]
    expected = H(U) @ (A @ B.T) @ V * (-2 if kind == "outer" else 1)
    assert np.linalg.norm(restrict(U, G, V) - expected) <= 1e-13 * np.linalg.norm(expected)


def test_leading_is_the_same_matrix_in_larger_bases():
    rng = np.random.default_rng(0)
    U, V, S = np.linalg.qr(rng.standard_normal((9, 6)))[0], np.linalg.qr(rng.standard_normal((7, 5)))[0], rng.standard_normal((4, 3))
    larger = leading(S, U, V)
    assert larger.shape == (6, 5) and norm(LowRank(U, larger, V) - LowRank(U[:, :4], S, V[:, :3])) <= 1e-14
    assert leading(S, Identity(4), Identity(3)) is S


def test_a_multiple_of_the_identity_stays_a_number():
    """c K Vᴴ scales no array, and neither does a sum; the core of equal multiples is one."""
    rng = np.random.default_rng(0)
    K, V = rng.standard_normal((5, 2)), rng.standard_normal((4, 2))
    Y = outer(K, V)
    assert (-Y).U is K and (-Y).S == Identity(2, -1) and np.array_equal(dense(-Y), -K @ V.T)
    assert (2 * (3 * Y)).S == Identity(2, 6) and (2 * Y + 2 * Y).S == Identity(4, 2) and np.allclose(dense(2 * Y - Y), K @ V.T, atol=1e-15)
    assert np.array_equal((2 * Y - 1j * Y).S, np.diag([2, 2, -1j, -1j]))
    assert np.allclose(dense(2 * Y - 1j * Y), (2 - 1j) * K @ V.T, atol=1e-14)
    assert (1j * Y).dtype == complex and np.allclose(dense(H(1j * Y)), H(1j * K @ V.T), atol=1e-15) and (-Y).dtype == float
    assert np.array_equal(dense((2 * Y) @ Identity(4, 3)), dense(6 * Y)) and np.array_equal(dense(Identity(5, 3) @ (2 * Y)), dense(6 * Y))
    assert H(Identity(2, 1j)) == Identity(2, -1j)
    assert norm(3 * Y) == pytest.approx(3 * norm(K @ V.T), rel=1e-14) and not dense(0 * Y).any()


@pytest.mark.parametrize("c", [1, -2, 1j])
def test_known_products_change_no_product_and_are_used_where_the_leading_columns_agree(c):
    """A gradient that knows ΔᴴU and ZᴴV is the same matrix: scaled, as an adjoint, between bases that begin with U and V, and others."""
    rng = np.random.default_rng(0)
    D, Z = rng.standard_normal((9, 3)) + 1j * rng.standard_normal((9, 3)), rng.standard_normal((7, 3))
    bases = [rng.standard_normal((9, 4)) + 1j * rng.standard_normal((9, 4)), rng.standard_normal((7, 5))]
    (U1, V1), (U, V) = bases, (X[:, :2].copy() for X in bases)
    plain, right, wrong = ([c * LowRank(D, np.eye(3), Z, *known), H(H(c * LowRank(D, np.eye(3), Z, *known)))] for known in
                           ((), ((U, H(D) @ U), (V, H(Z) @ V)), ((U, 0 * H(D) @ U), (V, 0 * H(Z) @ V))))
    products = [lambda G: G @ V, lambda G: G @ V1, lambda G: H(U) @ G, lambda G: H(U1) @ G, lambda G: restrict(U, G, V),
                lambda G: restrict(U1, G, V1), lambda G: H(G) @ U1, lambda G: restrict(V1, H(G), U)]
    others = [lambda G: G @ V[:, :1], lambda G: G @ V[:, 0], lambda G: G.operator() @ V1[:, 0], lambda G: G @ V1[:, 1:],
              lambda G: H(U + 1) @ G, lambda G: (G + G) @ V, lambda G: G.dense()]
    for G, known, zero in zip(plain, right, wrong, strict=True):
        for product in products:
            assert np.linalg.norm(product(known) - product(G)) <= 1e-13 * np.linalg.norm(product(G))
            assert np.linalg.norm(product(zero) - product(G)) > 0.1 * np.linalg.norm(product(G))
        for product in others:
            assert np.array_equal(product(known), product(G)) and np.array_equal(product(zero), product(G))


def test_sums_of_products_keep_single_precision():
    Y = outer(np.ones((5, 2), np.float32), np.ones((4, 2), np.float32))
    assert {Z.dtype for Z in (Y, -Y, 2 * Y + Y, Y + Y, Y + LowRank(Y.U, np.eye(2, dtype=np.float32), Y.V))} == {np.dtype(np.float32)}


def test_known_products_serve_a_matrix_with_more_columns_than_rows():
    rng = np.random.default_rng(0)
    D, Z, V = rng.standard_normal((4, 2)), rng.standard_normal((3, 2)), rng.standard_normal((3, 3))
    X = np.hstack([V, rng.standard_normal((3, 2))])
    known = LowRank(D, np.eye(2), Z, right=(V, Z.T @ V))
    assert np.allclose(known @ X, D @ (Z.T @ X), rtol=1e-13, atol=1e-13)


def beside(K, product):
    """‖(I − Π) product‖, Π the projection onto the range of K, in double precision."""
    Q = orth(K.astype(np.result_type(K, np.float64)))
    return np.linalg.norm(product - Q @ (H(Q) @ product))


@given(spectra(), dtypes, st.integers(1, 12), seeds)
def test_an_image_holds_the_range_of_the_product_in_no_more_columns_than_any_of_its_factors_has(sigma, dtype, r, seed):
    """Up to the rounding errors of the product G V = −2 A (BᴴV), EPS √r ‖A‖ ‖BᴴV‖."""
    p, rng = len(sigma), np.random.default_rng(seed)
    A, B = rng.standard_normal((2 * p + 3, p)).astype(dtype), (random_basis(rng, p + r + 2, p) * sigma).astype(dtype)
    V = random_basis(rng, p + r + 2, r, dtype)
    M = H(B) @ V
    size = 24 * eps_of(V) * r**0.5 * np.linalg.norm(A) * np.linalg.norm(M)
    for G in (LowRank(A, Identity(p, -2), B), LowRank(A, Identity(p, -2), B, right=(V, M))):
        K = image(G, V)
        assert K.U.shape[1] <= min(p, r) and K.dtype == V.dtype and (p < r or np.array_equal(K.U, G @ V))
        assert beside(K.U, A @ M) <= size and np.linalg.norm(dense(K) + 2 * A @ M) <= size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_image_is_the_product_where_columns_of_the_factors_are_graded_against_each_other(dtype):
    """Both terms of G = A Bᴴ have size 1, and are below rounding in one of the factors. Planted: a basis of the range of BᴴV, as it is."""
    rng, ratio = np.random.default_rng(0), 0.1 / np.finfo(dtype).eps
    A, B = (rng.standard_normal((n, 2)) * sizes for n, sizes in ((40, [ratio, 1]), (35, [1 / ratio, 1])))
    A, B, V = A.astype(dtype), B.astype(dtype), random_basis(rng, 35, 6, dtype)
    truth = A @ (H(B) @ V)
    Q = orth(H(B) @ V)
    assert norm(image(outer(A, B), V).dense() - truth) <= 50 * np.finfo(dtype).eps * norm(truth)
    assert norm(A @ (Q @ (H(Q) @ (H(B) @ V))) - truth) > 0.1 * norm(truth)
    G = LowRank(Identity(4, 2), rng.standard_normal((4, 2)).astype(dtype), B)            # a left factor that has no columns to measure
    assert norm(image(G, V).dense() - G @ V) <= 50 * np.finfo(dtype).eps * norm(G @ V)


def test_an_image_has_no_column_beside_the_range_and_any_columns_of_a_factor_do_not_do():
    """G = A Bᴴ of rank 4 where BᴴV, 4 × 6, has rank 2 only. Planted: A, which may span more, and two columns of it."""
    rng = np.random.default_rng(0)
    V = random_basis(rng, 9, 6)
    A, B = rng.standard_normal((12, 4)), np.hstack([V[:, 4:], np.zeros((9, 2))]) @ rng.standard_normal((4, 4))
    G = outer(A, B)
    K, product = image(G, V).U, G @ V
    assert K.shape == (12, 2) and beside(K, product) + beside(product, K) <= 1e-13 * np.linalg.norm(product)
    assert beside(product, A) > 0.1 * np.linalg.norm(A) and beside(A[:, :2], product) > 0.1 * np.linalg.norm(product)
    for other in (dense(G), best_approximation(dense(G), rank=4)):
        assert norm(dense(image(other, V)) - product) <= 1e-13 * np.linalg.norm(product)
    for p, q in ((4, 7), (7, 4)):                           # a core that is not square
        wide = LowRank(rng.standard_normal((12, p)), rng.standard_normal((p, q)), rng.standard_normal((9, q)))
        assert image(wide, V).U.shape == (12, 4) and norm(dense(image(wide, V)) - wide @ V) <= 1e-13 * np.linalg.norm(wide @ V)
    assert image(G, Identity(9)) is G and image(0 * G, V).U.shape == (12, 0)
    pair = image(DirectSum([G, A]), DirectSum([V, Identity(4)]))
    assert np.array_equal(pair.blocks[0].U, K) and pair.blocks[1] is A
