"""PCA: a layer that projects its outputs, the best of its rank on the samples, and the published
greedy choice of ranks, which is a threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import convolutional, examples, started
from strategies import seeds

from lowrank_ode.compression import inputs, pca
from lowrank_ode.compression.chains import chain_of
from lowrank_ode.compression.pca import of_energies, principal_components, projected
from lowrank_ode.compression.pfp import sensitivities
from lowrank_ode.compression.weights import weights_of
from lowrank_ode.matrices import dense, norm
from lowrank_ode.nets import Network, mlp
from lowrank_ode.nets.layers import Dense

EPS = np.finfo(float).eps


def outputs_of_first(net, params, x):
    """Before the activation."""
    return np.hstack([x @ dense(params.blocks[0]).T + params.blocks[1].T])


def affine_error(Y, W, b, x):
    return np.linalg.norm(Y - x @ W.T - b.T)


@pytest.mark.parametrize("dtype, digits", [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_a_layer_of_principal_components_is_the_projection_of_its_outputs(dtype, digits):
    """Ŵ z + b̂ = ȳ + U Uᵀ (y − ȳ), with b ≠ 0; and U are the directions of the covariance. Planted:
    the released bias b + ȳ − U Uᵀ ȳ; components that are not centred; U transposed."""
    net = mlp([9, 8, 3])
    params, x = started(net, dtype=dtype), examples(net, 40).astype(dtype) + dtype(1)
    _, cut, report = pca(net, params, 80, x=x)
    W, b = params.blocks[:2]
    Y = outputs_of_first(net, params, x).astype(float)
    mean = Y.mean(axis=0)
    U = np.linalg.svd((Y - mean).T)[0][:, :report.ranks[0]]
    projected = mean + (Y - mean) @ U @ U.T

    def is_projection(W, b):
        return np.abs(x @ dense(W).T + b.T - projected).max() <= digits * np.abs(Y).max()

    assert report.ranks[0] in range(1, 4) and is_projection(*cut.blocks[:2])
    assert not is_projection(cut.blocks[0], b + mean[:, None] - U @ U.T @ mean[:, None])
    raw = np.linalg.svd(Y.T)[0][:, :report.ranks[0]]
    assert not is_projection(raw @ raw.T @ W, mean[:, None] + raw @ raw.T @ (b - mean[:, None]))
    turned = np.linalg.svd((Y - mean).T)[0].T[:, :report.ranks[0]]
    assert not is_projection(turned @ turned.T @ W,
                             mean[:, None] + turned @ turned.T @ (b - mean[:, None]))


@settings(max_examples=30)
@given(seeds, st.integers(1, 5))
def test_no_affine_layer_of_its_rank_has_a_smaller_error_on_the_samples(seed, rank):
    """Against random competitors, and small changes of it."""
    rng, net = np.random.default_rng(seed), mlp([7, 6, 2])
    params, x = started(net, seed), examples(net, 30, seed)
    budget = rank * 13 + 6 + 14
    _, cut, report = pca(net, params, min(budget, 60), x=x)
    Y = outputs_of_first(net, params, x)
    W, b = dense(cut.blocks[0]), cut.blocks[1]
    best, r = affine_error(Y, W, b, x), report.ranks[0] or 6
    for size in (1e-6, 1e-3, 1.0):
        U, s, Vh = np.linalg.svd(W + size * rng.standard_normal(W.shape))
        other = U[:, :r] * s[:r] @ Vh[:r], b + size * rng.standard_normal(b.shape)
        assert best <= affine_error(Y, *other, x) + 50 * EPS * norm(Y)


def test_components_of_all_pixels_and_of_deeper_layers_are_taken():
    """In a convolution over pixels; samples in another order give the same."""
    net = convolutional()
    params, x = started(net), examples(net)
    weights = weights_of(net, params)
    A = x.reshape(-1, *net.shape)
    passed = iter(params.blocks)
    for layer, place in zip(net.layers, range(9), strict=False):
        own = [next(passed) for _ in layer.blocks(A.shape[1:])]
        if own:
            Y = A.reshape(-1, A.shape[-1]) @ own[0].T + own[1].T
            mean, sigma, U = principal_components(net, params, weights, x)[
                [w.place for w in weights].index(place)]
            assert np.abs(mean[:, 0] - Y.mean(axis=0)).max() <= 1e-13 * np.abs(Y).max()
            C = (Y - Y.mean(axis=0)).T @ (Y - Y.mean(axis=0))
            assert norm((U * sigma**2) @ U.T - C) <= 1e-13 * norm(C)
        A, _ = layer.forward(A, *own)
    for part in (0.4, 0.6, 0.8):
        assert pca(net, params, part, x=x)[2].ranks == pca(net, params, part, x=x[::-1])[2].ranks


def test_with_all_components_it_is_the_layer_itself():
    net = convolutional()
    params, x = started(net), examples(net)
    weights = weights_of(net, params)
    for weight, (mean, _, U) in zip(weights, principal_components(net, params, weights, x),
                                    strict=True):
        whole = projected(weight, U, mean)
        assert norm(whole.parts[0] - weight.W) <= 50 * EPS * norm(weight.W)
        assert norm(whole.bias - weight.rest[0]) <= 50 * EPS * norm(np.vstack([mean, *weight.rest]))


def test_data_taken_in_parts_give_the_same(monkeypatch):
    """Planted: the mean of the last part."""
    net = convolutional()
    params, x = started(net), examples(net) + np.linspace(-1, 1, 60)[:, None]
    weights = weights_of(net, params)
    together = principal_components(net, params, weights, x)
    sensitive = sensitivities(chain_of(net, params), x)
    monkeypatch.setattr(inputs, "CHUNK", 7 * 16 * 36)           # seven examples at a time
    apart = principal_components(net, params, weights, x)
    last = principal_components(net, params, weights, x[-35:])
    for (mean, sigma, _), (mean_2, sigma_2, _), (mean_3, _, _) in zip(together, apart, last,
                                                                      strict=True):
        assert np.abs(mean - mean_2).max() <= 1e-13 and np.abs(mean - mean_3).max() > 1e-2
        assert np.abs(sigma - sigma_2).max() <= 1e-13 * sigma[0]
    for s, t in zip(sensitive, sensitivities(chain_of(net, params), x), strict=True):
        assert np.abs(s - t).max() <= 1e-15


def greedy(energies, costs, allowed):
    """The published order: from full rank, the rank goes of which a relative loss of energy for a
    number is least, until the numbers are few enough."""
    ranks_ = [len(e) for e in energies]
    while sum(r * c for r, c in zip(ranks_, costs, strict=True)) > allowed:
        losses = [e[r - 1] / e[:r].sum() / c if r > 1 else np.inf
                  for e, r, c in zip(energies, ranks_, costs, strict=True)]
        ranks_[int(np.argmin(losses))] -= 1
    return ranks_


@given(seeds)
def test_the_published_greedy_order_is_a_threshold(seed):
    """The greedy one may stop between two equal scores, and does not otherwise differ."""
    rng = np.random.default_rng(seed)
    energies = [np.sort(rng.random(n)**4)[::-1] for n in rng.integers(1, 7, 3)]
    costs = rng.integers(5, 30, 3)
    scores = [of_energies(e) / c for e, c in zip(energies, costs, strict=True)]
    for level in np.concatenate(scores):
        above = [max(1, int((g > level).sum())) for g in scores]
        allowed = sum(r * c for r, c in zip(above, costs, strict=True))
        assert greedy(energies, costs, allowed) == above


def test_without_bias_it_is_the_best_linear_layer_and_has_none():
    net = Network((7,), (Dense(6, "tanh", bias=False), Dense(2, "identity")))
    params, x = started(net), examples(net, 30) + 0.5
    _, cut, report = pca(net, params, 45, x=x)
    Y, r = x @ params.blocks[0].T, report.ranks[0]
    U = np.linalg.svd(Y.T)[0][:, :r]
    assert cut.blocks[0].shape == (6, 7) and len(cut.blocks) == 3
    assert norm(x @ cut.blocks[0].dense().T - Y @ U @ U.T) <= 1e-12 * norm(Y)


@pytest.mark.parametrize("x, message", [
    (None, r"x: got None, expected inputs of the training set, \(samples, 9\)"),
    (np.ones((3, 8)), r"x: shape \(3, 8\), expected \(samples ≥ 1, 9\)"),
    (np.ones((0, 9)), "x: shape"), (np.full((9, 9), np.nan), "x: NaN or Inf"),
    (np.ones((4, 9), int), "x: got int64, expected an array of floats"),
    (np.ones((4, 9)), "x: 4 samples and pixels at layer 0, expected at least 5: its rank may be 4"),
])
def test_pca_without_enough_data_is_refused(x, message):
    net = mlp([9, 10, 3])
    with pytest.raises(ValueError, match=message):
        pca(net, started(net), 0.8, x=x)
