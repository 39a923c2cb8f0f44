"""What all compression methods have in common: the contract of compression/contract.py."""

import json

import numpy as np
import pytest
from own_layers import BatchNorm
from small_networks import convolutional, examples, started, strided

from lowrank_ode import DLRT, LowRank
from lowrank_ode.compression import (
    METHODS,
    Report,
    alds,
    count_parameters,
    energy,
    l_rank,
    pca,
    prediction_flops,
    svd,
    svd_error,
)
from lowrank_ode.compression.l_rank import price
from lowrank_ode.compression.weights import weights_of
from lowrank_ode.matrices import check_state
from lowrank_ode.nets import Network, mlp
from lowrank_ode.nets.groups import BlockDiagonal
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.training import gradient_field

LOW_RANK = [method for method in METHODS if method.low_rank]


def ids(method):
    return method.__name__


def applied(method, net, params, budget, **options):
    return method(net, params, budget, **({"x": examples(net)} if method.uses_data else {}),
                  **options)


def blocks_of(params):
    return [np.array(factor) for X in params.blocks
            for factor in (X if isinstance(X, LowRank) else (X,))]


@pytest.mark.parametrize("method", METHODS, ids=ids)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arguments_are_untouched_results_repeat_and_precision_is_kept(method, dtype):
    for net in (convolutional(), strided(), mlp([8, 12, 6, 4])):
        params, x = started(net, dtype=dtype), examples(net).astype(dtype)
        before, x_before, layers = blocks_of(params), x.copy(), net.layers
        options = {"x": x} if method.uses_data else {}
        new, cut, report = method(net, params, 0.6, **options)
        again = method(net, params, 0.6, **options)
        assert all(np.array_equal(X, Y) for X, Y in zip(before, blocks_of(params), strict=True))
        assert np.array_equal(x, x_before) and net.layers == layers
        assert again[2] == report and again[0] == new
        assert all(np.array_equal(X, Y) for X, Y in
                   zip(blocks_of(cut), blocks_of(again[1]), strict=True))
        assert all(X.dtype == dtype for X in blocks_of(cut))
        check_state(cut)


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_the_claims_are_there(method):
    assert {method.uses_data, method.low_rank, method.monotone} <= {True, False}
    net = mlp([8, 12, 6, 4])
    cut = applied(method, net, started(net), 0.5)[1]
    assert method.low_rank == any(isinstance(X, LowRank) for X in cut.blocks)
    if method.uses_data:
        with pytest.raises(ValueError, match="x: got None"):
            method(net, started(net), 0.5)


@pytest.mark.parametrize("first", [alds, svd, pca], ids=ids)
@pytest.mark.parametrize("second", METHODS, ids=ids)
def test_a_method_may_follow_another(first, second):
    """Factors are multiplied out, groups joined; numbers beyond the rank are rounding errors, and
    not kept."""
    net = convolutional()
    options = {"groups": 2} if first is alds else {}
    new, cut, _ = applied(first, net, started(net), 0.7, **options)
    smaller, again, report = applied(second, new, cut, 0.5)
    assert report.dense_numbers == sum(X.size for X in started(net).blocks)
    assert report.numbers == count_parameters(again) <= 0.5 * report.dense_numbers
    assert smaller.outputs(again, examples(net)).shape == (60, 3)
    if second is svd_error and first is svd:
        assert energy(new, cut, 1.0)[2].ranks == tuple(
            getattr(X, "rank", None) for X in cut.blocks[::2])


@pytest.mark.parametrize("method", LOW_RANK, ids=ids)
def test_the_result_is_trained_on_by_an_integrator(method):
    net = convolutional()
    new, cut, _ = applied(method, net, started(net), 0.5)
    x, labels = examples(net), np.random.default_rng(3).integers(0, 3, 60)
    params, before = cut, new.value(cut, x, labels)
    for _ in range(40):
        params = DLRT(0, max_rank=12).step(params, 0.0, 0.05, gradient_field(new, x, labels))
    assert new.value(params, x, labels) < before


