"""Weights from PyTorch and Keras: outputs are those of six loops over their arrays, and of PyTorch
itself where it is there. The reshape that has the right shape is refused."""

import math

import numpy as np
import pytest

from lowrank_ode import DirectSum, LowRank, best_approximation
from lowrank_ode.matrices import dense
from lowrank_ode.nets import (
    Network,
    from_keras,
    from_torch,
    images_from_torch,
    lenet5,
    mlp,
    to_keras,
    to_torch,
)
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense

EPS = np.finfo(float).eps


def networks():
    """Rectangles, strides, paddings, groups, layers without bias, pixels, rows."""
    yield Network((7, 8, 2), (Patches((2, 3), stride=(2, 1), padding=(1, 0)), Dense(4, "tanh"),
                              Dense(6, "tanh"), MaxPool(), Flatten(), Dense(5, "tanh"),
                              Dense(3, "identity", bias=False)))
    yield Network((6, 5, 4), (Patches(3, groups=2), BlockDiagonal(6, 2, "tanh"), Patches(1),
                              Grouped(4, 1, "tanh"), Patches((2, 1), groups=2),
                              Grouped(3, 2, "tanh", bias=False), Patches(2, groups=3),
                              Dense(5, "tanh"), Flatten(), Dense(2, "identity")))
    yield Network((3, 4, 2), (Flatten(), Grouped(4, 3, "tanh"), BlockDiagonal(4, 2, "tanh"),
                              Dense(3, "identity")))
    yield mlp([6, 5, 4], "tanh")
    yield Network((6, 6, 3), (BlockDiagonal(9, 3, "tanh"), Patches(5), Dense(4, "tanh"), Flatten(),
                              Dense(2, "identity")))


def arrays_of(net, rng):
    """In PyTorch's layout."""
    return [rng.standard_normal(X.shape) for X in to_torch(net, net.init(0))]


def to_layout_of_keras(arrays):
    return [X if X.ndim == 1 else X.T if X.ndim == 2 else X.transpose(2, 3, 1, 0) for X in arrays]


