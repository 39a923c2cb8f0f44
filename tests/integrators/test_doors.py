"""Input that is no matrix, no integrator or no number is refused by its name; and what a LowRank
does as an array would."""

import copy
import operator
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from measures import ORTHONORMAL, defect
from methods import PLAIN, low_rank
from strategies import random_basis

from lowrank_ode import (
    BUG,
    DLRT,
    METHODS,
    AdaptiveBUG,
    Dense,
    DirectSum,
    LowRank,
    best_approximation,
    evolve,
    truncate,
)
from lowrank_ode.integrators import BY_NAME, FactorDescent, GeoLoRA, ParallelBUG, method_of
from lowrank_ode.matrices import dense, norm
from lowrank_ode.problems import random_lowrank

RNG = np.random.default_rng(3)
A, B = (best_approximation(RNG.standard_normal((8, 7)), rank=2) for _ in "AB")
SQUARE = LowRank(RNG.standard_normal((6, 2)) + 1j, RNG.standard_normal((2, 3)),
                 RNG.standard_normal((6, 3)) - 2j)
PAIR, ONE = DirectSum([A, np.ones((3, 1))]), np.eye(1)


def decay(t, Y):
    return -Y


@pytest.mark.parametrize("function", [
    lambda X: best_approximation(X, tol=0), lambda X: best_approximation(X, rank=1), truncate,
    lambda X: list(evolve(Dense(), X, decay, (0, 1), 1))],
    ids=["tol", "rank", "truncate", "evolve"])
@pytest.mark.parametrize("X, message", [
    (np.ones((6, 3, 5, 5)),
     r"shape \(6, 3, 5, 5\), expected a matrix; .* by X\.reshape\(len\(X\), -1\)"),
    (np.ones(5), r"shape \(5,\), expected a matrix; a column is x\[:, None\]"),
    (np.array(2.0), r"shape \(\), expected a matrix$"),
    (np.ones((0, 5)), r"shape \(0, 5\), expected at least one row"),
    (np.ma.masked_array(np.eye(3), np.eye(3)), "got a masked array, whose mask would be ignored"),
    (np.array([["a", "b"]]), "got (an array of )?<U1"),
])
def test_arrays_that_are_no_matrices_are_refused_with_their_shape(function, X, message):
    """A kernel of 6 × 3 × 5 × 5 was unfolded by columns, off by 5.86."""
    with pytest.raises((ValueError, TypeError), match=message):
        function(X)


def test_a_kernel_unfolded_is_approximated_as_that_matrix():
    W = RNG.standard_normal((6, 3, 5, 5)).reshape(6, -1)
    assert np.abs(best_approximation(W, tol=0).dense() - W).max() <= 1e-13


@pytest.mark.parametrize("make", [lambda: A + B, lambda: LowRank(*(A + B)),
                                  lambda: LowRank(2 * A.U, A.S, A.V),
                                  lambda: LowRank(A.U @ [[1, 0.9], [0, 0.1]], A.S, A.V)])
def test_a_truncation_of_bases_that_are_not_orthonormal_is_the_best(make):
    """Error 4.70 where it was 6.26, for 8 × 7 and ranks 2 + 2. Planted: the tail of the core
    alone."""
    for rank in (1, 2):
        Z, sigma = truncate(make(), max_rank=rank), np.linalg.svd(make().dense(), compute_uv=False)
        assert max(defect(Z.U), defect(Z.V)) <= ORTHONORMAL
        assert abs(norm(Z - make()) - np.linalg.norm(sigma[rank:])) <= 1e-13 * sigma[0]
    core = np.linalg.svd(make().S, compute_uv=False)
    assert abs(np.linalg.norm(core[1:]) - np.linalg.norm(sigma[1:])) > 0.01


@pytest.mark.parametrize("dtype, small", [(np.float32, 1e-25), (np.float64, 1e-170)])
def test_values_whose_squares_underflow_are_kept_at_tolerance_0(dtype, small):
    """`eye(40)`, half of it tiny, keeps rank 40: squares made it 20."""
    S = np.diag(np.repeat([1, small], 20)).astype(dtype)
    Y = LowRank(random_basis(RNG, 60, 40, dtype), S, random_basis(RNG, 50, 40, dtype))
    assert truncate(Y).rank == best_approximation(Y, tol=0).rank == 40
    assert truncate(Y, max_rank=33).rank == 33 and truncate(Y, tol=1e-3).rank == 20


@pytest.mark.parametrize("method", [DLRT(0, [4, 1, 3]), GeoLoRA(0, (4, 1, 3)),
                                    AdaptiveBUG(0, max_rank=(4, 1, 3))], ids=str)
