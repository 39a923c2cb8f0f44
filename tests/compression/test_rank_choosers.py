"""SVD, energy and L-Rank: each against its definition, searched through."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import convolutional, of_spectrum, perceptrons, started
from strategies import spectra

from lowrank_ode.compression import energy, l_rank, pruned, svd, svd_error
from lowrank_ode.compression.energy import tails
from lowrank_ode.compression.weights import weights_of
from lowrank_ode.matrices import DirectSum, dense
from lowrank_ode.nets import mlp
from lowrank_ode.training import ranks

EPS = np.finfo(float).eps
BUDGETS = (0.4, 0.6, 0.8)


def all_low(net, params, method, **options):
    """(part, report) for budgets at which every layer is cut."""
    for part in np.linspace(0.25, 0.9, 14):
        try:
            report = method(net, params, float(part), **options)[2]
        except ValueError:
            continue
        if None not in report.ranks:
            yield part, report


def test_svd_keeps_the_same_part_of_the_ranks_and_the_largest_that_the_budget_allows():
    net = mlp([20, 30, 12, 16])
    R = np.array([20, 12, 12])
    found = [*all_low(net, started(net), svd)]
    assert len({report.ranks for _, report in found}) > 3
    for _, report in found:
        rank = np.array(report.ranks)
        low, high = ((rank - 0.5) / R)[rank > 1].max(initial=0), ((rank + 0.5) / R).min()
        assert low <= high          # one part a with j = round(a R)


@pytest.mark.parametrize("tau", [0.3, 0.5, 0.7])
def test_energy_is_pruning_with_a_tolerance(tau):
    """The tail of `pruned` is τ‖W‖, with τ² = ε: of the same numbers the ranks are the same."""
    net = mlp([20, 30, 30, 4])
    params = started(net)
    kept = pruned(params, tau=tau)
    threshold = [max(1, int((tails(weight.sigma, 2) > tau**2).sum()))
                 for weight in weights_of(net, params)]
    assert ranks(kept) == tuple(threshold[:2])
    numbers = sum(min(r * sum(X.shape), X.size) if r else X.size for r, X in
                  zip([r for t in threshold for r in (t, None)], params.blocks, strict=True))
    report = energy(net, params, numbers)[2]
    assert report.numbers == numbers
    assert all(r in (t, None) for r, t in zip(report.ranks, threshold, strict=True))


@given(spectra())
def test_the_parts_of_an_energy_fall_from_one_to_nothing(sigma):
    for p in (1, 2):
        g = tails(sigma, p)
        assert (np.diff(g) <= 0).all() and (g >= 0).all() and np.isfinite(g).all()
        assert g[0] == pytest.approx(1 if sigma[0] else 0)
        assert np.abs(tails(1e-200 * sigma, p) - g).max() <= 1e-12          # no square underflows
        total = (sigma**p).sum()
        for j in range(len(sigma)):
            assert g[j] * total == pytest.approx((sigma[j:]**p).sum(), abs=1e-15)


def test_energies_by_squares_and_by_the_nuclear_norm_differ():
    """Planted: one for the other."""
    net, rng = mlp([20, 20, 20, 20]), np.random.default_rng(0)
    kinds = iter([np.ones(20), np.linspace(1, 0, 20), np.logspace(0, -2, 20)])
    params = DirectSum([of_spectrum(rng, *X.shape, next(kinds)) if X.shape[1] > 1 else X
                        for X in started(net).blocks])
    assert all(energy(net, params, part)[2] != energy(net, params, part, p=1)[2]
               for part in BUDGETS)


def best_rank(sigma, price):
    """argmin over j = 0 … R of price · j + Σ_{i>j} σᵢ², the smallest of equals."""
    squares = [price * j + (sigma[j:]**2).sum() for j in range(len(sigma) + 1)]
    return int(np.argmin(squares)), min(squares)


@given(spectra(), st.floats(0, 2), st.booleans())
def test_the_ranks_of_least_cost_are_a_threshold_on_the_squares(sigma, price, tie):
    """#{i: σᵢ² > λ c} is a minimiser, the smallest one, also where λ c is one of the squares."""
    if tie:
        price = float(sigma[len(sigma) // 2])**2
    j, least = int((sigma**2 > price).sum()), best_rank(sigma, price)[1]
    attained = price * j + (sigma[j:]**2).sum()
    assert attained <= least + 50 * EPS * (1 + attained)
    if j:               # one rank less costs more, but for rounding
        assert price * (j - 1) + (sigma[j - 1:]**2).sum() >= attained - 50 * EPS


def test_L_rank_minimises_cost_and_error_together():
    """Over all ranks of three layers, with the price λ between the scores that were kept and those
    that were not. Planted: a price without n, or of operations."""
    net = convolutional()
    params = started(net)
    weights = weights_of(net, params)
    spectrum = [np.linalg.svd(w.W, compute_uv=False) for w in weights]
    right = [sum(w.shape) for w in weights]
    wrong = [w.shape[1] for w in weights], [sum(w.shape) * w.positions for w in weights]
    rejected = [0, 0]
    for report in (report for _, report in all_low(net, params, l_rank) if max(report.ranks) > 1):
        def minimal(cost, chosen=report.ranks):
            least = min(s[j - 1]**2 / c for s, j, c in
                        zip(spectrum, chosen, cost, strict=True) if j > 1)
            most = max(s[j]**2 / c for s, j, c in zip(spectrum, chosen, cost, strict=True))
            price = (least + most) / 2
            best = [max(1, best_rank(s, price * c)[0])
                    for s, c in zip(spectrum, cost, strict=True)]
            return tuple(best) == chosen
        assert minimal(right)
        rejected = [r + (not minimal(w)) for r, w in zip(rejected, wrong, strict=True)]
    assert min(rejected) > 0


def test_the_normalised_version_does_not_see_the_scale_of_a_layer_and_the_plain_one_does():
    net = mlp([20, 30, 12, 16])
    params = started(net)
    scaled = DirectSum([X * (100 if k == 2 else 1) for k, X in enumerate(params.blocks)])
    for method in (svd, energy, svd_error, lambda *a: l_rank(*a, normalised=True)):
        assert method(net, params, 0.5)[2].ranks == method(net, scaled, 0.5)[2].ranks
    assert l_rank(net, params, 0.5)[2].ranks != l_rank(net, scaled, 0.5)[2].ranks


@pytest.mark.parametrize("p", [0, -1, np.nan, np.inf])
def test_a_norm_that_is_none_is_refused(p):
    with pytest.raises(ValueError, match=f"p: got {p}, expected a number > 0"):
        energy(mlp([9, 10, 3]), started(mlp([9, 10, 3])), 0.5, p=p)


@settings(max_examples=20)
@given(perceptrons(), st.sampled_from(list(product((svd, energy, svd_error, l_rank), (0.7, 1.0)))))
def test_layers_are_cut_to_their_best_approximations(network, how):
    net, params = network
    method, part = how
    try:
        _, cut, report = method(net, params, part)
    except ValueError:
        assert part < 1
        return
    for W, X, row in zip(params.blocks[::2], cut.blocks[::2], report.rows, strict=True):
        sigma = np.append(np.linalg.svd(W, compute_uv=False), 0)
        unit = 50 * EPS * max(W.shape) * sigma[0]
        j = len(sigma) - 1 if row.rank is None else row.rank
        assert abs(np.linalg.norm(W - dense(X), 2) - sigma[j]) <= unit
        assert abs(row.error - row.bound) <= 50 * EPS * max(W.shape)


def test_the_drawn_weights_have_the_spectra_that_they_are_said_to_have():
    W = of_spectrum(np.random.default_rng(0), 4, 6, [3, 2, 1])
    assert np.allclose(np.linalg.svd(W, compute_uv=False), [3, 2, 1, 0])
