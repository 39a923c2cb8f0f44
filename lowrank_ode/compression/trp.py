"""Trained rank pruning of Xu, Li, Zhang, Wen, Wang, Dai, Qi, Chen, Lin and Xiong."""

from dataclasses import dataclass
from math import inf

import numpy as np

from ..matrices import DirectSum, LowRank, best_approximation, blockwise, check_count, dense, norm
from ..substeps import step_size


@dataclass(frozen=True)
class TRP:
    """Trained rank pruning [XLZW20]: explicit Euler on dense weights, that is stochastic gradient
    descent, which cuts them to low rank before every m-th step, m = `every`.

        T = D(W_t) if m divides t, else W_t         D: the smallest rank k ≥ 1 with
        G = F(t, T)                                    Σ_{i≤k} σᵢ² ≥ (1 − energy) Σ σᵢ²
        W_{t+1} = T + h (G − nuclear · U_k V_kᴴ)    the last term after a cut only

    t is the *number* of the step, 0, 1, 2, …, as `train` gives it; it does not begin anew with an
    epoch. `blocks` are the numbers of the blocks that are cut, those of a network from `TRP.of`;
    the others take steps of Euler's. U_k V_kᴴ is a subgradient of the nuclear norm at T = U_k Σ_k
    V_kᴴ, and at no W_t that the cut changes (docs/theorems.md, section 19). every None cuts never:
    W is trained as it is, and `finished` is post-hoc pruning.

    It is called as an integrator is, and is none: F is evaluated at T, against point 5 of the
    contract in `integrators`, so that the loss which a field reports is that after the cut, and t
    counts steps. LowRank blocks become ndarrays.
    """

    blocks: tuple
    energy: float = 0.02
    every: int | None = 20
    nuclear: float = 0.0

    def __post_init__(self):
        numbers = [check_count("blocks", k, least=0) for k in self.blocks]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError(f"blocks: got {self.blocks}, expected different numbers, at least one")
        object.__setattr__(self, "blocks", tuple(numbers))
        if not 0 <= self.energy < 1:
            raise ValueError(f"energy: got {self.energy}, expected the part of Σ σ² that a cut may "
                             "take away, in [0, 1)")
        if self.every is not None:
            check_count("every", self.every)
        if not 0 <= self.nuclear < inf:
            raise ValueError(f"nuclear: got {self.nuclear}, expected a number ≥ 0")

    @classmethod
    def of(cls, net, *, first=True, last=False, **options):
        """TRP for the weights of a `Network`, biases excluded: with `first` and `last` for that of
        the first layer and for that of the last; without, they are left alone."""
        layers = weight_blocks(net)[0 if first else 1:None if last else -1]
        return cls(tuple(k for blocks in layers for k in blocks), **options)

    def step(self, Y, t, h, F):
        h, W, number = step_size(h), dense(Y), _number(t)
        if self.every is None or number % self.every:
            return W + h * dense(F(t, W))
        cut = self.finished(W)
        T = dense(cut)
        return T + h * (dense(F(t, T)) - float(self.nuclear) * nuclear_subgradient(cut))

    def finished(self, Y):
        """D(Y): its `blocks` as LowRank, the others as they are. The last cut, after training.

        Raises ValueError if Y is no DirectSum of so many blocks, and if one to be cut is not
        finite.
        """
        if not isinstance(Y, DirectSum) or len(Y.blocks) <= max(self.blocks):
            got = len(Y.blocks) if isinstance(Y, DirectSum) else type(Y).__name__
            raise ValueError(f"Y: got {got}, expected a DirectSum of at least "
                             f"{max(self.blocks) + 1} blocks")
        return DirectSum([self._cut(k, X) if k in self.blocks else X
                          for k, X in enumerate(Y.blocks)])

    def _cut(self, k, W):
        size = norm(W)
        if not size < inf:
            raise ValueError(f"Y.blocks[{k}]: a norm of {size}, expected finite numbers: "
                             "in a training, the step size may be too large")
        return best_approximation(W, tol=self.energy**0.5 * size)


@blockwise
def nuclear_subgradient(T):
    """U sign(S) Vᴴ, a subgradient at T = U S Vᴴ, S = diag(σ₁ ≥ σ₂ ≥ …), of the nuclear norm Σ σᵢ,
    as `best_approximation` returns T; 0 for a dense block, whose norm is not asked for."""
    return LowRank(T.U, np.sign(T.S), T.V) if isinstance(T, LowRank) else np.zeros_like(T)


def weight_blocks(net):
    """Of each layer that has weights, which may be of low rank, the numbers of their blocks."""
    layers, count, shape = [], 0, net.shape
    for layer in net.layers:
        if weights := int(getattr(layer, "low_rank", False)):
            layers.append(range(count, count + weights))
        count += len(layer.blocks(shape))
        shape = layer.shape(shape)
    return layers


def _number(t):
    return check_count("t", int(t) if float(t).is_integer() else t, least=0)
