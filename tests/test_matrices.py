"""LowRank and DirectSum are matrices: their algebra is that of the dense matrices they stand for."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from strategies import eps_of, lowrank_matrices, random_basis, seeds
from test_integrators import BASELINES, EVERY

from lowrank_ode import DirectSum, LowRank, best_approximation
from lowrank_ode import matrices as package
from lowrank_ode.matrices import H, Identity, dense, norm, outer
from lowrank_ode.nets import mlp


def close(X, Y, factor=50):
    """Equal to rounding: ‖X − Y‖ ≤ factor · EPS · (‖X‖ + ‖Y‖) · size^½, the size of the inner sums being at most that of X."""
    X, Y = dense(X), dense(Y)
    eps = max(eps_of(X), eps_of(Y))
    size = np.linalg.norm(X) + np.linalg.norm(Y)
    return X.shape == Y.shape and np.linalg.norm(X - Y) <= factor * eps * np.sqrt(max(X.shape)) * size


@given(lowrank_matrices(), seeds)
def test_products_and_sums_are_those_of_the_dense_matrices(Y, seed):
    rng = np.random.default_rng(seed)
    m, n = Y.shape
    A, X = rng.standard_normal((m, m)), rng.standard_normal((n, 3))
    Z = LowRank(rng.standard_normal((n, 2)), rng.standard_normal((2, 3)), rng.standard_normal((4, 3)))
    D = Y.dense()
    scale = eps_of(D) * 100 * (m + n) * np.linalg.norm(D) * max(np.linalg.norm(A), np.linalg.norm(X), Z.norm(), 1)
    pairs = [(Y @ X, D @ X), (A @ Y, A @ D), (Y @ Z, D @ Z.dense()), (H(Y), H(D)), (-Y, -D), (3 * Y, 3 * D), (Y * 3, 3 * D),
             (Y + Y, 2 * D), (Y - 2 * Y, -D), (Y + D, 2 * D), (D + Y, 2 * D), (D - 3 * Y, -2 * D), (Y @ sp.csr_array(np.eye(n)), D),
             (sp.csr_array(A) @ Y, A @ D), (Y @ aslinearoperator(X), D @ X)]
    for k, (computed, truth) in enumerate(pairs):
        assert np.linalg.norm(dense(computed) - truth) <= scale, k
    assert abs(Y.norm() - np.linalg.norm(D)) <= scale


def test_what_stays_low_rank_stays_so_and_no_m_by_n_array_appears():
    n = 200_000         # an n × n array would take 320 GB
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, n, 2), np.diag([1, 1e-9]), random_basis(rng, n, 2))
    A = sp.diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=(-1, 0, 1)).tocsr()
    F = A @ Y + Y @ A + outer(Y.U, Y.V)
    assert isinstance(F, LowRank) and F.shape == (n, n) and F.rank == 6 and F.norm() > 0
    assert isinstance(Y + A, LinearOperator) and isinstance(A + Y, LinearOperator)
    x = rng.standard_normal(n)
    np.testing.assert_allclose((A + Y) @ x, A @ x + Y @ x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose((A + Y).H @ x, A.T @ x + H(Y) @ x, rtol=1e-12, atol=1e-12)
    assert (Y @ x[:, None]).shape == (n, 1) and isinstance(x[None] @ Y, np.ndarray)


def test_the_norm_of_a_difference_keeps_its_digits_where_a_gram_matrix_loses_them():
    rng = np.random.default_rng(1)
    U, V = random_basis(rng, 30, 3), random_basis(rng, 20, 3)
    Y, Z = LowRank(U, np.eye(3), V), LowRank(U, np.eye(3) + 1e-10 * np.eye(3), V)
    gram = np.sqrt(abs(np.trace(H(Y.S) @ Y.S) - 2 * np.trace(H(Y.S) @ Z.S) + np.trace(H(Z.S) @ Z.S)))
    assert abs((Y - Z).norm() - 1e-10 * np.sqrt(3)) <= 1e-15
    assert abs(gram - 1e-10 * np.sqrt(3)) > 1e-12


@given(lowrank_matrices())
def test_precision_is_kept_by_every_operation(Y):
    for X in (H(Y), Y + Y, Y - Y, 2 * Y, Y @ H(Y), outer(Y.U, Y.V @ H(Y.S)), Y.dense(), best_approximation(Y, rank=1),
              best_approximation(Y, tol=0.1)):
        assert X.dtype == Y.dtype


def test_of_mixed_precisions_the_wider_one_counts_and_an_identity_counts_for_nothing():
    f4, f8 = np.float32, np.float64
    def factors(*kinds):
        return LowRank(*(np.ones(shape, kind) for shape, kind in zip(((4, 2), (2, 2), (5, 2)), kinds, strict=True)))
    for kinds in ((f4, f8, f4), (f4, f4, f8), (f8, f4, f4)):
        assert factors(*kinds).dtype == factors(*kinds).dense().dtype == f8
    Y, G = factors(f4, f4, f4), outer(np.ones((4, 3), f4), np.ones((5, 3), f4))
    for X in (G, 2 * G, G + G, G + Y, Y + G, (G + Y).dense(), dense(aslinearoperator(Y.dense())), dense(sp.csr_array(Y.dense())),
              Y + sp.csr_array(Y.dense()), dense(Y + sp.csr_array(Y.dense())), Identity(4) @ aslinearoperator(Y.dense())):
        assert X.dtype == f4


def random_complex(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, aslinearoperator, lambda A: best_approximation(A, tol=0)],
                         ids=["ndarray", "sparse", "LinearOperator", "LowRank"])
def test_the_adjoint_of_a_complex_matrix_of_any_kind_is_conjugate(kind):
    rng = np.random.default_rng(0)
    A, Y = random_complex(rng, 5, 4), LowRank(*(random_complex(rng, *shape) for shape in ((6, 2), (2, 3), (5, 3))))
    assert close(H(kind(A)), A.conj().T) and close(Y @ kind(A), Y.dense() @ A) and close(H(H(kind(A))), A)
    if kind is not aslinearoperator:                # scipy's own @ refuses a LowRank
        assert close(kind(A.T) @ H(Y), A.T @ Y.dense().conj().T)
    B = random_complex(rng, 6, 5)
    assert close(dense(Y + kind(B)) @ A, (Y.dense() + B) @ A) and close(H(Y + kind(B)), (Y.dense() + B).conj().T)
    assert not close(H(kind(A)), A.T)


def test_outer_with_an_identity_is_the_other_factor_conjugated_where_it_stands_on_the_right():
    W = random_complex(np.random.default_rng(0), 4, 2)
    assert outer(W, Identity(2)) is W and np.array_equal(outer(Identity(4), H(W)), W)


def test_one_basis_may_be_an_identity():
    A = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(LowRank(Identity(2), A, np.eye(4, 3)).dense(), A @ np.eye(3, 4))
    assert np.array_equal(LowRank(np.eye(4, 2), A, Identity(3)).dense(), np.eye(4, 2) @ A)
    assert LowRank(Identity(2), A, Identity(3)) is A and np.array_equal(LowRank(Identity(2, 3), A, Identity(3, -1)), -3 * A)


def test_scaling_leaves_the_bases_as_they_are():
    Y = LowRank(np.eye(4, 2), np.eye(2), np.eye(5, 2))
    assert (2 * Y).U is Y.U and (2 * Y).V is Y.V and np.array_equal((2 * Y).S, 2 * Y.S)
    assert outer(Y.U, Y.V).rank == (3 * outer(Y.U, Y.V)).rank == 2 and close(3 * outer(Y.U, Y.V), 3 * np.eye(4, 5) * [1, 1, 0, 0, 0])


EXAMPLES = [LowRank(np.eye(4, 2), np.eye(2), np.eye(5, 2)), DirectSum([np.eye(3), LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1))])]


@pytest.mark.parametrize("Y", EXAMPLES, ids=repr)
def test_a_matrix_times_zero_is_zero_and_times_an_array_is_refused(Y):
    assert norm(0 * Y) == norm(Y * 0) == 0
    for array in (np.ones(Y.shape), np.ones(Y.shape[1])):
        for product in (lambda array=array: Y * array, lambda array=array: array * Y):
            with pytest.raises(TypeError):
                product()


@pytest.mark.parametrize("thing", [*EXAMPLES[:1], Identity(3), *EVERY, *BASELINES, mlp([2, 3])], ids=repr)
def test_what_steps_share_cannot_be_changed(thing):
    with pytest.raises(FrozenInstanceError):
        thing.n = 4


def test_a_lowrank_matrix_is_equal_to_itself_alone():
    """Equality by entries would be an array of truths."""
    Y = EXAMPLES[0]
    assert Y == Y and Y != LowRank(*Y) and len({Y, Y, LowRank(*Y)}) == 2


@pytest.mark.parametrize("kind", [sp.csr_array, aslinearoperator, lambda A: A + sp.csr_matrix(A.shape),
                                  lambda A: best_approximation(A, tol=0)],
                         ids=["sparse", "LinearOperator", "numpy.matrix", "LowRank"])
def test_every_kind_of_matrix_has_its_norm_and_its_plain_array(kind):
    A = np.array([[3.0, 0], [0, 4], [0, 0]])
    assert norm(kind(A)) == pytest.approx(5, rel=1e-15) and type(dense(kind(A))) is np.ndarray and close(dense(kind(A)), A)
    assert not np.isfinite(norm(A * np.nan)) and not np.isfinite(norm(LowRank(A, np.full((2, 2), np.nan), A)))


def test_the_rank_is_the_smaller_side_of_the_core():
    Y = LowRank(np.ones((4, 2)), np.ones((2, 3)), np.ones((5, 3)))
    assert Y.rank == H(Y).rank == 2


@pytest.mark.parametrize("dtype, size", [(np.float64, 1e200), (np.float64, 1e-200), (np.complex128, 1e-200), (np.float32, 1e30),
                                         (np.float32, 1e-30)])
def test_the_norm_neither_overflows_nor_underflows(dtype, size):
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 9, 2, dtype), np.diag([3, 4]).astype(dtype), random_basis(rng, 8, 2, dtype))
    size = np.asarray(size, dtype)
    def ratios(norm):
        large = LowRank(Y.U, size * Y.S, Y.V)
        return [norm(X) / abs(size) for X in (large, large.dense(), LowRank(size * Y.U, Y.S, Y.V), outer(Y.U @ Y.S, size * Y.V))]
    np.testing.assert_allclose(ratios(norm), 5, rtol=20 * eps_of(Y))
    both = DirectSum([LowRank(Y.U, size * Y.S, Y.V), 2 * size * np.eye(6, dtype=dtype)[:, :6]])
    assert norm(both) / abs(size) == pytest.approx(7, rel=20 * eps_of(Y))                           # 5² + 6 · 2² = 7²
    with np.errstate(all="ignore"):                                                                 # planted: the sum of squares
        assert not np.allclose(ratios(lambda X: np.sqrt(np.sum(abs(dense(X)) ** 2))), 5, rtol=0.1)


@pytest.mark.parametrize("method", [*EVERY, *BASELINES], ids=str)
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix, aslinearoperator, lambda A: best_approximation(A, tol=0)],
                         ids=["sparse array", "sparse matrix", "LinearOperator", "LowRank"])
def test_on_a_dense_block_a_field_may_return_any_kind_of_matrix(method, kind):
    rng = np.random.default_rng(0)
    Y0 = DirectSum([rng.standard_normal((4, 3)), LowRank(random_basis(rng, 6, 2), np.diag([1, 0.1]), random_basis(rng, 5, 2))])
    C = [rng.standard_normal(X.shape) for X in Y0.blocks]
    def field(kind):
        return lambda t, Y: DirectSum([kind(B - dense(X)) for B, X in zip(C, Y.blocks, strict=True)])
    result, reference = (method.step(Y0, 0, 0.1, field(as_kind)) for as_kind in (kind, np.asarray))
    assert type(result.blocks[0]) is np.ndarray and norm(dense(result) - dense(reference)) <= 1e-13


def test_a_direct_sum_acts_block_by_block_and_a_dense_block_unpacks_between_identities():
    rng = np.random.default_rng(0)
    Y, W = LowRank(random_basis(rng, 6, 2), np.diag([2.0, 1]), random_basis(rng, 5, 2)), rng.standard_normal((3, 1))
    P = DirectSum([Y, W])
    U, S, V = P
    assert P.shape == (9, 6) and U.blocks[1] == Identity(3) and V.blocks[1] == Identity(1) and S.blocks[1] is W
    assert LowRank(U, S, V).blocks[0].U is Y.U and LowRank(U, S, V).blocks[1] is W
    assert outer(U @ S, V).blocks[1] is W and close(outer(U @ S, V).blocks[0], Y)
    assert close(outer(U, V @ H(S)).blocks[0], Y) and close(outer(U, V @ H(S)).blocks[1], W)
    Q = (P + P - 0.5 * P) * 2
    assert close(Q.blocks[0], 3 * Y.dense()) and close(Q.blocks[1], 3 * W)
    assert close((H(P) @ P).blocks[0], H(Y.dense()) @ Y.dense())
    assert np.isclose(norm(P), np.sqrt(5 + np.sum(W**2)))
    with pytest.raises(ValueError, match="equally many"):
        P + DirectSum([Y])
    with pytest.raises(ValueError, match="at least one"):
        DirectSum([])


def test_a_subclass_of_a_direct_sum_is_one():
    class Weights(DirectSum):
        pass

    P = Weights([np.eye(2), np.ones((3, 1))])
    assert all(np.array_equal(X, 2 * W) for X, W in zip((P + P).blocks, P.blocks, strict=True)) and np.isclose(norm(P), 5**0.5)


@pytest.mark.parametrize("name", package.__all__)
def test_what_acts_on_matrices_can_be_sent_to_another_process(name):
    assert pickle.loads(pickle.dumps(getattr(package, name))) is getattr(package, name)


def test_a_lowrank_matrix_survives_pickling():
    Y = LowRank(np.eye(3, 1), np.eye(1), np.eye(2, 1))
    assert np.array_equal(pickle.loads(pickle.dumps(Y)).dense(), Y.dense())


@pytest.mark.parametrize("shapes", [((4, 2), (3, 3), (5, 3)), ((4, 2), (2, 3), (5, 2)), ((4,), (2, 2), (5, 2)), ((4, 2), (2,), (5, 2)),
                                    ((3, 4, 2), (2, 2), (5, 2)), ((4, 2), (1, 2, 2), (5, 2)), ((4, 2), (2, 2), (3, 5, 2))])
def test_mismatched_factors_are_refused(shapes):
    with pytest.raises(ValueError, match=r"U, S, V: shapes .* expected \(m, p\), \(p, q\), \(n, q\)"):
        LowRank(*map(np.ones, shapes))


def test_unequal_shapes_are_not_broadcast():
    Y = LowRank(np.eye(4, 2), np.eye(2), np.eye(5, 2))
    with pytest.raises(ValueError, match="expected equal ones"):
        Y + np.ones((4, 1))
