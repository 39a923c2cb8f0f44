"""truncate, best_approximation and tangent_projection at their edges; their theorems are in
test_orthonormal.py, the search for a dominant part in test_dominant_part.py."""

import numpy as np
import pytest
import scipy.sparse as sp
from measures import ORTHONORMAL, defect
from scipy.sparse.linalg import aslinearoperator
from strategies import random_basis

from lowrank_ode import DirectSum, LowRank, best_approximation, tangent_projection, truncate
from lowrank_ode.matrices import Identity, augment, norm, outer, retract
from lowrank_ode.matrices.truncation import by_svd

EPS = np.finfo(float).eps


def diagonal(sigma):
    r = len(sigma)
    return LowRank(np.eye(r + 2, r), np.diag(np.asarray(sigma, float)), np.eye(r + 1, r))


def tail_by_squares(sigma):
    """Planted error: (Σ_{i>r} σᵢ²)^½ by squares, which underflow."""
    return np.sqrt(np.append(np.cumsum(np.square(sigma)[::-1])[::-1], 0))


def test_tolerance_zero_keeps_every_nonzero_singular_value_where_its_square_underflows():
    sigma = [1, 1e-170]
    assert truncate(diagonal(sigma), 0).rank == 2 and np.argmax(tail_by_squares(sigma) <= 0) == 1
    assert truncate(diagonal([1, 1e-170, 0]), 0, relative=True).rank == 2


def test_truncation_returns_bases_that_are_orthonormal_to_rounding_from_bases_that_are_so_roughly():
    """A defect of 36 EPS √r, beyond what rounding makes, is mended, and from 1e-6 one Newton step
    leaves its square."""
    for m, r in ((4000, 16), (800, 400)):
        good, S = random_basis(np.random.default_rng(0), m, r), np.diag(np.linspace(2, 1, r))
        for dtype in (np.float32, np.float64):
            loose = (good * (1 + 18 * np.finfo(dtype).eps)).astype(dtype)
            Y = truncate(LowRank(loose, S.astype(dtype), loose))
            assert defect(Y.U) <= ORTHONORMAL and defect(Y.V) <= ORTHONORMAL < defect(loose)
            assert Y.dtype == dtype
        Y = truncate(LowRank(good * (1 + 1e-6), S, good))
        assert np.linalg.norm(Y.U.T @ Y.U - np.eye(r)) <= 2e-11 * r**0.5


@pytest.mark.parametrize("size", [1e-3, 1, 1e3])
@pytest.mark.parametrize("spectrum", [(1, 1e-3, 1e-6, 1e-7), (1, 1, 1, 1e-7)])
def test_in_single_precision_small_singular_values_keep_their_vectors_whatever_the_scale(
        size, spectrum):
    """Against the singular value decomposition in double precision."""
    rng, eps = np.random.default_rng(0), np.finfo(np.float32).eps
    P, Q = random_basis(rng, 4, 4), random_basis(rng, 4, 4)
    S = (size * (P * spectrum) @ Q.T).astype(np.float32)
    bases = random_basis(rng, 9, 4, np.float32), random_basis(rng, 8, 4, np.float32)
    for rank in (1, 2, 3, 4):
        Y = truncate(LowRank(bases[0], S, bases[1]), max_rank=rank)
        sigma = np.linalg.svd(S.astype(float), compute_uv=False)
        assert defect(Y.U) <= ORTHONORMAL and defect(Y.V) <= ORTHONORMAL
        for found in (np.diag(Y.S), Y.singular_values()):
            assert np.abs(found - sigma[:rank]).max() <= 10 * eps * size
        distance = (Y - LowRank(bases[0], S, bases[1])).norm()
        assert abs(distance - np.linalg.norm(sigma[rank:])) <= 10 * eps * size


def test_max_rank_caps_and_a_dense_block_passes_untouched():
    Y, W = diagonal([4, 3, 2, 1]), np.ones((2, 2))
    Z = truncate(DirectSum([Y, W]), 0, max_rank=2)
    assert Z.blocks[0].rank == 2 and Z.blocks[1] is W


