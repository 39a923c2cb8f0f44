"""Windows and the weights on them as one layer: equal to the two layers to rounding, there and
back, and used where it suits alone."""

from unittest.mock import patch

import numpy as np
import pytest
from derivatives import worst_defect
from hypothesis import given
from hypothesis import strategies as st
from residual_networks import RANKS, residual, spoiled
from strategies import seeds

from lowrank_ode import LowRank, best_approximation
from lowrank_ode.nets import Network, chains, convolution, networks
from lowrank_ode.nets.convolution import Convolution, joined
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense

odd = st.sampled_from([1, 3, 5])
images = st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7), st.integers(1, 4))


def of(kernel, n=3, activation="tanh", bias=True):
    return (Patches(kernel, 1, tuple(k // 2 for k in kernel)), Dense(n, activation, bias=bias))


def apart(windows, layer, A, dout, *blocks):
    """(out, dA, gradients) of the two layers, one after the other."""
    Z, patches = windows.forward(A)
    out, kept = layer.forward(Z, *blocks)
    dZ, grads = layer.backward(dout.copy(), kept, *blocks)
    return out, windows.backward(dZ, patches)[0], *grads


def worst(found, truth):
    return max(np.abs(X - Y).max() / max(np.abs(Y).max(), 1e-3)
               for X, Y in zip(found, truth, strict=True))


@given(images, st.tuples(odd, odd), st.booleans(), st.sampled_from([np.float32, np.float64]),
       st.sampled_from([None, 1, 2]), st.sampled_from([1, 200, 1 << 18]), seeds)
def test_joined_layers_are_the_two_layers(shape, kernel, bias, dtype, rank, numbers, seed):
    """Outputs and all gradients, sums of as many terms as there are pixels and channels, in slices
    of any size. Planted: zeros around the image that are none."""
    rng, (windows, layer) = np.random.default_rng(seed), of(kernel, bias=bias)
    terms = kernel[0] * kernel[1] * shape[-1]
    A, W, b = (rng.standard_normal(s).astype(dtype) for s in (shape, (3, terms), (3, 1)))
    W = W if rank is None else best_approximation(W, rank=min(rank, *W.shape))
    blocks, both = (W, b)[:1 + bias], Convolution(windows, layer)
    with patch.object(convolution, "NUMBERS", numbers):
        out, dA, dout, grads = spoiled(both, A, *blocks)
        last = both.gradient(dout.copy(), both.forward(A, *blocks)[1], *blocks)
    truth = apart(windows, layer, A, dout, *blocks)
    truth = [X.dense() if isinstance(X, LowRank) else X for X in truth]
    bound = 50 * np.finfo(dtype).eps * (terms + A[..., 0].size)
    assert {X.dtype for X in (out, dA, *grads)} == {np.dtype(dtype)}
    assert worst((out, dA, *grads), truth) <= bound
    assert all(np.array_equal(X, Y) for X, Y in zip(grads, last, strict=True))


class WrongSide(Convolution):
    """Rows of the kernel shifted up where they are to be shifted down."""

    def _shifted(self, S, A):
        return super()._shifted(S, A)[::-1]


class WrongBorder(Convolution):
    """On the left of an image there are ones, not zeros."""

    def _strips(self, A):
        S = super()._strips(A).copy()
        S[::A.shape[2] + 2 * self.windows.padding[1], :A.shape[-1]] += 1
        return S


class NotTurned(Convolution):
    """Gradients of inputs by kernels that are not turned round."""

    def _back(self, dout, kept, W, dA=None):
        a, b = self.windows.kernel
        turned = W.reshape(len(W), a, b, -1)[:, ::-1, ::-1].reshape(W.shape)
        own = super()._back(dout.copy(), kept, W)
        super()._back(dout, kept, turned, dA)
        return own


@pytest.mark.parametrize("planted", [WrongSide, WrongBorder, NotTurned])
def test_a_shift_to_the_wrong_side_and_a_wrong_border_are_seen(planted):
    rng, (windows, layer) = np.random.default_rng(0), of((3, 3))
    A, W, b, dout = (rng.standard_normal(s)
                     for s in ((2, 5, 4, 2), (3, 18), (3, 1), (2, 5, 4, 3)))
    truth = apart(windows, layer, A, dout, W, b)

    def defect(made):
        layer_of = made(windows, layer)
        out, kept = layer_of.forward(A, W, b)
        dA, grads = layer_of.backward(dout.copy(), kept, W, b)
        return worst((out, dA, *grads), truth)
    assert defect(Convolution) <= 1e-13 and defect(planted) > 1e-3


@pytest.mark.parametrize("planted", [None, WrongSide, NotTurned])
def test_gradients_of_a_network_with_joined_layers_are_derivatives(planted):
    """By complex steps. An error that is there on the way there, too, is another layer with its own
    derivative: planted on the way back alone."""
    class Planted(Convolution):
        def backward(self, dout, kept, W, b=0):
            return (planted or Convolution)(self.windows, self.layer).backward(dout, kept, W, b)
    with patch.object(convolution, "Convolution", Planted):
        defect = worst_defect(residual(), 0, RANKS)
    assert defect <= 1e-12 if planted is None else defect > 1e-6


def test_a_network_runs_on_joined_layers_and_is_the_same():
    """Loss, gradients and outputs, with its convolutions joined and apart; relu and a bias, two of
    them in a row."""
    net = Network((8, 6, 2), (*of((3, 5), 4, "relu"), *of((3, 3), 5, "tanh", False), MaxPool(),
                              Flatten(), Dense(3, "identity")))
    rng, seen = np.random.default_rng(0), []
    params, x = net.init(rng, [2, None, None]), rng.standard_normal((7, net.inputs))

    def found():
        loss, grads = net.value_and_grad(params, x, np.arange(7) % 3)
        return np.array([[loss]]), net.outputs(params, x), *grads.blocks[:-2]
    with patch.object(Convolution, "_products",
                      lambda *args, do=Convolution._products: (seen.append(1), do(*args))[1]):
        together = found()
    assert len(seen) == 2 + 1 + 2           # there, back to the second alone, and outputs
    with patch.object(chains, "joined", zip), patch.object(networks, "joined", zip):
        assert worst(together, found()) <= 1e-12


@pytest.mark.parametrize("windows, layer, shape, rank, suits", [
    (Patches(3, 1, 1), Dense(16), (16, 144), None, True),
    (Patches((1, 3), 1, (0, 1)), Dense(16), (16, 48), 4, True),
    (Patches(3, 1, 1), Dense(64), (64, 576), None, True),
    (Patches(3, 1, 1), Dense(8), (8, 585), None, False),            # more channels
    (Patches(3, 2, 1), Dense(16), (16, 144), None, False),          # every other pixel
    (Patches(3), Dense(16), (16, 144), None, False),                # a smaller image
    (Patches(1), Dense(16), (16, 16), None, False),
    (Patches(3, 1, 1, groups=2), Dense(16), (16, 144), None, False),
    (Patches(3, 1, 1), Dense(512), (512, 576), 8, False)])          # a gradient in factors
def test_layers_are_joined_where_that_is_faster(windows, layer, shape, rank, suits):
    W = np.random.default_rng(0).standard_normal(shape)
    W = W if rank is None else best_approximation(W, rank=rank)
    b = np.zeros((shape[0], 1))
    steps = joined((windows, layer), [[], [W, b]])
    assert [type(step) for step, _ in steps] == ([Convolution] if suits else [Patches, Dense])

    class Own(Dense):
        """A layer of somebody else's does what it likes."""
    assert len(joined((windows, Own(4)), [[], [W, b]])) == 2
