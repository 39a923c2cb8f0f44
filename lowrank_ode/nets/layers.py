"""What a layer is, and the dense one. A layer is any object with

    shape(inputs) → outputs                       shape of an example, before and after
    blocks(inputs) → shapes                       those of its parameters; () for none
    init(rng, inputs, rank, dtype) → blocks       a random start for these, matrices
    forward(A, *blocks) → out, kept               A (batch, …) cannot be written to; out is new
    backward(dout, kept, *blocks) → dA, grads     may overwrite dout; grads are like blocks
    gradient(dout, kept, *blocks) → grads         optional: backward where nobody asks for dA

dA is the gradient of the loss with respect to A, dout that with respect to out. `low_rank = True`
says that the first block, a weight, may be a LowRank, and asks for a rank; `low_rank = k` that the
first k blocks are such weights, and asks for a list of k ranks, if k > 1. Others are given None.
`together = True` says that outputs of an example depend on the others of its batch, which is then
never cut. A layer made of others is a `Branched` (nets/chains.py), and asked for no rank.
`Dense` here and those in the files beside it are layers like anybody's own.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..generators import generator
from ..matrices import H, LowRank, dense, outer
from ..options import check_count, check_number
from .activations import Activation, activated, activation_of, slope_of
from .buffers import buffer
from .gradients import gradient

FETCH = 16      # a number read from memory once more costs so many multiplications: from trials


@dataclass(frozen=True)
class Dense:
    """σ(W z + b) of the last axis, W (n, features) an ndarray or a LowRank, b (n, 1); without bias
    σ(W z), and W is the only block.

    With the rows of A as columns of Z it is σ(W Z + b 1ᵀ), and with Δ = ∂loss/∂(W Z + b 1ᵀ) the
    gradients are Δ Zᵀ, kept as these two factors, and Δ 1. For W = U S Vᴴ both passes multiply with
    a basis on the way, ZᴴV and ΔᴴU, which the gradient knows. Of pixels there are so many that W or
    Δ Zᵀ multiplied out cost nothing, where that is less work than their factors.

    gain: W starts with entries of variance gain/features; None is that of the activation.
    Raises ValueError for an unknown activation, for n that is no whole number ≥ 1, and for a gain
    that is not > 0.
    """

    n: int
    activation: str | Activation = "relu"
    gain: float | None = None
    bias: bool = True
    low_rank = True

    def __post_init__(self):
        check_count("n", self.n)
        for gain in (activation_of(self.activation).gain, self.gain):
            if gain is not None:
                check_number("gain", gain, "a number > 0", lambda gain: 0 < gain < math.inf)

    def shape(self, inputs):
        return *inputs[:-1], self.n

    def blocks(self, inputs):
        return ((self.n, inputs[-1]), (self.n, 1))[:1 + self.bias]

    def init(self, rng, inputs, rank, dtype):
        gain = activation_of(self.activation).gain if self.gain is None else self.gain
        start = _dense_start if rank is None else _lowrank_start
        W = start(generator(rng), self.n, inputs[-1], rank, gain, dtype)
        return (W, np.zeros((self.n, 1), dtype))[:1 + self.bias]

    def forward(self, A, W, b=0):
        out = buffer((*A.shape[:-1], self.n), np.result_type(A, W.dtype, b))
        Z, Y, ZV = columns(A), columns(out), None
        if _in_factors(A, W):
            U, S, V = W
            ZV = H(Z) @ V
            np.matmul(U, S @ H(ZV), out=Y)
        else:
            np.matmul(dense(W), Z, out=Y)
        if self.bias:
            Y += b
        out = activated(self.activation, out)
        return out, (A, out, ZV)

    def backward(self, dout, kept, W, b=0):
        grads, DU = self._back(dout, kept, W)
        dA = buffer(kept[0].shape, dout.dtype)
        if DU is None:
            np.matmul(H(dense(W)), columns(dout), out=columns(dA))
        else:
            np.matmul(W.V, H(DU @ W.S), out=columns(dA))
        return dA, grads

    def gradient(self, dout, kept, W, b=0):
        return self._back(dout, kept, W)[0]

    def _back(self, dout, kept, W):
        """((∇_W, ∇_b), ΔᴴU or None): (Δ Zᵀ, Δ 1) or (Δ Zᵀ,), and Δᵀ in place of dout."""
        A, out, ZV = kept
        dout *= slope_of(self.activation, out)
        Z, D = columns(A), columns(dout)
        DU = None if ZV is None else H(D) @ W.U
        if A.ndim > 2 and cheap_gradient(W.shape, rank_of(W)):
            G = D @ H(Z)
        else:
            G = outer(D, Z) if DU is None else gradient(W, H(D), H(Z), DU, ZV)
        return ((G, sums(D)) if self.bias else (G,)), DU


def columns(A):
    """(features, rows): the last axis of A as columns, one for each example or pixel; a view."""
    return A.reshape(-1, A.shape[-1]).T


def sums(D):
    """Δ 1, (features, 1)."""
    return D @ np.ones((D.shape[1], 1), D.dtype)


def rank_of(W):
    """None for a dense one."""
    return W.rank if isinstance(W, LowRank) else None


def cheap_gradient(shape, rank):
    """Whether ∇_W multiplied out is less work than its factors, of which a step has four products
    with bases."""
    return _cheaper_multiplied_out(shape, rank, 4, FETCH)


def _in_factors(A, W):
    """Whether both passes multiply with the bases of W, two products with each."""
    return isinstance(W, LowRank) and not (
        A.ndim > 2 and _cheaper_multiplied_out(W.shape, W.rank, 2))


def _cheaper_multiplied_out(shape, rank, products, fetch=0):
    """Whether a product with m × n numbers is no more work than these with the bases, thin ones at
    half the speed; fetch is what it costs, in multiplications, to read a number of them."""
    in_factors = math.inf if rank is None else products * (rank + fetch) * sum(shape)
    return math.prod(shape) < in_factors


def _dense_start(rng, m, n, _, gain, dtype):
    return (np.sqrt(gain / n) * rng.standard_normal((m, n))).astype(dtype)


def _lowrank_start(rng, m, n, r, gain, dtype):
    """Random orthonormal bases and a Gaussian core, with the mean ‖W‖² of a dense start."""
    r = check_count("rank", r, most=min(m, n), where=f" for a {m} × {n} layer")
    U, V = (np.linalg.qr(rng.standard_normal((k, r)))[0].astype(dtype) for k in (m, n))
    return LowRank(U, (np.sqrt(gain * m) / r * rng.standard_normal((r, r))).astype(dtype), V)
