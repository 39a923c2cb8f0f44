"""Batch normalisation, skip connections and pooling: derivatives by complex steps, adjoints, slow
twins, and each seen to fail with an error planted in it."""

import itertools
from contextlib import ExitStack
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from derivatives import draw, worst_defect
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from lowrank_ode import DLRT, DirectSum, LowRank, best_approximation
from lowrank_ode.compression.kernels import Piece, fold, replaced, unfold, windows
from lowrank_ode.data import load
from lowrank_ode.matrices import dense
from lowrank_ode.nets import Network, averages, chains, images, networks, norms, skips
from lowrank_ode.nets.architectures import resnet_cifar
from lowrank_ode.nets.averages import AveragePool, GlobalAverage
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.norms import BatchNorm, folded, for_prediction
from lowrank_ode.nets.skips import Residual, ZeroPadded
from lowrank_ode.training import gradient_field, train

EPS = np.finfo(float).eps


def plain(n):
    return Dense(n, "identity", gain=1.0, bias=False)


def residual(norm=BatchNorm, skip=Residual, padded=ZeroPadded, pool=AveragePool,
             whole=GlobalAverage):
    """All kinds of shortcuts: padded, a convolution, the inputs themselves; 9 × 9 pixels, then
    5 × 5, 3 × 3, 2 × 2."""
    return Network((9, 9, 3), (
        Patches(3, 1, 1), plain(4), norm("tanh"), pool(3, 2, 1),
        skip((Patches(3, 2, 1), plain(6), norm("tanh"), Patches(3, 1, 1), plain(6), norm()),
             (padded(6, 2),), "tanh"),
        skip((Patches(3, 2, 1), plain(8), norm("tanh")), (Patches(1, 2), plain(8), norm()), "tanh"),
        skip((skip((plain(8),), (), "tanh"), plain(8), norm()), (), "tanh"),
        whole(), Dense(3, "identity")))


RANKS = [2, None, 2, 2, None, 2, None, None]


@pytest.mark.parametrize("seed", range(5))
def test_gradients_of_a_residual_network_are_derivatives(seed):
    assert worst_defect(residual(), seed, RANKS) <= 1e-12


class WithoutMean(BatchNorm):
    """Δ has a mean that the way back leaves in."""

    def backward(self, dout, kept, gamma, beta):
        dA, grads = super().backward(dout, kept, gamma, beta)
        return dA + grads[1].T[0] / dout[..., 0].size * gamma.T[0] / kept[1], grads


class WithoutVariance(BatchNorm):
    def backward(self, dout, kept, gamma, beta):
        dA, grads = super().backward(dout, kept, gamma, beta)
        return dA + kept[0] * grads[0].T[0] / dout[..., 0].size * gamma.T[0] / kept[1], grads


class WithoutShortcut(Residual):
    """The shortcut is not added back."""

    def backward(self, dout, kept, *blocks):
        _out, passed, _beside = kept
        _, grads = super().backward(dout, kept, *blocks)
        return chains.backward(passed, dout)[0], grads


class WithoutCopy(Residual):
    """Both branches write into one gradient."""

    def backward(self, dout, kept, *blocks):
        class Same(np.ndarray):
            def copy(self):
                return self
        return super().backward(dout.view(Same), kept, *blocks)


class WithoutStride(ZeroPadded):
    """The stride on the wrong side: to the first pixels, in place of every second."""

    def backward(self, dout, shape):
        dA = np.zeros(shape)
        dA[:, :dout.shape[1], :dout.shape[2]] = dout[..., :shape[-1]]
        return dA, ()


class Overlapping(AveragePool):
    """Where windows overlap the last one counts, in place of the sum."""

    def backward(self, dout, shape):
        batch, height, width, channels = shape
        dA = np.zeros((batch, height + 2, width + 2, channels))
        for pixels in self._pixels(dA, dout):
            pixels[...] = dout / self.size**2
        return dA[:, 1:-1, 1:-1], ()


