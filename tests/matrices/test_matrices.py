"""LowRank is a matrix: its algebra is that of the dense matrix it stands for. Direct sums are in
test_direct_sums.py, sums in test_sums.py."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from measures import close
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from strategies import KINDS, eps_of, lowrank_matrices, random_basis, seeds

from lowrank_ode import DirectSum, LowRank, best_approximation
from lowrank_ode import matrices as package
from lowrank_ode.matrices import H, Identity, augment, dense, norm, outer


@given(lowrank_matrices(), seeds)
def test_products_and_sums_are_those_of_the_dense_matrices(Y, seed):
    rng = np.random.default_rng(seed)
    m, n = Y.shape
    A, X = rng.standard_normal((m, m)), rng.standard_normal((n, 3))
    Z = LowRank(*(rng.standard_normal(shape) for shape in ((n, 2), (2, 3), (4, 3))))
    D, sparse = Y.dense(), sp.csr_array
    size = max(np.linalg.norm(A), np.linalg.norm(X), Z.norm(), 1)
    scale = eps_of(D) * 100 * (m + n) * np.linalg.norm(D) * size
    pairs = [(Y @ X, D @ X), (A @ Y, A @ D), (Y @ Z, D @ Z.dense()), (H(Y), H(D)), (-Y, -D),
             (3 * Y, 3 * D), (Y * 3, 3 * D), (Y + Y, 2 * D), (Y - 2 * Y, -D), (Y + D, 2 * D),
             (D + Y, 2 * D), (D - 3 * Y, -2 * D), (Y @ sparse(np.eye(n)), D),
             (sparse(A) @ Y, A @ D), (Y @ aslinearoperator(X), D @ X)]
    for k, (computed, truth) in enumerate(pairs):
        assert np.linalg.norm(dense(computed) - truth) <= scale, k
    assert abs(Y.norm() - np.linalg.norm(D)) <= scale


def test_what_stays_low_rank_stays_so_and_no_m_by_n_array_appears():
    n = 200_000         # an n × n array would take 320 GB
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, n, 2), np.diag([1, 1e-9]), random_basis(rng, n, 2))
    bands = [np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)]
    A = sp.diags_array(bands, offsets=(-1, 0, 1)).tocsr()
    F = A @ Y + Y @ A + outer(Y.U, Y.V)
    assert isinstance(F, LowRank) and F.shape == (n, n) and F.rank == 6 and F.norm() > 0
    assert isinstance(Y + A, LinearOperator) and isinstance(A + Y, LinearOperator)
    x = rng.standard_normal(n)
    np.testing.assert_allclose((A + Y) @ x, A @ x + Y @ x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose((A + Y).H @ x, A.T @ x + H(Y) @ x, rtol=1e-12, atol=1e-12)
    assert (Y @ x[:, None]).shape == (n, 1) and isinstance(x[None] @ Y, np.ndarray)


def test_an_operator_takes_the_product_with_all_columns_at_once_and_none_before(monkeypatch):
    calls, right = [], LowRank.__matmul__
    monkeypatch.setattr(LowRank, "__matmul__",
                        lambda Y, X: (calls.append(X.shape), right(Y, X))[1])
    A = LowRank(np.eye(5, 2), np.eye(2), np.eye(4, 2)).operator()
    assert (A @ np.ones((4, 3))).shape == (5, 3) and (A.H @ np.ones((5, 3))).shape == (4, 3)
    assert calls == [(4, 3), (5, 3)]


def test_the_norm_of_a_difference_keeps_its_digits_where_a_gram_matrix_loses_them():
    rng = np.random.default_rng(1)
    U, V = random_basis(rng, 30, 3), random_basis(rng, 20, 3)
    Y, Z = LowRank(U, np.eye(3), V), LowRank(U, np.eye(3) + 1e-10 * np.eye(3), V)
    products = [np.trace(H(A) @ B) for A, B in ((Y.S, Y.S), (Y.S, Z.S), (Z.S, Z.S))]
    gram = np.sqrt(abs(products[0] - 2 * products[1] + products[2]))
    assert abs((Y - Z).norm() - 1e-10 * np.sqrt(3)) <= 1e-15
    assert abs(gram - 1e-10 * np.sqrt(3)) > 1e-12


@given(lowrank_matrices())
def test_precision_is_kept_by_every_operation(Y):
    for X in (H(Y), Y + Y, Y - Y, 2 * Y, Y @ H(Y), outer(Y.U, Y.V @ H(Y.S)), Y.dense(),
              best_approximation(Y, rank=1), best_approximation(Y, tol=0.1)):
        assert X.dtype == Y.dtype


def test_of_mixed_precisions_the_wider_one_counts_and_an_identity_counts_for_nothing():
    f4, f8 = np.float32, np.float64

    def factors(*kinds):
        shapes = (4, 2), (2, 2), (5, 2)
        return LowRank(*(np.ones(shape, k) for shape, k in zip(shapes, kinds, strict=True)))

    for kinds in ((f4, f8, f4), (f4, f4, f8), (f8, f4, f4)):
        assert factors(*kinds).dtype == factors(*kinds).dense().dtype == f8
    Y, G = factors(f4, f4, f4), outer(np.ones((4, 3), f4), np.ones((5, 3), f4))
    A = Y.dense()
    for X in (G, 2 * G, np.array(2.0) * Y, G + G, G + Y, Y + G, (G + Y).dense(),
              dense(aslinearoperator(A)), dense(sp.csr_array(A)), Y + sp.csr_array(A),
              dense(Y + sp.csr_array(A)), Identity(4) @ aslinearoperator(A)):
        assert X.dtype == f4


def random_complex(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("name", KINDS)
def test_the_adjoint_of_a_complex_matrix_of_any_kind_is_conjugate(name):
    rng, kind = np.random.default_rng(0), KINDS[name]
    A, B = random_complex(rng, 5, 4), random_complex(rng, 6, 5)
    Y = LowRank(*(random_complex(rng, *shape) for shape in ((6, 2), (2, 3), (5, 3))))
    D = Y.dense()
    assert close(H(kind(A)), A.conj().T) and close(H(H(kind(A))), A)
    assert close(Y @ kind(A), D @ A)
    if kind is not aslinearoperator:                # scipy's own @ refuses a LowRank
        assert close(kind(A.T) @ H(Y), A.T @ D.conj().T)
    assert close(dense(Y + kind(B)) @ A, (D + B) @ A)
    assert close(H(Y + kind(B)), (D + B).conj().T)
    assert not close(H(kind(A)), A.T)


def singular_values_without_bases(Y):
    """Planted: those of the core, as if the bases were orthonormal."""
    return np.linalg.svd(Y.S, compute_uv=False)


@given(lowrank_matrices(), seeds)
def test_singular_values_are_those_of_the_matrix_whatever_its_bases_are(Y, seed):
    """Full, singular and rectangular cores; bases that are orthonormal, and any others; real and
    complex. To 100 EPS ‖U‖ ‖S‖ ‖V‖: three products and two triangular factors of at most 8
    columns."""
    rng = np.random.default_rng(seed)

    def full(*shape):
        i = 1j if np.issubdtype(Y.dtype, np.complexfloating) else 0
        return (rng.standard_normal(shape) + i * rng.standard_normal(shape)).astype(Y.dtype)

    r, wrong = Y.rank, []
    for q in (r, r + 1, max(1, r - 1)):
        for Z in (LowRank(Y.U, Y.S @ full(r, q), full(Y.shape[1], q)), LowRank(Y.U, Y.S, 2 * Y.V)):
            for X in (Z, H(Z)):
                size = norm(X.U) * norm(X.S) * norm(X.V)
                found, truth = X.singular_values(), np.linalg.svd(X.dense(), compute_uv=False)
                assert len(found) == min(X.rank, *X.shape) and found.dtype == truth.dtype
                assert np.abs(found - truth[:len(found)]).max() <= 100 * eps_of(X) * size
                assert (truth[len(found):] <= 100 * eps_of(X) * size).all()
                wrong.append(singular_values_without_bases(X)[:len(found)] - found)
    assert not norm(Y) or max(np.abs(off).max() for off in wrong) > 0.1 * norm(Y)
    assert np.allclose(Y.singular_values(), singular_values_without_bases(Y), rtol=0,
                       atol=100 * eps_of(Y) * norm(Y))


def test_singular_values_of_identities_sums_and_bases_in_factors():
    A, B = np.diag([3.0, 0, 1]), np.eye(4, 3)
    for Y in (LowRank(Identity(3), A, B), LowRank(B, A, Identity(3, 1j)), outer(B @ A, B),
              LowRank(B, A, augment(np.eye(3, 1), np.eye(3))),
              outer(B, B) + LowRank(B, A - np.eye(3), B)):
        assert np.allclose(Y.singular_values()[:3], [3, 1, 0], rtol=0, atol=1e-14)
        assert not Y.singular_values()[3:].round(14).any()
    assert LowRank(B, A, B).singular_values().tolist() == [3, 1, 0]
    assert outer(np.zeros((4, 2)), np.ones((5, 2))).singular_values().tolist() == [0, 0]


def test_outer_with_an_identity_is_the_other_factor_conjugated_where_it_stands_on_the_right():
    W = random_complex(np.random.default_rng(0), 4, 2)
    assert outer(W, Identity(2)) is W and np.array_equal(outer(Identity(4), H(W)), W)


def test_one_basis_may_be_an_identity():
    A = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(LowRank(Identity(2), A, np.eye(4, 3)).dense(), A @ np.eye(3, 4))
    assert np.array_equal(LowRank(np.eye(4, 2), A, Identity(3)).dense(), np.eye(4, 2) @ A)
    assert LowRank(Identity(2), A, Identity(3)) is A
    assert np.array_equal(LowRank(Identity(2, 3), A, Identity(3, -1j)), 3j * A)


def test_scaling_leaves_the_bases_as_they_are():
    Y = LowRank(np.eye(4, 2), np.eye(2), np.eye(5, 2))
    assert (2 * Y).U is Y.U and (2 * Y).V is Y.V and np.array_equal((2 * Y).S, 2 * Y.S)
    assert outer(Y.U, Y.V).rank == (3 * outer(Y.U, Y.V)).rank == 2
    assert close(3 * outer(Y.U, Y.V), 3 * np.eye(4, 5) * [1, 1, 0, 0, 0])


EXAMPLE = LowRank(np.eye(4, 2), np.eye(2), np.eye(5, 2))


@pytest.mark.parametrize("Y", [EXAMPLE, DirectSum([np.eye(3), EXAMPLE])], ids=repr)
def test_a_matrix_times_zero_is_zero_and_times_an_array_is_refused(Y):
    assert norm(0 * Y) == norm(Y * 0) == 0
    for array in (np.ones(Y.shape), np.ones(Y.shape[1])):
        for product in (lambda array=array: Y * array, lambda array=array: array * Y):
            with pytest.raises(TypeError):
                product()


@pytest.mark.parametrize("name", ["U", "S", "V", "shape", "factors", "terms", "rank", "dtype"])
def test_the_factors_of_a_lowrank_matrix_cannot_be_changed(name):
    with pytest.raises(AttributeError):
        setattr(EXAMPLE, name, np.eye(2))


def test_a_lowrank_matrix_is_equal_to_itself_alone():
    """Of others it does not say what it cannot know: bases are not unique, and sums are rounded."""
    Y = EXAMPLE
    assert Y == Y and len({Y, Y, LowRank(*Y)}) == 2
    for other in (LowRank(*Y), Y.dense(), 1):
        with pytest.raises(TypeError, match=r"==: a LowRank has no entries; use norm\(Y - Z\)"):
            assert Y == other


@pytest.mark.parametrize("kind", [sp.csr_array, aslinearoperator, KINDS["LowRank"],
                                  lambda A: A + sp.csr_matrix(A.shape)],
                         ids=["sparse", "LinearOperator", "LowRank", "numpy.matrix"])
def test_every_kind_of_matrix_has_its_norm_and_its_plain_array(kind):
    A = np.array([[3.0, 0], [0, 4], [0, 0]])
    assert norm(kind(A)) == pytest.approx(5, rel=1e-15)
    assert type(dense(kind(A))) is np.ndarray and close(dense(kind(A)), A)
    assert not np.isfinite(norm(A * np.nan))
    assert not np.isfinite(norm(LowRank(A, np.full((2, 2), np.nan), A)))


def test_the_rank_is_the_smaller_side_of_the_core():
    Y = LowRank(np.ones((4, 2)), np.ones((2, 3)), np.ones((5, 3)))
    assert Y.rank == H(Y).rank == 2


@pytest.mark.parametrize("name", package.__all__)
def test_what_acts_on_matrices_can_be_sent_to_another_process(name):
    assert pickle.loads(pickle.dumps(getattr(package, name))) is getattr(package, name)


def test_a_lowrank_matrix_survives_pickling():
    U, V = np.eye(3, 1), augment(np.eye(3, 1), np.ones((3, 1)))
    for Y in (LowRank(U, np.eye(1), np.eye(2, 1)), LowRank(U, np.ones((1, 2)), V)):
        other = pickle.loads(pickle.dumps(Y))
        assert np.array_equal(other.dense(), Y.dense())
        assert type(other.factors[2]) is type(Y.factors[2])


@pytest.mark.parametrize("shapes", [
    ((4, 2), (3, 3), (5, 3)), ((4, 2), (2, 3), (5, 2)), ((4,), (2, 2), (5, 2)),
    ((4, 2), (2,), (5, 2)), ((3, 4, 2), (2, 2), (5, 2)), ((4, 2), (1, 2, 2), (5, 2)),
    ((4, 2), (2, 2), (3, 5, 2))])
def test_mismatched_factors_are_refused(shapes):
    message = r"U, S, V: shapes .* expected \(m, p\), \(p, q\), \(n, q\)"
    with pytest.raises(ValueError, match=message):
        LowRank(*map(np.ones, shapes))


def test_unequal_shapes_are_not_broadcast():
    with pytest.raises(ValueError, match="expected equal ones"):
        EXAMPLE + np.ones((4, 1))
