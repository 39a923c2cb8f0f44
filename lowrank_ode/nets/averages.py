"""Means of images: over windows, and over the whole."""

from dataclasses import dataclass

import numpy as np

from ..options import check_count
from .buffers import buffer
from .images import Patches, WithoutParameters, image


@dataclass(frozen=True)
class AveragePool(WithoutParameters):
    """The mean of each channel in windows of size × size pixels, a window every `stride` of them,
    None for side by side, after `padding` zeros on each side, which count. A rest at the right and
    lower edge is left out."""

    size: int = 2
    stride: int | None = None
    padding: int = 0

    def __post_init__(self):
        check_count("size", self.size)
        check_count("stride", self._stride)
        check_count("padding", self.padding, least=0)

    @property
    def _stride(self):
        return self.size if self.stride is None else self.stride

    def shape(self, inputs):
        rows, columns, _ = Patches(self.size, self._stride, self.padding).shape(inputs)
        return rows, columns, inputs[-1]

    def forward(self, A):
        out, p = buffer((len(A), *self.shape(A.shape[1:])), A.dtype), self.padding
        out[...] = 0
        padded = np.pad(A, ((0, 0), (p, p), (p, p), (0, 0))) if p else A
        for pixels in self._pixels(padded, out):
            out += pixels
        out /= self.size**2
        return out, A.shape

    def backward(self, dout, shape):
        batch, height, width, channels = shape
        p = self.padding
        dA = buffer((batch, height + 2 * p, width + 2 * p, channels), dout.dtype)
        dA[...] = 0
        dout /= self.size**2
        for pixels in self._pixels(dA, dout):
            pixels += dout
        return dA[:, p:p + height, p:p + width], ()

    def _pixels(self, padded, out):
        """The first pixel of all windows, the second, …; views."""
        s, (rows, columns) = self._stride, out.shape[1:3]
        return [padded[:, i:i + s * rows:s, j:j + s * columns:s]
                for i in range(self.size) for j in range(self.size)]


@dataclass(frozen=True)
class GlobalAverage(WithoutParameters):
    """The mean of each channel over all pixels: an image becomes a row."""

    def shape(self, inputs):
        return image(self, inputs)[-1:]

    def forward(self, A):
        return A.mean(axis=(1, 2)), A.shape

    def backward(self, dout, shape):
        dA = buffer(shape, dout.dtype)
        dA[...] = dout[:, None, None] / (shape[1] * shape[2])
        return dA, ()
