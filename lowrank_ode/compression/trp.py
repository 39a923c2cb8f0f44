"""Trained rank pruning of Xu, Li, Zhang, Wen, Wang, Qi, Chen, Lin and Xiong."""

from dataclasses import dataclass
from itertools import chain
from math import inf

import numpy as np

from ..fields import step_size
from ..matrices import DirectSum, LowRank, best_approximation, dense, norm
from ..nets.networks import count_of_weights
from ..options import check_count
from .copies import copied
from .kernels import PIXELS, Piece, fold, folded_shapes, in_groups, replaced, unfold, windows_on


@dataclass(frozen=True)
class TRP:
    """Trained rank pruning [XLZW20]: explicit Euler on dense weights, that is stochastic gradient
    descent, which cuts them to low rank before every m-th step, m = `every`.

        T = D(W_t) if m divides t, else W_t         D: the smallest rank k ≥ 1 with
        G = F(t, T)                                    Σ_{i≤k} σᵢ² ≥ (1 − energy) Σ σᵢ²
        W_{t+1} = T + h (G − nuclear · U_k V_kᴴ)    the last term after a cut only

    t is the *number* of the step, 0, 1, 2, …, as `train` gives it; it does not begin anew with an
    epoch. U_k V_kᴴ is a subgradient of the nuclear norm at T = U_k Σ_k V_kᴴ, and at no W_t that the
    cut changes (docs/theorems.md, section 23). every None cuts never, and `finished` is pruning.

    `blocks` are the numbers of the blocks that are cut, the others take steps of Euler's; `kernels`
    are the windows (a, b) of each, None for a weight on no windows. `TRP.of` takes both from a
    network. Kernels are folded by `scheme` (kernels.py) to the matrices that are cut: "channel" is
    W itself. If "decoupled", all filters of a weight are cut to the largest rank that one needs.

    It is called as an integrator is, and is none: F is evaluated at T, against point 5 of the
    contract in `integrators`, so that the loss which a field reports is that after the cut, and t
    counts steps. LowRank blocks become ndarrays.
    """

    blocks: tuple
    energy: float = 0.02
    every: int | None = 20
    nuclear: float = 0.0
    scheme: str = "channel"
    kernels: tuple | None = None

    def __post_init__(self):
        blocks = tuple(check_count("blocks", k, least=0) for k in self.blocks)
        kernels = (None,) * len(blocks) if self.kernels is None else tuple(self.kernels)
        if not blocks or len(set(blocks)) < len(blocks):
            raise ValueError(f"blocks: got {self.blocks}, expected different numbers, at least one")
        if len(kernels) != len(blocks):
            raise ValueError(f"kernels: got {len(kernels)}, expected one for each of {len(blocks)} "
                             "blocks, None for one on no windows")
        folded_shapes((1, 1), (1, 1), self.scheme)              # refuses an unknown scheme
        if not 0 <= self.energy < 1:
            raise ValueError(f"energy: got {self.energy}, expected the part of Σ σ² that a cut may "
                             "take away, in [0, 1)")
        if self.every is not None:
            check_count("every", self.every)
        if not 0 <= self.nuclear < inf:
            raise ValueError(f"nuclear: got {self.nuclear}, expected a number ≥ 0")
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "kernels", kernels)

    @classmethod
    def of(cls, net, *, first=True, last=False, **options):
        """TRP for the weights of a `Network`, biases excluded: with `first` and `last` for those of
        the first layer and for those of the last; without, they are left alone.

        Raises ValueError for another scheme than channel if kernels in groups are among them.
        """
        layers = weight_blocks(net)
        each = [(layer, windows_on(below)) for below, layer, _ in net.parts
                for _ in range(count_of_weights(layer))]
        at = dict(zip(chain(*layers), each, strict=True))
        blocks = [*chain(*layers[0 if first else 1:None if last else -1])]
        method = cls(blocks, kernels=[None if at[k][1] == PIXELS else at[k][1].kernel
                                      for k in blocks], **options)
        for k in blocks:
            if method._fold(k)[1] != "channel" and in_groups(*at[k]):
                raise ValueError(f"scheme: got {method.scheme} for {at[k][0]} on {at[k][1]}, "
                                 "expected channel, for its inputs are in groups")
        return method

    def step(self, Y, t, h, F):
        h, W, number = step_size(h), dense(Y), _number(t)
        if self.every is None or number % self.every:
            return W + h * dense(F(t, W))
        parts = self._parts(W)
        T, N = self._with(W, parts), self._with(0.0 * W, _subgradients(parts))
        return T + h * (dense(F(t, T)) - float(self.nuclear) * N)

    def finished(self, Y):
        """D(Y), the last cut, after training: blocks that are cut are LowRank; those of another
        scheme than channel, which are no matrices of low rank, multiplied out: see `decomposed`.

        Raises ValueError if Y is no DirectSum of so many blocks, and if one to be cut is not
        finite or its kernel does not fit.
        """
        parts = self._parts(Y)
        whole = {k: parts[k][0] for k in parts if self._fold(k)[1] == "channel"}
        return copied(DirectSum([whole.get(k, X)
                                 for k, X in enumerate(self._with(Y, parts).blocks)]))

    def decomposed(self, net, Y):
        """(net, params) that compute what `net` does with D(Y), each cut kernel run as two
        convolutions by its scheme: the network as it is used, and counted."""
        parts = self._parts(Y)
        pieces = [Piece(parts[k], self._fold(k)[1]) if k in parts else None
                  for k in chain(*weight_blocks(net))]
        return replaced(net, Y, pieces)

    def _fold(self, k):
        """Kernel and scheme of block k."""
        kernel = self.kernels[self.blocks.index(k)]
        return ((1, 1), "channel") if kernel is None else (kernel, self.scheme)

    def _parts(self, Y):
        """{k: the parts of block k, cut}."""
        if not isinstance(Y, DirectSum) or len(Y.blocks) <= max(self.blocks):
            got = len(Y.blocks) if isinstance(Y, DirectSum) else type(Y).__name__
            raise ValueError(f"Y: got {got}, expected a DirectSum of at least "
                             f"{max(self.blocks) + 1} blocks")
        return {k: self._cut(k, fold(Y.blocks[k], *self._fold(k))) for k in self.blocks}

    def _cut(self, k, parts):
        if not (size := max(map(norm, parts))) < inf:
            raise ValueError(f"Y.blocks[{k}]: a norm of {size}, expected finite numbers: "
                             "in a training, the step size may be too large")
        cut = [best_approximation(X, tol=self.energy**0.5 * norm(X)) for X in parts]
        most = max(X.rank for X in cut)
        return tuple(X if X.rank == most else best_approximation(whole, rank=most)
                     for X, whole in zip(cut, parts, strict=True))

    def _with(self, Y, parts):
        """Y with these in the place of its blocks, multiplied out."""
        return DirectSum([unfold(parts[k], *self._fold(k)) if k in parts else X
                          for k, X in enumerate(Y.blocks)])


def nuclear_subgradient(T):
    """U sign(S) Vᴴ, a subgradient of the nuclear norm Σ σᵢ at T = U S Vᴴ, S = diag(σ₁ ≥ σ₂ ≥ …), as
    `best_approximation` returns T."""
    return LowRank(T.U, np.sign(T.S), T.V)


def weight_blocks(net):
    """Of each layer that has weights, which may be of low rank, the numbers of their blocks."""
    layers, count = [], 0
    for _, layer, shape in net.parts:
        if weights := count_of_weights(layer):
            layers.append([*range(count, count + weights)])
        count += len(layer.blocks(shape))
    return layers


def _subgradients(parts):
    return {k: [*map(nuclear_subgradient, cut)] for k, cut in parts.items()}


def _number(t):
    return check_count("t", int(t) if float(t).is_integer() else t, least=0)
