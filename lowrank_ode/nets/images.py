"""Layers of images (height, width, channels), none of them with parameters.

A convolution is `Patches`, the window of each pixel as a row, and `Dense` on it.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..matrices import check_count
from .buffers import buffer


class _WithoutParameters:
    def blocks(self, inputs):
        return ()

    def init(self, rng, inputs, rank, dtype):
        return ()


@dataclass(frozen=True)
class Patches(_WithoutParameters):
    """Each pixel's window as a row of kernel² · channels numbers: row, column, channel [im2col].

    A window every `stride` pixels; `padding` zeros around the image.
    """

    kernel: int
    stride: int = 1
    padding: int = 0

    def __post_init__(self):
        check_count("kernel", self.kernel)
        check_count("stride", self.stride)
        check_count("padding", self.padding, least=0)

    def shape(self, inputs):
        height, width, channels = _image(self, inputs)
        sizes = [n + 2 * self.padding for n in (height, width)]
        if self.kernel > min(sizes):
            raise ValueError(f"kernel: got {self.kernel}, expected at most {min(sizes)} for an "
                             f"image of shape {tuple(inputs)}")
        rows, windows = ((n - self.kernel) // self.stride + 1 for n in sizes)
        return rows, windows, self.kernel**2 * channels

    def forward(self, A):
        out, k, s = buffer((len(A), *self.shape(A.shape[1:])), A.dtype), self.kernel, self.stride
        windows = np.lib.stride_tricks.sliding_window_view(self._padded(A), (k, k), (1, 2))
        self._split(out)[...] = np.moveaxis(windows[:, ::s, ::s], 3, 5)
        return out, A.shape

    def backward(self, dout, shape):
        """The adjoint: each number goes back to the pixel that it came from."""
        dA = buffer(shape, dout.dtype)
        dA[...] = 0
        k, s, image, (rows, windows) = self.kernel, self.stride, self._padded(dA), dout.shape[1:3]
        parts = self._split(dout)
        for i in range(k):
            for x in range(windows):            # of all windows in one column a row, in one piece
                image[:, i:i + s * rows:s, s * x:s * x + k] += parts[:, :, x, i]
        if self.padding:
            dA[...] = image[:, self.padding:-self.padding, self.padding:-self.padding]
        return dA, ()

    def _padded(self, A):
        p = self.padding
        return np.pad(A, ((0, 0), (p, p), (p, p), (0, 0))) if p else A

    def _split(self, P):
        """Windows as (batch, rows, columns, kernel, kernel, channels)."""
        return P.reshape(*P.shape[:3], self.kernel, self.kernel, -1)


@dataclass(frozen=True)
class MaxPool(_WithoutParameters):
    """The largest number of each channel in windows of size × size pixels, side by side; a rest at
    the right and lower edge is left out."""

    size: int = 2

    def __post_init__(self):
        check_count("size", self.size)

    def shape(self, inputs):
        height, width, channels = _image(self, inputs)
        if self.size > min(height, width):
            raise ValueError(f"size: got {self.size}, expected at most {min(height, width)} for an "
                             f"image of shape {tuple(inputs)}")
        return height // self.size, width // self.size, channels

    def forward(self, A):
        rows = self._largest(A, 1)              # rows lie in one piece, windows do not
        out = self._largest(rows, 2)
        return out, (A, rows, out)

    def backward(self, dout, kept):
        """To one of the largest, where there are several."""
        A, rows, out = kept
        return self._to_largest(A, rows, self._to_largest(rows, out, dout, 2), 1), ()

    def _largest(self, A, axis):
        first, *others = self._windows(A, axis)
        out = buffer(first.shape, A.dtype)
        out[...] = first
        for other in others:
            np.maximum(out, other, out=out)
        return out

    def _to_largest(self, A, largest, d, axis):
        dA = buffer(A.shape, d.dtype)
        np.moveaxis(dA, axis, 0)[largest.shape[axis] * self.size:] = 0              # the rest
        *firsts, (_, last) = zip(self._windows(A, axis), self._windows(dA, axis), strict=True)
        for place, target in firsts:
            np.multiply(d, place == largest, out=target)
            d = np.subtract(d, target, out=last)
        if not firsts:
            last[...] = d
        return dA

    def _windows(self, A, axis):
        """The first, the second, … of `size` rows (axis 1) or columns (axis 2) of all windows."""
        end = A.shape[axis] // self.size * self.size
        return [A[(slice(None),) * axis + (slice(k, end, self.size),)] for k in range(self.size)]


@dataclass(frozen=True)
class Flatten(_WithoutParameters):
    """An image as one row of numbers."""

    def shape(self, inputs):
        return (math.prod(inputs),)

    def forward(self, A):
        return A.reshape(len(A), -1), A.shape

    def backward(self, dout, shape):
        return dout.reshape(shape), ()


def _image(layer, shape):
    if len(shape) != 3:
        raise ValueError(f"shape: got {tuple(shape)} for {layer}, expected an image "
                         "(height, width, channels)")
    return shape
