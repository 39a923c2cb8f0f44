"""A sum of LowRank matrices keeps its terms apart: it is the matrix of their joined factors, which are made when asked for."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from scipy.sparse.linalg import aslinearoperator
from strategies import dtypes, lowrank_matrices, random_basis, seeds

from lowrank_ode import LowRank
from lowrank_ode.matrices import H, Identity, image, lowrank, norm, outer, restrict


def terms_like(Y, seed):
    """Y, an outer product and a matrix with a rectangular core, of one shape and precision."""
    rng, (m, n) = np.random.default_rng(seed), Y.shape
    def full(*shape):
        return rng.standard_normal(shape).astype(Y.dtype)
    return [Y, -2 * outer(full(m, 2), full(n, 2)), LowRank(full(m, 2), full(2, 3), full(n, 3))]


def apart(Y, whole, seed):
    """The largest distance of products, adjoints and multiples of Y from those of an ndarray, in units of EPS and of their size."""
    rng, (m, n), eps = np.random.default_rng(seed), Y.shape, float(np.finfo(Y.dtype).eps)
    A, B = rng.standard_normal((n, 2)).astype(Y.dtype), rng.standard_normal((m, 2)).astype(Y.dtype)
    U, V = random_basis(rng, m, 1, Y.dtype), random_basis(rng, n, 1, Y.dtype)
    pairs = [(Y @ A, whole @ A), (H(B) @ Y, H(B) @ whole), (H(Y) @ B, H(whole) @ B), (Y.dense(), whole), ((-3 * Y).dense(), -3 * whole),
             (restrict(U, Y, V), H(U) @ whole @ V), (image(Y, V), whole @ V), (Y @ A[:, 0], whole @ A[:, 0]), (Y + whole, 2 * whole),
             ((Y @ sp.csr_array(A)).dense(), whole @ A), ((sp.csr_array(H(B)) @ Y).dense(), H(B) @ whole),
             ((Y @ LowRank(A, np.eye(2, dtype=Y.dtype), A)).dense(), whole @ A @ H(A)), ((Identity(m, 2) @ Y).dense(), 2 * whole),
             (Y.operator() @ A, whole @ A), (np.array(norm(Y)), np.array(norm(whole))), (LowRank(*Y).dense(), whole)]
    size = sum(norm(X) for X in Y.terms) * (1 + norm(A) + norm(B)) ** 2
    return max(float(np.linalg.norm(X - Z)) for X, Z in pairs) / (eps * size)


@given(lowrank_matrices(), seeds)
def test_a_sum_is_the_sum_of_its_terms_in_every_product(Y, seed):
    """Planted: the last term left out."""
    terms = terms_like(Y, seed)
    total, whole = terms[0] + terms[1] + terms[2], sum(X.dense() for X in terms)
    assert [*total.terms] == terms and apart(total, whole, seed) <= 100 < apart(terms[0] + terms[1], whole, seed)
    assert total.shape == Y.shape and total.dtype == Y.dtype and total.rank == Y.rank + 4 and apart(H(H(total)), whole, seed) <= 100
    assert [*(total - total).terms[:3]] == terms and norm(total - total) <= 1e-5 * sum(map(norm, terms))


@given(dtypes, seeds)
def test_the_factors_of_a_sum_are_joined_when_asked_for_and_not_before(dtype, seed):
    rng = np.random.default_rng(seed)
    terms = terms_like(LowRank(random_basis(rng, 7, 2, dtype), np.eye(2, dtype=dtype), random_basis(rng, 6, 2, dtype)), seed)
    pair = terms[1] + terms[2]
    total = terms[0] + pair
    assert [*(pair + terms[0]).terms] == [*terms[1:], terms[0]] and set(vars(pair)) == {"terms"}
    total @ np.ones((6, 1)), restrict(total.terms[0].U, total, total.terms[0].V), H(total), repr(total)
    assert set(vars(total)) == {"terms"}
    U, S, V = total
    assert set(vars(total)) == {"terms", "U", "S", "V"} and U.shape == (7, 6) and S.shape == (6, 7) and V.shape == (6, 7)
    assert np.array_equal(S[:2, :2], terms[0].S) and np.array_equal(S[2:4, 2:4], -2 * np.eye(2)) and np.array_equal(S[4:, 4:], terms[2].S)
    assert S.dtype == total.dtype and np.count_nonzero(S) == np.count_nonzero(terms[0].S) + 2 + np.count_nonzero(terms[2].S)


def test_a_factor_may_be_an_identity():
    A, S = np.arange(12.0).reshape(4, 3), np.arange(9.0).reshape(3, 3)
    Y, Z = LowRank(A, S, Identity(3)), LowRank(A, S.T, A[:3] + 1)
    for one, other in ((Y, Z), (Z, Y), (H(Y), H(Z))):
        total, expected = one + other, one.dense() + other.dense()
        assert np.allclose(total.dense(), expected) and np.allclose(LowRank(*total).dense(), expected)
        assert {X.dtype for X in total} == {np.dtype(float)}
    operator = aslinearoperator(np.arange(6.0).reshape(3, 2))
    for X in (Y, Y + Z):
        assert np.allclose((X @ operator).dense(), X.dense() @ np.arange(6.0).reshape(3, 2), rtol=1e-14)


def test_what_a_gradient_knows_it_knows_in_a_sum():
    """Planted: another product, which is used."""
    rng = np.random.default_rng(0)
    D, Z, U, V = (rng.standard_normal(shape) for shape in ((9, 3), (7, 3), (9, 2), (7, 2)))
    plain, known, wrong = (LowRank(D, Identity(3), Z, *sides) for sides in
                           ((), ((U, D.T @ U), (V, Z.T @ V)), ((U, 0 * D.T @ U), (V, 0 * Z.T @ V))))
    more = outer(rng.standard_normal((9, 1)), rng.standard_normal((7, 1)))
    for product in (lambda G: G @ V, lambda G: U.T @ G, lambda G: restrict(U, G, V), lambda G: H(-2 * G) @ U):
        assert np.allclose(product(known + more), product(plain + more), rtol=1e-12)
        assert np.allclose(product(wrong + more), product(more)) and not np.allclose(product(more), product(plain + more))


def test_the_image_of_a_sum_has_no_more_columns_than_the_sum():
    """Two columns for V with three. Planted: the product, whose columns are dependent."""
    rng = np.random.default_rng(0)
    one, other = (outer(rng.standard_normal((9, 1)), rng.standard_normal((7, 1))) for _ in range(2))
    total, V = one + other, random_basis(rng, 7, 3)
    K = image(total, V)
    assert K.U.shape == (9, 2) and (total @ V).shape == (9, 3) and isinstance(image(total + total, V), np.ndarray)
    assert np.linalg.norm(total @ V - K.dense()) <= 1e-13


def test_a_sum_survives_pickle_and_copies():
    total = LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1)) + outer(np.ones((4, 2)), np.ones((3, 2)))
    for other in (pickle.loads(pickle.dumps(total)), copy.deepcopy(total), copy.copy(total)):
        assert isinstance(other, lowrank.Sum) and np.array_equal(other.dense(), total.dense()) and other.rank == 3


def test_bad_operands_are_refused():
    total = LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1)) + outer(np.ones((4, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"\+: shapes \(4, 3\) and \(3, 4\)"):
        total + H(total)
    for wrong in (lambda: total @ "x", lambda: "x" @ total, lambda: total + "x", lambda: np.ones(2) * total, lambda: total * total):
        with pytest.raises(TypeError):
            wrong()