class Sum(GlobalAverage):
    def backward(self, dout, shape):
        dA, _ = super().backward(dout, shape)
        return dA * (shape[1] * shape[2]), ()


@pytest.mark.parametrize("planted", [
    {"norm": WithoutMean}, {"norm": WithoutVariance}, {"skip": WithoutShortcut},
    {"skip": WithoutCopy}, {"padded": WithoutStride}, {"pool": Overlapping}, {"whole": Sum}],
    ids=lambda planted: next(iter(planted.values())).__name__)
def test_an_error_on_the_way_back_is_seen(planted):
    assert worst_defect(residual(**planted), 0, RANKS) > 1e-6


def spoiled(layer, A, *blocks):
    """(out, dA, dout) with buffers that hold NaN at first: what is not written is seen."""
    rng = np.random.default_rng(0)
    with ExitStack() as stack:
        for module in (averages, images, norms, skips):
            stack.enter_context(patch.object(module, "buffer",
                                             lambda shape, dtype: np.full(shape, np.nan, dtype)))
        out, kept = layer.forward(A, *blocks)
        dout = rng.standard_normal(out.shape)
        return out, layer.backward(dout.copy(), kept, *blocks)[0], dout


pools = st.tuples(st.integers(1, 4), st.one_of(st.none(), st.integers(1, 5)), st.integers(0, 2))
small = st.tuples(st.integers(1, 2), st.integers(4, 7), st.integers(4, 7), st.integers(1, 2))


def pixels_of(A, layer, value):
    """(b, i, j, c), the window of each output in the padded image, its place there."""
    p, size, s = layer.padding, layer.size, layer.stride or layer.size
    padded = np.pad(A, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=value)
    _, rows, columns, channels = padded.shape
    for b, i, j, c in np.ndindex(len(A), (rows - size) // s + 1, (columns - size) // s + 1,
                                 channels):
        at = b, slice(s * i, s * i + size), slice(s * j, s * j + size), c
        yield (b, i, j, c), at, padded[at]


