"""Y plus a tangent vector, and its retraction: sums that share bases, against the same without."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import ORTHONORMAL, defect
from strategies import eps_of, lowrank_matrices, random_basis, seeds

from lowrank_ode import LowRank, best_approximation, tangent_projection
from lowrank_ode.integrators.parallel_bug import bordered
from lowrank_ode.matrices import H, Identity, augment, norm, retract, truncation

STEPS = st.sampled_from([1e-8, 0.1, 10.0])


def drawn(Y, seed):
    """A full matrix of the shape and kind of Y."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal(Y.shape)
    if np.issubdtype(Y.dtype, np.complexfloating):
        Z = Z + 1j * rng.standard_normal(Y.shape)
    return Z.astype(Y.dtype)


def tangent_in_augmented_bases(Y, A, S1=None):
    """P(Y)A as a projected Runge–Kutta step takes it."""
    U, _, V = Y
    return bordered(Y, A @ V, H(A) @ U, S1)


@given(lowrank_matrices(), seeds, STEPS)
def test_a_matrix_and_a_tangent_vector_at_it_have_rank_2r_together(Y, seed, h):
    """In the bases that hold those of Y, or after truncation; and the sum is theirs. Planted: the
    core of Y left out. Other bases are not shared, nor equal ones."""
    A, r, eps = drawn(Y, seed), Y.rank, eps_of(Y.U)
    tangent = h * tangent_projection(Y, A)
    truth = Y.dense() + tangent.dense()
    size = 50 * eps * (norm(Y) + norm(tangent))
    side_by_side, together = Y + tangent, Y + h * tangent_in_augmented_bases(Y, A)
    assert len(side_by_side.terms) == 2 and side_by_side.rank == 3 * r
    assert len(together.terms) == 1 and together.rank <= 2 * r
    assert np.linalg.matrix_rank(truth, 100 * size) <= 2 * r
    for total in (side_by_side, together, LowRank(-Y.U, -Y.S, Y.V) + tangent):
        assert total.dtype == Y.dtype and norm(total.dense() - truth) <= 2 * size
    for other in (LowRank(-Y.U, -Y.S, Y.V), LowRank(Y.U.copy(), Y.S, Y.V.copy())):
        assert len((other + h * tangent_in_augmented_bases(Y, A)).terms) == 2
    assert norm(Y) <= 4 * size or norm((0 * Y + tangent).dense() - truth) > 2 * size


@given(lowrank_matrices(), seeds, STEPS, st.sampled_from([0, 100]))
def test_the_retraction_of_a_step_along_a_tangent_vector_is_its_best_approximation(
        Y, seed, h, small):
    """With and without singular values of the core. The twin knows nothing of Y: its bases begin
    with those of −Y. Distances are equal, for the matrices need not be.
    """
    with patch.object(truncation, "SMALL", small):
        found, distance, truth = retracted(Y, seed, h)
    assert found.rank == Y.rank and found.dtype == Y.dtype
    assert max(defect(found.U), defect(found.V)) <= ORTHONORMAL
    assert abs(distance - truth) <= 100 * eps_of(Y.U) * (1 + h)


def retracted(Y, seed, h):
    """The retraction of Z = Y + h P(Y)A with ‖A‖ = 1, its distance from Z, and that of a twin that
    knows nothing of Y."""
    A = drawn(Y, seed)
    Z = Y + h * tangent_projection(Y, A / norm(A))
    found, twin = retract(Y, Z), best_approximation(LowRank(-Z.U, Z.S, -Z.V), rank=Y.rank)
    return found, norm(found - Z), norm(twin - Z)


@given(lowrank_matrices(), seeds, STEPS)
def test_a_tangent_vector_in_augmented_bases_is_that_of_the_projection_and_shares_them(Y, seed, h):
    """Planted: bases of another start; the part U0 U0ᴴ A V0 V0ᴴ twice."""
    A = drawn(Y, seed)
    A = A / norm(A)
    tangent = h * tangent_in_augmented_bases(Y, A)
    truth = h * tangent_projection(Y, A).dense()
    size = 100 * eps_of(Y.U) * (norm(Y) + h)
    assert norm(tangent.dense() - truth) <= size
    together, other = Y + tangent, LowRank(-Y.U, -Y.S, Y.V) + tangent
    assert together.factors[0] is tangent.factors[0] and together.factors[2] is tangent.factors[2]
    assert together.U is tangent.U and together.V is tangent.V and len(other.terms) == 2
    assert max(norm(Z.dense() - Y.dense() - truth) for Z in (together, other)) <= size
    found, twin = retract(Y, together), best_approximation(together.dense(), rank=Y.rank)
    distances = [norm(X.dense() - together.dense()) for X in (found, twin)]
    assert found.rank == Y.rank and max(defect(found.U), defect(found.V)) <= ORTHONORMAL
    assert abs(distances[0] - distances[1]) <= 2 * size
    inside = H(Y.U) @ A @ Y.V
    twice = h * tangent_in_augmented_bases(Y, A, 2 * inside)
    assert h * norm(inside) <= 2 * size or norm(twice.dense() - truth) > size


def test_a_retraction_within_the_bases_of_the_start_is_not_the_best_approximation():
    """Planted: what is new in the bases is left out."""
    Y = LowRank(np.eye(9, 2), np.eye(2), np.eye(8, 2))
    _, distance, truth = retracted(Y, 0, 0.1)
    assert abs(distance - truth) <= 1e-13

    def nothing_new(U0, K):
        return augment(U0, 0 * K if U0.shape[1] else K)

    with patch.object(truncation, "augment", nothing_new):
        assert retracted(Y, 0, 0.1)[1] > truth + 0.01


