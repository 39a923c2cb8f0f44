"""Products in the cheapest order, leading blocks and multiples of the identity: each the same
matrix as the plain formula."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator
from strategies import eps_of, random_basis

from lowrank_ode import DirectSum, LowRank
from lowrank_ode.matrices import H, Identity, augment, dense, leading, norm, outer, restrict

KINDS = {"ndarray": lambda A, B: A @ B.T, "LowRank": lambda A, B: LowRank(A, np.eye(3), B),
         "sparse": lambda A, B: sp.csr_array(A @ B.T), "outer": lambda A, B: outer(A, B),
         "multiple": lambda A, B: 2j * outer(A, 0.5j * B),
         "LinearOperator": lambda A, B: aslinearoperator(A @ B.T),
         "sum": lambda A, B: outer(A[:, :1], B[:, :1]) + outer(A[:, 1:], B[:, 1:]),
         "bases in factors": lambda A, B: LowRank(
             Q := augment(A[:, :0], A), (H(Q) @ A) @ (B.T @ (P := augment(B[:, :0], B))), P)}


@pytest.mark.parametrize("name", KINDS)
def test_restrict_is_the_product_with_both_bases_in_whatever_form_the_matrix_comes(name):
    """And in whatever form the bases come. Planted: a transpose in the place of an adjoint."""
    rng = np.random.default_rng(0)

    def full(m, n):
        return rng.standard_normal((m, n)) + 1j * rng.standard_normal((m, n))

    A, B, V = full(9, 3), rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    G, U = KINDS[name](A, B), full(9, 4)
    Q, P = augment(U[:, :0], U), augment(V[:, :0], V)
    for left, right in ((U, V), (Q, V), (U, P), (Q, P), (Identity(9, 2j), V), (U, Identity(7, 3))):
        (X, Y) = (Z.scale * np.eye(Z.n) if isinstance(Z, Identity) else np.asarray(Z)
                  for Z in (left, right))
        expected, found = H(X) @ (A @ B.T) @ Y, restrict(left, G, right)
        assert np.linalg.norm(found - expected) <= 1e-13 * np.linalg.norm(expected)
        assert np.linalg.norm(X.T @ A @ B.T @ Y - found) > 0.1 * np.linalg.norm(expected)
    assert np.allclose(restrict(Identity(9), G, Identity(7)), A @ B.T, rtol=0, atol=1e-13)


def test_leading_is_the_same_matrix_in_larger_bases():
    rng = np.random.default_rng(0)
    U = np.linalg.qr(rng.standard_normal((9, 6)))[0]
    V, S = np.linalg.qr(rng.standard_normal((7, 5)))[0], rng.standard_normal((4, 3))
    larger, truth = leading(S, U, V), LowRank(U[:, :4], S, V[:, :3])
    assert larger.shape == (6, 5) and norm(LowRank(U, larger, V) - truth) <= 1e-14
    U1, V1 = (augment(X, rng.standard_normal((len(X), 2))) for X in (U[:, :4], V[:, :3]))
    assert norm(LowRank(U1, leading(S, U1, V1), V1) - truth) <= 1e-14
    assert leading(S, Identity(4), Identity(3)) is S
    assert leading(S.astype(np.float32), U, V).dtype == np.float32


def test_a_multiple_of_the_identity_stays_a_number():
    """c K Vᴴ scales no array, and neither does a sum; the core of equal multiples is one."""
    rng = np.random.default_rng(0)
    K, V = rng.standard_normal((5, 2)), rng.standard_normal((4, 2))
    Y, D = outer(K, V), K @ V.T
    assert (-Y).U is Y.U and (-Y).S == Identity(2, -1) and np.array_equal(dense(-Y), -D)
    assert (2 * (3 * Y)).S == Identity(2, 6) and (2 * Y + 2 * Y).S == Identity(4, 2)
    assert np.allclose(dense(2 * Y - Y), D, atol=1e-15)
    assert np.array_equal((2 * Y - 1j * Y).S, np.diag([2, 2, -1j, -1j]))
    assert np.allclose(dense(2 * Y - 1j * Y), (2 - 1j) * D, atol=1e-14)
    assert (1j * Y).dtype == complex and (-Y).dtype == float
    assert np.allclose(dense(H(1j * Y)), H(1j * D), atol=1e-15)
    assert np.array_equal(dense((2 * Y) @ Identity(4, 3)), dense(6 * Y))
    assert np.array_equal(dense(Identity(5, 3) @ (2 * Y)), dense(6 * Y))
    assert H(Identity(2, 1j)) == Identity(2, -1j)
    assert norm(3 * Y) == pytest.approx(3 * norm(D), rel=1e-14) and not dense(0 * Y).any()


def test_sums_of_products_keep_single_precision():
    Y = outer(np.ones((5, 2), np.float32), np.ones((4, 2), np.float32))
    Z = LowRank(Y.U, np.eye(2, dtype=np.float32), Y.V)
    products = restrict(Y.U, dense(Y), Identity(4)), restrict(Identity(5), dense(Y), Y.V)
    for X in (Y, -Y, 2 * Y + Y, Y + Y, Y + Z, *products):
        assert X.dtype == np.float32


@pytest.mark.parametrize("dtype, size", [(np.float64, 1e200), (np.float64, 1e-200),
                                         (np.complex128, 1e-200), (np.float32, 1e30),
                                         (np.float32, 1e-30)])
def test_the_norm_neither_overflows_nor_underflows(dtype, size):
    """Of a matrix in factors, however its size is spread over them, of its array, and of a direct
    sum. Planted: the root of the sum of squares."""
    rng = np.random.default_rng(0)
    U, V = random_basis(rng, 9, 2, dtype), random_basis(rng, 8, 2, dtype)
    S, size = np.diag([3, 4]).astype(dtype), np.asarray(size, dtype)

    def ratios(norm):
        large = LowRank(U, size * S, V)
        spread = LowRank(size * U, S, V), outer(U @ S, size * V)
        return [norm(X) / abs(size) for X in (large, large.dense(), *spread)]

    eps = eps_of(U)
    np.testing.assert_allclose(ratios(norm), 5, rtol=20 * eps)
    both = DirectSum([LowRank(U, size * S, V), 2 * size * np.eye(6, dtype=dtype)])
    assert norm(both) / abs(size) == pytest.approx(7, rel=20 * eps)             # 5² + 6 · 2² = 7²
    with np.errstate(all="ignore"):
        planted = ratios(lambda X: np.sqrt(np.sum(abs(dense(X)) ** 2)))
    assert not np.allclose(planted, 5, rtol=0.1)