def test_a_largest_rank_for_each_low_rank_block(method):
    Y = DirectSum([A, np.ones((3, 1)), A, B])
    G = DirectSum([RNG.standard_normal(X.shape) for X in Y.blocks])
    Y1 = method.step(Y, 0, 0.5, lambda t, Y: G)
    assert [X.rank for X in (Y1.blocks[k] for k in (0, 2, 3))] == [4, 1, 3]
    message = "max_rank: got 3 entries, expected a number, or one for each of 2"
    with pytest.raises(ValueError, match=message):
        method.step(DirectSum([A, B]), 0, 0.5, lambda t, Y: -Y)
    with pytest.raises(ValueError, match="one for each of 1 LowRank"):
        method.step(A, 0, 0.5, lambda t, Y: -Y)


@pytest.mark.parametrize("wrong, kind, message", [
    (BUG, TypeError, r"method: got the class BUG, expected an integrator: BUG\(\)"),
    ("bugs", ValueError, "method: got 'bugs', expected one of dense, .*, adaptive_bug, .*geolora"),
    (3, TypeError, "method: got int, expected an integrator, with step"),
    (None, TypeError, "method: got NoneType, expected an integrator"),
])
def test_what_is_no_integrator_is_refused(wrong, kind, message):
    with pytest.raises(kind, match=message):
        evolve(wrong, A, decay, (0, 1), 1)


def test_an_integrator_may_be_named():
    assert [type(method_of(name)) for name in BY_NAME] == list(METHODS)
    method = BUG()
    assert method_of(method) is method
    named, made = (list(evolve(m, A, decay, (0, 1), 2))[-1][1]
                   for m in ("adaptive_bug", AdaptiveBUG()))
    assert np.array_equal(named.dense(), made.dense())


def test_a_step_that_changes_the_shape_is_refused():
    other = SimpleNamespace(step=lambda Y, t, h, F: Y.H)
    with pytest.raises(ValueError, match=r"Y after step 1: shape \(7, 8\), expected \(8, 7\)"):
        list(evolve(other, A, decay, (0, 1), 2))


@pytest.mark.parametrize("t_span", [np.linspace(0, 1, 5), 1, None, (0, "1"), (0, None), (0, 1j),
                                    (1, 0), (0, np.nan)])
def test_a_span_of_time_is_two_numbers(t_span):
    with pytest.raises(ValueError, match="t_span: got"):
        evolve("bug", A, decay, t_span, 1)


@pytest.mark.parametrize("make, name", [
    *((lambda Method=Method, name=name, wrong=wrong: Method(**{name: wrong}), name)
      for Method, name in ((DLRT, "tau"), (GeoLoRA, "tau"),
                           (AdaptiveBUG, "tol"), (ParallelBUG, "tol"))
      for wrong in (None, "0.1", [0.1], -1, np.nan, 1j, True)),
    *((lambda Method=Method, wrong=wrong: Method(max_rank=wrong), "max_rank")
      for Method in (DLRT, AdaptiveBUG) for wrong in ("3", 0, 2.5, [3, 0], [3, "a"])),
    *((lambda Method=Method, wrong=wrong: Method(solve=wrong), "solve")
      for Method in METHODS if hasattr(Method(), "solve") for wrong in ("rk4", None, 4)),
    *((lambda wrong=wrong: ParallelBUG(rejection=wrong), "rejection")
      for wrong in (-1, "a", np.nan)),
])
def test_an_option_of_the_wrong_kind_is_named_when_the_method_is_made(make, name):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        make()


@pytest.mark.parametrize("method", [*PLAIN, FactorDescent()], ids=str)
@pytest.mark.parametrize("h", [None, "0.1", [0.1], -0.1, 0, np.inf, np.nan, 1j])
def test_a_step_size_of_the_wrong_kind_is_named(method, h):
    with pytest.raises(ValueError, match=r"^h: got"):
        method.step(A, 0, h, decay)


@pytest.mark.parametrize("method", [*low_rank(plain=True), FactorDescent()], ids=str)
@pytest.mark.parametrize("wrong", [np.eye(5), [np.eye(5)], sp.csr_array(np.eye(5)), None],
                         ids=lambda X: type(X).__name__)
def test_a_low_rank_step_from_something_else_says_what_it_wants(method, wrong):
    with pytest.raises(TypeError,
                       match=r"Y: got .*, expected a LowRank, such as best_approximation"):
        method.step(wrong, 0, 0.1, decay)