def test_a_real_start_is_retracted_from_complex_matrices():
    """Also where its bases are complete. Planted: imaginary parts dropped."""
    Y = LowRank(np.eye(3, 2), np.diag([2.0, 1]), np.eye(2))
    Z = Y + LowRank(np.ones((3, 1)), np.ones((1, 1)), np.array([[1], [1j]]))
    truth = Z.dense()
    assert norm(retract(Y, Z).dense() - truth) <= 1e-14
    assert norm(retract(Y, truth.real).dense() - truth) > 1
    assert norm(retract(LowRank(Y.V, Y.S, Y.U), H(Z)).dense() - H(truth)) <= 1e-14


@pytest.mark.parametrize("tangent", [tangent_projection, tangent_in_augmented_bases])
def test_a_retraction_computes_no_singular_value_of_a_short_step(tangent):
    """Planted: the first coordinates taken for the dominant singular vectors."""
    rng = np.random.default_rng(0)
    S = np.diag(np.linspace(1, 2, 20))
    Y = LowRank(random_basis(rng, 90, 20), S, random_basis(rng, 80, 20))
    Z = Y + tangent(Y, rng.standard_normal((90, 80)) / 80)
    truth, first = best_approximation(Z, rank=20), np.eye(40, 20)
    with patch.object(truncation, "by_svd", None):
        assert norm(retract(Y, Z) - truth) <= 1e-13
        with patch.object(truncation, "dominant", lambda S, r, theta: (first, S[:r, :r], first)):
            assert norm(retract(Y, Z) - truth) > 0.1


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_bases_are_shared_exactly_if_one_was_made_of_the_other(dtype):
    """Or if they are the same. Rectangular cores, both ways, both letters; not where the second was
    made of the first. Planted: the smaller core in another corner."""
    rng = np.random.default_rng(0)

    def full(m, n):
        i = 1j if dtype is np.complex128 else 0
        return (rng.standard_normal((m, n)) + i * rng.standard_normal((m, n))).astype(dtype)

    def between(A, B):
        return LowRank(A, full(A.shape[1], B.shape[1]), B)

    U, V = random_basis(rng, 9, 3, dtype), random_basis(rng, 8, 2, dtype)
    for Y in (between(U, V), between(V, U)):
        U1, V1 = augment(Y.U, full(len(Y.U), 2)), augment(Y.V, full(len(Y.V), 3))
        for X in (between(U1, V1), between(Y.U, V1), between(U1, Y.V), between(Y.U, Y.V)):
            (A, S, B), total, truth = X.factors, Y + X, Y.dense() + X.dense()
            assert len(total.terms) == 1 and total.factors[0] is A and total.factors[2] is B
            assert np.allclose(total.dense(), truth, rtol=0, atol=1e-13)
            wrong = S.copy()
            wrong[-Y.S.shape[0]:, -Y.S.shape[1]:] += Y.S
            assert S.shape == Y.S.shape or norm(LowRank(A, wrong, B).dense() - truth) > 0.1
        other = augment(-Y.U, full(len(Y.U), 2))
        for X in (between(other, V1), between(U1.array, V1), between(U1, V1.array)):
            assert len((Y + X).terms) == 2 and len((X + Y).terms) == 2
            assert np.allclose((Y + X).dense(), Y.dense() + X.dense(), rtol=0, atol=1e-13)


def test_columns_of_every_size_beside_a_known_basis_keep_their_digits():
    rng = np.random.default_rng(0)
    U, V = random_basis(rng, 9, 2), random_basis(rng, 8, 2)
    more, size = rng.standard_normal((9, 2)), np.array([1e-150, 1])
    beside, right = np.hstack([U, more * size]), np.hstack([V, rng.standard_normal((8, 2))])
    Z = LowRank(beside, np.diag(np.r_[1, 1, 1 / size]), right)
    truth = best_approximation(np.hstack([U, more]) @ H(Z.V), rank=2)
    assert norm(retract(LowRank(U, np.eye(2), V), Z) - truth) <= 1e-13


@pytest.mark.parametrize("letter", ["U", "S", "V"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_retraction_refuses_what_is_not_finite_also_in_a_shared_basis_and_other_shapes(
        letter, bad):
    factors = {"U": np.eye(9, 2), "S": np.eye(2), "V": np.eye(8, 2)}
    factors[letter][0, 0] = bad
    Y, Z = LowRank(**factors), LowRank(np.eye(9, 2), np.eye(2), np.eye(8, 2))
    for start in (Y, Z):
        with pytest.raises(ValueError, match=r"^A: NaN or Inf"):
            retract(start, 0.5 * Y)
    for start in (Z, Z.dense()):
        with pytest.raises(ValueError, match=r"^Z: shape \(8, 9\), expected that of Y, \(9, 8\)"):
            retract(start, H(Z))


@pytest.mark.filterwarnings("error")
def test_a_real_matrix_retracts_to_a_complex_one():
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 9, 2), np.eye(2), random_basis(rng, 8, 2))
    Z = Y + tangent_projection(Y, rng.standard_normal((9, 8)))
    found = retract(LowRank(*(X.astype(complex) for X in Y)), Z)
    assert found.dtype == complex and norm(found - retract(Y, Z)) <= 1e-13


def test_a_factor_that_is_an_identity_has_no_basis_to_be_found():
    B = np.arange(8.0).reshape(4, 2) + np.eye(4, 2)
    for Y in (LowRank(Identity(3, 2), np.eye(3, 2), B), LowRank(B, np.eye(2, 3), Identity(3, 2))):
        for kind in ({"rank": 1}, {"rank": 3}, {"tol": 0.5}):
            found, truth = best_approximation(Y, **kind), best_approximation(Y.dense(), **kind)
            assert found.rank == truth.rank and norm(found - truth) <= 1e-13
            assert defect(found.U) <= ORTHONORMAL
