"""Y plus a tangent vector, and its retraction: sums that share bases, against the same without."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import eps_of, lowrank_matrices, random_basis, seeds
from test_orthonormal import ORTHONORMAL, defect

from lowrank_ode import LowRank, best_approximation, tangent_projection
from lowrank_ode.integrators.parallel_bug import bordered
from lowrank_ode.matrices import H, Identity, augment_in_factors, images, norm, retract, truncation


def drawn(Y, seed):
    """A full matrix of the shape and kind of Y."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal(Y.shape)
    return (Z + 1j * rng.standard_normal(Y.shape) if np.issubdtype(Y.dtype, np.complexfloating) else Z).astype(Y.dtype)


@given(lowrank_matrices(), seeds, st.sampled_from([1e-8, 0.1, 10.0]))
def test_a_matrix_and_a_tangent_vector_at_it_have_rank_2r_together(Y, seed, h):
    """And the sum is theirs. Planted: the core of Y left out. Other bases are not shared."""
    tangent = h * tangent_projection(Y, drawn(Y, seed))
    together, truth = Y + tangent, Y.dense() + tangent.dense()
    size = 50 * eps_of(Y.U) * (norm(Y) + norm(tangent))
    assert together.rank == 2 * Y.rank and together.dtype == Y.dtype and norm(together.dense() - truth) <= size
    other = LowRank(-Y.U, -Y.S, Y.V)
    assert (other + tangent).rank == 3 * Y.rank and norm((other + tangent).dense() - truth) <= size
    assert norm(Y) <= 2 * size or norm((0 * Y + tangent).dense() - truth) > size


@given(lowrank_matrices(), seeds, st.sampled_from([1e-8, 0.1, 10.0]), st.sampled_from([0, 100]))
def test_the_retraction_of_a_step_along_a_tangent_vector_is_its_best_approximation(Y, seed, h, small):
    """With and without singular values of the core. The twin knows nothing of Y: its bases begin with those of −Y. Distances are equal,
    for the matrices need not be.
    """
    with patch.object(truncation, "SMALL", small):
        found, distance, truth = retracted(Y, seed, h)
    assert found.rank == Y.rank and found.dtype == Y.dtype and max(defect(found.U), defect(found.V)) <= ORTHONORMAL
    assert abs(distance - truth) <= 100 * eps_of(Y.U) * (1 + h)


def retracted(Y, seed, h):
    """The retraction of Z = Y + h P(Y)A with ‖A‖ = 1, its distance from Z, and that of a twin that knows nothing of Y."""
    A = drawn(Y, seed)
    Z = Y + h * tangent_projection(Y, A / norm(A))
    found, twin = retract(Y, Z), best_approximation(LowRank(-Z.U, Z.S, -Z.V), rank=Y.rank)
    return found, norm(found - Z), norm(twin - Z)


@given(lowrank_matrices(), seeds, st.sampled_from([1e-8, 0.1, 10.0]))
def test_a_tangent_vector_in_augmented_bases_is_that_of_the_projection_and_shares_them(Y, seed, h):
    """What a projected Runge–Kutta step takes. Planted: bases of another start; the part U0 U0ᴴ A V0 V0ᴴ twice."""
    A = drawn(Y, seed)
    A = A / norm(A)
    tangent, truth = h * bordered(Y, *images(Y, A)), h * tangent_projection(Y, A).dense()
    size = 100 * eps_of(Y.U) * (norm(Y) + h)
    assert norm(tangent.dense() - truth) <= size
    together, other = Y + tangent, LowRank(-Y.U, -Y.S, Y.V) + tangent
    assert together.U is tangent.U and together.V is tangent.V and len(other.terms) == 2
    assert max(norm(Z.dense() - Y.dense() - truth) for Z in (together, other)) <= size
    found, twin = retract(Y, together), best_approximation(together.dense(), rank=Y.rank)
    assert found.rank == Y.rank and max(defect(found.U), defect(found.V)) <= ORTHONORMAL
    assert abs(norm(found.dense() - together.dense()) - norm(twin.dense() - together.dense())) <= 2 * size
    inside = h * norm(H(Y.U) @ A @ Y.V)
    twice = h * bordered(Y, *images(Y, A), 2 * (H(Y.U) @ A @ Y.V))
    assert inside <= 2 * size or norm(twice.dense() - truth) > size


