"""Of which numbers and precision a result is: complex where the field is, single where the state
is."""

import numpy as np
import pytest
import scipy.sparse as sp
from methods import BASELINES, low_rank, with_options
from scipy.sparse.linalg import LinearOperator

from lowrank_ode import Dense, DirectSum, LowRank, best_approximation, evolve, exact_flow
from lowrank_ode.integrators import BUG
from lowrank_ode.matrices import dense, norm
from lowrank_ode.problems import schroedinger
from lowrank_ode.substeps import euler, exact, rk4

METHODS = [*low_rank(plain=True), *BASELINES, Dense()]
SOLVING = [method for method in METHODS if hasattr(method, "solve")]
M = np.random.default_rng(5).standard_normal((8, 7))
Y0 = best_approximation(M, rank=2)


def last(run):
    *_, (_, Y) = run
    return Y


def test_a_real_start_of_a_complex_field_has_its_imaginary_part():
    """W' = i W from I: e^i on the diagonal. The right value beside the identity, which is real."""
    for W in (last(exact_flow(np.eye(2), lambda t, W: 1j * W, (0, 1))),
              last(evolve(Dense(exact), np.eye(2), lambda t, W: 1j * W, (0, 1), 1))):
        assert np.abs(W - np.exp(1j) * np.eye(2)).max() <= 1e-12
    problem = schroedinger(0)
    R = best_approximation(np.random.default_rng(0).standard_normal((40, 40)), rank=3)
    C = LowRank(R.U.astype(complex), R.S.astype(complex), R.V.astype(complex))
    assert np.array_equal(problem.solution(0.1, R), problem.solution(0.1, C))


@pytest.mark.parametrize("method", [*(m for m in METHODS if m not in SOLVING),
                                    *(with_options(m, solve=solve) for m in SOLVING
                                      for solve in (euler, rk4, exact))], ids=str)
def test_a_step_from_a_real_start_is_that_from_the_same_start_in_complex_numbers(method):
    """Also of a real block beside a complex one, which stays real."""
    C = LowRank(*(X.astype(complex) for X in Y0))

    def F(t, Y):
        G = 1j * np.cos(t) * M - 0.5 * Y.blocks[0]
        return DirectSum([G, -Y.blocks[1]])

    real, cplx = (method.step(DirectSum([Y, np.ones((3, 1))]), 0.1, 0.1, F) for Y in (Y0, C))
    assert real.blocks[0].dtype == complex and real.blocks[1].dtype == float
    assert norm(real.blocks[0] - cplx.blocks[0]) <= 1e-12
    assert np.abs(dense(real.blocks[0]).imag).max() > 0.01


@pytest.mark.parametrize("method", [with_options(m, solve=exact) for m in SOLVING], ids=str)
def test_exact_substeps_keep_the_imaginary_part_in_each_step(method):
    """Ten steps of Schrödinger's equation: as with rk4, where a real S after the first truncation
    lost it (error .61 for .017)."""
    problem, by_rk4 = schroedinger(0), type(method)()
    Y, Z = (last(evolve(m, problem.Y0, problem.F, (0, 0.1), 10)) for m in (method, by_rk4))
    assert norm(dense(Y) - dense(Z)) <= 1e-4 * norm(dense(Y))


def test_a_field_that_turns_complex_on_the_way_is_refused():
    with pytest.raises(ValueError, match=r"f: complex at t = .*, real at t = 0"):
        exact(lambda t, y: -y if t < 0.1 else -1j * y, 0.0, np.ones((2, 1)), 1.0)


@pytest.mark.parametrize("method", [*METHODS, Dense(exact), BUG(exact)], ids=str)
@pytest.mark.parametrize("state, field, result", [(np.float32, np.float64, np.float32),
                                                  (np.float32, np.complex128, np.complex64),
                                                  (np.float64, np.float32, np.float64),
                                                  (np.float64, np.complex64, np.complex128),
                                                  (np.complex64, np.float64, np.complex64)])
@pytest.mark.parametrize("kind", [
    np.asarray, sp.csr_array, lambda A: LowRank(A, np.eye(7, dtype=A.dtype), np.eye(7)),
    lambda A: LinearOperator(A.shape, matvec=lambda x: A @ x, dtype=A.dtype,
                             rmatvec=lambda x: A.conj().T @ x)],
    ids=["ndarray", "sparse", "LowRank", "LinearOperator"])
def test_the_precision_is_that_of_the_state(method, kind, state, field, result):
    Y, G = LowRank(*(X.astype(state) for X in Y0)), kind(M.astype(field))
    assert method.step(Y, 0.0, 0.1, lambda t, Y: G).dtype == result
    assert last(exact_flow(Y, lambda t, Y: G, (0, 0.1))).dtype == result


def test_an_exact_substep_from_a_matrix_in_factors_may_turn_complex():
    Y = LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1))
    found = exact(lambda t, W: 1j * dense(W), 0, Y, 0.5)
    assert np.abs(found - np.exp(0.5j) * dense(Y)).max() <= 1e-12
