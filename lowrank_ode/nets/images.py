"""Layers of images (height, width, channels), none of them with parameters.

A convolution is `Patches`, the window of each pixel as a row, and `Dense` on it.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..options import check_count
from .buffers import buffer


class WithoutParameters:
    """A layer with nothing to train."""

    def blocks(self, inputs):
        return ()

    def init(self, rng, inputs, rank, dtype):
        return ()


@dataclass(frozen=True)
class Patches(WithoutParameters):
    """Each pixel's window as a row of numbers: group, row, column, channel of the group [im2col].

    kernel: the size of a window; a window every `stride` pixels; `padding` zeros on each side of
    the image. Each is a pair (rows, columns), or a number for both. groups: so many equal parts of
    the channels, one behind the other; their numbers lie apart, for layers that treat each group by
    itself (nets/groups.py). Raises ValueError unless they divide the channels.
    """

    kernel: int | tuple
    stride: int | tuple = 1
    padding: int | tuple = 0
    groups: int = 1

    def __post_init__(self):
        for name, least in (("kernel", 1), ("stride", 1), ("padding", 0)):
            object.__setattr__(self, name, _pair(name, getattr(self, name), least))
        check_count("groups", self.groups)

    def shape(self, inputs):
        height, width, channels = image(self, inputs)
        (a, b), (s, t), (p, q) = self.kernel, self.stride, self.padding
        rows, columns = height + 2 * p, width + 2 * q
        if a > rows or b > columns:
            raise ValueError(f"kernel: got {self.kernel}, expected at most {rows, columns} for an "
                             f"image of shape {tuple(inputs)}")
        if channels % self.groups:
            raise ValueError(f"groups: got {self.groups}, expected a divisor of the {channels} "
                             "channels")
        return (rows - a) // s + 1, (columns - b) // t + 1, a * b * channels

    def forward(self, A):
        out, (s, t) = buffer((len(A), *self.shape(A.shape[1:])), A.dtype), self.stride
        windows = np.lib.stride_tricks.sliding_window_view(self._padded(A), self.kernel, (1, 2))
        self._split(out)[...] = np.moveaxis(windows[:, ::s, ::t], 4, 6)
        return out, A.shape

    def backward(self, dout, shape):
        """The adjoint: each number goes back to the pixel that it came from."""
        dA = buffer(shape, dout.dtype)
        dA[...] = 0
        (a, b), (s, t), image, (rows, windows) = (
            self.kernel, self.stride, self._padded(dA), dout.shape[1:3])
        parts = np.moveaxis(self._split(dout), 3, 5)
        for i in range(a):
            for x in range(windows):            # of all windows in one column a row, in one piece
                image[:, i:i + s * rows:s, t * x:t * x + b] += parts[:, :, x, i]
        if any(self.padding):
            (p, q), (_, height, width, _) = self.padding, shape
            self._grouped(dA)[...] = image[:, p:p + height, q:q + width]
        return dA, ()

    def _padded(self, A):
        """The image with zeros around, channels group by group; a view where there are none."""
        p, q = self.padding
        padded = np.pad(A, ((0, 0), (p, p), (q, q), (0, 0))) if p or q else A
        return self._grouped(padded)

    def _grouped(self, A):
        return A.reshape(*A.shape[:3], self.groups, -1)

    def _split(self, P):
        """Windows as (batch, rows, columns, groups, *kernel, channels of a group)."""
        return P.reshape(*P.shape[:3], self.groups, *self.kernel, -1)


@dataclass(frozen=True)
class MaxPool(WithoutParameters):
    """The largest number of each channel in windows of size × size pixels, a window every `stride`
    of them, None for side by side, after `padding` pixels on each side that count for nothing. A
    rest at the right and lower edge is left out.

    Raises ValueError unless padding < size, for a window of padding has no largest number.
    """

    size: int = 2
    stride: int | None = None
    padding: int = 0

    def __post_init__(self):
        check_count("size", self.size)
        check_count("stride", self._stride)
        check_count("padding", self.padding, least=0, most=self.size - 1)

    @property
    def _stride(self):
        return self.size if self.stride is None else self.stride

    def shape(self, inputs):
        height, width, channels = image(self, inputs)
        if self.size > min(height, width) + 2 * self.padding:
            raise ValueError(f"size: got {self.size}, expected at most "
                             f"{min(height, width) + 2 * self.padding} for an image of shape "
                             f"{tuple(inputs)}")
        return self._count(height), self._count(width), channels

    def forward(self, A):
        A = self._padded(A)
        rows = self._largest(A, 1)              # rows lie in one piece, windows do not
        out = self._largest(rows, 2)
        return out, (A, rows, out)

    def backward(self, dout, kept):
        """To one of the largest, where there are several."""
        A, rows, out = kept
        dA = self._to_largest(A, rows, self._to_largest(rows, out, dout, 2), 1)
        p = self.padding
        return dA[:, p:dA.shape[1] - p, p:dA.shape[2] - p], ()

    def _count(self, pixels):
        return (pixels + 2 * self.padding - self.size) // self._stride + 1

    def _padded(self, A):
        p = self.padding
        return np.pad(A, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=-np.inf) if p else A

    def _largest(self, A, axis):
        first, *others = self._windows(A, axis)
        out = buffer(first.shape, A.dtype)
        out[...] = first
        for other in others:
            np.maximum(out, other, out=out)
        return out

    def _to_largest(self, A, largest, d, axis):
        dA = buffer(A.shape, d.dtype)
        targets = parts = self._windows(dA, axis)
        if self._stride == self.size:
            np.moveaxis(dA, axis, 0)[largest.shape[axis] * self.size:] = 0              # the rest
        else:                                   # windows overlap, or leave pixels out
            dA[...], parts = 0, [buffer(d.shape, d.dtype) for _ in targets]
        *firsts, (_, last) = zip(self._windows(A, axis), parts, strict=True)
        for place, part in firsts:
            np.multiply(d, place == largest, out=part)
            d = np.subtract(d, part, out=last)
        if not firsts:
            last[...] = d
        if parts is not targets:
            for target, part in zip(targets, parts, strict=True):
                target += part
        return dA

    def _windows(self, A, axis):
        """The first, the second, … of `size` rows (axis 1) or columns (axis 2) of all windows."""
        s = self._stride
        end = (A.shape[axis] - self.size) // s * s + 1
        return [A[(slice(None),) * axis + (slice(k, k + end, s),)] for k in range(self.size)]


@dataclass(frozen=True)
class Flatten(WithoutParameters):
    """An image as one row of numbers."""

    def shape(self, inputs):
        return (math.prod(inputs),)

    def forward(self, A):
        return A.reshape(len(A), -1), A.shape

    def backward(self, dout, shape):
        return dout.reshape(shape), ()


def image(layer, shape):
    """shape, of an image; ValueError for others."""
    if len(shape) != 3:
        raise ValueError(f"shape: got {tuple(shape)} for {layer}, expected an image "
                         "(height, width, channels)")
    return shape


def _pair(name, given, least):
    """(rows, columns) from a pair, or from a number for both."""
    pair = given if isinstance(given, tuple | list) else (given, given)
    if len(pair) != 2:
        raise ValueError(f"{name}: got {given}, expected a whole number or two (rows, columns)")
    return tuple(check_count(name, n, least=least) for n in pair)
