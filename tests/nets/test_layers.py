"""Layers of one's own: whatever has the methods of nets/layers.py is a part of a network, its
gradient and its training. Each way back is checked by derivatives, and seen to fail with an error
planted in it."""

from itertools import pairwise

import numpy as np
import pytest
from derivatives import worst_defect
from measures import peak_of
from own_layers import (
    Absolute,
    AveragePool,
    BatchNorm,
    Skip,
    Without,
    WithoutSign,
    own_network,
)

from lowrank_ode import DLRT, DirectSum, LowRank, best_approximation
from lowrank_ode.matrices import dense
from lowrank_ode.nets import Network, buffers, groups, lenet5, mlp, networks
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.training import gradient_field


def test_gradients_of_a_network_of_ones_own_layers_are_derivatives():
    assert max(worst_defect(own_network(), seed) for seed in range(20)) <= 1e-12


@pytest.mark.parametrize("planted", [
    {"norm": Without.Mean}, {"norm": Without.Variance}, {"skip": Without.Shortcut},
    {"wide": Without.Copy}, {"pool": Without.Size}, {"grouped": Without.Stride}],
    ids=["mean", "variance", "shortcut", "copy", "size", "stride"])
def test_an_error_on_the_way_back_is_seen(planted):
    assert worst_defect(own_network(**planted)) > 1e-6


@pytest.mark.parametrize("layer, right", [(Absolute(), True), (WithoutSign(), False)])
def test_where_there_is_no_complex_step_differences_agree_with_the_gradient(layer, right):
    """With relu and pooling, too. No kink is near: differences at step 1e-6 and 1e-5 agree, and err
    by EPS · loss / step ≈ 1e-10, for gradients ≥ 1e-3."""
    net = Network((8, 8, 1), (BatchNorm(), Patches(3), Dense(4), MaxPool(), BatchNorm(), layer,
                              Skip((Patches(3, padding=1), Dense(4, "identity"))),
                              Flatten(), Dense(3, "identity")))
    defects = [worst_defect(net, 1, None, step) for step in (1e-6, 1e-5)]
    assert max(defects) <= 1e-7 if right else min(defects) > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_of_ones_own_layers_is_trained_by_DLRT_and_its_parameters_stay_a_flat_sum(dtype):
    """γ, β and dense weights take an Euler step; those of low rank stay so, an inner one too."""
    net, rng = own_network(), np.random.default_rng(0)
    start = net.init(rng, [3, 2, None], dtype)
    kernels = start.blocks[2]
    params = DirectSum([*start.blocks[:2], best_approximation(kernels, rank=1), *start.blocks[3:]])
    x, labels = rng.standard_normal((20, 162)).astype(dtype), rng.integers(0, 3, 20)
    method, losses = DLRT(0, max_rank=3), [net.value(params, x, labels)]
    eps = 10 * np.finfo(dtype).eps
    for _ in range(5):
        _, grads = net.value_and_grad(params, x, labels)
        after = method.step(params, 0, 0.05, gradient_field(net, x, labels))
        assert type(after) is type(grads) is DirectSum
        for old, new, G in zip(params.blocks, after.blocks, grads.blocks, strict=True):
            assert new.shape == G.shape == old.shape and {new.dtype, G.dtype} == {np.dtype(dtype)}
            assert isinstance(new, LowRank) == isinstance(old, LowRank)
            if not isinstance(old, LowRank):
                assert np.allclose(new, old - 0.05 * dense(G), rtol=eps, atol=eps)
                assert np.abs(new - old).max() > 1e-7
        params = after
        losses.append(net.value(params, x, labels))
    assert all(later < sooner for sooner, later in pairwise(losses))
    found = [k for k, X in enumerate(params.blocks) if isinstance(X, LowRank)]
    assert found == [2, 12, 16] and str(net) == "162-24-5-3"


def test_the_gradient_of_an_inner_weight_of_low_rank_is_that_of_the_weight_multiplied_out():
    net, rng = own_network(), np.random.default_rng(0)
    blocks = [best_approximation(X, rank=2) if min(X.shape) > 2 else X
              for X in net.init(rng).blocks]
    x, labels = rng.standard_normal((7, 162)), rng.integers(0, 3, 7)
    assert sum(isinstance(X, LowRank) for X in blocks) == 6
    (value, grads), (truth, full) = (net.value_and_grad(P, x, labels)
                                     for P in (DirectSum(blocks), dense(DirectSum(blocks))))
    assert abs(value - truth) <= 1e-13 * abs(truth)
    for X, Y in zip(dense(grads).blocks, dense(full).blocks, strict=True):
        assert np.abs(X - Y).max() <= 1e-13 * max(np.abs(Y).max() for Y in dense(full).blocks)


