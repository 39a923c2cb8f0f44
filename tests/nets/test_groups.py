"""Layers with weights in groups, and convolutions with rectangular windows, strides, paddings and
groups: against weights of one piece, and derivatives by complex steps."""

from dataclasses import replace

import numpy as np
import own_layers
import pytest
from derivatives import block_directions, derivative_defect, draw, there_and_back
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag
from strategies import seeds

from lowrank_ode import BUG, DLRT, LowRank
from lowrank_ode.integrators import Dense as DenseMethod
from lowrank_ode.matrices import best_approximation, dense
from lowrank_ode.nets import Network
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field

EPS = np.finfo(float).eps
RANKS = [2, None, 1, 2, None, 2, None]          # of Grouped, BlockDiagonal, Grouped, Dense


def convolutions(patches=Patches, **options):
    """8 × 7 pixels of 4 channels, then 4 × 5 of 4, 2 × 5 of 4, rows: rectangles, strides, paddings
    and groups that differ, with bias and without."""
    return Network((8, 7, 4), (
        patches((3, 4), (2, 1), (1, 0), groups=2), Grouped(6, 2, "tanh", **options),
        patches((1, 3), 1, (0, 1), groups=2), BlockDiagonal(4, 2, "softplus", **options),
        patches((3, 2), (2, 1), 1), Dense(5, "tanh", **options),
        Flatten(), Grouped(3, 2, "identity", **options)), "mean_squares")


def worst_defect(net, ranks, batch, seed=0):
    """Over a direction in each block."""
    rng = np.random.default_rng(seed)
    params, x, labels = draw(net, rng, ranks, batch)
    _, grads = net.value_and_grad(params, x, labels)
    return max(derivative_defect(net, params, grads, x, labels, direction, "complex")
               for direction in block_directions(rng, params))


@pytest.mark.parametrize("bias", [True, False])
@given(seeds, st.sampled_from([1, 3]), st.sampled_from([None, RANKS]))
def test_the_gradient_of_a_network_with_groups_is_the_derivative(bias, seed, batch, ranks):
    assert worst_defect(convolutions(bias=bias), ranks, batch, seed) <= 1e-12


class Transposed(Patches):
    """Windows laid out column by column on the way back."""

    def backward(self, dout, shape):
        turned = np.swapaxes(self._split(dout), 4, 5).reshape(dout.shape)
        return super().backward(turned, shape)


class WrongAxis(Patches):
    """Strides of the columns for the rows, as far as there is an image."""

    def backward(self, dout, shape):
        (batch, height, width, channels), (_, rows, columns, _) = shape, dout.shape
        s, t = self.stride
        wide = batch, height + t * rows, width + s * columns, channels
        dA, _ = Patches(self.kernel, (t, s), self.padding, self.groups).backward(dout, wide)
        return dA[:, :height, :width].copy(), ()


class Contiguous(Patches):
    """The numbers of a group taken for those of the first pixels, all channels of them."""

    def backward(self, dout, shape):
        return Patches(self.kernel, self.stride, self.padding).backward(dout, shape)


class Cropped(Patches):
    """Padding cut off at one end only."""

    def backward(self, dout, shape):
        (p, q), (batch, height, width, channels) = self.padding, shape
        wide = batch, height + 2 * p, width + 2 * q, channels
        dA, _ = Patches(self.kernel, self.stride, 0, self.groups).backward(dout, wide)
        return dA[:, 2 * p:, 2 * q:].copy(), ()


@pytest.mark.parametrize("planted", [Transposed, WrongAxis, Contiguous, Cropped])
@pytest.mark.parametrize("batch", [1, 3])
def test_an_error_on_the_way_back_through_windows_is_seen(planted, batch):
    assert worst_defect(convolutions(planted), None, batch) > 1e-6


class OneForAll(BlockDiagonal):
    """Each group's gradient from the outputs of the first."""

    def _parted(self, dout):
        return [self._split(dout)[0].copy() for _ in range(self.groups)]


class InOrder(Grouped):
    """Gradients of the inputs in the wrong order."""

    def backward(self, *args):
        dA, grads = super().backward(*args)
        return np.concatenate(self._split(dA)[::-1], axis=-1), grads


class WithoutSlope(Grouped):
    def _back(self, way, dout, kept, blocks):
        return super()._back(way, dout, (np.zeros_like(kept[0]), kept[1]), blocks)


