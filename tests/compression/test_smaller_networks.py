"""Filter thresholding and PFP: what they keep by their definitions, and that the smaller network is
the masked one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from own_layers import AveragePool, BatchNorm, LowRankSkip
from small_networks import convolutional, examples, started
from strategies import seeds

from lowrank_ode.compression import alds, filters, pfp
from lowrank_ode.compression import svd as svd_method
from lowrank_ode.compression.chains import chain_of
from lowrank_ode.compression.filters import largest
from lowrank_ode.compression.pfp import FAILURE, errors, sensitivities
from lowrank_ode.matrices import DirectSum
from lowrank_ode.nets import Network, lenet5, mlp
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense


def masked(net, params, kept):
    """The network of the old size, the outputs that are not kept multiplied by 0 where the next
    weight takes them; columns of a channel found by a loop over them."""
    blocks, weights = list(params.blocks), [*range(0, len(params.blocks), 2)]
    for below, above, outputs in zip(weights, weights[1:], kept, strict=False):
        n = blocks[below].shape[0]
        W = blocks[above].copy()
        for q in range(W.shape[1]):
            if q % n not in outputs:
                W[:, q] = 0
        blocks[above] = W
    return DirectSum(blocks)


@pytest.mark.parametrize("make", [convolutional, lambda: mlp([9, 8, 7, 3], "tanh"), lenet5])
def test_the_smaller_network_is_the_masked_one(make):
    """To rounding. Planted: columns of a channel taken as a block after `Flatten`."""
    net = make()
    params, x, rng = started(net), examples(net, 5), np.random.default_rng(2)
    chain = chain_of(net, params)
    kept = [rng.permutation(len(w.W))[:max(1, len(w.W) // 2)] for w in chain.weights[:-1]]
    new, cut, report = chain.smaller(kept)
    outputs = new.outputs(cut, x)
    right = net.outputs(masked(net, params, kept), x)
    assert np.abs(outputs - right).max() <= 1e-12 * np.abs(right).max()
    assert report.numbers == sum(X.size for X in cut.blocks) == chain.numbers(
        [len(k) for k in kept])
    assert [row.flops for row in report.rows] == [
        2 * W.size * w.positions for W, w in zip(cut.blocks[::2], chain.weights, strict=True)]
    assert report.dense_flops == sum(2 * w.W.size * w.positions for w in chain.weights)
    if len(net.layers) > 4:
        place = next(k for k, layer in enumerate(net.layers) if isinstance(layer, Flatten)) + 1
        at = [w.place for w in chain.weights].index(place)
        n = len(kept[at - 1])
        blocks = list(cut.blocks)
        W = params.blocks[2 * at][np.sort(kept[at])] if at < len(kept) else params.blocks[2 * at]
        size = W.shape[1] // params.blocks[2 * at - 2].shape[0]
        blocks[2 * at] = np.hstack([W[:, c * size:(c + 1) * size] for c in kept[at - 1]])
        assert blocks[2 * at].shape[1] == n * size
        assert np.abs(new.outputs(DirectSum(blocks), x) - right).max() > 1e-3


def test_filters_keeps_the_same_part_of_the_largest_rows():
    """By brute force, for both norms; of equal rows the first."""
    net = mlp([9, 8, 12, 3])
    params = started(net)
    params.blocks[0][5] = params.blocks[0][2]
    for p in (1, 2):
        for budget in (0.3, 0.5, 0.7):
            new, cut, report = filters(net, params, budget, p=p)
            counts = [row.shape[0] for row in report.rows[:-1]]
            parts = [sorted({round(a * n) or 1 for a in np.linspace(0, 1, 997)
                             if round(a * 8) in (counts[0], 0 if counts[0] == 1 else counts[0])})
                     for n in (12,)]
            assert counts[1] in parts[0]
            sizes = (np.abs(params.blocks[0]) ** p).sum(axis=1)
            rows = sorted(sorted(range(8), key=lambda i: (-sizes[i], i))[:counts[0]])
            assert np.array_equal(cut.blocks[0], params.blocks[0][rows])
            assert new.layers[-1].n == 3
    assert [*largest(np.array([1.0, 3, 3, 2]), 2)] == [1, 2]


def brute_sensitivity(W, Z, channels, over=max, signs=(1, -1)):
    """s_c by loops: examples and pixels, outputs, signs of w and of z, columns of the channel."""
    found = []
    for c in range(channels):
        values = []
        for z in Z:
            for row in W:
                for w_sign in signs:
                    for z_sign in (1, -1):
                        parts = [max(w_sign * w, 0) * max(z_sign * y, 0)
                                 for w, y in zip(row, z, strict=True)]
                        if sum(parts):
                            values.append(max(parts[c::channels]) / sum(parts))
        found.append(over(values) if values else 0)
    return np.array(found)


def inputs_by_loops(net, params, x):
    """Inputs of each weight, examples and pixels as rows."""
    A, blocks, found = x.reshape(-1, *net.shape), iter(params.blocks), []
    for layer in net.layers:
        own = [next(blocks) for _ in layer.blocks(A.shape[1:])]
        if own:
            found.append(A.reshape(-1, A.shape[-1]))
        A, _ = layer.forward(A, *own)
    return found


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_sensitivities_are_the_largest_parts_of_a_sum(activation):
    """By brute force on a convolution, whose channels have a column for each pixel of the kernel.
    Planted: the mean over examples in place of the largest; negative weights left out."""
    net = Network((4, 4, 2), (Patches(2), Dense(3, activation), Patches(2), Dense(4, activation),
                              Flatten(), Dense(2, "identity")))
    params, x = started(net), examples(net, 3)
    chain = chain_of(net, params)
    Z = inputs_by_loops(net, params, x)
    found, without_negative = sensitivities(chain, x), []
    for s, weight, z, channels in zip(found, chain.weights[1:], Z[1:], (3, 4), strict=True):
        assert np.abs(s - brute_sensitivity(weight.W, z, channels)).max() <= 1e-12
        assert ((0 <= s) & (s <= 1)).all()
        mean = brute_sensitivity(weight.W, z, channels, over=lambda v: sum(v) / len(v))
        assert np.abs(s - mean).max() > 0.1
        positive = brute_sensitivity(weight.W, z, channels, signs=(1,))
        without_negative.append(np.abs(s - positive).max())
    assert max(without_negative) > 1e-3


def test_a_channel_that_alone_feeds_an_output_has_sensitivity_one_and_a_dead_one_zero():
    net = mlp([5, 4, 3])
    params = started(net)
    params.blocks[2][:] = [[0, 0, 2, 0], [1, 1, 0, 0], [-1, -1, 0, 0]]
    params.blocks[1][:] = 9.0                   # all of them are at work
    s, = sensitivities(chain_of(net, params), examples(net))
    assert s[2] == pytest.approx(1, abs=1e-15) and s[3] == 0 and 0.5 <= s[:2].max() < 1
    assert (errors(s, 1, 1)[3], errors(0 * s, 1, 1).max()) == (0, 0)


def kept_at(error, s, positions, places):
    """n(ε) by its formulas."""
    S = s.sum()
    alpha = 2 * 3 * math.log(8 * (positions + 1) * places / FAILURE)
    draws = math.ceil(3 * (6 + 2 * error) * alpha * S / error**2)
    return math.ceil(sum(1 - (1 - p) ** draws for p in s / S) - 1e-12)


@settings(max_examples=40)
@given(seeds)
def test_more_than_so_many_channels_are_drawn_exactly_below_their_error(seed):
    rng = np.random.default_rng(seed)
    s = rng.random(rng.integers(1, 8)) ** rng.integers(1, 4)
    s[rng.random(len(s)) < 0.2] = 0
    if not s.any():
        return
    levels = errors(s, 9, 4)
    assert (levels[:-1] >= levels[1:]).all() and (levels > 0).sum() <= (s > 0).sum()
    for i, level in enumerate(levels):
        if 1e-3 < level < np.inf:               # draws up to 1e10: sums of powers are accurate
            assert kept_at(level * 0.999, s, 9, 4) >= i + 1 > kept_at(level * 1.001, s, 9, 4)


def test_pfp_keeps_the_most_sensitive_channels_at_one_error_for_all_layers():
    net = convolutional("relu")
    params, x = started(net), examples(net, 20)
    chain = chain_of(net, params)
    found = sensitivities(chain, x)
    for budget in (0.3, 0.5, 0.8):
        _, cut, report = pfp(net, params, budget, x=x)
        rows = np.sort(np.argsort(-found[0], kind="stable")[:report.rows[0].shape[0]])
        assert np.array_equal(cut.blocks[0], params.blocks[0][rows])
        levels = [errors(s, w.positions, w.shape[1] // len(s))
                  for s, w in zip(found, chain.weights[1:], strict=True)]
        counts = [row.shape[0] for row in report.rows[:-1]]
        within = min(g[n - 1] for g, n in zip(levels, counts, strict=True) if n > 1)
        beyond = max([g[n] for g, n in zip(levels, counts, strict=True) if n < len(g)])
        assert beyond <= within


@pytest.mark.parametrize("layers", [
    (Patches(3), BatchNorm(), Dense(4), Flatten(), Dense(3, "identity")),
    (LowRankSkip((Dense(4),)), Flatten(), Dense(3, "identity")),
    (AveragePool(), Flatten(), Dense(3, "identity")),
    (Patches(3, groups=2), Dense(4), Flatten(), Dense(3, "identity")),
    (Patches(3, groups=4), Grouped(4, 2), Flatten(), Dense(3, "identity"))])
@pytest.mark.parametrize("method", [filters, pfp])
def test_a_network_that_is_no_chain_is_refused(layers, method):
    """And cut to low rank all the same."""
    net = Network((6, 6, 4), layers)
    params = started(net)
    with pytest.raises(ValueError, match=r"net: got .* as layer \d, expected a chain of Dense"):
        method(net, params, 0.5, **({"x": examples(net)} if method is pfp else {}))
    for low in (svd_method, alds):
        new, cut, report = low(net, params, 0.8)
        assert report.numbers <= 0.8 * report.dense_numbers
        assert new.outputs(cut, examples(net)).shape == (60, 3)


@pytest.mark.parametrize("p", [0, np.nan])
def test_a_norm_that_is_none_is_refused(p):
    with pytest.raises(ValueError, match=f"p: got {p}, expected a number > 0"):
        filters(mlp([9, 10, 3]), started(mlp([9, 10, 3])), 0.5, p=p)
