"""Architectures of published tables: weights, parameters and multiply-adds to the unit, dense and
of low rank, and counts that are wrong in the usual ways are told apart."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowrank_ode import LowRank, best_approximation
from lowrank_ode.compression import count_parameters, count_weights
from lowrank_ode.compression.kernels import SCHEMES, Piece, fold, replaced, windows
from lowrank_ode.compression.totals import (
    folded_totals,
    multiply_adds,
    other_parameters,
    positions,
    share_of_ranks,
    total_parameters,
)
from lowrank_ode.nets import Network, lenet5
from lowrank_ode.nets.architectures import (
    alexnet,
    alexnet_caffe,
    resnet18,
    resnet50,
    resnet_cifar,
    vgg16,
    vgg16_cifar,
    wide_resnet,
)
from lowrank_ode.nets.chains import count_of_weights, parts
from lowrank_ode.nets.convolution import Convolution
from lowrank_ode.nets.groups import BlockDiagonal
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.norms import BatchNorm
from lowrank_ode.nets.skips import Residual

TOTALS = {              # weights, parameters, multiply-adds
    "ResNet-20 A": (lambda: resnet_cifar(20), 268_336, 269_722, 40_551_040),
    "ResNet-20 B": (lambda: resnet_cifar(20, "B"), 270_896, 272_474, 40_813_184),
    "ResNet-20 A, 28 × 28": (lambda: resnet_cifar(20, shape=(28, 28, 1)),
                             268_048, 269_434, 30_821_248),
    "ResNet-32 A": (lambda: resnet_cifar(32), 461_872, 464_154, 68_862_592),
    "ResNet-32 B": (lambda: resnet_cifar(32, "B"), 464_432, 466_906, 69_124_736),
    "ResNet-18": (resnet18, 11_678_912, 11_689_512, 1_814_073_344),
    "ResNet-50": (resnet50, 25_502_912, 25_557_032, 4_089_184_256),
    "ResNet-50, 1 × 1": (lambda: resnet50("1x1"), 25_502_912, 25_557_032, 3_857_973_248),
    "VGG16": (vgg16, 138_344_128, 138_357_544, 15_470_264_320),
    "VGG16, 10 classes": (lambda: vgg16(classes=10), 134_289_088, 134_301_514, 15_466_209_280),
    "VGG16 CIFAR": (vgg16_cifar, 14_715_584, 14_728_266, 313_201_664),
    "WRN16-8": (wide_resnet, 10_954_160, 10_961_370, 1_548_145_664),
    "AlexNet": (alexnet, 61_090_496, 61_100_840, 714_188_480),
    "AlexNet of Caffe": (alexnet_caffe, 60_954_656, 60_965_224, 724_406_816),
}


def totals(net):
    return (sum(map(math.prod, net.weight_shapes)), total_parameters(net), multiply_adds(net))


@pytest.mark.parametrize("name", TOTALS)
def test_weights_parameters_and_multiply_adds_are_the_published_ones(name):
    make, *expected = TOTALS[name]
    assert totals(make()) == tuple(expected)
    assert total_parameters(make()) == expected[0] + other_parameters(make())


def test_a_network_is_counted_without_one_of_its_parameters():
    """A megabyte for 138 million of them. Planted: the smallest block that would be seen."""
    tracemalloc.start()
    totals(vgg16())
    peak = tracemalloc.get_traced_memory()[1]
    np.zeros(2**17)
    planted = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20 <= planted


def without_shortcuts(net):
    """Numbers in all blocks but those of shortcuts."""
    return sum(math.prod(shape) for layer, A in zip(net.layers, net._shapes, strict=False)
               for _, part, inputs in parts(getattr(layer, "layers", (layer,)), A)
               for shape in part.blocks(inputs))


def test_wrong_counts_are_told_apart():
    """Planted: the first convolution left out, the shortcuts left out, a stride ignored, dense
    layers taken for convolutions, padding or bias left out."""
    net = resnet_cifar(20, "B")
    at, shapes = positions(net), net.weight_shapes
    weights, parameters, macs = TOTALS["ResNet-20 B"][1:]
    assert sum(map(math.prod, shapes[1:])) == weights - 432
    assert without_shortcuts(net) == parameters - (16 * 32 + 32 * 64 + 2 * 32 + 2 * 64)
    assert totals(resnet_cifar(20, "A"))[0] == weights - (16 * 32 + 32 * 64)
    ignored = [1024 if n > 10 else 1 for n, _ in shapes]
    assert sum(k * math.prod(s) for k, s in zip(ignored, shapes, strict=True)) > 2 * macs
    assert at[-1] == 1 and sum(a * math.prod(s) for a, s in
                               zip([*at[:-1], 64], shapes, strict=True)) == macs + 63 * 640
    assert parameters - weights == 2 * (7 * 16 + 7 * 32 + 7 * 64) + 10
    with pytest.raises(ValueError, match="layers: got"):
        Network((32, 32, 3), (Patches(3), Dense(4), BatchNorm()))       # no row at the end
    assert multiply_adds(Network((8, 8, 3), (Patches(3, 2, 1), Dense(4), Flatten(), Dense(5)))) == (
        16 * 4 * 27 + 64 * 5)


SMALL = [resnet_cifar(8, "B", (8, 8, 3)), lenet5(), Network((9, 9, 4), (
    Patches(3, 2, 1, groups=2), BlockDiagonal(6, 2), Flatten(), Dense(3, "identity")))]


@settings(max_examples=30)
@given(st.sampled_from(SMALL), st.floats(0.01, 1))
def test_counts_of_low_rank_are_those_of_the_blocks(net, share):
    """Against parameters that are really there, and r (n + m) at each position."""
    ranks = share_of_ranks(net, share)
    params = net.init(np.random.default_rng(0), ranks)
    for convention in ("eval_KV", "eval_USV", "train_paper"):
        assert total_parameters(net, ranks, convention) == count_parameters(params, convention)
    assert total_parameters(net, ranks) <= total_parameters(net)
    by_hand = [(n * m if r is None else r * (n + m)) for (n, m), r in
               zip(net.weight_shapes, ranks, strict=True)]
    assert multiply_adds(net, ranks) == np.dot(by_hand, positions(net))
    with_core = [0 if r is None else r * r for r in ranks]
    assert multiply_adds(net, ranks, core=True) - multiply_adds(net, ranks) == np.dot(
        with_core, positions(net))


@pytest.mark.parametrize("net", SMALL, ids=str)
def test_positions_are_the_pixels_of_the_outputs(net):
    """Seen in a forward pass: the columns that a weight is applied to, an example."""
    params, x = net.init(np.random.default_rng(0)), np.ones((2, net.inputs))
    seen = []

    def watched(forward):
        def seeing(self, A, *blocks):
            seen.append(A[0, ..., 0].size)
            return forward(self, A, *blocks)
        return seeing
    with pytest.MonkeyPatch.context() as patch:
        for layer in (Dense, Convolution):
            patch.setattr(layer, "forward", watched(layer.forward))
        net.value_and_grad(params, x, np.array([0, 1]))
    assert seen == positions(net)


def strided():
    return Network((9, 8, 3), (
        Patches((3, 2), (2, 1), (1, 0)), Dense(6), MaxPool(),
        Residual((Patches(1, 2), Dense(8, "identity", bias=False), BatchNorm()),
                 (Patches((1, 3), (2, 2), (0, 1)), Dense(8, "identity"))), Dense(5),
        Flatten(), Dense(4, "identity")))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_folded_kernels_count_as_the_two_convolutions_that_they_run_as(scheme):
    """Against the network that runs them, its blocks and its layers. Planted: the stride with the
    wrong one of the two."""
    net, rng = strided(), np.random.default_rng(0)
    params = net.init(rng)
    weights = [X for X in params.blocks if X.shape[1] > 1]
    assert [X.shape for X in weights] == net.weight_shapes
    pieces, ranks = [], []
    for k, (W, patches) in enumerate(zip(weights, windows(net), strict=True)):
        parts_of = fold(W, patches.kernel, scheme)
        ranks.append(None if k == 3 else min(2, *parts_of[0].shape))
        pieces.append(None if k == 3 else Piece(
            [best_approximation(part, rank=ranks[-1]) for part in parts_of], scheme))
    found, found_params = replaced(net, params, pieces)
    blocks = iter(found_params.blocks)
    own = [X for _, layer, A in found.parts for k, X in
           enumerate([next(blocks) for _ in layer.blocks(A)]) if k < count_of_weights(layer)]
    truth = count_parameters(found_params), multiply_adds(
        found, [X.rank if isinstance(X, LowRank) else None for X in own])
    assert folded_totals(net, ranks, scheme) == truth
    if scheme in ("spatial", "spatial_transposed"):
        other = {"spatial": "spatial_transposed", "spatial_transposed": "spatial"}[scheme]
        assert folded_totals(net, ranks, other)[1] != truth[1]


def test_the_channel_scheme_is_the_weight_itself():
    for net in (resnet_cifar(20, "B"), alexnet_caffe()):
        ranks = share_of_ranks(net, 0.3)
        assert folded_totals(net, ranks, "channel") == (total_parameters(net, ranks),
                                                        multiply_adds(net, ranks))
        assert folded_totals(net, None, "spatial")[1] == multiply_adds(net)


def test_the_Tucker_count_is_that_of_cores_and_bases_to_the_unit():
    """First and last layer dense; against the arrays themselves. Of VGG16 for 10 classes, biases
    not counted, the count is beside 134,289,088. Planted: kernels as matrices."""
    net, rng = vgg16(classes=10), np.random.default_rng(0)
    shapes, kernels = net.weight_shapes, [patches.kernel for patches in windows(net)]
    assert [kernel[0] for kernel in kernels] == [3] * 13 + [1] * 3
    ranks, stored = [None], math.prod(shapes[0]) + math.prod(shapes[-1])
    for (n, m), (a, b) in zip(shapes[1:-1], kernels[1:-1], strict=True):
        c = m // (a * b)
        r, q = int(rng.integers(1, n // 2)), int(rng.integers(1, c // 2))
        if a > 1:
            ranks.append((r, q))
            arrays = np.empty((n, r)), np.empty((c, q)), np.empty((r, q, a, b))
        else:
            ranks.append(r % 100 + 1)
            arrays = [np.empty((k, ranks[-1])) for k in (n, m, ranks[-1])]
        stored += sum(X.size for X in arrays)
    ranks.append(None)
    assert count_weights(shapes, ranks, "eval_Tucker", kernels) == stored
    assert total_parameters(net, ranks, "eval_Tucker") == stored + 4224 + 8192 + 10
    assert count_weights(shapes, [None] * 16, "eval_Tucker", kernels) == 134_289_088
    numbers = [r[0] if isinstance(r, tuple) else r for r in ranks]
    assert count_weights(shapes, numbers, "eval_Tucker", kernels) != count_weights(
        shapes, numbers, "eval_USV", kernels)
    both = [None if r is None else 20 for r in ranks]
    pairs = [(r, r) if a > 1 and r else r for r, (a, _) in zip(both, kernels, strict=True)]
    assert count_weights(shapes, both, "eval_Tucker", kernels) == count_weights(
        shapes, pairs, "eval_Tucker", kernels)


@pytest.mark.parametrize("make, message", [
    (lambda: resnet_cifar(21), r"depth: got 21, expected 6n \+ 2"),
    (lambda: wide_resnet(18), r"depth: got 18, expected 6n \+ 4"),
    (lambda: wide_resnet(4), "depth: got 4"), (lambda: resnet_cifar(2), "depth: got 2"),
    (lambda: resnet_cifar(20.5), "depth: got 20.5"),
    (lambda: resnet_cifar(20, "C"), "shortcut: got 'C', expected 'A' or 'B'"),
    (lambda: resnet50("5x5"), "stride_in: got '5x5'"),
    (lambda: vgg16_cifar((16, 16, 3)), "size: got 2, expected at most 1 for an image"),
    (lambda: alexnet((32, 32, 3)), "size: got 3, expected at most 1 for an image"),
    (lambda: alexnet_caffe((10, 10, 3)), r"kernel: got \(11, 11\), expected at most \(10, 10\)"),
    (lambda: resnet18((32, 32)), "expected an image"),
    (lambda: share_of_ranks(lenet5(), 1.5), r"share: got 1.5, expected a number in \[0, 1\]"),
    (lambda: multiply_adds(lenet5(), [1]), "ranks: got 1, expected one for each of 4"),
    (lambda: multiply_adds(lenet5(), [21, None, None, None]), "ranks: got 21 for a layer"),
    (lambda: folded_totals(lenet5(), None, "x"), "scheme: got 'x'"),
    (lambda: folded_totals(lenet5(), [1], "channel"), "ranks: got 1, expected one for each of 4"),
    (lambda: folded_totals(lenet5(), [6, 1, 1, 1], "spatial"), r"ranks: got 6 .* \(100, 5\)"),
    (lambda: folded_totals(alexnet_caffe(), [1] * 11, "spatial"),
     "ranks: got 1 for channels in groups, expected None for the scheme spatial"),
    (lambda: total_parameters(lenet5(), [1]), "ranks: got 1, expected one for each of 4"),
    (lambda: count_weights([(4, 18)], [(5, 1)], "eval_Tucker", [(3, 3)]), "ranks: got 5 .* ≤ 4"),
    (lambda: count_weights([(4, 18)], [(1, 3)], "eval_Tucker", [(3, 3)]), "ranks: got 3 .* ≤ 2"),
    (lambda: count_weights([(4, 18)], [(1, 2, 3)], "eval_Tucker", [(3, 3)]),
     r"ranks: got \(1, 2, 3\) for a layer of shape \(4, 18\), expected a whole number or two"),
    (lambda: count_weights([(4, 17)], [1], "eval_Tucker", [(3, 3)]), "kernels: got 9 pixels"),
    (lambda: count_weights([(4, 18)], [1], "eval_Tucker", []), "kernels: got 0, expected one"),
    (lambda: count_weights([(4, 18)], [(1, 2)]), r"ranks: got \(1, 2\)")])
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
