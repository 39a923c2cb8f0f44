"""Weights inside residual blocks are compressed as others are."""

import numpy as np
import pytest
from inside_blocks import agrees, residual
from small_networks import examples, started

from lowrank_ode import DLRT
from lowrank_ode.compression import (
    METHODS,
    alds,
    count_parameters,
    filters,
    inputs,
    multiplications,
    pca,
    pfp,
    svd,
)
from lowrank_ode.compression.kernels import FOLDINGS, unfold
from lowrank_ode.compression.pca import principal_components
from lowrank_ode.compression.totals import positions
from lowrank_ode.compression.weights import plain, rebuilt, weights_of
from lowrank_ode.matrices import DirectSum, dense, norm
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.images import Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.skips import Residual
from lowrank_ode.training import gradient_field

EPS = np.finfo(float).eps
LOW_RANK = [method for method in METHODS if method.low_rank]
FOLDING = [method for method in LOW_RANK if not method.uses_data]


def ids(method):
    return method.__name__


def applied(method, net, params, budget, **options):
    x = {"x": examples(net)} if method.uses_data else {}
    return method(net, params, budget, **x, **options)


def multiplied_out(net, params, cut, report, scheme="channel"):
    """`params` with the factors that `cut` has for a weight in its place, multiplied out."""
    blocks, own, rows, k = list(params.blocks), iter(cut.blocks), iter(report.rows), 0
    for below, layer, A in net.parts:
        shapes = layer.blocks(A)
        if isinstance(layer, Dense):
            row, kernel = next(rows), below.kernel if isinstance(below, Patches) else (1, 1)
            if row.rank is None:
                blocks[k] = next(own)
            elif row.scheme == "channel":
                blocks[k] = unfold([next(own) for _ in range(row.groups)], kernel)
            else:
                Vh, K = next(own), next(own)
                blocks[k] = unfold([K.reshape(-1, row.rank) @ Vh], kernel, scheme)
            blocks[k + 1:k + len(shapes)] = [next(own) for _ in shapes[1:]]
        else:
            blocks[k:k + len(shapes)] = [next(own) for _ in shapes]
        k += len(shapes)
    assert not [*own]
    return DirectSum([dense(X) for X in blocks])


@pytest.mark.parametrize("normalised", [False, True], ids=["plain", "normalised"])
@pytest.mark.parametrize("method", LOW_RANK, ids=ids)
def test_the_network_in_factors_is_that_with_the_weights_multiplied_out(method, normalised):
    """Rows of all six weights, in order; numbers are those that are stored, operations those of the
    factors. Planted: outputs of a weight inside in another order."""
    net = residual(normalised)
    params, x = started(net), examples(net)
    for budget in (0.35, 0.6):
        new, cut, report = applied(method, net, params, budget)
        assert [row.shape for row in report.rows] == net.weight_shapes
        assert [net.parts[row.layer][1].n for row in report.rows] == [8] * 5 + [3]
        assert report.numbers == count_parameters(cut) <= budget * report.dense_numbers
        whole = multiplied_out(net, params, cut, report)
        assert agrees(net, whole, new, cut, x)
        assert norm(whole - params) > 1e-2
        if {row.groups for row in report.rows} == {1}:
            assert report.flops == 2 * multiplications(net.weight_shapes, report.ranks,
                                                       positions(net))
        wrong = list(whole.blocks)
        wrong[2] = np.roll(wrong[2], 1, axis=0)
        assert not agrees(net, DirectSum(wrong), new, cut, x)
    assert any(row.rank for row in report.rows[:5])


def test_what_was_left_dense_before_is_cut_now():
    """Within a budget that the last weight alone could not meet."""
    net = residual()
    report = svd(net, started(net), 0.3)[2]
    inside = sum(row.numbers for row in report.rows[:5])
    assert inside <= 0.3 * report.dense_numbers < sum(n * m for n, m in net.weight_shapes[:5])


@pytest.mark.parametrize("method", FOLDING, ids=ids)
@pytest.mark.parametrize("scheme", FOLDINGS)
def test_kernels_inside_run_as_convolutions_of_their_scheme(method, scheme):
    net = residual()
    params, x = started(net), examples(net)
    options = {"groups": 1} if method is alds else {}
    new, cut, report = method(net, params, 0.5, scheme=scheme, **options)
    assert any(row.rank and row.scheme == scheme for row in report.rows[:2])
    whole = multiplied_out(net, params, cut, report, scheme)
    assert agrees(net, whole, new, cut, x)
    assert report.numbers == count_parameters(cut)


