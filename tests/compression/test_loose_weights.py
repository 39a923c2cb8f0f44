"""Weights without their network are compressed as those of one are, in PyTorch's layout and in
Keras'."""

import numpy as np
import pytest
from small_networks import convolutional, started

from lowrank_ode.compression import METHODS, alds, compressed, filters, multiplied_out, pca, svd
from lowrank_ode.matrices import dense
from lowrank_ode.nets import from_torch, to_keras, to_torch

NET = convolutional()
FREE = [method for method in METHODS if method.low_rank and not method.uses_data]
NAMES = [f"{k}.{name}" for k in range(3) for name in ("weight", "bias")]


def arrays_of(to, params):
    return dict(zip(NAMES, to(NET, params), strict=True))


@pytest.mark.parametrize("method", FREE, ids=lambda method: method.__name__)
@pytest.mark.parametrize("layout, to", [("torch", to_torch), ("keras", to_keras)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_and_numbers_are_those_within_the_network(method, layout, to, dtype):
    """Singular values of the weight behind a Flatten do not depend on the order of its columns; its
    groups of channels do, so that ALDS is asked for one."""
    params = started(NET, dtype=dtype)
    arrays = arrays_of(to, params)
    options = {"groups": 1} if method is alds else {}
    parts, report = compressed(arrays, method, 0.5, layout, **options)
    net, small, expected = method(NET, params, 0.5, **options)
    assert report.ranks == expected.ranks and report.numbers == expected.numbers
    assert report.numbers <= 0.5 * report.dense_numbers == 0.5 * sum(X.size for X in arrays.values())
    assert [row.layer for row in report.rows] == NAMES[::2] and "0.weight" in str(report)
    found, truth = multiplied_out(arrays, parts, layout), to(net, small)
    eps = 100 * np.finfo(dtype).eps
    for (name, X), Y in zip(found.items(), truth, strict=True):
        assert X.dtype == dtype and X.shape == arrays[name].shape
        assert np.abs(X - Y).max() <= eps * np.linalg.norm(Y)


def test_groups_of_channels_are_where_they_belong():
    """ALDS on kernels, k > 1: errors are those of the report. Planted: groups side by side as they
    come."""
    params = started(NET)
    arrays = arrays_of(to_torch, params)
    parts, report = compressed(arrays, alds, 0.6, groups=2)
    found = multiplied_out(arrays, parts)
    for row in report.rows:
        X, Y = (Z[row.layer].reshape(len(Z[row.layer]), -1) for Z in (arrays, found))
        error = np.linalg.norm(X - Y, 2) / np.linalg.norm(X, 2)
        assert abs(error - row.error) <= 1e-12
    (name, own), *_ = parts.items()
    assert len(own) == 2
    wrong = np.hstack([*map(dense, own)]).reshape(6, 3, 3, 4).transpose(0, 3, 1, 2)
    assert np.abs(wrong - found[name]).max() > 1e-3
    net_again = from_torch(NET, found)
    assert net_again.blocks[0].shape == (6, 36)


def test_what_is_no_weight_stays_and_counts():
    arrays = {"w": np.random.default_rng(0).standard_normal((30, 20)), "steps": np.array(7),
              "b": np.ones(30), "t": np.ones((2, 3, 4)), "k": np.ones((4, 4), int)}
    parts, report = compressed(arrays, svd, 0.5)
    assert list(parts) == ["w"] and report.dense_numbers == sum(map(np.size, arrays.values()))
    assert report.numbers <= 0.5 * report.dense_numbers
    found = multiplied_out(arrays, parts)
    assert all(np.array_equal(found[name], arrays[name]) and found[name].dtype == arrays[name].dtype
               for name in arrays if name != "w")
    full, _ = compressed(arrays, svd, 1.0)
    assert full == {"w": None} and np.array_equal(multiplied_out(arrays, full)["w"], arrays["w"])


@pytest.mark.parametrize("arrays, method, options, words", [
    ({"w": np.eye(4)}, pca, {}, "method: got pca, expected one that"),
    ({"w": np.eye(4)}, filters, {}, "method: got filters, expected one that"),
    ({"w": np.eye(4)}, svd, {"scheme": "spatial"}, "method: got svd with a scheme"),
    ({"w": np.eye(4)}, svd, {"layout": "jax"}, "layout: got 'jax', expected one of torch, keras"),
    ({"b": np.ones(4)}, svd, {}, "arrays: got b, expected matrices or kernels"),
    ({}, svd, {}, "arrays: got none, expected"),
    ({"w": np.eye(4) * np.nan}, svd, {}, "w: NaN or Inf, expected finite numbers"),
    ({"w": np.eye(4, dtype=np.float16)}, svd, {}, "w: got float16, expected an array of floats"),
    ({"w": np.eye(20), "b": np.ones(99)}, svd, {"budget": 100}, "budget: got 100 numbers, expected at")])
def test_what_cannot_be_compressed_is_refused(arrays, method, options, words):
    with pytest.raises(ValueError, match=words):
        compressed(arrays, method, **{"budget": 0.5} | options)