OF_GROUPS = Network((5, 6, 4), (Patches((3, 2), 2, (0, 1), groups=2), groups.Grouped(3, 2),
                                Flatten(), groups.BlockDiagonal(4, 2), Dense(2, bias=False)))
LAYERS = [(layer, shape) for net in (own_network(), lenet5((20, 20, 2)), mlp([6, 5, 4, 3]),
                                     OF_GROUPS)
          for layer, shape in zip(net.layers, net._shapes, strict=False)]


@pytest.mark.parametrize("layer, inputs", LAYERS, ids=lambda X: type(X).__name__)
def test_a_layer_does_what_the_protocol_says(layer, inputs):
    """Its inputs stay as they are; out and dA have their shapes, blocks and their gradients theirs.
    Without dA there are the same gradients."""
    rng = np.random.default_rng(0)
    rank = 2 if getattr(layer, "low_rank", False) else None
    blocks = layer.init(rng, inputs, rank, np.float64)
    assert [X.shape for X in blocks] == [*layer.blocks(inputs)]
    assert rank is None or blocks[0].rank == 2
    A = rng.standard_normal((4, *inputs))
    before = A.copy()
    out, kept = layer.forward(A, *blocks)
    dout = rng.standard_normal(out.shape)
    assert out.shape == (4, *layer.shape(inputs)) and np.array_equal(A, before)
    dA, grads = layer.backward(dout.copy(), kept, *blocks)
    assert dA.shape == A.shape and [G.shape for G in grads] == [X.shape for X in blocks]
    if hasattr(layer, "gradient"):
        same = layer.gradient(dout.copy(), kept, *blocks)
        assert all(np.array_equal(dense(X), dense(Y)) for X, Y in zip(grads, same, strict=True))


def test_a_network_ends_with_any_layer_whose_outputs_are_a_row():
    net = Network((2, 2, 1), (Dense(3, "tanh"), Flatten()))
    params = net.init(np.random.default_rng(0))
    assert net.outputs(params, np.ones((5, 4))).shape == (5, net.classes) == (5, 12)
    assert worst_defect(net, ranks=[1]) <= 1e-12


@pytest.mark.parametrize("gradient", [True, False])
def test_no_layer_is_asked_for_a_gradient_that_nobody_needs(gradient):
    """Below the first one with blocks there is no way back; that one has another, if it says so."""
    asked = []

    class Pool(AveragePool):
        def backward(self, dout, kept):
            asked.append("pool")
            return super().backward(dout, kept)

    class First(BatchNorm):
        def backward(self, *args):
            asked.append("first")
            return super().backward(*args)

    class Sparing(First):
        def gradient(self, *args):
            asked.append("gradient")
            return BatchNorm.backward(self, *args)[1]

    net = Network((4, 4, 2), (Pool(), (Sparing if gradient else First)(), Pool(), Flatten(),
                              Dense(3, "identity")))
    assert worst_defect(net, ranks=None) <= 1e-12
    assert asked == ["pool", "gradient" if gradient else "first"]


@pytest.mark.parametrize("chunk, parts", [(24, [2, 2, 2, 1]), (36, [3, 3, 1]), (35, [2, 2, 2, 1]),
                                          (1, [1] * 7), (84, [7]), (83, [6, 1])])
def test_outputs_are_computed_for_as_many_examples_at_a_time_as_have_so_many_numbers(
        monkeypatch, chunk, parts):
    """4, 5 and 3 numbers an example."""
    net, rng, seen = mlp([4, 5, 3]), np.random.default_rng(0), []
    params, x = net.init(rng), rng.random((7, 4))
    whole = net.outputs(params, x)
    monkeypatch.setattr(networks, "CHUNK", chunk)
    forward = networks.Network._forward
    monkeypatch.setattr(networks.Network, "_forward",
                        lambda net, blocks, A: seen.append(len(A)) or forward(net, blocks, A))
    assert np.allclose(net.outputs(params, x), whole, rtol=1e-14, atol=1e-14) and seen == parts


def test_outputs_of_a_large_batch_take_memory_for_a_chunk_only(monkeypatch):
    """Beside the outputs, twice: of each chunk and of all. Planted: the batch as a whole."""
    net, rng = mlp([10, 1000, 1000, 2]), np.random.default_rng(0)
    params, x = net.init(rng, 4), rng.random((3000, 10))
    peaks = []
    for chunk in (200_000, 1 << 24):
        monkeypatch.setattr(networks, "CHUNK", chunk)
        buffers._free.clear()
        peaks.append(peak_of(lambda: net.outputs(params, x)))
    bound = 8 * (2 * 3000 * 2 + 1.5 * 200_000) + 2**17
    assert peaks[0] <= bound < peaks[1] / 10
