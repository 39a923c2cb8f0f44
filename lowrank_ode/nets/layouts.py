"""Weights from elsewhere: arrays as PyTorch and Keras lay them out, there and back.

    of a layer             here                       PyTorch            Keras
    dense                  W (n, features)            (n, features)      (features, n)
    convolution            W (n, a b c)               (n, c, a, b)       (a, b, c, n)
    the same, k groups     k times (n/k, a b c/k)     (n, c/k, a, b)     (a, b, c/k, n)
    bias                   b (n, 1)                   (n,)               (n,)
    an image flattened     row, column, channel       channel, row, col  row, column, channel

A reshape to the right shape alone mixes up pixels and channels, without a word: kernels are
transposed here, and the columns of the first weight behind a `Flatten` put in order.
"""

import math
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from ..matrices import DirectSum, dense
from ..matrices.validation import check_finite
from ..options import check_count
from .groups import BlockDiagonal, Grouped
from .images import Flatten, Patches
from .layers import Dense

PIXELS = Patches(1)     # in front of a layer that has no windows

# Axes of a weight (n, c, a, b) in the order in which a framework has them, of kernels and of
# matrices; and whether channels come first where an image is flattened.
LAYOUTS = {"torch": ((0, 1, 2, 3), (0, 1), True), "keras": ((2, 3, 1, 0), (1, 0), False)}


def from_torch(net, state, image=None):
    """Params of `net` from PyTorch's arrays, a state_dict or a list, weight and bias of each layer
    in order; a DirectSum of ndarrays, of the precision of the arrays, single at least.

    image: (height, width, channels) of the examples where `net` has them as rows (inputs,), that
    is where the torch module flattens them before the first weight.
    Raises ValueError, naming the layer, for an array of another shape, one too many or too few, or
    one that is not of finite floats; and for a layer that this package has no layout for.

    >>> from .models import mlp
    >>> net = mlp([2, 1])
    >>> from_torch(net, {"0.weight": [[1.0, 2.0]], "0.bias": [3.0]}).blocks[1].shape
    (1, 1)
    """
    return _filled(net, state, "torch", image)


def from_keras(net, weights, image=None):
    """The same from the list of a Keras model's `get_weights()`, channels last."""
    return _filled(net, weights, "keras", image)


def to_torch(net, params, image=None):
    """The arrays of `params` as PyTorch lays them out, a list, weight and bias of each layer in
    order; what is of low rank is multiplied out. `from_torch` of these is `params`.

    ValueError for params that do not fit the network, and for a layer without a layout.
    """
    return _given(net, params, "torch", image)


def to_keras(net, params, image=None):
    """The same for `set_weights` of a Keras model, channels last."""
    return _given(net, params, "keras", image)


def images_from_torch(x):
    """Images (N, channels, height, width) as rows (N, inputs), as a network here takes them."""
    x = np.asarray(x)
    if x.ndim != 4:
        raise ValueError(f"x: shape {x.shape}, expected images (N, channels, height, width)")
    return x.transpose(0, 2, 3, 1).reshape(len(x), -1)


def _filled(net, given, layout, image):
    given = list(given.items() if hasattr(given, "items") else enumerate(given))
    slots, blocks = _slots(net, layout, image), []
    if len(given) != len(slots):
        expected = [slot.shapes(layout)[0] for slot in slots]
        raise ValueError(f"state: got {len(given)} arrays of shapes "
                         f"{[np.shape(X) for _, X in given]}, expected {len(slots)}, of {expected}")
    for (name, X), slot in zip(given, slots, strict=True):
        X = _floats(f"state[{name!r}] for {slot.where}", X)
        if X.shape not in slot.shapes(layout):
            expected = " or ".join(map(str, slot.shapes(layout)))
            raise ValueError(f"state[{name!r}] for {slot.where}: got shape {X.shape}, "
                             f"expected {expected}")
        blocks += slot.blocks(X, layout)
    dtype = np.result_type(*blocks)
    return DirectSum([np.array(X, dtype, order="C") for X in blocks])


def _given(net, params, layout, image):
    blocks = iter([dense(X) for own in net.split(params) for X in own])
    return [np.array(slot.array([next(blocks) for _ in range(slot.count)], layout), order="C")
            for slot in _slots(net, layout, image)]


@dataclass(frozen=True, eq=False)
class _Column:
    """A block (n, 1) of a layer, n numbers elsewhere."""

    where: str
    n: int
    count = 1

    def shapes(self, layout):
        return [(self.n,)]

    def blocks(self, X, layout):
        return [X[:, None]]

    def array(self, blocks, layout):
        return blocks[0][:, 0]


