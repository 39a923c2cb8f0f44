"""Kernels folded to matrices, and decompositions that run as convolutions: against the convolution
with the kernel multiplied out."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds
from test_nets import block_directions, derivative_defect

from lowrank_ode import DLRT, DirectSum, LowRank, best_approximation
from lowrank_ode.compression import count_parameters, kernels
from lowrank_ode.compression.kernels import (
    SCHEMES,
    Piece,
    fold,
    folded_shapes,
    replaced,
    unfold,
    windows,
)
from lowrank_ode.matrices import norm
from lowrank_ode.nets import Network, lenet5, mlp
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.training import gradient_field

KERNEL = 3, 5
CUTS = [*((scheme, 1) for scheme in SCHEMES),
        *((scheme, k) for scheme in SCHEMES[:-1] for k in (2, 6))]          # 6: a channel each
numbers = st.integers


def convolution(stride=1, padding=0, channels=6, activation="tanh"):
    """A 3 × 5 kernel, 4 filters, on 7 × 8 pixels."""
    return Network((7, 8, channels), (Patches(KERNEL, stride, padding), Dense(4, activation),
                                      Flatten(), Dense(2, "identity")), "mean_squares")


def start(net, rng, dtype=np.float64):
    params = net.init(rng, dtype=dtype)
    return DirectSum([X + rng.standard_normal(X.shape).astype(dtype) / 10 for X in params.blocks])


def cut(W, scheme, groups, ranks):
    """Its parts at a rank each, one for all if they are to be equal; None for full rank."""
    parts = fold(W, KERNEL, scheme, groups)
    return tuple(best_approximation(part, rank=min(r or 99, *part.shape))
                 for part, r in zip(parts, np.broadcast_to(ranks, len(parts)), strict=True))


def by_hand(W, kernel, scheme, groups=1):
    """Entry by entry, as the table says."""
    (f, _), (a, b) = W.shape, kernel
    c = W.shape[1] // (a * b)
    shapes = folded_shapes(W.shape, kernel, scheme, groups)
    parts = [np.full(shape, np.nan) for shape in shapes]
    for (i, x, y, z), entry in np.ndenumerate(W.reshape(f, a, b, c)):
        part, g = divmod(z, c // groups)
        row, column = {"channel": (i, (x * b + y) * (c // groups) + g),
                       "spatial": (i * a + x, y * (c // groups) + g),
                       "spatial_transposed": (i * b + y, x * (c // groups) + g),
                       "filter": ((i * a + x) * b + y, g), "decoupled": (x * b + y, z)}[scheme]
        parts[i if scheme == "decoupled" else part][row, column] = entry
    return parts


@given(st.tuples(numbers(1, 4), numbers(1, 3), numbers(1, 4)), numbers(1, 3), st.data(), seeds)
def test_a_folded_kernel_has_its_entries_where_the_scheme_says_and_is_unfolded_again(
        sizes, k, data, seed):
    """Planted: contiguous columns as groups, the unfolding of the other direction."""
    (f, a, b), per_group = sizes, data.draw(numbers(1, 3))
    W = np.random.default_rng(seed).standard_normal((f, a * b * k * per_group))
    scheme = data.draw(st.sampled_from(SCHEMES))
    groups = 1 if scheme == "decoupled" else k
    parts = fold(W, (a, b), scheme, groups)
    assert [part.shape for part in parts] == folded_shapes(W.shape, (a, b), scheme, groups)
    for part, truth in zip(parts, by_hand(W, (a, b), scheme, groups), strict=True):
        assert np.array_equal(part, truth)
    assert np.array_equal(unfold(parts, (a, b), scheme), W)
    low = LowRank(np.eye(f), np.eye(f), W.T)
    assert all(map(np.array_equal, fold(low, (a, b), scheme, groups), parts))
    if scheme == "channel" and groups > 1 and a * b > 1:
        assert not np.array_equal(parts[0], np.split(W, groups, axis=1)[0])
    if scheme == "spatial" and a == b > 1:
        assert not np.array_equal(unfold(parts, (a, b), "spatial_transposed"), W)


def test_what_is_cut_is_the_tail_of_the_folded_matrix():
    """‖W − unfold(parts)‖² is the sum of σᵢ² beyond the ranks, over the parts."""
    W = np.random.default_rng(0).standard_normal((4, 90))
    for scheme, groups in CUTS:
        parts = cut(W, scheme, groups, 2)
        tails = [np.linalg.svd(part, compute_uv=False)[2:] for part in fold(W, KERNEL, scheme, groups)]
        error = norm(W - unfold(parts, KERNEL, scheme))
        assert abs(error - norm(np.concatenate(tails))) <= 1e-13 * norm(W)


def runs(net, params, piece, rng, batch=3):
    """(outputs, those with the weight multiplied out)."""
    x = rng.standard_normal((batch, net.inputs))
    W, *rest = params.blocks
    W = unfold(piece.parts, windows(net)[0].kernel, piece.scheme)
    found, found_params = replaced(net, params, [piece, *[None] * (len(net.weight_shapes) - 1)])
    return found.outputs(found_params, x), net.outputs(DirectSum([W, *rest]), x)


def close(found, truth):
    """Sums of 90 products of numbers of size 1, twice."""
    return found.shape == truth.shape and np.abs(found - truth).max() <= 1e-12 * max(
        1, np.abs(truth).max())


@given(st.sampled_from(CUTS), seeds, st.tuples(numbers(1, 3), numbers(1, 3)),
       st.tuples(numbers(0, 2), numbers(0, 2)), st.sampled_from([1, 2, None]))
def test_a_decomposition_runs_as_convolutions_and_is_the_folded_kernels(
        cuts, seed, stride, padding, rank):
    """Also of full rank, with which nothing is cut."""
    (scheme, groups), rng = cuts, np.random.default_rng(seed)
    net = convolution(stride, padding)
    params = start(net, rng)
    piece = Piece(cut(params.blocks[0], scheme, groups, rank), scheme)
    found, truth = runs(net, params, piece, rng)
    assert close(found, truth)
    if rank is None:
        whole = unfold(piece.parts, KERNEL, scheme)
        assert np.allclose(whole, params.blocks[0], rtol=0, atol=1e-13)


def with_strides_first(patches, below, above):
    return replace(below, stride=patches.stride), replace(above, stride=1)


def with_paddings_of_the_other_direction(patches, below, above):
    return replace(below, padding=below.padding[::-1]), replace(above, padding=above.padding[::-1])


def in_the_other_order(patches, below, above):
    return above, below


@pytest.mark.parametrize("scheme", SCHEMES[1:])
@pytest.mark.parametrize("planted, stride, padding", [
    (with_strides_first, (2, 1), (1, 2)), (with_strides_first, (1, 2), (1, 2)),
    (with_paddings_of_the_other_direction, 1, (1, 2)), (in_the_other_order, 1, 0)])
def test_strides_and_paddings_of_the_wrong_factor_are_seen(scheme, planted, stride, padding):
    """A stride across the direction of the first convolution may come early or late; one along that
    of the second may not come before it."""
    rng, net = np.random.default_rng(0), convolution(stride, padding)
    params = start(net, rng)
    piece = Piece(cut(params.blocks[0], scheme, 1, 2), scheme)
    assert close(*runs(net, params, piece, rng))
    harmless = planted is with_strides_first and (
        (scheme, stride) in {("spatial", (1, 2)), ("spatial_transposed", (2, 1))})
    halves = kernels.halves
    with patch.object(kernels, "halves", lambda P, scheme: planted(P, *halves(P, scheme))):
        try:
            same = close(*runs(net, params, piece, rng))
        except ValueError:                              # the image has another size
            same = False
    assert same == harmless


@pytest.mark.parametrize("planted", ["contiguous", "transposed"])
def test_wrong_foldings_do_not_run_as_the_kernel(planted):
    """Contiguous columns as groups; the second factor laid out in the other direction, f × (j a)."""
    rng, net = np.random.default_rng(0), convolution()
    params = start(net, rng)
    W, x = params.blocks[0], rng.standard_normal((3, net.inputs))
    truth = net.outputs(params, x)
    if planted == "contiguous":
        right, wrong = fold(W, KERNEL, groups=2), np.split(W, 2, axis=1)
    else:
        (right,) = wrong = cut(W, "spatial", 1, None)
        right = (right,)
        U, S, V = wrong[0]
        turned = (U @ S).reshape(4, 3, -1).transpose(0, 2, 1).reshape(12, -1)
        wrong = (LowRank(turned, np.eye(turned.shape[1]), V),)
    scheme = {"contiguous": "channel", "transposed": "spatial"}[planted]
    for parts, same in ((right, True), (wrong, False)):
        found, new = replaced(net, params, [Piece(tuple(parts), scheme), None])
        assert close(found.outputs(new, x), truth) == same


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
    Ws = [unfold(piece.parts, a, piece.scheme) for piece, a in zip(pieces[:3], kernel, strict=False)]
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
    """A kernel of one pixel; groups are parts of the features. A bias may come to a layer without."""
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