@pytest.mark.parametrize("planted", [OneForAll, InOrder, WithoutSlope])
def test_an_error_on_the_way_back_of_a_group_is_seen(planted):
    net = Network((6,), (Dense(8, "tanh"), planted(6, 2, "tanh"), Dense(3, "identity")))
    right = Network((6,), (net.layers[0], planted.__base__(6, 2, "tanh"), net.layers[2]))
    assert worst_defect(net, None, 3) > 1e-6 and worst_defect(right, None, 3) <= 1e-12


def close(X, Y, size=1.0):
    return X.shape == Y.shape and np.abs(X - Y).max() <= 1e-13 * max(size, np.abs(Y).max())


@given(seeds, st.sampled_from([1, 2, 3]), st.sampled_from([(4,), (4, 2, 3)]), st.booleans())
def test_groups_are_the_parts_of_a_weight(seed, k, pixels, low_rank):
    """Outputs, gradients of weights, bias and inputs, as of Dense with [W_1 … W_k] and with the
    block-diagonal weight. Planted: groups in another order."""
    rng = np.random.default_rng(seed)
    for kind, n in ((Grouped, 5), (BlockDiagonal, 6)):
        layer, whole = kind(n, k, "tanh"), Dense(n, "tanh")
        A, dout = rng.standard_normal((*pixels, 12)), rng.standard_normal((*pixels, n))
        *Ws, b = layer.init(rng, (12,), 2 if low_rank else None, float)
        parts = [dense(W) for W in Ws]
        W = np.hstack(parts) if kind is Grouped else block_diag(*parts)
        b = b + rng.standard_normal(b.shape)
        (out, kept), (truth, of_whole) = layer.forward(A, *Ws, b), whole.forward(A, W, b)
        dA, (*Gs, db) = layer.backward(dout.copy(), kept, *Ws, b)
        true_dA, (G, true_db) = whole.backward(dout.copy(), of_whole, W, b)
        assert close(out, truth) and close(dA, true_dA) and close(db, true_db)
        rows = np.array_split(np.arange(n), k) if kind is BlockDiagonal else [slice(None)] * k
        for found, own, columns in zip(Gs, rows, np.split(np.arange(12), k), strict=True):
            assert close(dense(found), dense(G)[own][:, columns], np.abs(dense(G)).max())
        assert k == 1 or not close(layer.forward(A, *Ws[::-1], b)[0], truth)


