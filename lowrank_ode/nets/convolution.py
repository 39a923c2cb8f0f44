"""Windows and the weights on them as one layer: k products in place of a copy of every window.

Pixels of padded images stand one behind the other, w to a row. The strip of pixel r is pixels
r, …, r + b − 1 side by side, and the window of r is the a strips of r, r + w, r + 2w, …, so that
with the strips as rows of S and W = [W_1 … W_a], a part for each row of the kernel,

    Y[r] = Σ_i S[r + i w] W_iᵀ

is a sum of products with S shifted, and S is b, not a b, times as large as the images. Pixels r at
the right edge and between images start no window: what they give is left out, and is 0 in Δ.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..matrices import dense
from .activations import activated, slope_of
from .buffers import buffer
from .images import Patches
from .layers import Dense, cheap_gradient, columns, rank_of, sums

CHANNELS = 64           # with more of them a copy of every window is faster: from trials
NUMBERS = 1 << 18       # of strips at a time, so that they stay in cache


@dataclass(frozen=True)
class Convolution:
    """What `layer` makes of `windows`, and on the way back their gradients, to rounding: a layer
    with the blocks of `layer`, for the windows that `joined` joins."""

    windows: Patches
    layer: Dense

    def forward(self, A, W, b=0):
        W = dense(W)
        out = buffer((*A.shape[:-1], self.layer.n), np.result_type(A, W, b))
        for part in self._slices(A):
            out[part] = self._products(self._strips(A[part]), W, A[part])
        if self.layer.bias:
            out += b.T
        out = activated(self.layer.activation, out)
        return out, (A, out)

    def backward(self, dout, kept, W, b=0):
        dA = buffer(kept[0].shape, dout.dtype)
        return dA, self._back(dout, kept, dense(W), dA)

    def gradient(self, dout, kept, W, b=0):
        return self._back(dout, kept, dense(W))

    def _back(self, dout, kept, W, dA=None):
        """(∇_W, ∇_b), or (∇_W,); dA is filled if it is given: Δ on kernels that are turned round,
        outputs and channels exchanged."""
        A, out = kept
        dout *= slope_of(self.layer.activation, out)
        (a, b), (p, q), n = self.windows.kernel, self.windows.padding, len(W)
        G = [0] * a
        turned = None if dA is None else np.ascontiguousarray(
            W.reshape(n, a, b, -1)[:, ::-1, ::-1].transpose(3, 1, 2, 0)).reshape(-1, a * b * n)
        for part in self._slices(A):
            strips = self._strips(dout[part])
            if dA is not None:
                dA[part] = self._products(strips, turned, A[part])
            shifted = self._shifted(self._strips(A[part]), A)
            D = strips[p * (A.shape[2] + 2 * q):, q * n:q * n + n][:len(shifted[0])]    # Δ itself
            G = [found + D.T @ S for found, S in zip(G, shifted, strict=True)]
        grads = np.hstack(G), sums(columns(dout))
        return grads[:1 + self.layer.bias]

    def _slices(self, A):
        """Of the batch, so many images at a time."""
        size = max(1, NUMBERS // (self.windows.kernel[1] * math.prod(A.shape[1:])))
        return [slice(k, k + size) for k in range(0, len(A), size)]

    def _strips(self, A):
        """S (pixels, b c), but for the last b − 1 pixels, which start none."""
        (p, q), (batch, height, width, channels) = self.windows.padding, A.shape
        padded = np.zeros((batch, height + 2 * p, width + 2 * q, channels), A.dtype)
        padded[:, p:p + height, q:q + width] = A
        strips = np.lib.stride_tricks.sliding_window_view(
            padded.ravel(), self.windows.kernel[1] * channels)[::channels]
        return np.ascontiguousarray(strips)

    def _shifted(self, S, A):
        """For each row of the kernel the strips of images like A, from that row on; views."""
        (a, _), w = self.windows.kernel, A.shape[2] + 2 * self.windows.padding[1]
        return [S[i * w:i * w + len(S) - (a - 1) * w] for i in range(a)]

    def _products(self, S, W, A):
        """Σ_i S_i W_iᵀ for images of the size of A, (batch, height, width, outputs)."""
        (a, _), (p, q), (batch, height, width, _) = (
            self.windows.kernel, self.windows.padding, A.shape)
        shape = batch, height + 2 * p, width + 2 * q, len(W)
        Y = np.empty(shape, np.result_type(S, W))
        inside = Y.reshape(-1, len(W))
        for i, (part, K) in enumerate(zip(self._shifted(S, A), np.split(W, a, axis=1),
                                          strict=True)):
            if i == 0:
                inside = np.matmul(part, K.T, out=inside[:len(part)])
            else:
                inside += part @ K.T
        return Y[:, :height, :width]


def joined(layers, blocks):
    """(layer, its blocks) of a chain; where that is faster `Patches` and the `Dense` on them are
    one layer."""
    found = []
    for layer, own in zip(layers, blocks, strict=True):
        if found and own and joins(found[-1][0], layer, own[0].shape, rank_of(own[0])):
            found[-1] = Convolution(found[-1][0], layer), own
        else:
            found.append((layer, own))
    return found


def joins(windows, layer, shape, rank):
    """Whether these two are one layer, with a weight of this shape and rank: windows at every pixel
    that keep the size of the image, of few channels, and a gradient that is no product of factors.
    """
    if type(windows) is not Patches or type(layer) is not Dense:
        return False
    pixels = math.prod(windows.kernel)
    keeps_size = all(k == 2 * p + 1 for k, p in zip(windows.kernel, windows.padding, strict=True))
    is_plain = windows.stride == (1, 1) and windows.groups == 1 < pixels
    return (keeps_size and is_plain and shape[1] <= CHANNELS * pixels
            and cheap_gradient(shape, rank))
