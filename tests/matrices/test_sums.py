"""A sum of LowRank matrices keeps its terms apart: it is the matrix of their joined factors, which
are made when asked for."""

import copy
import pickle
from collections import Counter

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from scipy.sparse.linalg import aslinearoperator
from strategies import dtypes, lowrank_matrices, random_basis, seeds

from lowrank_ode import LowRank, best_approximation
from lowrank_ode.matrices import H, Identity, augment, lowrank, norm, outer, restrict


def terms_like(Y, seed):
    """Y, an outer product and a matrix with a rectangular core, of one shape and precision."""
    rng, (m, n) = np.random.default_rng(seed), Y.shape

    def full(*shape):
        return rng.standard_normal(shape).astype(Y.dtype)

    return [Y, -2 * outer(full(m, 2), full(n, 2)), LowRank(full(m, 2), full(2, 3), full(n, 3))]


def apart(Y, whole, seed):
    """The largest distance of products, adjoints and multiples of Y from those of an ndarray, in
    units of EPS and of their size."""
    rng, (m, n), eps = np.random.default_rng(seed), Y.shape, float(np.finfo(Y.dtype).eps)
    A, B = (rng.standard_normal((k, 2)).astype(Y.dtype) for k in (n, m))
    U, V = random_basis(rng, m, 1, Y.dtype), random_basis(rng, n, 1, Y.dtype)
    Z = LowRank(A, np.eye(2, dtype=Y.dtype), A)
    pairs = [(Y @ A, whole @ A), (H(B) @ Y, H(B) @ whole), (H(Y) @ B, H(whole) @ B),
             (Y.dense(), whole), ((-3 * Y).dense(), -3 * whole), (Y @ A[:, 0], whole @ A[:, 0]),
             (restrict(U, Y, V), H(U) @ whole @ V), (Y + whole, 2 * whole),
             ((Y @ sp.csr_array(A)).dense(), whole @ A),
             ((sp.csr_array(H(B)) @ Y).dense(), H(B) @ whole),
             ((Y @ Z).dense(), whole @ A @ H(A)), ((Identity(m, 2) @ Y).dense(), 2 * whole),
             (Y.operator() @ A, whole @ A), (np.array(norm(Y)), np.array(norm(whole))),
             (LowRank(*Y).dense(), whole)]
    size = sum(norm(X) for X in Y.terms) * (1 + norm(A) + norm(B)) ** 2
    return max(float(np.linalg.norm(X - Z)) for X, Z in pairs) / (eps * size)


@given(lowrank_matrices(), seeds)
def test_a_sum_is_the_sum_of_its_terms_in_every_product(Y, seed):
    """Planted: the last term left out."""
    terms = terms_like(Y, seed)
    total, whole = terms[0] + terms[1] + terms[2], sum(X.dense() for X in terms)
    assert [*total.terms] == terms and apart(total, whole, seed) <= 100
    assert apart(terms[0] + terms[1], whole, seed) > 100 >= apart(H(H(total)), whole, seed)
    assert total.shape == Y.shape and total.dtype == Y.dtype and total.rank == Y.rank + 4
    assert [*(total - total).terms[:3]] == terms
    assert norm(total - total) <= 1e-5 * sum(map(norm, terms))


@given(dtypes, seeds)
def test_the_factors_of_a_sum_are_joined_when_asked_for_and_not_before(dtype, seed):
    rng, one = np.random.default_rng(seed), np.eye(2, dtype=dtype)
    Y = LowRank(random_basis(rng, 7, 2, dtype), one, random_basis(rng, 6, 2, dtype))
    terms = terms_like(Y, seed)
    pair = terms[1] + terms[2]
    total = terms[0] + pair
    assert [*(pair + terms[0]).terms] == [*terms[1:], terms[0]]
    for X in (pair, total):
        X @ np.ones((6, 1)), restrict(Y.U, X, Y.V), H(X), repr(X)
        assert X.shape == (7, 6) and X.rank == 2 * len(X.terms) and "factors" not in vars(X)
    U, S, V = total
    assert total.factors is total.factors and U is total.U and V is total.V
    assert U.shape == (7, 6) and S.shape == (6, 7) and V.shape == (6, 7)
    assert np.array_equal(S[:2, :2], terms[0].S) and np.array_equal(S[2:4, 2:4], -2 * np.eye(2))
    assert np.array_equal(S[4:, 4:], terms[2].S) and S.dtype == total.dtype
    count = np.count_nonzero
    assert count(S) == count(terms[0].S) + 2 + count(terms[2].S)


