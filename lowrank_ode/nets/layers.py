"""Layers, forwards and backwards. An array A (batch, …, features) holds an example after the other; a layer writes into rooms it is given.

forward(A, out, …) fills `out`; backward(A, out, dout, dA, …) fills dA, the gradient of the loss with respect to A, from dout, that with
respect to `out`. A convolution is `Patches`, the window of each pixel as a row, and `Dense` on it.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..matrices import H, Identity, LowRank, check_count, dense, outer
from .activations import ACTIVATIONS
from .rooms import room

FETCH = 16      # a number read from memory once more counts like so many multiplications: from trials with LeNet5 at ranks 2 to 20


@dataclass(frozen=True)
class Dense:
    """σ(W z + b) of the last axis, W (n, features) an ndarray or a LowRank. With Z = rows of A as columns it is σ(W Z + b 1ᵀ).

    Backwards `delta` turns dout into Δ = ∂loss/∂(W Z + b 1ᵀ), of which the gradient consists, and `backward` goes on from there. For
    W = U S Vᴴ both passes multiply with a basis on the way, ZᴴV and ΔᴴU. They are returned, and handed on by `gradient`, for a low-rank
    step begins with them. Of pixels there are so many that W or ∇_W multiplied out, where their products are found sooner than those with
    bases, cost nothing in comparison.
    """

    n: int
    activation: str = "relu"

    def __post_init__(self):
        check_count("n", self.n)
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation: got {self.activation!r}, expected one of {', '.join(ACTIVATIONS)}")

    def shape(self, shape):
        return *shape[:-1], self.n

    def forward(self, A, out, W, b):
        Z, Y, ZV = _columns(A), _columns(out), None
        if _in_factors(A, W):
            ZV = H(Z) @ W.V
            np.matmul(W.U, W.S @ H(ZV), out=Y)
        else:
            np.matmul(dense(W), Z, out=Y)
        Y += b
        ACTIVATIONS[self.activation].value(Y)
        return ZV

    def delta(self, out, dout, W):
        dout *= ACTIVATIONS[self.activation].slope(out)
        return H(_columns(dout)) @ W.U if _in_factors(out, W) else None

    def backward(self, A, out, delta, dA, W, b, DU):
        if DU is None:
            np.matmul(H(dense(W)), _columns(delta), out=_columns(dA))
        else:
            np.matmul(W.V, H(DU @ W.S), out=_columns(dA))

    @staticmethod
    def sums_pixels(shape, W):
        """Whether ∇_W is multiplied out, a sum over the pixels of all examples: where a step is sooner done than with factors."""
        return len(shape) > 1 and _sooner_multiplied_out(W, 4, FETCH)   # a step takes four products with each basis

    @staticmethod
    def gradient(A, delta, W=None, ZV=None, DU=None):
        """(∇_W, ∇_b) = (Δ Zᴴ, Δ 1), multiplied out, or, for a given W, in factors, with the products that the two passes have made."""
        Z, delta = _columns(A), _columns(delta)
        bias = H(np.ones((1, delta.shape[1]), delta.dtype) @ H(delta))
        if W is None:
            return delta @ H(Z), bias
        if not isinstance(W, LowRank):
            return outer(delta, Z), bias
        return LowRank(delta, Identity(Z.shape[1]), Z, left=(W.U, DU), right=(W.V, ZV)), bias


@dataclass(frozen=True)
class Patches:
    """Each pixel's window of an image (height, width, channels), as a row of kernel² · channels numbers: row, column, channel [im2col].

    A window every `stride` pixels; `padding` zeros around the image.
    """

    kernel: int
    stride: int = 1
    padding: int = 0

    def __post_init__(self):
        check_count("kernel", self.kernel)
        check_count("stride", self.stride)
        check_count("padding", self.padding, least=0)

    def shape(self, shape):
        height, width, channels = _image(self, shape)
        sizes = [n + 2 * self.padding for n in (height, width)]
        if self.kernel > min(sizes):
            raise ValueError(f"kernel: got {self.kernel}, expected at most {min(sizes)} for an image of shape {tuple(shape)}")
        return *((n - self.kernel) // self.stride + 1 for n in sizes), self.kernel**2 * channels

    def forward(self, A, out):
        windows = np.lib.stride_tricks.sliding_window_view(self._padded(A), (self.kernel, self.kernel), (1, 2))
        _split(out, self.kernel)[...] = np.moveaxis(windows[:, ::self.stride, ::self.stride], 3, 5)

    def backward(self, A, out, dout, dA):
        """The adjoint: each number goes back to the pixel that it came from."""
        dA[...] = 0
        k, s, image, (rows, columns) = self.kernel, self.stride, self._padded(dA), dout.shape[1:3]
        parts = _split(dout, k)
        for i in range(k):
            for x in range(columns):                # a row of all windows in one column: kernel · channels numbers in one piece
                image[:, i:i + s * rows:s, s * x:s * x + k] += parts[:, :, x, i]
        if self.padding:
            dA[...] = image[:, self.padding:-self.padding, self.padding:-self.padding]

    def _padded(self, A):
        p = self.padding
        return np.pad(A, ((0, 0), (p, p), (p, p), (0, 0))) if p else A


@dataclass(frozen=True)
class MaxPool:
    """The largest number of each channel in windows of size × size pixels, side by side; a rest at the right and lower edge is left out."""

    size: int = 2

    def __post_init__(self):
        check_count("size", self.size)

    def shape(self, shape):
        height, width, channels = _image(self, shape)
        if self.size > min(height, width):
            raise ValueError(f"size: got {self.size}, expected at most {min(height, width)} for an image of shape {tuple(shape)}")
        return height // self.size, width // self.size, channels

    def forward(self, A, out):
        _largest(self._places(self._rows(A, out), 2), out)

    def backward(self, A, out, dout, dA):
        """To one of the largest, where there are several."""
        largest = self._rows(A, out)
        d = room(largest.shape, dout.dtype)
        dA[:, out.shape[1] * self.size:] = d[:, :, out.shape[2] * self.size:] = 0   # the rest at the edges
        _to_largest(self._places(largest, 2), out, dout, self._places(d, 2))
        _to_largest(self._places(A, 1), largest, d, self._places(dA, 1))

    def _rows(self, A, out):
        """The largest of `size` rows each: rows lie in one piece, windows of both directions do not."""
        return _largest(self._places(A, 1), room((*out.shape[:2], *A.shape[2:]), A.dtype))

    def _places(self, A, axis):
        """The views of A with the first, the second, … of `size` rows (axis 1) or columns (axis 2)."""
        end = A.shape[axis] // self.size * self.size
        return [A[(slice(None),) * axis + (slice(k, end, self.size),)] for k in range(self.size)]


@dataclass(frozen=True)
class Flatten:
    """An image as one row of numbers."""

    def shape(self, shape):
        return (math.prod(shape),)

    def forward(self, A, out):
        out[...] = A.reshape(out.shape)

    def backward(self, A, out, dout, dA):
        dA[...] = dout.reshape(dA.shape)


def _in_factors(A, W):
    """Whether both passes multiply with the bases of W, two products with each."""
    return isinstance(W, LowRank) and not (A.ndim > 2 and _sooner_multiplied_out(W, 2))


def _sooner_multiplied_out(W, products, fetch=0):
    """Whether a product with m × n numbers takes no more time than these with the bases, thin ones at half the speed.

    fetch: what it costs, in multiplications, to read a number of what they multiply; 0 if it is in the cache.
    """
    return not isinstance(W, LowRank) or math.prod(W.shape) < products * (W.rank + fetch) * sum(W.shape)


def _largest(places, out):
    out[...] = places[0]
    for place in places[1:]:
        np.maximum(out, place, out=out)
    return out


def _to_largest(places, largest, d, targets):
    """Each number of d to one of the targets, one of those whose place holds the largest number."""
    *firsts, last = targets
    for place, target in zip(places, firsts, strict=False):
        np.multiply(d, place == largest, out=target)
        d = np.subtract(d, target, out=last)
    if not firsts:
        last[...] = d


def _columns(A):
    """(features, rows): the last axis of A as columns, one for each of the others; the same memory."""
    return A.reshape(-1, A.shape[-1]).T


def _split(P, kernel):
    """Windows as (batch, rows, columns, kernel, kernel, channels)."""
    return P.reshape(*P.shape[:3], kernel, kernel, -1)


def _image(layer, shape):
    if len(shape) != 3:
        raise ValueError(f"shape: got {tuple(shape)} for {layer}, expected an image (height, width, channels)")
    return shape
