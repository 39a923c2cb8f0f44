"""Bases that are kept in factors are the same matrices as their arrays, in products and as
bases."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from measures import ORTHONORMAL, defect, missed
from scipy.sparse.linalg import aslinearoperator
from strategies import bases_and_updates, eps_of, random_basis, seeds

from lowrank_ode import BUG, DLRT, METHODS, AdaptiveBUG, Dense, LowRank, ProjectorSplitting
from lowrank_ode.integrators import GeoLoRA, ParallelBUG, adaptive_bug, dlrt, parallel_bug
from lowrank_ode.matrices import H, Identity, augment, dense, norm, orthonormal, outer, restrict
from lowrank_ode.matrices.augmented import ROWS, Augmented, array_of, factor, inner


def untouched(Q):
    """The same basis, which nobody has multiplied out yet."""
    return Augmented(Q.U0, Q.W, Q.mend)


def test_a_basis_in_factors_is_a_value_that_can_be_told_from_others():
    Q, other = (augment(np.eye(4, 2), np.ones((4, 1))) for _ in range(2))
    assert Q == Q != other and len({Q, other}) == 2 and Q.T.shape == (3, 4)
    with pytest.raises(FrozenInstanceError):
        Q.W = other.W


def test_a_factor_is_a_view_to_read_only_and_a_class_is_none():
    X = np.eye(3)
    view = factor("U", X)
    assert view.base is X and not view.flags.writeable and X.flags.writeable
    assert factor("U", view) is view
    with pytest.raises(TypeError, match="U: got type, expected a two-dimensional ndarray"):
        factor("U", LowRank)


@pytest.mark.parametrize("rows", [ROWS, ROWS + 1, 4 * ROWS + 3])
def test_an_inner_product_over_many_rows_is_a_sum_of_halves(rows):
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal((rows, 2)) + 1j * rng.standard_normal((rows, 2)) for _ in "XY")
    assert np.linalg.norm(inner(X, Y) - X.conj().T @ Y) <= rows * np.finfo(float).eps * rows**0.5


@given(bases_and_updates(), seeds)
def test_a_basis_in_factors_is_the_basis(case, seed):
    """Whether somebody has asked for its array before or not. Planted: another product with U0."""
    (U0, K), rng = case, np.random.default_rng(seed)
    Q, r = augment(U0, K), U0.shape[1]
    truth, (m, k) = Q.array, Q.shape
    size = 50 * eps_of(truth) * k
    assert truth.shape == Q.shape and truth.dtype == Q.dtype and Q.array is truth
    assert np.array_equal(H(Q), H(truth)) and np.array_equal(np.asarray(Q), truth)
    A = rng.standard_normal((3, m)).astype(truth.dtype)
    P = rng.standard_normal((k, 2)).astype(truth.dtype)
    for basis in (Q, untouched(Q)):
        assert np.linalg.norm(basis @ P - truth @ P) <= size * np.linalg.norm(P)
        assert np.linalg.norm(A @ basis - A @ truth) <= size * np.linalg.norm(A)
        assert np.linalg.norm(A[0] @ basis - A[0] @ truth) <= size * np.linalg.norm(A)
    assert defect(Q @ np.eye(k, dtype=truth.dtype)) <= ORTHONORMAL
    wrong = Augmented(U0 + 1, Q.W, Q.mend)
    assert r == 0 or np.linalg.norm(A @ wrong - A @ truth) > size * np.linalg.norm(A)


@pytest.mark.parametrize("columns", [0, 2, 3])
def test_a_basis_in_factors_is_their_product(columns):
    """Of T with a leading block 1 and any other columns, fewer than, as many as, or none beside
    those of W. Planted: the columns of T that W has for U0, left out."""
    rng = np.random.default_rng(0)
    W, T = rng.standard_normal((9, 5)), np.hstack([np.eye(5, 2), rng.standard_normal((5, columns))])
    U0, X, Y = W[:, :2], rng.standard_normal((2 + columns, 2)), rng.standard_normal((9, 3))
    Q = Augmented(U0, W, T)
    assert np.allclose(Y.T @ Q, Y.T @ W @ T, rtol=0, atol=1e-13)            # not multiplied out yet
    assert np.allclose(Q.array, W @ T, rtol=1e-14) and np.array_equal(Q.array[:, :2], U0)
    assert Q.shape == (9, 2 + columns) and (Q.array is U0) == (columns == 0)
    assert np.allclose(Q @ X, W @ T @ X, rtol=0, atol=1e-13)
    assert np.allclose(Y.T @ Q, Y.T @ W @ T, rtol=0, atol=1e-13)
    T = np.vstack([np.eye(2, 2 + columns), T[2:]])
    assert not columns or not np.allclose(Y.T @ Augmented(U0, W, T), Y.T @ Q.array, atol=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("beside", [0, 1e-5, 1])
def test_a_basis_in_factors_mends_rounding_errors_that_have_added_up_in_U0(dtype, beside):
    """Up to half of the digits; whether K adds columns or none. Planted: no mending, as in the
    array."""
    rng = np.random.default_rng(0)
    U0 = random_basis(rng, 40, 5, dtype)
    U0 = (U0 + 0.1 * eps_of(U0) ** 0.5 * rng.standard_normal((40, 5))).astype(dtype)
    K = U0 @ rng.standard_normal((5, 4)) + beside * rng.standard_normal((40, 4))
    Q = augment(U0, K.astype(dtype))
    mended = Q @ np.eye(Q.shape[1], dtype=dtype)
    assert Q.shape[1] == (9 if beside else 5) and defect(mended) <= ORTHONORMAL < defect(Q)
    assert norm(mended - Q.array) <= 5 * eps_of(U0) ** 0.5


KINDS = {"ndarray": np.asarray, "sparse": sp.csr_array, "sparse matrix": sp.csr_matrix,
         "LinearOperator": aslinearoperator}


@pytest.mark.parametrize("i", [0, 1j])
@pytest.mark.parametrize("name", KINDS)
def test_any_kind_of_matrix_may_stand_beside_a_basis_in_factors(name, i):
    """The products are ndarrays. Planted: a transpose in the place of an adjoint, seen where
    numbers are complex."""
    rng, kind = np.random.default_rng(0), KINDS[name]

    def full(*shape):
        return rng.standard_normal(shape) + i * rng.standard_normal(shape)

    Q = augment(np.linalg.qr(full(9, 2))[0], full(9, 2))
    A, B, truth = full(5, 9), full(4, 3), Q.array
    for found, expected in ((kind(A) @ untouched(Q), A @ truth),
                            (untouched(Q) @ kind(B), truth @ B),
                            (H(untouched(Q)) @ kind(H(A)), H(truth) @ H(A))):
        assert type(found) is np.ndarray and np.allclose(found, expected, rtol=0, atol=1e-13)
    assert np.allclose(Q.array.T @ H(A), H(Q) @ H(A)) == (i == 0)
    for found, expected in ((Identity(9) @ Q, truth), (Q @ Identity(4, 3), 3 * truth)):
        assert np.allclose(np.asarray(found), expected, rtol=0, atol=1e-13)
    Y = LowRank(full(5, 2), full(2, 3), full(9, 3))
    assert np.allclose(Y @ untouched(Q), Y.dense() @ truth) and type(Y @ Q) is np.ndarray
    assert np.allclose(untouched(Q) @ LowRank(B, np.eye(3), B), truth @ B @ H(B))


def test_a_basis_in_factors_is_copied_and_cast_as_numpy_asks():
    Q = augment(np.eye(4, 1), np.ones((4, 1)))
    assert np.asarray(Q) is Q.array is np.asarray(Q) and np.array(Q) is not Q.array
    assert np.asarray(Q, np.float32).dtype == np.float32 and np.ndim(Q) == Q.ndim == 2
    assert array_of(Q) is Q.array and dense(Q) is Q.array
    with pytest.raises(TypeError):
        np.abs(Q)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_what_a_field_unpacks_are_ndarrays(method, monkeypatch):
    """Also where a method hands it a matrix whose bases are kept in factors, as some do. Planted:
    the factors as they are."""
    rng, seen, given = np.random.default_rng(0), set(), set()
    U, V = (augment(random_basis(rng, m, 2), rng.standard_normal((m, 1))) for m in (9, 8))
    start = LowRank(U, np.diag([2.0, 1, 0.1]), V)

    def F(t, Y):
        if isinstance(Y, LowRank):
            seen.update(map(type, (*Y, Y.U, Y.V)))
            given.update(map(type, Y.factors))
        return np.ones((9, 8)) - dense(Y)

    method().step(start, 0, 0.1, F)
    assert seen <= {np.ndarray, Identity}
    assert Augmented in given or method in (Dense, ProjectorSplitting, BUG, ParallelBUG)
    monkeypatch.setattr(LowRank, "__iter__", lambda Y: iter(Y.factors))
    F(0, start)
    assert Augmented in seen


def test_a_matrix_in_augmented_bases_is_the_one_in_their_arrays():
    """Its norm, its entries, products, adjoint and restriction."""
    rng = np.random.default_rng(0)
    U, V = (augment(random_basis(rng, m, 2), rng.standard_normal((m, 1))) for m in (9, 8))
    S, X = rng.standard_normal((3, 3)), rng.standard_normal((8, 2))
    Y, Z = LowRank(U, S, V), LowRank(U.array, S, V.array)
    assert Y.factors[0] is U and Y.U is U.array and Y.dtype == float and Y.shape == (9, 8)
    assert np.isclose(Y.norm(), np.linalg.norm(S), rtol=1e-14)
    for make in (dense, lambda Y: Y @ X, lambda Y: X.T @ H(Y), lambda Y: dense(H(Y)),
                 lambda Y: dense(2 * Y + Y), lambda Y: dense(Y @ H(Y)), lambda Y: restrict(U, Y, V),
                 lambda Y: Y.operator() @ X, lambda Y: Y.singular_values()):
        assert np.allclose(make(Y), make(Z), rtol=0, atol=1e-13)
    assert np.allclose(restrict(U, Y, V), S) and np.allclose(restrict(U, outer(U @ S, V), V), S)
    for one in (LowRank(Identity(3), S, U), LowRank(U, S, Identity(3))):
        assert np.isclose(one.norm(), np.linalg.norm(S), rtol=1e-14)


def test_nothing_is_written_into_a_basis_to_which_nothing_is_added():
    U0 = np.eye(3, 2)
    U0.flags.writeable = False
    Q = augment(U0, np.zeros((3, 1)))
    assert Q.array is U0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_start_of_a_basis_is_the_very_same_array_after_any_number_of_rounds(dtype, monkeypatch):
    """Of blocks whose singular values fall by 16 decades, which takes several rounds; of numbers so
    large and so small that they are scaled; of a U0 in factors. Planted: a copy."""
    rng, rounds, one_round = np.random.default_rng(0), [], orthonormal._one_round
    monkeypatch.setattr(orthonormal, "_one_round",
                        lambda *args: rounds.append(1) or one_round(*args))
    U0 = LowRank(random_basis(rng, 60, 5, dtype), np.eye(5, dtype=dtype), np.eye(5, dtype=dtype)).U
    K = (random_basis(rng, 60, 12) * np.logspace(0, -16, 12)) @ random_basis(rng, 12, 12)
    for size in (1e-25, 1, 1e25):
        del rounds[:]
        Q = augment(U0, (size * K).astype(dtype))
        assert len(rounds) > 1 and Q.U0 is U0 and missed(Q, (size * K).astype(dtype)) <= 12
    more = augment(Q, rng.standard_normal((60, 2)).astype(dtype))
    assert more.U0 is Q.array and np.array_equal(more.array[:, :5], U0)
    Y, X = (LowRank(A, np.eye(A.shape[1], dtype=dtype), A) for A in (U0, Q))
    assert len((Y + X).terms) == 1 and (Y + X).factors[0] is Q
    copied = Augmented(U0.copy(), Q.W, Q.mend)
    assert len((Y + LowRank(copied, X.S, copied)).terms) == 2
    assert norm(Y + X - (Y.dense() + X.dense())) <= 50 * eps_of(U0) * norm(Y)


STEPS = [(DLRT(0.01), dlrt), (GeoLoRA(0.01), parallel_bug), (AdaptiveBUG(0.01), adaptive_bug)]


@pytest.mark.parametrize("method, module", STEPS, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_steps_with_bases_in_factors_are_those_with_bases_multiplied_out(
        method, module, dtype, monkeypatch):
    rng, steps = np.random.default_rng(0), []
    S = np.diag([5, 4, 3, 2, 1]).astype(dtype)
    Y = LowRank(random_basis(rng, 40, 5, dtype), S, random_basis(rng, 30, 5, dtype))
    T = random_basis(rng, 40, 30, dtype)
    D, Z = (rng.standard_normal((m, 7)).astype(dtype) for m in (40, 30))
    for F in (lambda t, Y: T - Y, lambda t, Y: LowRank(D, Identity(7), Z)):
        for basis in (augment, lambda U0, K: augment(U0, K).array):
            monkeypatch.setattr(module, "augment", basis)
            steps.append(method.step(Y, 0, 0.3, F))
        one, other = steps[-2:]
        assert norm(one - other) <= 50 * eps_of(Y.U) * norm(one) and one.rank == other.rank
