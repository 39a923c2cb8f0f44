"""Decompositions in the place of the layers of a network: what they compute, how many numbers they
are, and that they train."""

from dataclasses import replace

import numpy as np
import pytest
from derivatives import block_directions, derivative_defect
from folded_kernels import CUTS, KERNEL, close, convolution, cut, runs, start
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from lowrank_ode import DLRT, DirectSum, best_approximation
from lowrank_ode.compression import count_parameters
from lowrank_ode.compression.kernels import Piece, fold, replaced, unfold, windows
from lowrank_ode.nets import Network, lenet5, mlp
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.layers import Dense
from lowrank_ode.training import gradient_field


@pytest.mark.parametrize("scheme, groups", CUTS)
def test_numbers_stored_are_those_of_the_factors_and_they_train(scheme, groups):
    """The gradient of the new network is its derivative, and a step of DLRT lowers its loss."""
    rng, net, j = np.random.default_rng(0), convolution(2, 1), 2
    params = start(net, rng)
    parts = cut(params.blocks[0], scheme, groups, j)
    found, new = replaced(net, params, [Piece(parts, scheme), None])
    j = min(j, *map(min, (part.shape for part in parts)))
    factors = sum(j * sum(part.shape) for part in parts)
    biases = sum(X.size for X in params.blocks[1:])
    assert count_parameters(new) == factors + biases
    x, labels = rng.standard_normal((3, net.inputs)), rng.standard_normal((3, 2))
    value, grads = found.value_and_grad(new, x, labels)
    for direction in block_directions(rng, new):
        assert derivative_defect(found, new, grads, x, labels, direction, "complex") <= 1e-12
    after = DLRT(0, max_rank=j).step(new, 0, 1e-3, gradient_field(found, x, labels))
    assert found.value(after, x, labels) < value


def test_ranks_of_groups_may_differ_where_they_stay_blocks():
    rng, net = np.random.default_rng(0), convolution()
    params = start(net, rng)
    W = params.blocks[0]
    piece = Piece(cut(W, "channel", 3, [1, 2, 4]))
    assert close(*runs(net, params, piece, rng))
    found, new = replaced(net, params, [piece, None])
    assert isinstance(found.layers[1], Grouped) and [X.rank for X in new.blocks[:3]] == [1, 2, 4]
    with pytest.raises(ValueError, match=r"parts: got ranks \[1, 2, 4\], expected equal ones"):
        replaced(net, params, [Piece(cut(W, "spatial", 3, [1, 2, 4]), "spatial"), None])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_layer_of_a_network_is_replaced_and_nothing_else_changes(dtype):
    """LeNet5: spatial-wise, in groups, channel-wise with a new bias, and one left as it is. Inputs
    stay as they are; precision too. Planted: the old bias."""
    rng, net = np.random.default_rng(0), lenet5((20, 20, 2), activation="tanh")
    params = start(net, rng, dtype)
    before = [X.copy() for X in params.blocks]
    kernel = [patches.kernel for patches in windows(net)]
    assert kernel == [(5, 5), (5, 5), (1, 1), (1, 1)]
    plans = [("spatial_transposed", 1), ("channel", 5), ("channel", 1)]
    pieces = [Piece(tuple(best_approximation(part, rank=2) for part in fold(W, a, *plan)), plan[0])
              for W, a, plan in zip(params.blocks[::2], kernel, plans, strict=False)]
    bias = rng.standard_normal((500, 1)).astype(dtype)
    pieces = [*pieces[:2], replace(pieces[2], bias=bias), None]
    found, new = replaced(net, params, pieces)
    Ws = [unfold(piece.parts, a, piece.scheme)
          for piece, a in zip(pieces[:3], kernel, strict=False)]
    multiplied_out = DirectSum([Ws[0], params.blocks[1], Ws[1], params.blocks[3], Ws[2], bias,
                                *params.blocks[6:]])
    x = rng.standard_normal((3, net.inputs)).astype(dtype)
    truth = net.outputs(multiplied_out, x)
    bound = 200 * np.finfo(dtype).eps * max(1, np.abs(truth).max())
    assert np.abs(found.outputs(new, x) - truth).max() <= bound
    assert {X.dtype for X in new.blocks} == {np.dtype(dtype)}
    assert all(np.array_equal(X, Y) for X, Y in zip(params.blocks, before, strict=True))
    old_bias, old = replaced(net, params, [*pieces[:2], replace(pieces[2], bias=None), None])
    assert np.abs(old_bias.outputs(old, x) - truth).max() > 1e-3
    same, blocks = replaced(net, params, [None] * 4)
    assert same == net and all(map(np.array_equal, blocks.blocks, params.blocks))


