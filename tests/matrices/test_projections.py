"""best_approximation and tangent_projection: of any kind of matrix, of factors of any size, and
what they refuse. That the first is the best is in test_truncation.py."""

import numpy as np
import pytest
from hypothesis import given
from measures import ORTHONORMAL, defect
from strategies import KINDS, eps_of, lowrank_matrices, random_basis, seeds

from lowrank_ode import DirectSum, LowRank, best_approximation, tangent_projection, truncate
from lowrank_ode.matrices import H, norm, retract

EPS = np.finfo(float).eps


@given(lowrank_matrices(), seeds)
def test_tangent_projection_is_the_orthogonal_projection_onto_the_tangent_space(Y, seed):
    rng = np.random.default_rng(seed)
    (m, n), r, (U, _, V) = Y.shape, Y.rank, Y
    Z = rng.standard_normal((m, n)).astype(Y.dtype)
    tangent = U @ rng.standard_normal((r, n)) + rng.standard_normal((m, r)) @ H(V)
    PZ = tangent_projection(Y, Z)
    eps = 100 * eps_of(Z) * (m + n)
    assert PZ.rank == 2 * r and norm(tangent_projection(Y, PZ) - PZ) <= eps * norm(Z)
    assert norm(tangent_projection(Y, tangent) - tangent) <= eps * norm(tangent)
    assert abs(np.vdot(tangent, Z - PZ.dense())) <= eps * norm(tangent) * norm(Z)
    truth = U @ H(U) @ Z + Z @ V @ H(V) - U @ H(U) @ Z @ V @ H(V)
    assert norm(PZ - truth) <= eps * norm(Z)


@pytest.mark.parametrize("options, message", [
    ({"rank": 0}, "rank: got 0"), ({"rank": 4}, "rank: got 4"), ({"rank": 1.5}, "rank: got 1.5"),
    ({}, "exactly one"), ({"rank": 1, "tol": 1.0}, "exactly one"), ({"tol": -1.0}, "tol: got")])
def test_best_approximation_refuses_bad_ranks_and_tolerances(options, message):
    with pytest.raises(ValueError, match=message):
        best_approximation(np.ones((3, 5)), **options)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_inf_are_named_before_lapack_sees_them(bad):
    Y, A = LowRank(np.eye(4, 2), np.eye(2), np.eye(3, 2)), np.ones((5, 2))
    A[3, 1] = bad
    with pytest.raises(ValueError, match="S: NaN or Inf"):
        truncate(LowRank(Y.U, A[2:4], Y.V))
    for matrix in (A, LowRank(A, np.eye(2), Y.V), LowRank(Y.U, np.eye(2), A)):
        with pytest.raises(ValueError, match="A: NaN or Inf"):
            best_approximation(matrix, rank=1)


@pytest.mark.parametrize("letter", "USV")
def test_a_factor_that_is_not_finite_is_refused_by_the_name_of_the_argument(letter):
    factors = {"U": np.eye(4, 2), "S": np.eye(2), "V": np.eye(3, 2)}
    factors[letter][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"^A: NaN"):
        best_approximation(LowRank(**factors), rank=1)


def test_the_best_approximation_of_full_rank_is_the_matrix_itself_also_for_complex_loose_factors():
    """U S Vᴴ with complex factors that are full, and not orthonormal: both triangular factors of
    the QR matter, and one is conjugated."""
    rng = np.random.default_rng(0)
    U, S, V = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
               for shape in ((6, 3), (3, 3), (5, 3)))
    Y, X = LowRank(U, S, V), best_approximation(LowRank(U, S, V), rank=3)
    assert defect(X.U) <= ORTHONORMAL and defect(X.V) <= ORTHONORMAL
    assert norm(X.dense() - U @ S @ V.conj().T) <= 100 * EPS * norm(U) * norm(S) * norm(V)
    R_U, R_V = np.linalg.qr(U)[1], np.linalg.qr(V)[1]
    assert abs(norm(R_U @ S @ R_V.T) - Y.norm()) > 0.1          # planted: without the conjugate