def test_the_report_is_a_table_and_goes_to_JSON():
    net = convolutional()
    report = alds(net, started(net), 0.5)[2]
    assert isinstance(report, Report)
    summary = json.loads(json.dumps(report.summary()))
    assert summary["numbers"] == report.numbers == sum(r["numbers"] for r in summary["rows"])
    lines = str(report).splitlines()
    assert len(lines) == 1 + 3 + 1 and all(len(line) <= 100 for line in lines)
    assert [line.split()[0] for line in lines] == ["layer", "1", "4", "5", str(report.numbers)]
    assert f"{report.numbers} of {report.dense_numbers} numbers" in lines[-1]


def test_operations_are_two_for_each_number_and_pixel():
    net = strided()
    full = svd(net, started(net), 1.0)[2]
    assert full.flops == full.dense_flops == sum(
        pixels * prediction_flops(shape) for pixels, shape in
        ((5 * 10, (8, 24)), (2 * 4, (6, 72)), (1, (5, 48))))
    low = svd(net, started(net), 0.5)[2]
    assert low.flops == sum(
        pixels * prediction_flops(row.shape, row.rank) for pixels, row in
        zip((5 * 10, 2 * 4, 1), low.rows, strict=True))
    row = svd(net, started(net), 0.5, scheme="spatial")[2].rows[0]       # 1 × 3 first, on 9 rows
    assert row.flops == 2 * row.rank * (9 * 10 * 3 * 4 + 5 * 10 * 2 * 8)
    weights = weights_of(net, started(net), "spatial")
    priced = l_rank(net, started(net), 0.5, cost="flops", scheme="spatial")[2]
    assert [row.flops for row in priced.rows] == [
        2 * w.W.size * w.positions if row.rank is None else row.rank * price(w, "flops")
        for w, row in zip(weights, priced.rows, strict=True)]


@pytest.mark.parametrize("method", METHODS, ids=ids)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(method, bad):
    net = mlp([8, 12, 6, 4])
    params = started(net)
    params.blocks[2][1, 1] = bad
    with pytest.raises(ValueError, match="params: layer 1: NaN or Inf, expected finite numbers"):
        applied(method, net, params, 0.5)


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_complex_weights_are_refused(method):
    net = mlp([8, 12, 6, 4])
    with pytest.raises(ValueError, match="params: layer 0: got complex128, expected real weights"):
        applied(method, net, (1 + 0j) * started(net), 0.5)


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_parameters_of_another_network_are_refused(method):
    net = mlp([8, 12, 6, 4])
    with pytest.raises(ValueError, match="params: blocks of shapes"):
        applied(method, net, started(mlp([8, 12, 5, 4])), 0.5)


@pytest.mark.parametrize("method", LOW_RANK, ids=ids)
def test_layers_of_other_kinds_are_left_alone(method):
    net = Network((6, 6, 4), (BatchNorm(), Patches(2, groups=2), BlockDiagonal(6, 2, "tanh"),
                              Flatten(), Dense(9, "tanh"), Dense(3, "identity")))
    params = started(net)
    new, cut, report = applied(method, net, params, 0.5)
    assert new.layers[:4] == net.layers[:4] and all(
        np.array_equal(X, Y) for X, Y in zip(cut.blocks[:5], params.blocks[:5], strict=True))
    assert report.other == sum(X.size for X in params.blocks[:5])
    assert report.numbers == count_parameters(cut)


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_a_network_of_one_layer_and_one_without_weights_that_may_be_cut(method):
    net = mlp([8, 9])
    report = applied(method, net, started(net), 1.0 if method not in LOW_RANK else 0.7)[2]
    assert report.numbers <= report.dense_numbers * (0.7 if method.low_rank else 1.0)
    if method.low_rank:
        net = Network((6, 6, 4), (BlockDiagonal(6, 2, "tanh"), Flatten(), BlockDiagonal(4, 2)))
        for options in ({}, {"seeds": 2}) if method is alds else ({},):
            assert applied(method, net, started(net), 1.0, **options)[2].rows == ()
        with pytest.raises(ValueError, match="expected at least 454: the smallest choice"):
            applied(method, net, started(net), 0.9)
