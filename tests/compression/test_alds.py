"""ALDS: the two-sided bound and where it is attained, the exact global step, and the published
alternation, which is monotone as long as it rounds down."""

import sys
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from small_networks import chunks, convolutional, of_spectrum, perceptrons, started

from lowrank_ode.compression import alds, svd_error
from lowrank_ode.compression.weights import weights_of
from lowrank_ode.matrices import DirectSum, best_approximation
from lowrank_ode.nets import mlp

EPS = np.finfo(float).eps
module = sys.modules["lowrank_ode.compression.alds"]           # the package has the function
BOUNDS = module.BOUNDS


def errors_and_bounds(W, j, shift=0):
    """‖W − Ŵ‖₂ for [W_1 … W_k] cut to rank j each, the bounds β(σ_{i,j+1}), or of an index that is
    `shift` more, and a unit of rounding errors."""
    tails = np.array([np.append(np.linalg.svd(X, compute_uv=False), 0)[j + shift:][:1].sum()
                      for X in W])
    cut = [best_approximation(X, rank=j).dense() for X in W]
    unit = 50 * EPS * max(np.linalg.norm(np.hstack(list(W)), 2), np.finfo(float).tiny)
    error = np.linalg.norm(np.hstack([X - Y for X, Y in zip(W, cut, strict=True)]), 2)
    return error, {name: bound(tails[:, None])[0] for name, bound in BOUNDS.items()}, unit


@given(chunks())
def test_the_error_of_a_grouped_layer_lies_between_the_largest_and_the_root_and_that_below_sqrt_k(
        W):
    for j in range(1, min(W.shape[1:]) + 1):
        error, bound, unit = errors_and_bounds(W, j)
        assert bound["max"] - unit <= error <= bound["root"] + unit
        assert bound["root"] <= bound["sqrt_k"] * (1 + 10 * EPS)


def test_each_side_is_attained():
    """The left one by groups whose outputs are orthogonal, or by one group; the root by tails with
    one output direction; √k by groups that are alike."""
    rng = np.random.default_rng(0)
    same = np.array([of_spectrum(rng, 5, 6, [4, 2, 1])] * 3)
    error, bound, unit = errors_and_bounds(same, 1)
    assert abs(error - bound["root"]) <= unit and abs(error - bound["sqrt_k"]) <= unit
    tails = np.array([np.diag([10.0, 0, s]) for s in (1.0, 2.0, 3.0)])
    error, bound, unit = errors_and_bounds(tails, 1)
    assert abs(error - 14**0.5) <= unit and abs(error - bound["root"]) <= unit
    assert bound["sqrt_k"] > 1.3 * error
    apart = np.array([np.diag([10.0, 3, 0, 0]), np.diag([0, 0, 10.0, 2])])
    error, bound, unit = errors_and_bounds(apart, 1)
    assert abs(error - 3) <= unit and bound["max"] == 3 and bound["root"] > 3.6


def test_a_bound_without_its_factor_and_one_of_the_rank_before_are_rejected():
    """Planted: the released code's bound, without √k; σ_{i,j}, the error of a rank less; σ_{i,j+2},
    that of a rank more. Each violates one side on groups that are alike."""
    same = np.array([of_spectrum(np.random.default_rng(0), 5, 6, [4, 2, 1])] * 3)
    error, bound, unit = errors_and_bounds(same, 1)
    assert error > bound["max"] + unit
    assert error < errors_and_bounds(same, 1, shift=-1)[1]["max"] - unit
    assert error > errors_and_bounds(same, 1, shift=1)[1]["root"] + unit


@settings(max_examples=20)
@given(network=perceptrons())
def test_the_report_bounds_the_error_of_each_layer(network):
    net, params = network
    total = sum(X.size for X in params.blocks)
    for bound, part in product(("root", "sqrt_k"), (0.6, 0.8, 1.0)):
        try:
            rows = alds(net, params, int(part * total), bound=bound)[2].rows
        except ValueError:
            assert part < 1
        else:
            assert all(row.error <= row.bound + 50 * EPS * max(row.shape) for row in rows)