def convolved(x, K, stride=(1, 1), padding=(0, 0), groups=1):
    """Σ K[n, c, i, j] x[N, channel, s row + i, t column + j], by loops; x (N, channels, h, w)."""
    (s, t), (p, q) = stride, padding
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)))
    filters, part, a, b = K.shape
    out = np.zeros((len(x), filters, (x.shape[2] - a) // s + 1, (x.shape[3] - b) // t + 1))
    for f, row, column in np.ndindex(out.shape[1:]):
        for c, i, j in np.ndindex(part, a, b):
            channel = f * groups // filters * part + c
            out[:, f, row, column] += K[f, c, i, j] * x[:, channel, s * row + i, t * column + j]
    return out


def outputs_by_loops(net, arrays, x):
    """As PyTorch computes, channels first, x (N, channels, height, width) or rows."""
    arrays, windows = iter(arrays), Patches(1)
    for layer in net.layers:
        if isinstance(layer, Patches):
            windows = layer
            continue
        if isinstance(layer, MaxPool):
            n, c, h, w = x.shape
            k = layer.size
            x = x[:, :, :h // k * k, :w // k * k].reshape(n, c, h // k, k, w // k, k).max((3, 5))
        elif isinstance(layer, Flatten):
            x = x.reshape(len(x), -1)
        else:
            K = next(arrays)
            groups = layer.groups if isinstance(layer, BlockDiagonal) else 1
            image = x if x.ndim == 4 else x[:, :, None, None]
            y = convolved(image, K.reshape((*K.shape, 1, 1)[:4]), windows.stride, windows.padding,
                          groups)
            y = y if x.ndim == 4 else y[:, :, 0, 0]
            if layer.bias:
                b = next(arrays)
                y = y + b.reshape(-1, *(1,) * (y.ndim - 2))
            x = np.tanh(y) if layer.activation == "tanh" else np.maximum(y, 0) if (
                layer.activation == "relu") else y
        windows = Patches(1)
    return x


def batch_of(net, rng, count=3):
    """x as PyTorch takes it, and as rows."""
    if len(net.shape) == 1:
        x = rng.standard_normal((count, *net.shape))
        return x, x
    height, width, channels = net.shape
    x = rng.standard_normal((count, channels, height, width))
    return x, images_from_torch(x)


def defect(net, params, arrays, seed=1):
    x, rows = batch_of(net, np.random.default_rng(seed))
    return np.abs(net.outputs(params, rows) - outputs_by_loops(net, arrays, x)).max()


def bound(net, arrays):
    """Of sums as long as the rows of weights, one layer after the other, each output a product of
    their norms at most: tanh does not enlarge an error."""
    sizes = [max(1, np.linalg.norm(X)) for X in arrays if X.ndim > 1]
    return 50 * EPS * math.prod(sizes)


@pytest.mark.parametrize("net", list(networks()), ids=str)
def test_outputs_are_those_of_loops_over_the_arrays_of_either_framework(net):
    arrays = arrays_of(net, np.random.default_rng(0))
    for params in (from_torch(net, arrays), from_keras(net, keras_of(net, arrays))):
        assert defect(net, params, arrays) <= bound(net, arrays)


def keras_of(net, arrays):
    """The same function with channels last: the columns behind a Flatten in another order."""
    return to_keras(net, from_torch(net, arrays))


@pytest.mark.parametrize("net", list(networks()), ids=str)
def test_a_kernel_of_keras_is_that_of_pytorch_transposed(net):
    arrays = arrays_of(net, np.random.default_rng(0))
    found = to_keras(net, from_torch(net, arrays))
    expected = to_layout_of_keras(arrays)
    place = flattened_place(net)
    for k, (X, Y) in enumerate(zip(found, expected, strict=True)):
        assert X.shape == Y.shape
        X, Y = (np.sort(Z, axis=0) if k == place else Z for Z in (X, Y))     # in another order
        assert np.array_equal(X, Y)


def flattened_place(net):
    """The number of the array behind the Flatten."""
    seen = 0
    for layer in net.layers:
        if isinstance(layer, Flatten):
            return seen
        seen += bool(getattr(layer, "low_rank", 0)) * (1 + getattr(layer, "bias", 0))
    return None


@pytest.mark.parametrize("net", [*networks(), lenet5((16, 16, 3), 4)], ids=str)
@pytest.mark.parametrize("there, back", [(to_torch, from_torch), (to_keras, from_keras)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back_to_the_bit(net, there, back, dtype):
    params = net.init(3, dtype=dtype)
    again = back(net, there(net, params))
    for X, Y in zip(params.blocks, again.blocks, strict=True):
        assert X.dtype == Y.dtype and np.array_equal(X, Y)


def reshaped(net, arrays):
    """Planted: the shape is right, nothing else is."""
    shapes = [X.shape for X in net.init(0).blocks]
    return DirectSum([X.reshape(shape) for X, shape in zip(arrays, shapes, strict=True)])


def test_the_naive_reshape_has_other_outputs():
    """Of kernels, and of the weight behind a Flatten alone."""
    net, k = next(networks()), 4
    arrays = arrays_of(net, np.random.default_rng(0))
    right = from_torch(net, arrays)
    assert defect(net, right, arrays) <= bound(net, arrays)
    wrong = reshaped(net, arrays)
    behind = DirectSum([*right.blocks[:k], wrong.blocks[k], *right.blocks[k + 1:]])
    for params in (wrong, behind, from_keras(net, to_layout_of_keras(arrays))):
        assert defect(net, params, arrays) > 1e-3


def test_rows_that_are_flattened_images_are_put_in_order_if_it_is_said_what_they_are():
    net, rng = mlp([2 * 3 * 4, 5, 3], "tanh"), np.random.default_rng(0)
    arrays = arrays_of(net, rng)
    x = rng.standard_normal((6, 4, 2, 3))
    truth = outputs_by_loops(net, arrays, x.reshape(6, -1))
    said, unsaid = from_torch(net, arrays, image=(2, 3, 4)), from_torch(net, arrays)
    found, wrong = (net.outputs(params, images_from_torch(x)) for params in (said, unsaid))
    assert np.abs(found - truth).max() <= bound(net, arrays) < 1e-3 < np.abs(wrong - truth).max()
    assert all(map(np.array_equal, to_torch(net, said, image=(2, 3, 4)), arrays))
    same = from_keras(net, to_keras(net, said), image=(2, 3, 4))
    assert all(map(np.array_equal, same.blocks, said.blocks))


def test_weights_of_low_rank_are_multiplied_out():
    net = lenet5((16, 16, 1), 4, "tanh")
    params = net.init(0, 4)
    arrays = to_torch(net, params)
    again = from_torch(net, arrays)
    assert isinstance(params.blocks[0], LowRank) and all(X.flags["C_CONTIGUOUS"] for X in arrays)
    assert all(map(np.array_equal, dense(params).blocks, again.blocks))


def test_half_precision_becomes_single_and_single_stays():
    net = mlp([3, 2])
    for given_type, expected in ((np.float16, np.float32), (np.float32, np.float32),
                                 (np.float64, np.float64)):
        params = from_torch(net, [np.ones((2, 3), given_type), np.ones(2, given_type)])
        assert {X.dtype for X in params.blocks} == {np.dtype(expected)}


def test_pytorch_agrees():
    """Its own forward pass, of layers with strides, paddings and groups, of float64."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(4, 6, (2, 3), stride=(2, 1), padding=(1, 0)), nn.Tanh(),
        nn.Conv2d(6, 9, 3, padding=1, groups=3, bias=False), nn.Tanh(), nn.MaxPool2d(2),
        nn.Conv2d(9, 5, 1), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 2 * 3, 7), nn.ReLU(),
        nn.Linear(7, 3)).double()
    net = Network((7, 8, 4), (
        Patches((2, 3), stride=(2, 1), padding=(1, 0)), Dense(6, "tanh"),
        Patches(3, padding=1, groups=3), BlockDiagonal(9, 3, "tanh", bias=False), MaxPool(),
        Dense(5, "tanh"), Flatten(), Dense(7), Dense(3, "identity")))
    x = torch.randn(5, 4, 7, 8, dtype=torch.float64)
    arrays = [p.detach().numpy() for p in model.parameters()]
    params = from_torch(net, model.state_dict())
    truth = model(x).detach().numpy()
    found = net.outputs(params, images_from_torch(x.numpy()))
    assert np.abs(found - truth).max() <= bound(net, arrays) < 1e-6
    joined = from_torch(net, arrays)
    assert all(map(np.array_equal, joined.blocks, params.blocks))
    lowered = DirectSum([*params.blocks[:5], best_approximation(params.blocks[5], rank=2),
                         *params.blocks[6:]])
    names = model.state_dict()
    model.load_state_dict({name: torch.tensor(X) for name, X in
                           zip(names, to_torch(net, lowered), strict=True)})
    truth, found = model(x).detach().numpy(), net.outputs(lowered, images_from_torch(x.numpy()))
    assert np.abs(found - truth).max() <= bound(net, arrays)
