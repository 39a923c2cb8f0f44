"""Planted errors of truncation, and errors that only some ranks, sizes, times and steps show; see
tests/planted.py."""

from typing import ClassVar

import numpy as np
from planted import planted

from lowrank_ode import BUG, DLRT, AdaptiveBUG, DirectSum, LowRank, truncate
from lowrank_ode.integrators import GeoLoRA, ParallelBUG
from lowrank_ode.integrators.adaptive_bug import augmented_step
from lowrank_ode.matrices import blockwise, dense, norm


def cut_by(rank):
    """A step that cuts each block of DLRT(0)'s to rank(method, σ, block of Y)."""
    def step(self, Y, t, h, F):
        @blockwise
        def cut(Z, X):
            if not isinstance(Z, LowRank):
                return Z
            return truncate(Z, max_rank=max(1, rank(self, Z.singular_values(), X)))

        return cut(DLRT(0.0).step(Y, t, h, F), Y)
    return step


def within(sigma, theta):
    """The smallest rank with a tail ≤ θ."""
    return int(np.sum(np.sqrt(np.cumsum(sigma[::-1] ** 2))[::-1] > theta))


# ------------------------------------------------------------------------------------- truncation

@planted("truncates_to_its_tolerance", 0.01)
class TailOfOneValue(DLRT):
    """σ_{r+1} ≤ θ."""
    step = cut_by(lambda self, sigma, X: np.sum(sigma > self.tau * np.linalg.norm(sigma)))


@planted("truncates_to_its_tolerance", 0.01)
class ThetaOfTheSpectralNorm(DLRT):
    """θ = τ ‖Ŝ‖₂."""
    step = cut_by(lambda self, sigma, X: within(sigma, self.tau * sigma[0]))


@planted("truncates_to_its_tolerance", 0.01)
class ThetaOfTheStart(DLRT):
    """θ = τ ‖Y‖."""
    step = cut_by(lambda self, sigma, X: within(sigma, self.tau * norm(X)))


@planted("truncates_to_its_tolerance", 0.01)
class TauAsItIs(DLRT):
    """θ = τ."""
    step = cut_by(lambda self, sigma, X: within(sigma, self.tau))


@planted("truncates_to_its_tolerance", 0.01)
class SquareOfTheTail(DLRT):
    """tail² ≤ θ."""
    step = cut_by(lambda self, sigma, X: within(sigma, (self.tau * np.linalg.norm(sigma))**0.5))


@planted("truncates_to_its_tolerance", 0.01)
class OneRankTooMany(DLRT):
    """One more than is needed."""
    step = cut_by(lambda self, sigma, X: within(sigma, self.tau * np.linalg.norm(sigma)) + 1)


@planted("truncates_to_its_tolerance", 0.01)
class OneRankTooFew(DLRT):
    """One less, where more than the rank of the start is needed."""
    step = cut_by(lambda self, sigma, X: max(
        X.rank, within(sigma, self.tau * np.linalg.norm(sigma)) - 1))


@planted("truncates_to_its_tolerance", 0.01)
class NeverTruncates(DLRT):
    """All columns are kept."""
    step = cut_by(lambda self, sigma, X: len(sigma))


@planted("truncates_to_its_tolerance", 0.01)
class MaxRankIgnored(DLRT):
    """max_rank is an option without effect."""
    step = cut_by(lambda self, sigma, X: within(sigma, self.tau * np.linalg.norm(sigma)))


@planted("truncates_to_its_tolerance", 1e-12, max_rank=3)
class OneAboveMaxRank(GeoLoRA):
    """max_rank + 1 columns."""
    def step(self, Y, t, h, F):
        return GeoLoRA(self.tau, self.max_rank and self.max_rank + 1).step(Y, t, h, F)


@planted("truncates_to_its_tolerance", 0.01, relative=True)
class RelativeIgnored(AdaptiveBUG):
    """tol is taken as absolute."""
    def step(self, Y, t, h, F):
        return AdaptiveBUG(self.tol, False, self.max_rank).step(Y, t, h, F)


@planted("truncates_to_its_tolerance", 1e-3)
class AlwaysRelative(ParallelBUG):
    """tol is taken as relative."""
    def step(self, Y, t, h, F):
        return ParallelBUG(self.tol, True, self.max_rank).step(Y, t, h, F)