def test_the_released_bound_is_exceeded_by_the_error_that_the_report_measures():
    net = mlp([16, 16, 16, 4])
    reports = [alds(net, started(net), 0.5, bound=bound)[2] for bound in ("max", "root")]
    assert any(row.error > 1.1 * row.bound for row in reports[0].rows)
    assert all(row.error <= row.bound + 50 * EPS for row in reports[1].rows)


def own_table(W, channels, bound):
    """(ε, numbers) of a weight, all k and j, from its definition: a loop for each."""
    (n, m), entries = W.shape, [(0.0, W.size)]
    for k in (k for k in range(1, 17) if channels % k == 0):
        parts = [np.linalg.svd(W[:, np.arange(m) % channels * k // channels == g],
                               compute_uv=False) for g in range(k)]
        for j in range(1, len(parts[0]) + 1):
            s = [p[j] if j < len(p) else 0.0 for p in parts]
            error = {"root": np.linalg.norm(s), "sqrt_k": k**0.5 * max(s), "max": max(s)}[bound]
            entries.append((error / np.linalg.norm(W, 2), j * (k * n + m)))
    return entries


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_table_has_every_number_of_groups_that_divides_the_channels(bound):
    """Of a convolution as many as there are channels, of more than 16 columns up to 16."""
    for weight, most in zip(weights_of(convolutional(), started(convolutional())), (4, 12, 12),
                            strict=True):
        found = module.table(weight, bound)
        dense, *factors = own_table(weight.W, weight.channels, bound)
        right = sorted([dense, *(entry for entry in factors if entry[1] < dense[1])])
        assert np.allclose(sorted((e, s) for *_, e, s in found), right, rtol=0, atol=1e-13)
        assert max(k for k, *_ in found) <= most
    assert {k for k, *_ in module.table(weights_of(convolutional(), started(convolutional()))[0])
            } == {1, 2, 4}


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("seed", range(4))
def test_the_global_step_is_the_best_of_all_choices(bound, seed):
    """On three layers every combination of groups, ranks and dense layers is tried."""
    net = mlp([6, 8, 4, 3])
    params = started(net, seed)
    tables = [own_table(W, W.shape[1], bound) for W in params.blocks[::2]]
    errors, sizes = np.array([[(max(e for e, _ in c), sum(s for _, s in c)) for c in
                               product(*tables)]])[0].T
    for budget in range(60, sum(X.size for X in params.blocks), 13):
        report = alds(net, params, budget, bound=bound)[2]
        best = errors[sizes + 15 <= budget].min()                       # 15 biases
        assert max(row.bound for row in report.rows) == pytest.approx(best, abs=50 * EPS)


@cache
def tables_of(seed, bound):
    """Of three layers with spectra that are flat, geometric or deficient, and few numbers."""
    rng = np.random.default_rng(seed)
    net = mlp([12, 16, 12, 8])
    kinds = np.ones(12), np.logspace(0, -3, 12), np.r_[np.ones(4), np.full(8, 0.01)]
    params = started(net, seed)
    params = DirectSum([of_spectrum(rng, *X.shape, kinds[rng.integers(3)] * rng.random(12))
                        + 0.1 * X if X.shape[1] > 1 else X for X in params.blocks])
    weights = weights_of(net, params)
    return [module.table(weight, bound) for weight in weights], sum(w.W.size for w in weights)


DRAWS = [(seed, bound, part) for seed in range(6) for bound in BOUNDS for part in (0.5, 0.7)]


def compared(seed, bound, part):
    """The largest ε of the alternation from three starts, and from one, over that of the exact
    step."""
    tables, total = tables_of(seed, bound)
    allowed = int(part * total)
    best = module.worst(module.cheapest(tables, 0, allowed))
    return [module.worst(module.alternated(tables, 0, allowed, starts, np.random.default_rng(seed)))
            / best for starts in (3, 1)]


def test_no_seed_of_the_alternation_is_better_than_the_exact_step_and_some_are_worse():
    """Planted: the alternation, said to be optimal."""
    ratios = np.array([compared(*draw) for draw in DRAWS])
    assert (1 <= ratios).all() and (ratios[:, 0] <= ratios[:, 1]).all()
    assert (ratios > 1 + 1e-9).mean(axis=0).min() > 0.02


def traces(step=module._best_groups):
    """Of all draws, from random groups: how often the largest ε rose in the alternation with this
    second half step, and how often the numbers exceeded the budget."""
    rose, over, rng = 0, 0, np.random.default_rng(0)
    for (seed, bound, part), _ in product(DRAWS, range(3)):
        tables, total = tables_of(seed, bound)
        groups, allowed, level = [int(rng.choice([1, 2, 4])) for _ in tables], int(part * total), 9
        for _ in range(4):
            try:
                entries = module.cheapest([*map(module._with_groups, tables, groups)], 0, allowed)
            except ValueError:                              # not even rank 1 with these groups
                rose += 1
                break
            after = [*map(step, tables, entries)]
            worst = [level, module.worst(entries), module.worst(after)]
            rose += worst != sorted(worst, reverse=True)
            over += sum(entry[3] for entry in after) > allowed
            level = worst[-1]
            groups = [new[0] if new[1] else old for new, old in zip(after, groups, strict=True)]
    return rose, over


def half_step(rounding, off=0):
    """The second half step with j' = rounding(b/(k' n + m)), and the error of j' − off."""
    def step(entries, given):
        if given[1] is None:
            return given
        found = []
        for k in sorted({entry[0] for entry in entries if entry[1]}):
            own = [entry for entry in entries if entry[:2] == (k, entry[1] or 0)]
            j = min(rounding(given[3] / own[0][3]), len(own))
            found += [(k, j, own[max(1, j - off) - 1][2], j * own[0][3])] if j else []
        return min(found, key=lambda entry: entry[2])
    return step


def test_neither_half_step_of_the_alternation_raises_the_error_or_exceeds_the_budget():
    assert traces() == (0, 0) and traces(half_step(int)) == (0, 0)


@pytest.mark.parametrize("wrong", [half_step(round), half_step(int, off=1),
                                   half_step(round, off=1)],
                         ids=["round", "off by one", "both"])
def test_each_deviation_of_the_released_code_breaks_it(wrong):
    """Planted: numbers rounded to the next rank, the error of the rank before, and both."""
    assert traces(wrong)[0] > 0


def test_with_one_group_it_is_svd_error_and_the_seeds_find_the_same():
    net = convolutional()
    params = started(net)
    for budget in (0.4, 0.6, 0.9):
        one, other = alds(net, params, budget, groups=1), svd_error(net, params, budget)
        assert one[2] == other[2] and one[2] == alds(net, params, budget, groups=1, seeds=1)[2]
        assert all(np.array_equal(getattr(X, "S", X), getattr(Y, "S", Y))
                   for X, Y in zip(one[1].blocks, other[1].blocks, strict=True))


def test_the_seeds_are_those_of_the_generator():
    net = mlp([12, 16, 12, 8])
    found = [alds(net, started(net), 0.6, bound="max", seeds=4, rng=rng)[2]
             for rng in (None, 0, np.random.default_rng(0))]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("options, message", [
    ({"bound": "sum"}, "bound: got 'sum', expected one of root, sqrt_k, max"),
    ({"groups": 3}, "groups: got 3, expected a divisor of the 4 channels of layer 1"),
    ({"groups": 0}, "groups: got 0, expected a whole number ≥ 1"),
    ({"seeds": 0}, "seeds: got 0, expected a whole number ≥ 1")])
def test_bad_options_are_refused(options, message):
    net = convolutional()
    with pytest.raises(ValueError, match=message):
        alds(net, started(net), 0.5, **options)
