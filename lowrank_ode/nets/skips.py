"""Skip connections: what comes in is added to what comes out [HZRS16]."""

from dataclasses import dataclass, replace

import numpy as np

from ..options import check_count
from . import chains
from .activations import Activation, activation_of
from .buffers import buffer
from .images import WithoutParameters, image


@dataclass(frozen=True)
class Residual(chains.Branched):
    """σ(f(z) + s(z)) with f the `layers` and s the `shortcut`, layers one after another; none are
    z itself.

        dA = f'(z)* Δ + s'(z)* Δ,   Δ = σ' dout

    Blocks are those of `layers`, then those of `shortcut`. Raises ValueError for an unknown
    activation, and where outputs of the two have different shapes.
    """

    layers: tuple
    shortcut: tuple = ()
    activation: str | Activation = "relu"

    def __post_init__(self):
        activation_of(self.activation)

    @property
    def branches(self):
        return self.layers, self.shortcut

    def rebranched(self, branches):
        layers, shortcut = branches
        return replace(self, layers=layers, shortcut=shortcut)

    def shape(self, inputs):
        out, beside = (chains.shapes(branch, inputs)[-1] for branch in self.branches)
        if out != beside:
            raise ValueError(f"shortcut: outputs of shape {beside} beside those of layers, {out}, "
                             "expected the same")
        return out

    def forward(self, A, *blocks):
        (own, beside), inputs = self.split(blocks, A.shape[1:]), A
        A, passed = chains.forward(self.layers, own, inputs)
        B, passed_beside = chains.forward(self.shortcut, beside, inputs)
        out = np.add(A, B, out=buffer(A.shape, np.result_type(A, B)))
        out = activation_of(self.activation).value(out)
        return out, (out, passed, passed_beside)

    def backward(self, dout, kept, *blocks):
        out, passed, passed_beside = kept
        dout *= activation_of(self.activation).slope(out)
        dA, grads = chains.backward(passed, dout.copy())        # a layer may overwrite it
        dB, grads_beside = chains.backward(passed_beside, dout)
        return dA + dB, [*grads, *grads_beside]


@dataclass(frozen=True)
class ZeroPadded(WithoutParameters):
    """Every `stride`-th pixel, with channels of zeros behind its own up to `channels`: shortcut A
    of [HZRS16]. Raises ValueError for fewer channels than there are."""

    channels: int
    stride: int = 1

    def __post_init__(self):
        check_count("channels", self.channels)
        check_count("stride", self.stride)

    def shape(self, inputs):
        height, width, channels = image(self, inputs)
        if channels > self.channels:
            raise ValueError(f"channels: got {self.channels}, expected at least the {channels} of "
                             "the inputs")
        return -(-height // self.stride), -(-width // self.stride), self.channels

    def forward(self, A):
        out = buffer((len(A), *self.shape(A.shape[1:])), A.dtype)
        channels = A.shape[-1]
        out[..., :channels], out[..., channels:] = A[:, ::self.stride, ::self.stride], 0
        return out, A.shape

    def backward(self, dout, shape):
        dA = buffer(shape, dout.dtype)
        dA[...] = 0
        dA[:, ::self.stride, ::self.stride] = dout[..., :shape[-1]]
        return dA, ()