@pytest.mark.parametrize("kind", [float, np.float16, np.float32, lambda x: np.array(x, np.float32)])
def test_a_tolerance_of_another_precision_is_a_number_like_any_other(kind):
    """Of matrices whose tails that precision cannot say, and rounds."""
    for size in (1e40, 1e7, 1, 1e-45):
        Y = diagonal(size * np.array([1, 0.9, 0.8, 0.7, 0.6, 1e-3]))
        assert truncate(Y, kind(1e-2), relative=True).rank == 5


def test_a_sum_of_no_terms_is_zero_before_and_after():
    for q in (2, 40):
        Y = LowRank(np.zeros((40, 0)), np.zeros((0, q)), np.eye(50, q))
        Y = truncate(Y, 0.1, relative=True)
        assert Y.shape == (40, 50) and not Y.dense().any()


def test_a_sum_is_truncated_though_its_bases_side_by_side_are_not_orthonormal():
    """Of terms with bases of their own, in each other's range, and kept in factors. Planted: the
    joined bases taken as they are."""
    rng, U, V = np.random.default_rng(0), np.eye(9, 3), np.eye(8, 3)
    Y = LowRank(U, np.diag([3.0, 2, 1]), V)
    turned = LowRank(U @ random_basis(rng, 3, 3), np.eye(3), V)
    larger = LowRank(augment(U, rng.standard_normal((9, 2))), rng.standard_normal((5, 3)), V + 0)
    for other in (turned, larger, outer(U, V), tangent_projection(Y, rng.standard_normal((9, 8)))):
        total, sigma = Y + other, np.linalg.svd(Y.dense() + other.dense(), compute_uv=False)
        assert len(total.terms) == 2
        for tol, rank in ((0.3, None), (0, 2)):
            Z = truncate(total, tol, max_rank=rank)
            tail = np.linalg.norm(sigma[Z.rank:])
            assert max(defect(Z.U), defect(Z.V)) <= ORTHONORMAL and tail <= (0.3 if tol else np.inf)
            assert abs(norm(total.dense() - Z.dense()) - tail) <= 1e-13
            assert np.abs(Z.singular_values() - sigma[:Z.rank]).max() <= 1e-13
        joined = by_svd(LowRank(*total), max_rank=2)
        assert abs(norm(total.dense() - joined.dense()) - np.linalg.norm(sigma[2:])) > 0.01


@pytest.mark.parametrize("options", [{"tol": -1}, {"tol": np.nan}, {"max_rank": 0},
                                     {"max_rank": 1.5}])
def test_bad_truncation_options_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: got"):
        truncate(diagonal([1, 1, 1]), **options)


@pytest.mark.parametrize("options, message", [
    ({"rank": 0}, "rank: got 0"), ({"rank": 4}, "rank: got 4"), ({"rank": 1.5}, "rank: got 1.5"),
    ({}, "exactly one"), ({"rank": 1, "tol": 1.0}, "exactly one"), ({"tol": -1.0}, "tol: got")])
def test_best_approximation_refuses_bad_ranks_and_tolerances(options, message):
    with pytest.raises(ValueError, match=message):
        best_approximation(np.ones((3, 5)), **options)


@pytest.mark.parametrize("core, said", [(np.eye(40, dtype=int), "int64"),
                                        (np.eye(40, dtype=object), "object"),
                                        (Identity(40), "Identity")])
def test_a_core_that_is_no_array_of_floats_is_refused_by_name(core, said):
    with pytest.raises(ValueError, match=f"S: got {said}"):
        truncate(LowRank(np.eye(50, 40), core, np.eye(60, 40)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_inf_are_named_before_lapack_sees_them(bad):
    Y, A = diagonal([1, 1]), np.ones((5, 2))
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


KINDS = {"sparse": sp.csr_array, "LinearOperator": aslinearoperator,
         "LowRank": lambda A: best_approximation(A, tol=0), "ndarray": np.asarray}


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


def test_factors_of_different_ranks_are_cut_like_their_product():
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 7, 2), rng.standard_normal((2, 4)), random_basis(rng, 6, 4))
    tail = np.linalg.svd(Y.S, compute_uv=False)[1]
    for Z in (Y, LowRank(Y.V, Y.S.T, Y.U)):
        assert truncate(Z).rank == 2 and norm(truncate(Z) - Z) <= 1e-14
        assert abs(norm(truncate(Z, max_rank=1) - Z) - tail) <= 1e-14


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