@given(seeds, st.sampled_from([(2, 3, 1), (3, 2, 0)]))
def test_windows_and_a_block_diagonal_weight_are_a_grouped_convolution(seed, kernel_stride_padding):
    """Against a convolution of each group by itself; a group for each channel: depthwise."""
    rng, (kernel, stride, padding) = np.random.default_rng(seed), kernel_stride_padding
    for groups in (2, 6):
        one = Patches(kernel, stride, padding)
        twin = own_layers.Grouped(groups, one, Dense(12 // groups, "tanh"))
        A = rng.standard_normal((2, 5, 6, 6))
        blocks = [rng.standard_normal(shape) for shape in twin.blocks(A.shape[1:])]
        windows = there_and_back(replace(one, groups=groups), A)
        found, _ = BlockDiagonal(12, groups, "tanh").forward(
            windows, *blocks[::2], np.vstack(blocks[1::2]))
        assert close(found, twin.forward(A, *blocks)[0])


def test_a_network_knows_how_many_weights_of_a_layer_may_be_of_low_rank():
    net, rng = convolutions(), np.random.default_rng(0)
    assert net.weight_shapes == [(6, 24), (6, 24), (2, 9), (2, 9), (5, 24), (3, 25), (3, 25)]
    assert str(net) == "224-6-4-5-3"
    params = net.init(rng, 2)
    assert [isinstance(X, LowRank) for X in params.blocks] == [
        True, True, False, True, True, False, True, False, False, False, False]
    assert [len(own) for own in net.split(params)] == [0, 3, 0, 3, 0, 2, 0, 3]
    assert [X for own in net.split(params) for X in own] == [*params.blocks]
    ranks = [X.rank if isinstance(X, LowRank) else None for X in net.init(rng, RANKS).blocks]
    assert [ranks[k] for k in (0, 1, 3, 4, 6, 8, 9)] == RANKS
    with pytest.raises(ValueError, match="rank: got 1 entries, expected one for each of 7 weights"):
        net.init(rng, [1])
    with pytest.raises(ValueError, match="rank: got 3 for a 2 × 9 layer"):
        net.init(rng, 3)
    alone = Network((4,), (Grouped(3, 2, "identity"),))
    with pytest.raises(ValueError, match=r"rank: got 2 for a single layer, .* expected \[2, 2\]"):
        alone.init(rng, 2)
    assert [X.rank for X in alone.init(rng, [2, 1]).blocks[:2]] == [2, 1]
    one = Network((4,), (Grouped(3, 1, "identity", bias=False),)).init(rng, [2])
    assert [X.rank for X in one.blocks] == [2]


def test_every_group_is_trained_as_a_block_of_its_own():
    """Of full rank DLRT makes the Euler step, in each group; of lower rank the loss falls, and
    ranks stay. Planted: a group that is left as it is."""
    net, rng = convolutions(), np.random.default_rng(1)
    x, labels = rng.standard_normal((6, net.inputs)), rng.standard_normal((6, 3))
    full = net.init(rng, [min(shape) for shape in net.weight_shapes])
    F = gradient_field(net, x, labels)
    after = DLRT(0).step(full, 0, 0.1, F)
    truth = DenseMethod(euler).step(dense(full), 0, 0.1, F)
    for X, Y, start in zip(after.blocks, truth.blocks, full.blocks, strict=True):
        assert close(dense(X), Y) and not close(dense(start), Y)
    for method in (DLRT(0, max_rank=2), BUG(euler)):
        params = net.init(rng, [2, 2, 2, 2, 2, None, 2])
        for _ in range(5):
            after = method.step(params, 0, 0.02, F)
            assert net.value(after, x, labels) < net.value(params, x, labels)
            assert [isinstance(X, LowRank) and X.rank for X in after.blocks] == [
                isinstance(X, LowRank) and X.rank for X in params.blocks]
            params = after


def test_groups_alike_are_one_in_a_set():
    assert len({Grouped(4, 2), Grouped(4, 2), Grouped(4, 1), BlockDiagonal(4, 2)}) == 3


def test_groups_in_single_precision_stay_in_it():
    net, rng = convolutions(), np.random.default_rng(0)
    params = net.init(rng, RANKS, np.float32)
    _, grads = net.value_and_grad(params, rng.standard_normal((2, net.inputs)), np.array([0, 1]))
    assert {X.dtype for X in (*params.blocks, *grads.blocks)} == {np.dtype(np.float32)}


def test_the_rank_of_a_group_may_be_lower_than_that_of_the_whole():
    """k parts of rank j count k j (n + m/k) numbers, and are [U_1 V_1ᵀ … U_k V_kᵀ]."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((6, 12))
    parts = [best_approximation(part, rank=2) for part in np.hsplit(W, 3)]
    A = rng.standard_normal((4, 12))
    out, _ = Grouped(6, 3, "identity", bias=False).forward(A, *parts)
    assert close(out, A @ np.hstack([dense(part) for part in parts]).T)
    assert sum(2 * sum(part.shape) for part in parts) == 3 * 2 * (6 + 4)


@pytest.mark.parametrize("make, message", [
    (lambda: Grouped(0, 2), "n: got 0"), (lambda: Grouped(2, 0), "groups: got 0"),
    (lambda: BlockDiagonal(0, 2), "n: got 0"), (lambda: BlockDiagonal(2, 0), "groups: got 0"),
    (lambda: Grouped(2, 2, "sigmoid"), "activation: got 'sigmoid'"),
    (lambda: BlockDiagonal(2, 2, "sigmoid"), "activation: got 'sigmoid'"),
    (lambda: Grouped(2, 2, gain=-1), "gain: got -1, expected a number > 0"),
    (lambda: Grouped(2, 2).blocks((4, 5)), "groups: got 2, expected a divisor of the 5 features"),
    (lambda: Grouped(2, 2).blocks((5,)), "groups: got 2, expected a divisor of the 5 features"),
    (lambda: BlockDiagonal(5, 2), "groups: got 2, expected a divisor of n = 5"),
    (lambda: Network((2, 2, 3), (Patches(1, groups=2), Flatten(), Dense(2))), "groups: got 2")])
def test_groups_that_do_not_divide_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