@pytest.mark.parametrize("first", [alds, svd], ids=ids)
@pytest.mark.parametrize("second", LOW_RANK, ids=ids)
def test_a_method_may_follow_another_inside_blocks(first, second):
    """Groups inside are joined, factors multiplied out."""
    net = residual()
    params, x = started(net), examples(net)
    new, cut, _ = first(net, params, 0.7, **({"groups": 2} if first is alds else {}))
    joined, whole = plain(new, cut)
    assert joined == net and agrees(joined, whole, new, cut, x)
    if first is alds:
        assert any(isinstance(layer, Grouped) for _, layer, _ in new.parts[:-4])
    _, again, report = applied(second, new, cut, 0.4)
    assert report.numbers == count_parameters(again) <= 0.4 * report.dense_numbers


def test_an_integrator_trains_on_what_was_cut_inside():
    net = residual()
    new, params, _ = svd(net, started(net), 0.5)
    x, labels = examples(net), np.random.default_rng(3).integers(0, 3, 60)
    before = new.value(params, x, labels)
    for _ in range(20):
        params = DLRT(0, max_rank=4).step(params, 0.0, 0.05, gradient_field(new, x, labels))
    assert new.value(params, x, labels) < before


def outputs_inside(net, params, x):
    """Outputs of each weight before the activation, examples and pixels as rows, by the definition
    of a residual block, chain by chain."""
    found = []

    def run(layers, A, blocks):
        for layer in layers:
            own = [next(blocks) for _ in layer.blocks(A.shape[1:])]
            if isinstance(layer, Residual):
                inner = iter(own)
                A = np.tanh(sum(run(branch, A, inner) for branch in layer.branches)) if (
                    layer.activation == "tanh") else sum(run(branch, A, inner)
                                                         for branch in layer.branches)
                continue
            if isinstance(layer, Dense):
                bias = own[1].T if layer.bias else 0.0
                found.append(A.reshape(-1, A.shape[-1]) @ own[0].T + bias)
            A, _ = layer.forward(A, *own)
        return A
    run(net.layers, x.reshape(-1, *net.shape), iter(params.blocks))
    return found


@pytest.mark.parametrize("normalised", [False, True], ids=["plain", "normalised"])
def test_principal_components_inside_are_those_of_the_outputs_there(normalised, monkeypatch):
    """A network that takes a batch together gets it together. Planted: outputs of the neighbour."""
    net = residual(normalised)
    params, x = started(net), examples(net)
    monkeypatch.setattr(inputs, "CHUNK", 1)
    weights = weights_of(net, params)
    right = outputs_inside(net, params, x)
    for place, (weight, Y, (mean, sigma, U)) in enumerate(zip(
            weights, right, principal_components(net, params, weights, x), strict=True)):
        def defect(Y, weight=weight, mean=mean, sigma=sigma, U=U):
            centre = Y.mean(axis=0) if weight.rest else np.zeros(Y.shape[1])
            C = (Y - centre).T @ (Y - centre)
            return max(np.abs(mean[:, 0] - centre).max() / np.abs(Y).max(),
                       norm((U * sigma**2) @ U.T - C) / norm(C))
        assert defect(Y) <= 1e-12
        if place in (0, 1, 2, 3):
            assert defect(right[(place + 1) % 4]) > 1e-3


def test_statistics_of_parts_of_a_batch_are_others(monkeypatch):
    """So that a batch in parts would be seen above."""
    net = residual(True)
    params, x = started(net), examples(net)
    whole, *_ = outputs_inside(net, params, x)[-1:]
    parts = np.vstack([outputs_inside(net, params, x[k:k + 20])[-1] for k in (0, 20, 40)])
    assert np.abs(whole - parts).max() > 1e-3


def test_all_components_of_weights_inside_change_nothing():
    net = residual()
    params, x = started(net), examples(net)
    new, cut, report = pca(net, params, 1.0, x=x)
    assert agrees(net, multiplied_out(net, params, cut, report), new, cut, x)
    weights = weights_of(net, params)
    same, kept, none = rebuilt(net, params, weights, [None] * len(weights))
    assert same == net and all(map(np.array_equal, kept.blocks, params.blocks))
    assert none.numbers == none.dense_numbers


@pytest.mark.parametrize("method", [filters, pfp], ids=ids)
def test_outputs_that_a_block_adds_are_not_left_out(method):
    net = residual()
    with pytest.raises(ValueError, match=r"net: got Residual\(.* as layer 0, expected a chain of"):
        applied(method, net, started(net), 0.5)


@pytest.mark.parametrize("method", LOW_RANK, ids=ids)
def test_a_weight_inside_that_is_not_finite_is_refused(method):
    net = residual()
    params = started(net)
    params.blocks[2][1, 1] = np.nan
    with pytest.raises(ValueError, match="params: layer 3: NaN or Inf, expected finite numbers"):
        applied(method, net, params, 0.5)
