"""What a run may start from: valid states pass as they are, the others are refused by name."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator
from strategies import random_basis

from lowrank_ode import DirectSum, LowRank
from lowrank_ode.matrices import Identity, augment, check_matrix, check_state
from lowrank_ode.nets import check_ranks


def bad_states():
    U, S, V = np.eye(4, 2), np.diag([1.0, 0]), np.eye(5, 2)
    yield LowRank(2 * U, S, V), r"Y0.U: .* orthonormal"
    yield LowRank(U, S, V + 1e-6), r"Y0.V: .* orthonormal"
    yield LowRank(augment(2 * U, U), S, V), r"Y0.U: .* orthonormal"
    yield LowRank(U, S, V) + LowRank(U, S, -V), r"Y0.U: .* orthonormal"
    yield LowRank(U, S * np.nan, V), "Y0.S: NaN"
    yield LowRank(np.where(U == 1, np.inf, U), S, V), "Y0.U: NaN or Inf"
    yield LowRank(U[:, :0], S[:0, :0], V[:, :0]), "rank r with 1"
    yield LowRank(np.eye(2, 3), np.eye(3), np.eye(5, 3)), "rank r with 1"
    yield np.array([[np.nan]]), "Y0: NaN"
    yield np.eye(2, dtype=int), "Y0: got int64, expected an array of floats, single or double"
    yield np.eye(2, dtype=np.float16), "Y0: got float16, expected an array of floats, single or d"
    yield LowRank(U, Identity(2), V), "Y0.S: got Identity"
    yield LowRank(Identity(2), S, V), "Y0.U: got Identity"
    yield DirectSum([U, LowRank(2 * U, S, V)]), r"Y0.blocks\[1\].U"


@pytest.mark.parametrize("Y, message", list(bad_states()))
def test_a_bad_start_is_refused_by_name(Y, message):
    with pytest.raises(ValueError, match=message):
        check_state(Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("letter", ["U", "V"])
def test_a_basis_is_orthonormal_if_its_defect_is_at_most_1000_EPS_a_column(dtype, letter):
    def start(share):
        """One entry of the Gram matrix is off by `share` of the threshold."""
        loose, one = np.eye(5, 3, dtype=dtype), np.eye(5, 3, dtype=dtype)
        loose[0, 1] = share * 1000 * 3 * np.finfo(dtype).eps
        bases = {"U": one, "V": one, letter: loose}
        return LowRank(bases["U"], np.eye(3, dtype=dtype), bases["V"])

    for share in (0.9995, 1):
        assert check_state(start(share)).rank == 3
    with pytest.raises(ValueError, match=rf"Y0\.{letter}: .* expected orthonormal columns"):
        check_state(start(1.0005))


def test_a_good_start_passes_with_a_singular_core_and_in_single_precision():
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64, np.complex128):
        U, V = random_basis(rng, 5000, 40, dtype), random_basis(rng, 40, 40, dtype)
        Y = LowRank(U, np.zeros((40, 40), dtype), V)
        assert check_state(Y) is Y
    with pytest.raises(TypeError, match="expected a LowRank"):
        check_state("Y")
    assert check_state(LowRank(*(np.ones((1, 1)) for _ in "USV"))).rank == 1


def test_a_good_start_may_keep_its_bases_in_factors_or_be_a_sum():
    U, V = np.eye(6, 2), np.eye(5, 2)
    kept = LowRank(augment(U, np.ones((6, 1))), np.eye(3), augment(V, np.ones((5, 1))))
    both = LowRank(U, np.eye(2), V) + LowRank(np.eye(6, 2, k=-2), np.eye(2), np.eye(5, 2, k=-2))
    for Y in (kept, both, DirectSum([kept, both])):
        assert check_state(Y) is Y


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_has_products_from_both_sides_and_the_shape_that_is_expected():
    Y = LowRank(np.eye(4, 2), np.eye(2), np.eye(5, 2))
    for X in (Y, Y.dense(), scipy.sparse.csr_array(Y.dense()), Identity(4)):
        assert check_matrix("X", X) is X
    asked = check_matrix("X", np.matrix(Y.dense()), (4, 5))
    assert type(asked) is np.ndarray and np.array_equal(asked, Y.dense())
    for X in (DirectSum([Y]), [[1.0]], {"X": 1}, 1.0):
        with pytest.raises(TypeError, match=rf"X: got {type(X).__name__}, expected a matrix: "):
            check_matrix("X", X)
    without = aslinearoperator(Y.dense())
    without.dtype = None
    with pytest.raises(ValueError, match=r"X: got _?MatrixLinearOperator of None, expected one of"):
        check_matrix("X", without)
    for shape, hint in (((5, 4), ": it is transposed"), ((4, 4), "")):
        with pytest.raises(ValueError) as refusal:
            check_matrix("X", Y, shape)
        assert str(refusal.value) == f"X: shape (4, 5), expected {shape}{hint}"


@pytest.mark.parametrize("rank, ranks", [(None, [None, None, None]), (4, [4, 4, None]),
                                         (np.int64(2), [2, 2, None]), ([1, None, 3], [1, None, 3])])
def test_a_rank_is_that_of_the_hidden_layers_and_a_list_that_of_each(rank, ranks):
    assert check_ranks(rank, 3) == ranks
    assert check_ranks(4, 2) == [4, None] and check_ranks(None, 1) == [None]
    assert check_ranks([4], 1) == [4]
    alone = r"rank: got 4 for a single layer, which it would leave dense, expected \[4\] or None"
    with pytest.raises(ValueError, match=alone):
        check_ranks(4, 1)
    with pytest.raises(ValueError, match="rank: got 3 entries, expected one for each of 2 weights"):
        check_ranks(ranks, 2)
