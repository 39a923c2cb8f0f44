"""Pooling and padded shortcuts against slow twins, and their ways back as adjoints."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from residual_networks import spoiled
from strategies import seeds

from lowrank_ode.nets.averages import AveragePool
from lowrank_ode.nets.images import MaxPool, Patches
from lowrank_ode.nets.skips import ZeroPadded

EPS = np.finfo(float).eps
pools = st.tuples(st.integers(1, 4), st.one_of(st.none(), st.integers(1, 5)), st.integers(0, 2))
small = st.tuples(st.integers(1, 2), st.integers(4, 7), st.integers(4, 7), st.integers(1, 2))


def pixels_of(A, layer, value):
    """(b, i, j, c), the window of each output in the padded image, its place there."""
    p, size, s = layer.padding, layer.size, layer.stride or layer.size
    padded = np.pad(A, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=value)
    _, rows, columns, channels = padded.shape
    for b, i, j, c in np.ndindex(len(A), (rows - size) // s + 1, (columns - size) // s + 1,
                                 channels):
        at = b, slice(s * i, s * i + size), slice(s * j, s * j + size), c
        yield (b, i, j, c), at, padded[at]


@given(small, pools, seeds)
def test_the_largest_of_each_window_with_stride_and_padding(shape, given_pool, seed):
    """Distinct numbers, all negative: a padding by zeros would win. The gradient of each window
    goes to its largest, and adds up where windows overlap. Planted: zeros around."""
    size, stride, padding = given_pool
    padding = min(padding, size - 1)
    layer = MaxPool(size, stride, padding)
    A = -1.0 - np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape)
    out, dA, dout, _ = spoiled(layer, A)
    truth = np.pad(np.zeros(shape), ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    for place, at, window in pixels_of(A, layer, -np.inf):
        assert out[place] == window.max()
        truth[at] += dout[place] * (window == window.max())
    assert out.shape == (shape[0], *layer.shape(shape[1:]))
    whole = truth[:, padding:padding + shape[1], padding:padding + shape[2]]
    assert dA.shape == A.shape and np.abs(dA - whole).max() <= 50 * EPS * size**2
    if padding:
        assert any(out[place] != window.max() for place, _, window in pixels_of(A, layer, 0))


@given(small, pools, seeds)
def test_a_mean_is_that_of_its_window_and_its_way_back_is_the_adjoint(shape, given_pool, seed):
    A, layer = np.random.default_rng(seed).standard_normal(shape), AveragePool(*given_pool)
    out, dA, dout, _ = spoiled(layer, A)
    for place, _, window in pixels_of(A, layer, 0):
        assert abs(out[place] - window.mean()) <= 50 * EPS * np.abs(A).max()
    size = np.linalg.norm(A) * np.linalg.norm(dout) + EPS
    assert abs(np.vdot(out, dout) - np.vdot(A, dA)) <= 50 * EPS * layer.size * size


@given(small, st.integers(1, 3), seeds)
def test_a_padded_shortcut_is_every_so_many_pixels_and_zeros(shape, stride, seed):
    """It fits a convolution of 3 × 3 with that stride and padding 1, for all sizes."""
    A, layer = np.random.default_rng(seed).standard_normal(shape), ZeroPadded(5, stride)
    out, dA, dout, _ = spoiled(layer, A)
    assert out.shape[1:3] == Patches(3, stride, 1).shape(shape[1:])[:2]
    assert np.array_equal(out[..., :shape[-1]], A[:, ::stride, ::stride])
    assert not out[..., shape[-1]:].any()
    there, size = np.vdot(out, dout), np.linalg.norm(A) * np.linalg.norm(dout)
    assert abs(there - np.vdot(A, dA)) <= 50 * EPS * size


def test_a_window_may_be_as_large_as_the_padded_image():
    assert MaxPool(4, 1, 1).shape((2, 4, 1)) == (1, 3, 1)
