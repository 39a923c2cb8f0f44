"""Networks small enough to be searched through, and weights that are hard to cut."""

import numpy as np
from hypothesis import strategies as st
from strategies import random_basis, seeds, spectra

from lowrank_ode.matrices import DirectSum
from lowrank_ode.nets import Network, mlp
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.norms import BatchNorm
from lowrank_ode.nets.skips import Residual


def convolutional(activation="tanh"):
    """6 × 6 pixels and 4 channels; weights 6 × 36, 12 × 24, 3 × 12."""
    return Network((6, 6, 4), (Patches(3), Dense(6, activation), MaxPool(), Flatten(),
                               Dense(12, activation), Dense(3, "identity")))


def strided():
    """Windows of 2 × 3 pixels, strides and paddings; 9 × 8 pixels of 4 channels."""
    return Network((9, 8, 4), (
        Patches((2, 3), stride=(2, 1), padding=(1, 2)), Dense(8, "tanh"),
        Patches(3, stride=2), Dense(6, "tanh", bias=False), Flatten(), Dense(5, "identity")))


def residual(normalised=False):
    """A block with a shortcut that has a weight, and a block inside a block; 8 × 7 pixels of 4
    channels. Weights 8 × 36, 8 × 72, 8 × 4, 8 × 72, 8 × 8, 3 × 48."""
    norm = (BatchNorm("tanh"),) if normalised else ()
    inner = Residual((Patches(3, 1, 1), Dense(8, "tanh", bias=False), *norm), (), "identity")
    return Network((8, 7, 4), (
        Residual((Patches(3, 2, 1), Dense(8, "tanh"), Patches(3, 1, 1), Dense(8, "tanh"), *norm),
                 (Patches(1, 2), Dense(8, "identity", bias=False)), "tanh"),
        Residual((inner, Dense(8, "tanh")), (), "tanh"),
        MaxPool(2), Flatten(), Dense(3, "identity")))


def started(net, seed=0, dtype=np.float64):
    """A random start with biases that are not 0."""
    rng = np.random.default_rng(seed)
    return DirectSum([(X + 0.1 * rng.standard_normal(X.shape)).astype(dtype)
                      for X in net.init(rng).blocks])


def examples(net, count=60, seed=1):
    return np.random.default_rng(seed).standard_normal((count, net.inputs))


def agrees(net, whole, new, cut, x):
    """Whether the second network computes what the first does, to rounding."""
    outputs, right = new.outputs(cut, x), net.outputs(whole, x)
    return np.abs(outputs - right).max() <= 1e-12 * max(1, np.abs(right).max())


def of_spectrum(rng, n, m, sigma):
    """An n × m matrix with the first min(n, m) of these singular values, zeros where there are no
    more."""
    r = min(n, m, len(sigma))
    return (random_basis(rng, n, r) * np.asarray(sigma)[:r]) @ random_basis(rng, m, r).T


@st.composite
def chunks(draw):
    """W_1, …, W_k as (k, n, m): any spectra, 1 × m and n × 1 among them, all alike, or with outputs
    that do not meet."""
    k, n, m = draw(st.integers(1, 5)), draw(st.integers(1, 7)), draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(seeds))
    kind = draw(st.sampled_from(["any", "alike", "disjoint"]))
    if kind == "alike":
        return np.array([of_spectrum(rng, n, m, draw(spectra()))] * k)
    parts = np.array([of_spectrum(rng, n, m, draw(spectra())) for _ in range(k)])
    if kind == "disjoint":
        apart = np.zeros((k, k, n, m))
        apart[range(k), range(k)] = parts
        return apart.reshape(k, k * n, m)
    return parts


@st.composite
def perceptrons(draw):
    """(net, params) of two or three weights with any spectra."""
    widths = draw(st.lists(st.sampled_from([1, 4, 6, 8, 12]), min_size=3, max_size=4))
    rng, net = np.random.default_rng(draw(seeds)), mlp(widths, "tanh")
    params = started(net, draw(seeds))
    blocks = [of_spectrum(rng, *X.shape, draw(spectra(12))) if X.shape[1] > 1 or k % 2 == 0 else X
              for k, X in enumerate(params.blocks)]
    return net, DirectSum(blocks)
