"""Kernels folded to matrices, and decompositions that run as convolutions: against the convolution
with the kernel multiplied out. What takes the place of a layer is in test_replaced_layers.py."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from folded_kernels import CUTS, KERNEL, close, convolution, cut, runs, start
from hypothesis import given
from hypothesis import strategies as st
from measures import sigmas
from strategies import seeds

from lowrank_ode import LowRank
from lowrank_ode.compression import kernels
from lowrank_ode.compression.kernels import SCHEMES, Piece, fold, folded_shapes, replaced, unfold
from lowrank_ode.matrices import norm

numbers = st.integers


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
        tails = [sigmas(part)[2:] for part in fold(W, KERNEL, scheme, groups)]
        error = norm(W - unfold(parts, KERNEL, scheme))
        assert abs(error - norm(np.concatenate(tails))) <= 1e-13 * norm(W)


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
    """Contiguous columns as groups; the second factor laid out in the other direction,
    f × (j a)."""
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
