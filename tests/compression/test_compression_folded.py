"""Convolutions cut by groups of channels, and by other foldings of their kernels."""

import numpy as np
import pytest
from small_networks import convolutional, examples, started, strided

from lowrank_ode.compression import alds, count_parameters, energy, l_rank, svd, svd_error
from lowrank_ode.compression.kernels import FOLDINGS, fold
from lowrank_ode.compression.weights import plain, weights_of
from lowrank_ode.matrices import DirectSum, dense, norm
from lowrank_ode.nets import Network
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.images import Patches
from lowrank_ode.nets.layers import Dense

EPS = np.finfo(float).eps
FOLDING = [svd, energy, svd_error, l_rank, alds]


def ids(method):
    return method.__name__


def with_groups_multiplied_out(net, params, groups, contiguous=False):
    """A plain network with the weights of this one, columns found one by one: column (pixel,
    channel) of W is column (group, pixel, channel of the group) of [W_1 … W_k]. Contiguous: the
    error of taking them as they stand."""
    blocks, layers, own = [], [], iter(params.blocks)
    for layer in net.layers:
        if isinstance(layer, Grouped):
            Ws = [dense(next(own)) for _ in range(layer.groups)]
            kernel = 1
            if isinstance(layers[-1], Patches):
                layers[-1] = Patches(layers[-1].kernel, layers[-1].stride, layers[-1].padding)
                kernel = int(np.prod(layers[-1].kernel))
            W = np.hstack(Ws)
            channels = W.shape[1] // kernel
            if not contiguous:
                W = np.stack([Ws[c * layer.groups // channels][:, p * (channels // layer.groups)
                                                               + c % (channels // layer.groups)]
                              for p in range(kernel) for c in range(channels)], axis=1)
            blocks.append(W)
            layer = Dense(layer.n, layer.activation, layer.gain, layer.bias)
        elif isinstance(layer, Dense):
            blocks.append(dense(next(own)))
        blocks += [next(own) for _ in range(getattr(layer, "bias", 0))]
        layers.append(layer)
    return Network(net.shape, tuple(layers)), DirectSum(blocks)


@pytest.mark.parametrize("make", [convolutional, strided])
def test_a_grouped_network_computes_what_one_weight_of_its_parts_does(make):
    """And the parts are the nearest ones of their rank. Planted: contiguous columns as groups of
    channels, which only kernels of one pixel would hide."""
    net = make()
    params, x = started(net), examples(net)
    new, cut, report = alds(net, params, 0.8, groups=2)
    assert sum(isinstance(layer, Grouped) for layer in new.layers) >= 1
    right, outputs = (with_groups_multiplied_out(new, cut, 2), new.outputs(cut, x))
    assert np.abs(right[0].outputs(right[1], x) - outputs).max() <= 1e-12 * np.abs(outputs).max()
    wrong = with_groups_multiplied_out(new, cut, 2, contiguous=True)
    assert np.abs(wrong[0].outputs(wrong[1], x) - outputs).max() > 1e-2
    joined, multiplied = plain(new, cut)
    assert joined.layers == net.layers
    for X, Y in zip(multiplied.blocks, right[1].blocks, strict=True):
        assert norm(X - Y) <= 50 * EPS * norm(Y)
    for weight, row, X in zip(weights_of(net, params), report.rows,
                              weights_of(joined, multiplied), strict=True):
        if row.rank:
            errors = [np.linalg.svd(A - B)[1][0] for A, B in
                      zip(weight.parts(2), X.parts(2), strict=True)]
            assert errors == pytest.approx(weight.spectra(2)[:, row.rank], abs=50 * EPS)


@pytest.mark.parametrize("method", FOLDING, ids=ids)
@pytest.mark.parametrize("scheme", FOLDINGS)
def test_a_folded_kernel_runs_as_convolutions_of_as_many_numbers_as_are_reported(method, scheme):
    """Its outputs are those of the kernel folded back, strides and paddings included."""
    net = strided()
    params, x = started(net), examples(net, 5)
    new, cut, report = method(net, params, 0.55, scheme=scheme)
    assert {row.scheme for row in report.rows[:2]} <= {scheme, "dense"} != {"dense"}
    assert report.numbers == count_parameters(cut) <= 0.55 * report.dense_numbers
    if scheme != "channel":
        assert len(new.layers) > len(net.layers) and report.rows[2].scheme in ("channel", "dense")
    weights, folded = weights_of(net, params, scheme), []
    for weight, row in zip(weights, report.rows, strict=True):
        parts = weight.parts(row.groups)
        cut_parts = [np.linalg.svd(P, full_matrices=False) for P in parts]
        parts = [P if row.rank is None else U[:, :row.rank] * s[:row.rank] @ Vh[:row.rank]
                 for P, (U, s, Vh) in zip(parts, cut_parts, strict=True)]
        folded.append(_unfolded(parts, weight))
        error = np.hstack(weight.parts(row.groups)) - np.hstack(parts)
        assert row.error == pytest.approx(np.linalg.norm(error, 2) / weight.sigma[0], abs=1e-12)
        assert row.error <= row.bound + 1e-12
    blocks = [X if X.shape[1] == 1 else folded.pop(0) for X in params.blocks]
    right, outputs = net.outputs(DirectSum(blocks), x), new.outputs(cut, x)
    assert np.abs(outputs - right).max() <= 1e-11 * np.abs(right).max()


def _unfolded(parts, weight):
    """By looking up where `fold` puts each number."""
    places = fold(np.arange(weight.W.size, dtype=float).reshape(weight.shape),
                  weight.patches.kernel, weight.scheme, len(parts))
    W = np.empty(weight.W.size)
    for part, place in zip(parts, places, strict=True):
        W[place.ravel().astype(int)] = part.ravel()
    return W.reshape(weight.shape)


@pytest.mark.parametrize("scheme", ["spatial", "spatial_transposed"])
def test_groups_of_a_folded_kernel_are_those_of_its_channels(scheme):
    """The table is of the parts that are cut. Planted: the released table, of chunks of columns of
    the folded matrix, has other singular values."""
    weight = weights_of(strided(), started(strided()), scheme)[0]
    folded, = weight.parts(1)
    chunks = np.linalg.svd(np.stack(np.split(folded, 2, axis=1)), compute_uv=False)
    assert np.abs(weight.spectra(2) - chunks).max() > 0.05 * weight.sigma[0]
    channels = np.arange(folded.shape[1]) % 4 < 2
    found = np.linalg.svd(folded[:, channels], compute_uv=False)
    assert np.abs(weight.spectra(2)[0] - found).max() <= 50 * EPS * weight.sigma[0]


@pytest.mark.parametrize("method", FOLDING, ids=ids)
def test_an_unknown_scheme_is_refused(method):
    with pytest.raises(ValueError, match="scheme: got 'decoupled', expected one of channel, spat"):
        method(convolutional(), started(convolutional()), 0.5, scheme="decoupled")