@given(small, pools, seeds)
def test_the_largest_of_each_window_with_stride_and_padding(shape, given_pool, seed):
    """Distinct numbers, all negative: a padding by zeros would win. The gradient of each window
    goes to its largest, and adds up where windows overlap. Planted: zeros around."""
    size, stride, padding = given_pool
    padding = min(padding, size - 1)
    layer = MaxPool(size, stride, padding)
    A = -1.0 - np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape)
    out, dA, dout = spoiled(layer, A)
    truth = np.pad(np.zeros(shape), ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    for place, at, window in pixels_of(A, layer, -np.inf):
        assert out[place] == window.max()
        truth[at] += dout[place] * (window == window.max())
    whole = truth[:, padding:padding + shape[1], padding:padding + shape[2]]
    assert dA.shape == A.shape and np.abs(dA - whole).max() <= 50 * EPS * size**2
    if padding:
        assert any(out[place] != window.max() for place, _, window in pixels_of(A, layer, 0))


@given(small, pools, seeds)
def test_a_mean_is_that_of_its_window_and_its_way_back_is_the_adjoint(shape, given_pool, seed):
    A, layer = np.random.default_rng(seed).standard_normal(shape), AveragePool(*given_pool)
    out, dA, dout = spoiled(layer, A)
    for place, _, window in pixels_of(A, layer, 0):
        assert abs(out[place] - window.mean()) <= 50 * EPS * np.abs(A).max()
    size = np.linalg.norm(A) * np.linalg.norm(dout) + EPS
    assert abs(np.vdot(out, dout) - np.vdot(A, dA)) <= 50 * EPS * layer.size * size


@given(small, st.integers(1, 3), seeds)
def test_a_padded_shortcut_is_every_so_many_pixels_and_zeros(shape, stride, seed):
    """It fits a convolution of 3 × 3 with that stride and padding 1, for all sizes."""
    A, layer = np.random.default_rng(seed).standard_normal(shape), ZeroPadded(5, stride)
    out, dA, dout = spoiled(layer, A)
    assert out.shape[1:3] == Patches(3, stride, 1).shape(shape[1:])[:2]
    assert np.array_equal(out[..., :shape[-1]], A[:, ::stride, ::stride])
    assert not out[..., shape[-1]:].any()
    there, size = np.vdot(out, dout), np.linalg.norm(A) * np.linalg.norm(dout)
    assert abs(there - np.vdot(A, dA)) <= 50 * EPS * size


@given(seeds, st.sampled_from([(4,), (3, 5, 2)]), st.sampled_from([np.float32, np.float64]))
def test_a_normalised_feature_has_mean_beta_and_deviation_gamma(seed, rows, dtype):
    """Over batch and pixels, up to eps. Planted: over the batch alone."""
    rng, layer, eps = np.random.default_rng(seed), BatchNorm(eps=1e-30), np.finfo(dtype).eps
    A = (rng.standard_normal((*rows, 3)) * [1, 1e3, 1e-2] + [0, 1e3, 1e-2]).astype(dtype)
    gamma, beta = (rng.uniform(1, 2, (3, 1)).astype(dtype) for _ in range(2))
    out, _, _ = spoiled(layer, A, gamma, beta)
    flat = out.reshape(-1, 3).astype(float)
    spread = A.reshape(-1, 3).std(axis=0)
    bound = 50 * eps * (1 + np.abs(A).reshape(-1, 3).max(axis=0) / spread)
    assert (np.abs(flat.mean(axis=0) - beta.T[0]) <= bound).all()
    assert (np.abs(flat.std(axis=0) - gamma.T[0]) <= bound).all() and out.dtype == dtype
    assert len(rows) == 1 or np.abs(out.mean(axis=0) - beta.T[0]).max() > 1e-3


def trained(seed=0, ranks=RANKS):
    net, rng = residual(), np.random.default_rng(seed)
    params, x, _ = draw(net, rng, ranks, 12)
    return net, params, x


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_folded_network_is_the_network_with_the_statistics_of_a_batch(dtype):
    """Up to 50 eps for each of the 20 layers. On that batch outputs are the same, and those of an example do not depend on the others.
    Weights of low rank stay so, bases orthonormal. Planted: β, or the mean, left out."""
    (net, params, x), bound = trained(), 50 * 20 * np.finfo(dtype).eps
    params = DirectSum([X.astype(dtype) if isinstance(X, np.ndarray) else
                        LowRank(*(factor.astype(dtype) for factor in X)) for X in params.blocks])
    cut, own = folded(net, params, x)
    truth = net.outputs(params, x)
    found = cut.outputs(own, x)
    assert found.dtype == dtype and np.abs(found - truth).max() <= bound * np.abs(truth).max()
    assert np.abs(cut.outputs(own, x[:2]) - truth[:2]).max() <= bound * np.abs(truth).max()
    assert np.abs(net.outputs(params, x[:2]) - truth[:2]).max() > 0.01 * np.abs(truth).max()
    assert not any(isinstance(layer, BatchNorm) for _, layer, _ in cut.parts)
    ranks = [X.rank for X in params.blocks if isinstance(X, LowRank)]
    assert [X.rank for X in own.blocks if isinstance(X, LowRank)] == ranks
    for X in own.blocks:
        if isinstance(X, LowRank):
            assert np.abs(X.U.T @ X.U - np.eye(X.rank)).max() <= 50 * np.finfo(dtype).eps
    for k, X in enumerate(own.blocks):
        if X.shape[1] == 1:
            wrong = DirectSum([*own.blocks[:k], 0 * X, *own.blocks[k + 1:]])
            assert np.abs(cut.outputs(wrong, x) - truth).max() > 10 * bound * np.abs(truth).max()


def test_a_batch_is_not_cut_where_its_examples_are_taken_together(monkeypatch):
    """Planted: as for layers that take each by itself."""
    net, params, x = trained()
    whole = net.outputs(params, x)
    monkeypatch.setattr(networks, "CHUNK", 1)
    assert np.array_equal(net.outputs(params, x), whole)
    monkeypatch.setattr(BatchNorm, "together", False)
    assert np.abs(net.outputs(params, x) - whole).max() > 0.01


def test_kernels_inside_a_residual_block_are_folded_and_replaced():
    """Windows are those of their own chain; every scheme in the place of every weight computes
    what the unfolded weight does. Planted: pieces in another order do not fit."""
    net, params, x = trained(ranks=None)
    assert [patches.kernel[0] for patches in windows(net)] == [3, 3, 3, 3, 1, 1, 1, 1]
    assert windows(net)[4].stride == (2, 2)
    weights = [k for k, X in enumerate(params.blocks) if X.shape[1] > 1]
    for scheme in ("channel", "spatial", "spatial_transposed", "filter"):
        pieces, blocks = [], [*params.blocks]
        for k, patches in zip(weights, windows(net), strict=True):
            parts = [best_approximation(part, rank=min(2, *part.shape))
                     for part in fold(blocks[k], patches.kernel, scheme)]
            pieces.append(Piece(parts, scheme))
            blocks[k] = unfold(parts, patches.kernel, scheme)
        truth = net.outputs(DirectSum(blocks), x)
        found = replaced(net, params, pieces)
        assert np.abs(found[0].outputs(found[1], x) - truth).max() <= 1e-12 * np.abs(truth).max()
    with pytest.raises(ValueError, match="parts: got shapes"):
        replaced(net, params, pieces[::-1])


def test_a_network_knows_the_weights_inside_its_blocks_and_trains_them():
    """γ, β and dense weights make an Euler step; weights of low rank stay so."""
    net, rng = residual(), np.random.default_rng(0)
    assert net.weight_shapes == [(4, 27), (6, 36), (6, 54), (8, 54), (8, 6), (8, 8), (8, 8), (3, 8)]
    assert str(net) == "243-4-6-6-8-8-8-8-3"
    params = net.init(rng, [2, 3, 2, None, 2, 2, 3, None])
    assert [X.rank if isinstance(X, LowRank) else None for X in params.blocks] == [
        2, None, None, 3, None, None, 2, None, None, None, None, None, 2, None, None, 2, 3, None,
        None, None, None]
    x, labels = rng.standard_normal((10, net.inputs)), rng.integers(0, 3, 10)
    F, losses = gradient_field(net, x, labels), [net.value(params, x, labels)]
    for _ in range(5):
        grads, after = -F(0, params), DLRT(0, max_rank=3).step(params, 0, 0.1, F)
        for old, new, G in zip(params.blocks, after.blocks, grads.blocks, strict=True):
            assert isinstance(old, LowRank) == isinstance(new, LowRank)
            if not isinstance(old, LowRank):
                assert np.allclose(new, old - 0.1 * dense(G), rtol=1e-13, atol=1e-13)
        params = after
        losses.append(net.value(params, x, labels))
    assert all(later < sooner for sooner, later in itertools.pairwise(losses))
    block = net.layers[4]
    assert len(block.init(rng, (5, 5, 4), [2, 3], float)) == 6
    assert [X.rank for X in block.init(rng, (5, 5, 4), 2, float)[::3]] == [2, 2]


def test_a_residual_network_is_trained_and_judged_by_folded_weights():
    """ResNet-8 on images of 8 × 8, by DLRT: accuracy of the record is that of the network folded
    with the first batch, an example at a time. Planted: that with the statistics of the test."""
    data = load("digits")
    data = replace(data, x=data.x[:640], labels=data.labels[:640])
    net = resnet_cifar(8, shape=(8, 8, 1))
    params = net.init(np.random.default_rng(0), 8, np.float32)
    records = [*train(net, params, data, DLRT(0, max_rank=8), 0.1, 64, 2, rng=1)]
    assert records[-1].accuracy > 0.6 and records[-1].loss < records[0].loss
    rng = np.random.default_rng(1)
    first = [rng.permutation(len(data.x))[:64] for _ in range(2)][-1]
    cut, own = for_prediction(net, records[-1].params, data.x[first])
    alone = np.concatenate([cut.outputs(own, x[None]) for x in data.test_x[:20]])
    assert np.abs(alone - cut.outputs(own, data.test_x)[:20]).max() <= 1e-4 * np.abs(alone).max()
    assert cut.accuracy(own, data.test_x, data.test_labels) == records[-1].accuracy
    whole = net.outputs(records[-1].params, data.test_x)
    assert np.abs(whole - cut.outputs(own, data.test_x)).max() > 0.01
    plainly = Network((64,), (Dense(10, "identity"),))
    assert for_prediction(plainly, params, data.x) == (plainly, params)


@pytest.mark.parametrize("make, message", [
    (lambda: BatchNorm("sigmoid"), "activation: got 'sigmoid'"),
    (lambda: BatchNorm(eps=0), "eps: got 0, expected a number > 0"),
    (lambda: Residual((), (), "sigmoid"), "activation: got 'sigmoid'"),
    (lambda: Residual((plain(3),)).shape((4,)), r"shortcut: outputs of shape \(4,\) beside .* \(3"),
    (lambda: Residual((Patches(3, 2, 1), plain(2)), (ZeroPadded(2),)).shape((8, 8, 2)),
     r"shortcut: outputs of shape \(8, 8, 2\) beside those of layers, \(4, 4, 2\)"),
    (lambda: ZeroPadded(0), "channels: got 0"), (lambda: ZeroPadded(2, 0), "stride: got 0"),
    (lambda: ZeroPadded(2).shape((4, 4, 3)), "channels: got 2, expected at least the 3"),
    (lambda: ZeroPadded(2).shape((4,)), "expected an image"),
    (lambda: MaxPool(2, 0), "stride: got 0"), (lambda: MaxPool(2, 1, 2), "padding: got 2"),
    (lambda: MaxPool(5, 1, 1).shape((2, 4, 1)), "size: got 5, expected at most 4 for an image"),
    (lambda: AveragePool(0), "size: got 0"), (lambda: AveragePool(2, 0), "stride: got 0"),
    (lambda: AveragePool(2, 2, -1), "padding: got -1"),
    (lambda: AveragePool(5).shape((4, 4, 1)), r"kernel: got \(5, 5\), expected at most \(4, 4\)"),
    (lambda: GlobalAverage().shape((4,)), "expected an image")])
def test_layers_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_batch_of_one_row_has_no_statistics_and_what_cannot_be_folded_is_named():
    net = Network((3,), (plain(4), BatchNorm("tanh"), Dense(2, "identity")))
    params = net.init(np.random.default_rng(0))
    for call in (lambda: net.value_and_grad(params, np.ones((1, 3)), [0]),
                 lambda: net.outputs(params, np.ones((1, 3))),
                 lambda: folded(net, params, np.ones((1, 3)))):
        with pytest.raises(ValueError, match=r"x: one number for each feature .* at least 2"):
            call()
    for layers in ((BatchNorm(), Dense(2, "identity")), (Dense(4), BatchNorm(), Dense(2)),
                   (Grouped(4, 1, "identity"), BatchNorm(), Dense(2))):
        other = Network((3,), layers)
        with pytest.raises(ValueError, match=r"layers: a batch normalisation above .* Dense with"):
            folded(other, other.init(np.random.default_rng(0)), np.eye(3))
    image = Network((3, 4, 1), (Patches(3), plain(4), BatchNorm(), Flatten(), Dense(2, "identity")))
    assert image.outputs(image.init(np.random.default_rng(0)), np.ones((1, 12))).shape == (1, 2)
