"""Direct sums: every operation acts block by block, on named arguments as on others."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import scipy.sparse as sp
from measures import close
from methods import BASELINES, EVERY
from scipy.sparse.linalg import aslinearoperator
from strategies import KINDS, random_basis

from lowrank_ode import DirectSum, LowRank, best_approximation, tangent_projection, truncate
from lowrank_ode.matrices import (
    H,
    Identity,
    augment,
    blockwise,
    dense,
    leading,
    norm,
    orth,
    outer,
    restrict,
    retract,
)


def two_blocks(rng):
    """A LowRank and a dense block."""
    Y = LowRank(random_basis(rng, 6, 2), np.diag([2.0, 1]), random_basis(rng, 5, 2))
    return Y, rng.standard_normal((3, 1))


def test_a_direct_sum_acts_block_by_block_and_a_dense_block_unpacks_between_identities():
    Y, W = two_blocks(np.random.default_rng(0))
    P = DirectSum([Y, W])
    U, S, V = P
    assert P.shape == (9, 6) and S.blocks[1] is W and type(P.blocks) is tuple
    assert U.blocks[1] == Identity(3) and V.blocks[1] == Identity(1)
    assert LowRank(U, S, V).blocks[0].U is Y.U and LowRank(U, S, V).blocks[1] is W
    assert outer(U @ S, V).blocks[1] is W and close(outer(U @ S, V).blocks[0], Y)
    assert close(outer(U, V @ H(S)).blocks[0], Y) and close(outer(U, V @ H(S)).blocks[1], W)
    Q = (P + P - 0.5 * P) * 2
    assert close(Q.blocks[0], 3 * Y.dense()) and close(Q.blocks[1], 3 * W)
    assert close((H(P) @ P).blocks[0], H(Y.dense()) @ Y.dense())
    assert np.isclose(norm(P), np.sqrt(5 + np.sum(W**2)))
    with pytest.raises(ValueError, match="equally many"):
        P + DirectSum([Y])
    with pytest.raises(ValueError, match="at least one"):
        DirectSum([])


def test_a_direct_sum_is_conjugated_and_transposed_block_by_block():
    rng = np.random.default_rng(0)
    W = rng.standard_normal((3, 2)) + 1j * rng.standard_normal((3, 2))
    Y = LowRank(random_basis(rng, 6, 2), np.diag([2.0, 1j]), random_basis(rng, 5, 2))
    P = DirectSum([Y, W])
    for found, truth in ((P.conj(), np.conj), (P.T, np.transpose), (P.H, H)):
        assert all(close(X, truth(dense(B)))
                   for X, B in zip(found.blocks, P.blocks, strict=True))
    assert not close(P.blocks[1], W.conj())


def test_an_identity_is_a_value_and_tells_its_scale_where_it_is_not_1():
    assert repr(Identity(3)) == "Identity(3)" and repr(2 * Identity(3)) == "2 · Identity(3)"
    with pytest.raises(FrozenInstanceError):
        Identity(3).n = 4


def test_a_subclass_of_a_direct_sum_is_one():
    class Weights(DirectSum):
        pass

    P = Weights([np.eye(2), np.ones((3, 1))])
    doubled = zip((P + P).blocks, P.blocks, strict=True)
    assert all(np.array_equal(X, 2 * W) for X, W in doubled) and np.isclose(norm(P), 5**0.5)
    with pytest.raises(ValueError, match=r"blocks\[0\]"):
        DirectSum([P])


@pytest.mark.parametrize("place", [0, 2])
def test_a_direct_sum_in_a_direct_sum_is_refused_and_its_place_named(place):
    """Whether it is the first or the last block, and from an iterator. Planted: a block of any
    other kind in the same place, which is not refused."""
    blocks = [np.eye(2), LowRank(np.eye(3, 1), np.eye(1), np.eye(2, 1)), sp.csr_array(np.eye(3))]
    nested = [*blocks[:place], DirectSum(blocks[:2]), *blocks[place + 1:]]
    for given in (nested, iter(nested)):
        with pytest.raises(ValueError, match=rf"blocks\[{place}\]: got a DirectSum"):
            DirectSum(given)
    for other in (Identity(2), aslinearoperator(np.eye(2)), augment(np.eye(3, 1), np.ones((3, 1)))):
        nested[place] = other
        assert DirectSum(nested).blocks[place] is other


CALLS = [(retract, {"Y": "P", "Z": "Z"}), (tangent_projection, {"Y": "P", "Z": "Z"}),
         (truncate, {"Y": "P", "tol": 1.5}), (truncate, {"Y": "P", "relative": True, "tol": 0.5}),
         (truncate, {"Y": "P", "max_rank": 1}), (best_approximation, {"A": "P", "rank": 1}),
         (best_approximation, {"A": "Z", "tol": 1.0}), (dense, {"X": "P"}),
         (augment, {"U0": "U", "K": "K"}), (orth, {"K": "K", "U0": "U"}),
         (outer, {"K": "K", "V": "V"}), (restrict, {"U": "U1", "G": "Z", "V": "V"}),
         (leading, {"S": "S", "U": "U1", "V": "V"}), (LowRank, {"U": "U", "S": "S", "V": "V"})]


def as_arrays(P):
    return [np.eye(X.n) if isinstance(X, Identity) else dense(X) for X in P.blocks]


@pytest.mark.parametrize("function, names", CALLS, ids=[f.__name__ for f, _ in CALLS])
def test_named_arguments_that_are_direct_sums_act_block_by_block_as_others_do(function, names):
    """All named, in any order, or all but the first. Planted: names taken in the order in which
    they come; blocks in another order."""
    rng = np.random.default_rng(0)
    Y, W = two_blocks(rng)
    P = DirectSum([Y, W, LowRank(Y.V, 2 * Y.S, Y.V)])
    U, S, V = P
    Z = DirectSum([rng.standard_normal(X.shape) for X in P.blocks])
    given = {"P": P, "Z": Z, "U": U, "S": S, "V": V, "K": Z @ V, "U1": augment(U, Z @ V)}
    options = {name: given.get(value, value) for name, value in names.items()}
    truth = [function(**{name: X.blocks[k] if isinstance(X, DirectSum) else X
                         for name, X in options.items()}) for k in range(3)]
    (_, first), *rest = options.items()
    for found in (function(**options), function(first, **dict(rest)),
                  function(**dict(reversed(options.items())))):
        assert type(found) is DirectSum and list(map(type, found.blocks)) == list(map(type, truth))
        pairs = zip(as_arrays(found), as_arrays(DirectSum(truth)), strict=True)
        assert all(np.array_equal(X, X0) for X, X0 in pairs)
    assert not np.array_equal(as_arrays(found)[0], as_arrays(DirectSum(truth))[2])
    if function in (retract, tangent_projection):
        assert not np.allclose(as_arrays(function(Z, P))[0], as_arrays(found)[0], atol=0.1)


def test_a_blockwise_function_names_itself_where_direct_sums_have_different_numbers_of_blocks():
    P, Q = DirectSum([np.eye(2)]), DirectSum([np.eye(2), np.eye(2)])
    for call in (lambda: retract(P, Q), lambda: retract(Y=P, Z=Q), lambda: retract(P, Z=Q)):
        with pytest.raises(ValueError, match=r"retract: direct sums of \[1, 2\] blocks"):
            call()
    named = blockwise(lambda a, /, *b, c=0, **d: (a, b, c, d))
    (only,) = named(P, P, c=P, e=P).blocks
    assert only[0] is only[1][0] is only[2] is only[3]["e"] is P.blocks[0]
    assert named(1, c=2) == (1, (), 2, {})


@pytest.mark.parametrize("method", [*EVERY, *BASELINES], ids=str)
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix, aslinearoperator, KINDS["LowRank"]],
                         ids=["sparse array", "sparse matrix", "LinearOperator", "LowRank"])
def test_on_a_dense_block_a_field_may_return_any_kind_of_matrix(method, kind):
    rng = np.random.default_rng(0)
    Y, _ = two_blocks(rng)
    Y0 = DirectSum([rng.standard_normal((4, 3)), LowRank(Y.U, np.diag([1, 0.1]), Y.V)])
    C = [rng.standard_normal(X.shape) for X in Y0.blocks]

    def field(kind):
        return lambda t, Y: DirectSum([kind(B - dense(X))
                                       for B, X in zip(C, Y.blocks, strict=True)])

    result, reference = (method.step(Y0, 0, 0.1, field(kind)) for kind in (kind, np.asarray))
    assert type(result.blocks[0]) is np.ndarray
    assert norm(dense(result) - dense(reference)) <= 1e-13