def test_a_retraction_within_the_bases_of_the_start_is_not_the_best_approximation():
    """Planted: what is new in the bases is left out."""
    Y = LowRank(np.eye(9, 2), np.eye(2), np.eye(8, 2))
    _, distance, truth = retracted(Y, 0, 0.1)
    assert abs(distance - truth) <= 1e-13
    with patch.object(truncation, "augment_in_factors", lambda U0, K: augment_in_factors(U0, 0 * K)):
        assert retracted(Y, 0, 0.1)[1] > truth + 0.01


def test_a_real_start_is_retracted_from_complex_matrices():
    """Also where its bases are complete. Planted: what is left where imaginary parts are dropped."""
    Y = LowRank(np.eye(3, 2), np.diag([2.0, 1]), np.eye(2))
    Z = Y + LowRank(np.ones((3, 1)), np.ones((1, 1)), np.array([[1], [1j]]))
    truth = Z.dense()
    assert norm(retract(Y, Z).dense() - truth) <= 1e-14 and norm(retract(Y, truth.real).dense() - truth) > 1
    assert norm(retract(LowRank(Y.V, Y.S, Y.U), H(Z)).dense() - H(truth)) <= 1e-14


def test_a_retraction_computes_no_singular_value_of_a_short_step():
    """Planted: a cut that takes the first coordinates for the dominant singular vectors."""
    rng = np.random.default_rng(0)
    Y = LowRank(random_basis(rng, 90, 20), np.diag(np.linspace(1, 2, 20)), random_basis(rng, 80, 20))
    Z = Y + tangent_projection(Y, rng.standard_normal((90, 80)) / 80)
    truth, first = best_approximation(Z, rank=20), np.eye(40, 20)
    with patch.object(truncation, "truncate", None):
        assert norm(retract(Y, Z) - truth) <= 1e-13
        with patch.object(truncation, "_dominant", lambda S, r, theta: (first, S[:r, :r], first)):
            assert norm(retract(Y, Z) - truth) > 0.1


def test_bases_are_shared_exactly_if_one_begins_with_the_other():
    """Rectangular cores, both ways. Planted: bases that agree in their first row only, as all are told apart that do not."""
    rng = np.random.default_rng(0)
    U, V, A, B = (rng.standard_normal(shape) for shape in ((9, 3), (8, 2), (9, 2), (8, 3)))
    for Y in (LowRank(U, rng.standard_normal((3, 2)), V), LowRank(V, rng.standard_normal((2, 3)), U)):
        more = {9: A, 8: B}
        X = LowRank(np.hstack([Y.U, more[len(Y.U)]]), rng.standard_normal((5, 5)), np.hstack([Y.V, more[len(Y.V)]]))
        assert (Y + X).rank == 5 and np.allclose((Y + X).dense(), Y.dense() + X.dense(), rtol=1e-12)
        for letter in "UV":
            other = LowRank(*(np.vstack([F[:1], -F[1:]]) if name == letter else F for name, F in zip("USV", X, strict=True)))
            assert (Y + other).rank == 7 and np.allclose((Y + other).dense(), Y.dense() + other.dense(), rtol=1e-12)


def test_columns_of_every_size_beside_a_known_basis_keep_their_digits():
    rng = np.random.default_rng(0)
    U, V = np.linalg.qr(rng.standard_normal((9, 2)))[0], np.linalg.qr(rng.standard_normal((8, 2)))[0]
    more, size = rng.standard_normal((9, 2)), np.array([1e-150, 1])
    Z = LowRank(np.hstack([U, more * size]), np.diag(np.r_[1, 1, 1 / size]), np.hstack([V, rng.standard_normal((8, 2))]))
    truth = np.hstack([U, more]) @ H(Z.V)
    assert norm(retract(LowRank(U, np.eye(2), V), Z) - best_approximation(truth, rank=2)) <= 1e-13


@pytest.mark.parametrize("letter", ["U", "S", "V"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_retraction_refuses_what_is_not_finite_also_in_a_shared_basis_and_other_shapes(letter, bad):
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
            assert found.rank == truth.rank and norm(found - truth) <= 1e-13 and defect(found.U) <= ORTHONORMAL