def test_on_a_dense_block_the_tangent_projection_is_Z_itself():
    rng = np.random.default_rng(0)
    Y, W = LowRank(random_basis(rng, 6, 2), np.eye(2), random_basis(rng, 5, 2)), np.ones((2, 3))
    Z = DirectSum([rng.standard_normal((6, 5)), rng.standard_normal((2, 3))])
    PZ = tangent_projection(DirectSum([Y, W]), Z)
    assert PZ.blocks[1] is Z.blocks[1] and PZ.blocks[0].rank == 4


@pytest.mark.parametrize("name", KINDS)
def test_both_projections_take_any_kind_of_matrix_and_give_an_array_for_a_dense_block(name):
    rng, kind = np.random.default_rng(0), KINDS[name]
    A = rng.standard_normal((6, 5))
    Y = LowRank(random_basis(rng, 6, 2), np.eye(2), random_basis(rng, 5, 2))
    both, blocks = DirectSum([A, Y]), DirectSum([kind(A), kind(A)])
    for project, rank in ((tangent_projection, 4), (retract, 2)):
        on_dense, on_lowrank = project(both, blocks).blocks
        assert type(on_dense) is np.ndarray and norm(on_dense - A) <= 1e-13
        assert on_lowrank.rank == rank and norm(on_lowrank - project(Y, A)) <= 1e-13
    best = best_approximation(blocks, rank=3).blocks
    assert [X.rank for X in best] == [3, 3]
    assert norm(best[0] - best_approximation(A, rank=3)) <= 1e-13


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e-150, 1e150])
def test_factors_with_columns_of_every_size_keep_their_digits(size):
    """Of U D⁻¹ and D S, with a column of U zero and one a multiple of another, the approximation is
    that of U S."""
    rng = np.random.default_rng(0)
    U, S, V = rng.standard_normal((9, 4)), rng.standard_normal((4, 4)), rng.standard_normal((7, 4))
    U[:, 2], U[:, 3] = 0, -2 * U[:, 0]
    D, A = np.array([1.0, size, 1, 3]), U @ S @ V.T
    most = 100 * EPS * norm(U) * norm(S) * norm(V)
    for Y in (LowRank(U / D, np.diag(D) @ S, V), LowRank(V, S.T @ np.diag(D), U / D)):
        whole = best_approximation(Y, tol=1e-12 * norm(A))
        truth = A if Y.shape == A.shape else A.T
        assert whole.rank == 2 and norm(whole - truth) <= most
        first = best_approximation(Y, rank=1)
        assert norm(first - best_approximation(truth, rank=1)) <= most


def test_a_vanishing_factor_is_approximated():
    U, S, V = (X.astype(np.float32) for X in (np.zeros((5, 2)), np.eye(2), np.ones((4, 2))))
    nothing = best_approximation(LowRank(U, S, V), tol=0.0)
    assert nothing.rank == 1 and nothing.dtype == np.float32 and nothing.norm() == 0
    assert nothing.U.T @ nothing.U == 1


class Times:
    """A basis of a type of its own: as little as `LowRank` asks of one."""

    ndim, __array_ufunc__ = 2, None

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def adjoint(self):
        return H(self.array)

    def __matmul__(self, P):
        return self.array @ P

    def __rmatmul__(self, A):
        return A @ self.array


def test_a_basis_of_a_type_of_its_own_is_cut_as_its_array_is():
    rng = np.random.default_rng(0)
    U, S, V = rng.standard_normal((6, 3)), np.diag([3.0, 2, 1]), rng.standard_normal((5, 3))
    Y = LowRank(U, S, V)
    for shorten in (lambda A: truncate(A, max_rank=2), lambda A: best_approximation(A, rank=2)):
        for own in (LowRank(Times(U), S, V), LowRank(U, S, Times(V))):
            assert norm(shorten(own) - shorten(Y)) <= 100 * EPS * norm(Y)


def test_a_tolerance_of_0_cuts_singular_values_that_are_0_and_no_others():
    """Exactly so: of a diagonal matrix these are its entries."""
    for sigma, rank in (([2.0, 1e-20, 0], 2), ([2.0, 0, 0], 1), ([0.0, 0, 0], 1)):
        S = np.diag(sigma)
        for A in (S, LowRank(np.eye(4, 3), S, np.eye(5, 3))):
            Y = best_approximation(A, tol=0)
            assert Y.rank == rank and Y.singular_values().tolist() == sigma[:rank]