@planted("truncates_to_its_tolerance", 0.01)
class FirstColumns(AdaptiveBUG):
    """The right rank, of the first columns instead of the dominant ones."""
    def step(self, Y, t, h, F):
        @blockwise
        def first(Z):
            if not isinstance(Z, LowRank):
                return Z
            r = max(1, within(Z.singular_values(), self.tol))
            r = min(r, self.max_rank or r)
            return LowRank(Z.U[:, :r], Z.S[:r, :r], Z.V[:, :r])

        return first(augmented_step(Y, t, h, F, self.solve))


# ------------------------------------------------------------------------------------ narrow draws

def only(good, otherwise=lambda self, Y, t, h, F: Y):
    """A step that does `otherwise` (after a call of F) where good(Y, t, h) is not true."""
    def step(self, Y, t, h, F):
        if good(Y, t, h):
            return BUG.step(self, Y, t, h, F)
        F(t, Y)
        return otherwise(self, Y, t, h, F)
    return step


def blocks_of(Y):
    return getattr(Y, "blocks", (Y,))


@planted("follows_its_field")
class UpToRankFour(BUG):
    """Nothing happens for rank ≥ 5."""
    step = only(lambda Y, t, h: max(getattr(X, "rank", 0) for X in blocks_of(Y)) < 5)


@planted("follows_its_field")
class UpToTwentyRows(BUG):
    """Nothing happens for m > 20."""
    step = only(lambda Y, t, h: max(X.shape[0] for X in blocks_of(Y)) <= 20)


@planted("follows_its_field")
class UpToTwentyColumns(BUG):
    """Nothing happens for n > 20."""
    step = only(lambda Y, t, h: max(X.shape[1] for X in blocks_of(Y)) <= 20)


@planted("follows_its_field")
class ShortSteps(BUG):
    """A step longer than .31 is one of .31."""
    step = only(lambda Y, t, h: h <= 0.31,
                lambda self, Y, t, h, F: BUG.step(self, Y, t, 0.31, F))


@planted("follows_its_field")
class TimesFromZeroToOne(BUG):
    """Nothing happens for t outside [0, 1)."""
    step = only(lambda Y, t, h: 0 <= t < 1)


@planted("follows_its_field")
class SmallNorms(BUG):
    """A matrix of norm above 1e3 is scaled to 1e3."""
    step = only(lambda Y, t, h: norm(Y) <= 1e3, lambda self, Y, t, h, F: (1e3 / norm(Y)) * Y)


@planted("follows_its_field")
class LargeNorms(BUG):
    """A matrix of norm below .01 is taken for zero."""
    step = only(lambda Y, t, h: norm(Y) >= 0.01, lambda self, Y, t, h, F: 0.0 * Y)


@planted("keeps_precision")
class DoubleForComplexSingle(BUG):
    """complex64 becomes complex128."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        return Y1 if dense(blocks_of(Y)[0]).dtype != np.complex64 else blockwise(
            lambda Z: LowRank(*(X.astype(complex) for X in Z)))(Y1)


@planted("acts_block_by_block")
class ThirdBlockAsItWas(BUG):
    """The third block is never updated."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        return DirectSum([*Y1.blocks[:2], *Y.blocks[2:3], *Y1.blocks[3:]]) \
            if isinstance(Y, DirectSum) else Y1


@planted("follows_coupled_fields")
class FourthBlockAsItWas(BUG):
    """The fourth block is never updated."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        return DirectSum([*Y1.blocks[:3], *Y.blocks[3:]]) if isinstance(Y, DirectSum) else Y1


@planted("follows_coupled_fields")
class BiasesAsTheyWere(BUG):
    """Dense blocks of one column (biases) are not updated."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        if not isinstance(Y, DirectSum):
            return Y1
        return DirectSum([X if X.shape[1] == 1 else X1
                          for X, X1 in zip(Y.blocks, Y1.blocks, strict=True)])


@planted("is_pure")
class ResultInABuffer(BUG):
    """The core of the result lies in an array that the next step writes into."""
    buffers: ClassVar[dict] = {}

    def step(self, Y, t, h, F):
        @blockwise
        def buffered(Z):
            if not isinstance(Z, LowRank):
                return Z
            S = self.buffers.setdefault((Z.S.shape, Z.S.dtype.char), np.empty_like(Z.S))
            S[...] = Z.S
            return LowRank(Z.U, S, Z.V)

        return buffered(super().step(Y, t, h, F))


@planted("starts_with_F_at_Y")
class NeverAsksF(BUG):
    """The result is Y."""
    def step(self, Y, t, h, F):
        return Y