def test_a_factor_may_be_an_identity_or_a_basis_in_factors():
    A, S = np.arange(12.0).reshape(4, 3), np.arange(9.0).reshape(3, 3)
    Y, Z = LowRank(A, S, Identity(3)), LowRank(A, S.T, A[:3] + 1)
    kept = LowRank(augment(np.eye(4, 2), A), np.ones((4, 3)), augment(np.eye(3, 1), S))
    for one, other in ((Y, Z), (Z, Y), (H(Y), H(Z)), (Y, kept), (kept, Z), (H(kept), H(Y))):
        total, expected = one + other, one.dense() + other.dense()
        assert np.allclose(total.dense(), expected)
        assert np.allclose(LowRank(*total).dense(), expected)
        assert {X.dtype for X in total} == {np.dtype(float)}
        assert {type(X) for X in total} == {np.ndarray}
    operator = aslinearoperator(np.arange(6.0).reshape(3, 2))
    for X in (Y, Y + Z):
        truth = X.dense() @ np.arange(6.0).reshape(3, 2)
        assert np.allclose((X @ operator).dense(), truth, rtol=1e-14)


def calls_for(n, monkeypatch):
    """How often the best approximation of a sum of n terms asks for the precision of a number, or
    for a factor of a term, or joins factors."""
    calls = Counter()

    def watch(owner, name):
        right = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, **options: (
            calls.update([name]), right(*args, **options))[1])

    terms = [LowRank(np.eye(3, 1, k=-(k % 3)), np.eye(1), np.ones((2, 1))) for k in range(n)]
    total = sum(terms[1:], start=terms[0])
    assert [*total.terms] == terms and total.rank == n
    with monkeypatch.context() as monkeypatch:
        for owner, name in ((np, "result_type"), (np, "hstack"), (lowrank, "array_of"),
                            (lowrank, "block_diag")):
            watch(owner, name)
        Y = best_approximation(total, rank=1)
    assert abs(Y.S[0, 0] - n * (2 / 3) ** 0.5) <= 1e-12 * n          # n/3 · ‖(1, 1, 1)‖ · ‖(1, 1)‖
    return calls


def test_the_best_approximation_of_a_sum_looks_at_each_term_a_few_times(monkeypatch):
    """Four: at its three factors and its precision; all are joined at once. Planted: the precision
    of the whole found anew for each term, which of 2,001 takes millions."""
    few, many = (calls_for(n, monkeypatch) for n in (501, 2001))
    assert few["hstack"] == many["hstack"] == 2 and few["block_diag"] == many["block_diag"] == 1
    assert many.total() - few.total() <= 4 * 1500
    slow = property(lambda Y: np.result_type(*(X.dtype for X in Y.terms)))
    monkeypatch.setattr(lowrank.Sum, "dtype", slow)
    few, more = (calls_for(n, monkeypatch) for n in (21, 81))
    assert more.total() - few.total() > 4 * 60


def test_a_sum_survives_pickle_and_copies():
    total = LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1)) + outer(np.ones((4, 2)), np.ones((3, 2)))
    for other in (pickle.loads(pickle.dumps(total)), copy.deepcopy(total), copy.copy(total)):
        assert isinstance(other, lowrank.Sum) and np.array_equal(other.dense(), total.dense())
        assert other.rank == 3


def test_bad_operands_are_refused():
    total = LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1)) + outer(np.ones((4, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"\+: shapes \(4, 3\) and \(3, 4\)"):
        total + H(total)
    for wrong in (lambda: total @ "x", lambda: "x" @ total, lambda: total + "x",
                  lambda: np.ones(2) * total, lambda: total * total):
        with pytest.raises(TypeError):
            wrong()