@given(st.sampled_from(CUTS), seeds)
def test_a_weight_without_windows_is_cut_too(cuts, seed):
    """A kernel of one pixel; groups are parts of the features. A bias may come to a layer
    without."""
    (scheme, groups), rng = cuts, np.random.default_rng(seed)
    net = mlp([12, 8, 3], "tanh")
    net = replace(net, layers=(Dense(8, "tanh", bias=False), *net.layers[1:]))
    params = start(net, rng)
    parts = tuple(best_approximation(part, rank=1)
                  for part in fold(params.blocks[0], (1, 1), scheme, groups))
    assert close(*runs(net, params, Piece(parts, scheme), rng))
    bias, x = rng.standard_normal((8, 1)), rng.standard_normal((4, 12))
    found, new = replaced(net, params, [Piece(parts, scheme, bias), None])
    hidden = np.tanh(unfold(parts, (1, 1), scheme) @ x.T + bias)
    assert close(found.outputs(new, x), (params.blocks[1] @ hidden + params.blocks[2]).T)


def of(**changes):
    """A decomposition of the first weight, with something changed."""
    rng, net = np.random.default_rng(0), changes.get("net", convolution())
    params = start(net, rng)
    options = {"parts": (params.blocks[0],), "scheme": "channel", "bias": None, **changes}
    piece = Piece(options["parts"], options["scheme"], options["bias"])
    return replaced(net, params, changes.get("pieces", [piece, None]))


W = np.ones((4, 90))
AGAIN = Network((6,), (Grouped(4, 2), Dense(2)))


@pytest.mark.parametrize("make, message", [
    (lambda: fold(W, KERNEL, "rows"), "scheme: got 'rows', expected one of channel, spatial"),
    (lambda: unfold([W], KERNEL, "rows"), "scheme: got 'rows'"),
    (lambda: fold(W, (4, 5)), r"kernel: got \(4, 5\) for a weight of shape \(4, 90\)"),
    (lambda: fold(W, KERNEL, groups=4), "groups: got 4, expected a divisor of the 6 channels"),
    (lambda: fold(W, KERNEL, groups=0), "groups: got 0"),
    (lambda: fold(W, KERNEL, "decoupled", 2), "groups: got 2 for the scheme decoupled, expected 1"),
    (lambda: of(pieces=[None]), "pieces: got 1, expected one for each of 2 weights"),
    (lambda: of(scheme="rows"), "scheme: got 'rows'"),
    (lambda: of(parts=(W[:, :-1],)), r"parts: got shapes \[\(4, 89\)\], expected \[\(4, 90\)\]"),
    (lambda: of(parts=()), "groups: got 0"),
    (lambda: of(scheme="spatial"), r"parts: got shapes .* expected \[\(12, 30\)\]"),
    (lambda: of(parts=fold(W, KERNEL, "spatial"), scheme="spatial"), "parts: got a dense one"),
    (lambda: of(bias=np.zeros(4)), r"bias: got shape \(4,\), expected \(4, 1\)"),
    (lambda: of(net=AGAIN, pieces=[Piece((np.ones((4, 3)),) * 2), None, None]),
     "pieces: got 2 parts of the scheme channel for Grouped.* are in groups"),
    (lambda: of(net=AGAIN, pieces=[None, Piece((np.ones((4, 3)),), "spatial"), None]),
     "pieces: got 1 parts of the scheme spatial for Grouped"),
    (lambda: of(net=AGAIN, pieces=[None, Piece((np.ones((4, 3)),), bias=np.ones((4, 1))), None]),
     "pieces: .* with the old bias"),
    (lambda: of(net=AGAIN, pieces=[Piece((np.ones((4, 2)),)), None, None]),
     r"parts: got shapes \[\(4, 2\)\], expected \[\(4, 3\)\]")])
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
