"""Batch normalisation: its statistics, and what it is folded into for prediction."""

import numpy as np
import pytest
from derivatives import draw
from hypothesis import given
from hypothesis import strategies as st
from residual_networks import plain, spoiled, trained
from strategies import seeds

from lowrank_ode import DirectSum, LowRank
from lowrank_ode.compression import pruned
from lowrank_ode.data import Data
from lowrank_ode.nets import Network, networks
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.norms import BatchNorm, folded, statistics_of
from lowrank_ode.training import train

EPS = np.finfo(float).eps


@given(seeds, st.sampled_from([(4,), (3, 5, 2)]), st.sampled_from([np.float32, np.float64]))
def test_a_normalised_feature_has_mean_beta_and_deviation_gamma(seed, rows, dtype):
    """Over batch and pixels, up to eps. Planted: over the batch alone."""
    rng, layer, eps = np.random.default_rng(seed), BatchNorm(eps=1e-30), np.finfo(dtype).eps
    A = (rng.standard_normal((*rows, 3)) * [1, 1e3, 1e-2] + [0, 1e3, 1e-2]).astype(dtype)
    gamma, beta = (rng.uniform(1, 2, (3, 1)).astype(dtype) for _ in range(2))
    out, *_ = spoiled(layer, A, gamma, beta)
    flat = out.reshape(-1, 3).astype(float)
    spread = A.reshape(-1, 3).std(axis=0)
    bound = 50 * eps * (1 + np.abs(A).reshape(-1, 3).max(axis=0) / spread)
    assert (np.abs(flat.mean(axis=0) - beta.T[0]) <= bound).all()
    assert (np.abs(flat.std(axis=0) - gamma.T[0]) <= bound).all() and out.dtype == dtype
    assert len(rows) == 1 or np.abs(out.mean(axis=0) - beta.T[0]).max() > 1e-3


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_folded_network_is_the_network_with_the_statistics_of_a_batch(dtype):
    """Up to 50 eps for each of the 20 layers. On that batch outputs are the same, and those of an
    example do not depend on the others. Weights of low rank stay so, bases orthonormal. Planted: β,
    or the mean, left out."""
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


@pytest.mark.parametrize("groups", [Grouped(6, 2, "identity"), BlockDiagonal(6, 2, "identity"),
                                    BlockDiagonal(6, 3, "identity", bias=False)], ids=str)
def test_a_normalisation_of_weights_in_groups_is_a_part_of_each_of_them(groups):
    """Some of low rank. Planted: the same scale for all parts of a block-diagonal weight."""
    net = Network((5, 4, 6), (Patches(3, groups=groups.groups), groups, BatchNorm("tanh"),
                              Flatten(), Dense(3, "identity")))
    rng = np.random.default_rng(0)
    ranks = [1, *[None] * (groups.groups - 1), None]
    params, x, _ = draw(net, rng, ranks, 9)
    cut, own = folded(net, params, x)
    truth = net.outputs(params, x)
    bound = 50 * EPS * np.abs(truth).max()
    assert np.abs(cut.outputs(own, x) - truth).max() <= bound
    assert [type(X) for X in own.blocks[:2]] == [LowRank, np.ndarray] and cut.layers[1].bias
    if isinstance(groups, BlockDiagonal):
        swapped = DirectSum([own.blocks[0], 1.5 * own.blocks[1], *own.blocks[2:]])
        assert np.abs(cut.outputs(swapped, x) - truth).max() > 1e6 * bound


