"""Networks with skip connections: derivatives by complex steps, training, compression, and each
check seen to fail with an error planted in it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from derivatives import worst_defect
from residual_networks import RANKS, plain, residual, trained

from lowrank_ode import DLRT, DirectSum, LowRank, best_approximation
from lowrank_ode.compression.kernels import Piece, fold, replaced, unfold, windows
from lowrank_ode.data import load
from lowrank_ode.matrices import dense
from lowrank_ode.nets import Network, chains
from lowrank_ode.nets.architectures import resnet_cifar
from lowrank_ode.nets.averages import AveragePool, GlobalAverage
from lowrank_ode.nets.images import MaxPool, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.norms import BatchNorm, for_prediction
from lowrank_ode.nets.skips import Residual, ZeroPadded
from lowrank_ode.training import gradient_field, train


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
    (lambda: MaxPool(2, 1, -1), "padding: got -1"),
    (lambda: MaxPool(5, 1, 1).shape((2, 4, 1)), "size: got 5, expected at most 4 for an image"),
    (lambda: AveragePool(0), "size: got 0"), (lambda: AveragePool(2, 0), "stride: got 0"),
    (lambda: AveragePool(2, 2, -1), "padding: got -1"),
    (lambda: AveragePool(5).shape((4, 4, 1)), r"kernel: got \(5, 5\), expected at most \(4, 4\)"),
    (lambda: GlobalAverage().shape((4,)), "expected an image")])
def test_layers_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