@pytest.mark.parametrize("make, message", [
    (lambda: DirectSum(A),
     r"blocks: got one LowRank, expected a list of matrices: DirectSum\(\[Y\]\)"),
    (lambda: DirectSum(np.eye(3)), "blocks: got one ndarray"),
    (lambda: DirectSum(PAIR), "blocks: got one DirectSum"),
    (lambda: LowRank([[1.0]], ONE, ONE), "U: got list, expected a two-dimensional ndarray"),
    (lambda: LowRank(ONE, ONE, np.matrix([[1]])), "V: got matrix"),
    (lambda: LowRank(ONE, np.ma.masked_array(ONE), ONE), "S: got MaskedArray"),
    (lambda: LowRank(ONE, sp.csr_array(ONE), ONE), "S: got csr_array"),
])
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_factors_and_blocks_of_other_kinds_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize("Y", [A, A + B, SQUARE, SQUARE - 2j * SQUARE.H, PAIR], ids=[
    "LowRank", "Sum", "complex", "complex Sum", "DirectSum"])
def test_transposes_quotients_and_sums_are_those_of_the_matrix(Y):
    whole = [dense(X) for X in getattr(Y, "blocks", [Y])]

    def is_it(Z, function):
        return all(np.abs(dense(X) - function(W)).max() <= 1e-13
                   for X, W in zip(getattr(Z, "blocks", [Z]), whole, strict=True))

    assert is_it(Y.T, np.transpose) and is_it(Y.H, lambda W: W.conj().T)
    assert is_it(Y / 2, lambda W: W / 2) and is_it(sum([Y, Y, Y]), lambda W: 3 * W)
    assert is_it(Y - 2 * Y, np.negative) and is_it(-Y, np.negative)
    assert is_it(np.array(2.0) * Y, lambda W: 2 * W) and is_it(Y * np.float64(2), lambda W: 2 * W)
    assert is_it(Y.conj(), np.conj) and is_it(copy.deepcopy(Y), lambda W: W)


def test_a_trace_is_that_of_the_array():
    trace = np.trace(SQUARE.dense())
    assert abs(SQUARE.trace() - trace) <= 1e-13 * norm(SQUARE)
    assert abs((SQUARE + SQUARE.H).trace() - 2 * trace.real) <= 1e-13 * norm(SQUARE)
    with pytest.raises(ValueError, match=r"trace: shape \(8, 7\), expected a square matrix"):
        A.trace()


@pytest.mark.parametrize("Y", [A, PAIR], ids=["LowRank", "DirectSum"])
@pytest.mark.parametrize("operation, message", [
    (lambda Y: Y == Y * 1, "==: a .* has no entries; use norm"),
    (lambda Y: np.array_equal(Y, Y * 1), "use norm"),
    (abs, r"abs: .*use norm\(Y\)"), (lambda Y: Y[0, 0], r"Y\[…\]: .*use dense\(Y\)\[…\]"),
    (lambda Y: Y * Y, r"\*: got "), (np.linalg.norm, r"\*: got|has no entries"),
    (lambda Y: Y * "2", r"\*: got str, expected a number"),
    (lambda Y: Y * np.ones(3), r"\*: got ndarray"),
    (lambda Y: operator.truediv(Y, Y), r"unsupported operand .*: '(\w*)' and '\1'"),
])
def test_what_a_matrix_in_factors_has_not_names_what_to_use(Y, operation, message):
    with pytest.raises(TypeError, match=message):
        operation(Y)


def test_sparse_products_stay_in_factors_beside_these_words():
    """`__array__` would make an array of it, without a word."""
    C = sp.csr_array(np.where(RNG.random((9, 8)) < 0.3, RNG.standard_normal((9, 8)), 0))
    assert isinstance(C @ A, LowRank) and np.abs((C @ A).dense() - C @ A.dense()).max() <= 1e-14


def test_a_network_is_shown_on_a_screen():
    lines = repr(DirectSum([A, np.ones((3, 1))] * 50)).splitlines()
    assert len(lines) == 13 and max(map(len, lines)) < 80
    assert lines[1].split(":")[1] == " <8×7 LowRank matrix of rank 2, float64>"
    assert lines[-2] == "  … 89 more" and lines[-1] == "  99: 3×1 ndarray, float64>"
    assert "… " not in repr(DirectSum([A] * 12))


def test_a_seed_makes_the_same_problem_as_its_generator():
    Y, Z = (random_lowrank(seed, 9, 8, [1, 0.5]) for seed in (4, np.random.default_rng(4)))
    assert np.array_equal(Y.dense(), Z.dense()) and abs(Y.U[:8].T @ Y.V).max() < 0.999