@dataclass(frozen=True, eq=False)
class _Weight:
    """A weight (n, c, a, b): n outputs, c channels, windows of a × b pixels.

    is_kernel: whether it has four axes elsewhere, not two, where it is 1 × 1. Here it is `count`
    blocks, one below the other if axis is 0, else side by side; the columns of these are in `split`
    parts of the channels. order[j] is the place of channel j elsewhere; None: the same.
    """

    where: str
    shape: tuple
    is_kernel: bool
    count: int
    axis: int
    split: int
    order: np.ndarray | None

    def shapes(self, layout):
        """Those that an array of the framework may have; the first is what it is given."""
        kernel, matrix = (tuple(self.shape[k] for k in axes) for axes in LAYOUTS[layout][:2])
        if self.shape[2:] != (1, 1):
            return [kernel]
        return [kernel, matrix] if self.is_kernel else [matrix, kernel]

    def blocks(self, X, layout):
        axes = LAYOUTS[layout][X.ndim == 2]
        K = X.transpose(np.argsort(axes)).reshape(self.shape)
        K = K if self.order is None else K[:, self.order]
        n, c, a, b = self.shape
        W = K.reshape(n, self.split, c // self.split, a, b).transpose(0, 1, 3, 4, 2).reshape(n, -1)
        return np.split(W, self.count, self.axis)

    def array(self, blocks, layout):
        n, c, a, b = self.shape
        W = np.concatenate(blocks, self.axis).reshape(n, self.split, a, b, c // self.split)
        K = W.transpose(0, 1, 4, 2, 3).reshape(self.shape)
        K = K if self.order is None else K[:, np.argsort(self.order)]
        axes = LAYOUTS[layout][not self.is_kernel]
        return K.reshape(self.shape[:len(axes)]).transpose(axes)


def _slots(net, layout, image):
    """Of each array that a framework has for the layers of `net`, in order, what it is here."""
    slots, order, below = [], None, PIXELS
    shapes = accumulate(net.layers, lambda A, layer: layer.shape(A), initial=net.shape)
    if image is not None:
        order = _flattened(_image_of(net, image), layout)
    for k, (layer, inputs) in enumerate(zip(net.layers, shapes, strict=False)):
        where = f"layer {k}, {layer}"
        if isinstance(layer, Dense | Grouped):
            slots += _slots_of(where, layer, below, inputs, order)
            order = None
        elif isinstance(layer, Flatten) and len(inputs) == 3:
            order = _flattened(inputs, layout)
        elif layer.blocks(inputs) or order is not None or below is not PIXELS:
            slots += _columns(where, layer, inputs, order, below)
        below = layer if isinstance(layer, Patches) else PIXELS
    if order is not None:
        raise ValueError(f"{where}: no layout known for outputs that are pixels in a row")
    return slots


def _slots_of(where, layer, patches, inputs, order):
    """A weight of a Dense, a Grouped or a BlockDiagonal, and its bias."""
    is_apart, (a, b) = isinstance(layer, BlockDiagonal), patches.kernel
    count = getattr(layer, "groups", 1)
    on_others = patches is not PIXELS and patches.groups != count
    if is_apart and (on_others or order is not None):
        raise ValueError(f"{where}: no layout known for groups of outputs that are not those of "
                         "the windows, or behind a Flatten")
    channels = inputs[-1] // (a * b) // (count if is_apart else 1)
    weight = _Weight(where, (layer.n, channels, a, b), len(inputs) == 3, count,
                     0 if is_apart else 1, 1 if is_apart else patches.groups, order)
    return [weight, _Column(where, layer.n)][:1 + layer.bias]


def _columns(where, layer, inputs, order, below):
    """Of a layer of one's own: its blocks are columns, or there is no telling."""
    shapes = layer.blocks(inputs)
    if order is not None or below is not PIXELS or any(columns != 1 for _, columns in shapes):
        raise ValueError(f"{where}: no layout known, expected Dense, Grouped or BlockDiagonal, or "
                         "a layer whose blocks are columns, not between Flatten and a weight")
    return [_Column(where, n) for n, _ in shapes]


def _flattened(shape, layout):
    """order[j]: the place elsewhere of number j of an image (height, width, channels) as a row."""
    height, width, channels = shape
    if not LAYOUTS[layout][2]:
        return None
    return np.arange(height * width * channels).reshape(channels, -1).T.ravel()


def _image_of(net, image):
    is_shape = np.ndim(image) == 1 and len(image) == 3 and len(net.shape) == 1
    if not is_shape or math.prod(check_count("image", n) for n in image) != net.inputs:
        raise ValueError(f"image: got {image}, expected (height, width, channels) of the "
                         f"{net.inputs} inputs, for a network on rows, not on {net.shape}")
    return image


def _floats(name, X):
    """X as an array of finite floats, single or double; half precision becomes single."""
    try:
        X = np.asarray(X)
    except (TypeError, ValueError, RuntimeError) as error:      # on a device, or with a gradient
        raise ValueError(f"{name}: {error}") from error
    X = X.astype(np.float32) if X.dtype == np.float16 else X
    check_finite(name, X)
    if np.iscomplexobj(X):
        raise ValueError(f"{name}: got {X.dtype}, expected real numbers")
    return X
