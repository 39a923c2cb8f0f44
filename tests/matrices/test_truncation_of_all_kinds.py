"""Truncation of matrices whose core is an Identity, or empty, whose bases are of any kind, and what
is refused by name."""

import numpy as np
import pytest
from measures import ORTHONORMAL, defect
from strategies import random_basis

from lowrank_ode import LowRank, best_approximation, truncate
from lowrank_ode.matrices import H, Identity, augment, norm, outer
from lowrank_ode.matrices.truncation import by_svd, orthonormal_factors


@pytest.mark.parametrize("options", [{"tol": -1}, {"tol": np.nan}, {"max_rank": 0},
                                     {"max_rank": 1.5}])
def test_bad_truncation_options_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: got"):
        truncate(LowRank(np.eye(9, 3), np.eye(3), np.eye(8, 3)), **options)


@pytest.mark.parametrize("core, said", [(np.eye(40, dtype=int), "int64"),
                                        (np.eye(40, dtype=object), "object")])
def test_a_core_that_is_no_array_of_floats_is_refused_by_name(core, said):
    with pytest.raises(ValueError, match=f"S: got {said}"):
        truncate(LowRank(np.eye(50, 40), core, np.eye(60, 40)))


def test_bases_that_are_no_such_are_made_so_each_by_itself():
    """One side, or the other, or an Identity times a number. Planted: taken as they are."""
    rng, S = np.random.default_rng(0), np.diag([3.0, 2, 1])
    Q, X = random_basis(rng, 7, 3), rng.standard_normal((6, 3))
    for U, V in ((Q, X), (X, Q), (Identity(3, 2.0), Q), (Q, Identity(3, 0.5)), (Identity(3, 0), Q)):
        Y = LowRank(U, S, V)
        sigma, Z = np.linalg.svd(Y.dense(), compute_uv=False), truncate(Y, max_rank=2)
        assert max(defect(Z.U), defect(Z.V)) <= ORTHONORMAL
        assert abs(norm(Y.dense() - Z.dense()) - sigma[2]) <= 50 * np.finfo(float).eps * sigma[0]
    taken = by_svd(LowRank(Q, S, X), max_rank=2)
    assert abs(norm(LowRank(Q, S, X).dense() - taken.dense()) - sigma[2]) > 0.01


def test_the_decomposition_drops_zeros_and_what_was_complex_stays_so():
    U = random_basis(np.random.default_rng(0), 7, 3)
    Y = by_svd(LowRank(U, np.diag([3j, 2, 0]), U))
    assert Y.rank == 2 and Y.S.dtype == complex


def test_bases_that_augment_made_stay_as_they_are():
    """A core that is not finite is named by the letter it has."""
    rng = np.random.default_rng(0)
    U, V = (augment(np.eye(m, 1), rng.standard_normal((m, 1))) for m in (6, 5))
    Q_U, S, Q_V = orthonormal_factors(LowRank(U, Identity(2), V)).factors
    assert Q_U is U and Q_V is V and np.array_equal(S, np.eye(2))
    with pytest.raises(ValueError, match=r"S: NaN or Inf.*step size too large"):
        truncate(LowRank(U, np.diag([1, np.nan]), V))


@pytest.mark.parametrize("q", [2, 40])
def test_a_sum_of_no_terms_is_zero_before_and_after_and_so_is_its_adjoint(q):
    Y = LowRank(np.zeros((40, 0)), np.zeros((0, q)), np.eye(50, q))
    for Z in (Y, H(Y)):
        cut = truncate(Z, 0.1, relative=True)
        assert cut.shape == Z.shape and not cut.dense().any()


def test_a_product_of_two_bases_is_cut_as_its_array_is():
    """Its core is an Identity, and orthonormal bases leave it so."""
    rng = np.random.default_rng(0)
    grown = [augment(random_basis(rng, m, 2), rng.standard_normal((m, 1))) for m in (9, 8)]
    for U, V in (grown, [X.array for X in grown], [3 * X.array for X in grown]):
        size = norm(np.linalg.svd(LowRank(U, np.eye(3), V).dense(), compute_uv=False)[2:])
        for Z in (truncate(outer(U, V), max_rank=2), best_approximation(outer(U, V), rank=2)):
            assert Z.rank == 2 and max(defect(Z.U), defect(Z.V)) <= ORTHONORMAL
            assert abs(norm((outer(U, V) - Z).dense()) - size) <= 1e-14 * size


@pytest.mark.parametrize("tol, size", [(np.float16(1e-3), 1e6), (np.float32(1e-3), 1e50)])
def test_a_coarse_tolerance_is_not_divided_in_its_own_precision(tol, size):
    """Planted: it is, and is 0 then."""
    assert type(tol)(float(tol) / size) == 0
    S = np.diag(np.append(np.full(39, size), 0.99 * float(tol)))
    assert truncate(LowRank(np.eye(50, 40), S, np.eye(60, 40)), tol).rank == 39


def test_a_tail_is_not_rounded_to_the_precision_of_the_tolerance():
    """Planted: it is, and lies within."""
    tol = np.float32(1e-3)
    for factor, rank in ((1 + 1e-9, 2), (1 - 1e-9, 1)):
        Y = LowRank(np.eye(9, 2), np.diag([1, factor * float(tol)]), np.eye(8, 2))
        assert best_approximation(Y, tol=tol).rank == truncate(Y, tol).rank == rank


@pytest.mark.parametrize("spoiled, words", [
    ({"U": np.eye(9, 2, dtype=int)}, "Y: got int64"),
    ({"V": np.eye(8, 2, dtype=int)}, "Y: got int64"),
    ({"U": np.full((9, 2), np.nan)}, "Y: NaN or Inf"),
    ({"U": np.ones((9, 2)), "S": np.full((2, 2), np.inf)}, "Y: NaN or Inf")])
def test_factors_that_are_no_finite_floats_are_named_by_the_argument(spoiled, words):
    factors = {"U": np.eye(9, 2), "S": np.eye(2), "V": np.eye(8, 2), **spoiled}
    with pytest.raises(ValueError, match=f"^{words}"):
        truncate(LowRank(*factors.values()))
