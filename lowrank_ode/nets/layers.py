"""Layers, forwards and backwards. An array A (batch, …, features) holds an example after the other; a layer writes into rooms it is given.

forward(A, out, …) fills `out`; backward(A, out, dout, dA, …) fills dA, the gradient of the loss with respect to A, from dout, that with
respect to `out`; dA is None where nobody wants it. A convolution is `Patches`, the window of each pixel as a row, and `Dense` on it.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..matrices import H, Identity, LowRank, check_count, outer
from .activations import ACTIVATIONS


@dataclass(frozen=True)
class Dense:
    """σ(W z + b) of the last axis, W (n, features) an ndarray or a LowRank. With Z = rows of A as columns it is σ(W Z + b 1ᵀ).

    For W = U S Vᴴ both passes multiply with a basis on the way, ZᴴV and ΔᴴU with Δ = ∂loss/∂(W Z + b 1ᵀ). They are returned, and handed on
    by `gradient`, for a low-rank step begins with them.
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
        if isinstance(W, LowRank):
            ZV = H(Z) @ W.V
            np.matmul(W.U, W.S @ H(ZV), out=Y)
        else:
            np.matmul(W, Z, out=Y)
        Y += b
        ACTIVATIONS[self.activation].value(Y)
        return ZV

    def backward(self, A, out, dout, dA, W, b):
        """Also turns dout into Δ."""
        dout *= ACTIVATIONS[self.activation].slope(out)
        delta, below = _columns(dout), None if dA is None else _columns(dA)
        if isinstance(W, LowRank):
            DU = H(delta) @ W.U
            if below is not None:
                np.matmul(W.V, H(DU @ W.S), out=below)
            return DU
        if below is not None:
            np.matmul(H(W), delta, out=below)
        return None

    @staticmethod
    def gradient(A, delta, W, ZV, DU):
        """(∇_W, ∇_b) = (Δ Zᴴ in factors, Δ 1); the products with U and V that the two passes have made come with Δ Zᴴ.

        Where Z has so many columns (pixels) that Δ Zᴴ multiplied out is found sooner than its products with bases, it is an ndarray.
        """
        Z, delta = _columns(A), _columns(delta)
        bias = delta @ np.ones((delta.shape[1], 1), delta.dtype)
        if not isinstance(W, LowRank):
            return outer(delta, Z), bias
        (m, n), r, columns = W.shape, W.rank, Z.shape[1]
        if columns > 4 * (m + n) and m * n < 4 * r * (m + n):       # a step takes four products with bases; thin ones at half the speed
            return delta @ H(Z), bias
        return LowRank(delta, Identity(columns), Z, left=(W.U, DU), right=(W.V, ZV)), bias


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
        if dA is None:
            return
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
        first, *others = self._places(A, out)
        out[...] = first
        for other in others:
            np.maximum(out, other, out=out)

    def backward(self, A, out, dout, dA):
        """To one of the largest, where there are several."""
        if dA is None:
            return
        dA[...] = 0                                         # the rest at the edges, too
        *firsts, last = zip(self._places(A, out), self._places(dA, out), strict=True)
        rest = dout.copy()
        for place, target in firsts:
            np.multiply(rest, place == out, out=target)
            rest -= target
        last[1][...] = rest

    def _places(self, A, out):
        """The views of A with the first, the second, … number of each window."""
        s, (rows, columns) = self.size, out.shape[1:3]
        return [A[:, i:s * rows:s, j:s * columns:s] for i in range(s) for j in range(s)]


@dataclass(frozen=True)
class Flatten:
    """An image as one row of numbers; `out` shares the memory of A, and dA that of dout."""

    def shape(self, shape):
        return (math.prod(shape),)

    def forward(self, A, out):
        pass

    def backward(self, A, out, dout, dA):
        pass


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