def test_statistics_of_other_weights_may_be_taken():
    """Of the network before it is cut: then outputs are not those of the cut network on the batch,
    but with the same weights they are. Those of another normalisation do not fit."""
    net, params, x = trained(ranks=None)
    kept = statistics_of(net, params, x)
    assert len(kept) == sum(isinstance(layer, BatchNorm) for _, layer, _ in net.parts)
    same, truth = folded(net, params, x, kept), folded(net, params, x)
    for X, Y in zip(same[1].blocks, truth[1].blocks, strict=True):
        assert np.array_equal(X, Y)
    with pytest.raises(ValueError, match="else give net"):
        pruned(params, 2)                       # which blocks are weights is not certain
    cut = pruned(params, [2, None, 2, 2, None, 2, None, None], net=net)
    whole = net.outputs(cut, x)
    found = [part.outputs(own, x) for part, own in (folded(net, cut, x),
                                                    folded(net, cut, x, kept))]
    assert np.abs(found[0] - whole).max() <= 1e-12 * np.abs(whole).max()
    assert np.abs(found[1] - whole).max() > 0.01 * np.abs(whole).max()
    with pytest.raises(ValueError):
        folded(net, cut, x, [kept[0], kept[-1], *kept[2:]])


def test_a_batch_is_not_cut_where_its_examples_are_taken_together(monkeypatch):
    """Planted: as for layers that take each by itself."""
    net, params, x = trained()
    whole = net.outputs(params, x)
    monkeypatch.setattr(networks, "CHUNK", 1)
    assert np.array_equal(net.outputs(params, x), whole)
    monkeypatch.setattr(BatchNorm, "together", False)
    assert np.abs(net.outputs(params, x) - whole).max() > 0.01


def of_rows(count):
    x = np.random.default_rng(0).standard_normal((count, 3))
    return Data("rows", x, np.arange(count) % 2, x[:4], np.arange(4) % 2, 2)


def test_a_batch_of_one_row_has_no_statistics_and_what_cannot_be_folded_is_named():
    net = Network((3,), (plain(4), BatchNorm("tanh"), Dense(2, "identity")))
    params = net.init(np.random.default_rng(0))
    for call in (lambda: net.value_and_grad(params, np.ones((1, 3)), [0]),
                 lambda: net.outputs(params, np.ones((1, 3))),
                 lambda: folded(net, params, np.ones((1, 3)))):
        with pytest.raises(ValueError, match=r"x: one number for each feature .* at least 2"):
            call()
    for layers in ((BatchNorm(), Dense(2, "identity")), (Dense(4), BatchNorm(), Dense(2)),
                   (Grouped(4, 1), BatchNorm(), Dense(2))):
        other = Network((3,), layers)
        with pytest.raises(ValueError, match=r"layers: a batch normalisation above .* Dense"):
            folded(other, other.init(np.random.default_rng(0)), np.eye(3))
        with pytest.raises(ValueError, match=r"layers: a batch normalisation above .* Dense"):
            train(other, other.init(np.random.default_rng(0)), of_rows(10), "dlrt", 0.1)
    for rows, size in ((9, 8), (8, 1)):         # the last batch, or each, has one row
        with pytest.raises(ValueError, match=r"x: one number for each feature"):
            train(net, params, of_rows(rows), "dlrt", 0.1, size)
    image = Network((3, 4, 1), (Patches(3), plain(4), BatchNorm(), Flatten(), Dense(2, "identity")))
    assert image.outputs(image.init(np.random.default_rng(0)), np.ones((1, 12))).shape == (1, 2)


def test_the_accuracy_is_that_with_the_statistics_of_the_first_batch_of_the_epoch():
    """Of several, where others give another one. Planted: those of the last."""
    net = Network((3,), (plain(4), BatchNorm("tanh"), Dense(2, "identity")))
    rng, drawn = np.random.default_rng(0), []
    x = rng.standard_normal((64, 3)) * np.logspace(0, 2, 64)[:, None]
    data = Data("rows", x, rng.integers(0, 2, 64), x, rng.integers(0, 2, 64), 2)

    def noted(batches):
        drawn.extend(batches)
        return batches

    record, = train(net, net.init(rng), data, "dense", 0.1, 8, 1, progress=noted)

    def accuracy(batch):
        plain_net, params = folded(net, record.params, x[batch])
        return plain_net.accuracy(params, data.test_x, data.test_labels)

    assert len(drawn) == 8 and record.accuracy == accuracy(drawn[0]) != accuracy(drawn[-1])
