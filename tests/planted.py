"""Wrong integrators, each a small patch of a right one, and the theorem that must reject it."""

import numpy as np

from lowrank_ode import BUG, DLRT, LowRank, ProjectorSplitting, best_approximation, truncate
from lowrank_ode.integrators import FactorODE, GeoLoRA, MidpointBUG, ParallelBUG
from lowrank_ode.integrators.adaptive_bug import augmented_step
from lowrank_ode.integrators.projected import K_field, L_field, S_field
from lowrank_ode.matrices import H, Identity, augment, blockwise, dense, orth
from lowrank_ode.substeps import euler, rk4

PLANTED = []        # (integrator, claims, the theorem that rejects it)


def planted(theorem, *arguments, claims=None, **options):
    """Enter an instance of the class below."""
    def enter(Wrong):
        wrong_step = Wrong.step
        def step(self, Y, t, h, F):
            return wrong_step(self, Y, t, float(h), F)      # the precision of h is no defect here

        Wrong.step = step
        PLANTED.append((Wrong(*arguments, **options), claims, theorem))
        return Wrong
    return enter


@planted("is_robust_to_small_singular_values", claims={"robust": True})
class Naive(FactorODE):
    """Euler on the equations of the factors."""


@planted("descends", claims={"descends": True})
class FixedRankSaidToDescend(BUG):
    """No error but the claim."""


@planted("keeps_norm", claims={"keeps_norm": True})
class FixedRankSaidToKeepTheNorm(BUG):
    """No error but the claim."""


@planted("keeps_symmetry", claims={"keeps_symmetry": True})
class SplittingSaidToKeepSymmetry(ProjectorSplitting):
    """No error but the claim."""


@planted("reproduces_curves_of_rank_r", 1e-12, claims={"exact_on_rank_r": True})
class ParallelSaidToBeExact(ParallelBUG):
    """No error but the claim."""


@planted("converges_with_its_order", claims={"order": 2})
class BUGSaidToHaveOrder2(BUG):
    """No error but the claim."""


@planted("converges_with_its_order", order=2)
class TwoLieSteps(ProjectorSplitting):
    """The second half step is not the adjoint."""
    def step(self, Y, t, h, F):
        return self._KSL(self._KSL(Y, t, h / 2, F), t + h / 2, h / 2, F)


@planted("converges_with_its_order")
class ForwardS(ProjectorSplitting):
    """The S-step with a plus sign."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        K1 = rk4(K_field(F, V0), t, U0 @ S0, h)
        U1 = orth(K1, U0)
        S = rk4(S_field(F, U1, V0), t, H(U1) @ K1, h)
        L1 = rk4(L_field(F, U1), t, V0 @ H(S), h)
        V1 = orth(L1, V0)
        return LowRank(U1, H(L1) @ V1, V1)


@planted("converges_with_its_order")
class OldBasisInL(BUG):
    """The S-step in the old V."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        U1 = orth(rk4(K_field(F, V0), t, U0 @ S0, h), U0)
        return LowRank(U1, rk4(S_field(F, U1, V0), t, (H(U1) @ U0) @ S0, h), V0)


@planted("converges_with_its_order")
class WrongSignInL(BUG):
    """L' = −F(U0 Lᴴ)ᴴ U0."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        U1 = orth(rk4(K_field(F, V0), t, U0 @ S0, h), U0)
        V1 = orth(rk4(L_field(lambda t, Z: -F(t, Z), U0), t, V0 @ H(S0), h), V0)
        S = rk4(S_field(F, U1, V1), t, (H(U1) @ U0) @ S0 @ (H(V0) @ V1), h)
        return LowRank(U1, S, V1)


@planted("converges_with_its_order")
class ForgottenOverlap(BUG):
    """The S-step starts at S0, as if the bases had not moved; −U1 is as good a basis as U1."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        U1 = -1 * orth(rk4(K_field(F, V0), t, U0 @ S0, h), U0)
        V1 = orth(rk4(L_field(F, U0), t, V0 @ H(S0), h), V0)
        return LowRank(U1, rk4(S_field(F, U1, V1), t, S0, h), V1)


@planted("converges_with_its_order", 1e-12, max_rank=3)
class MidpointWithoutMidpoint(MidpointBUG):
    """The midpoint rule without its middle: augmented BUG over the whole step."""
    def step(self, Y, t, h, F):
        return truncate(augmented_step(Y, t, h, F, euler), self.tol, max_rank=3)


@planted("returns_orthonormal_bases")
class NotOrthonormal(BUG):
    """K and L themselves as bases."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        K = rk4(K_field(F, V0), t, U0 @ S0, h)

        @blockwise
        def as_they_are(K, V):
            return LowRank(K, np.eye(K.shape[1]), V) if isinstance(V, np.ndarray) else K

        return as_they_are(K, V0)


@planted("keeps_type_and_shape")
class WritesIntoItsInput(BUG):
    """S0 *= ½: its factors are to read only."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        if isinstance(Y, LowRank):
            Y.S[...] = 0.5 * Y.S
        return Y1


@planted("leaves_dense_blocks_alone")
class WritesIntoDenseBlocks(BUG):
    """b *= ½, after the step."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        for X in getattr(Y, "blocks", ()):
            if isinstance(X, np.ndarray):
                X *= 0.5
        return Y1


@planted("keeps_precision")
class AlwaysDouble(BUG):
    """Double precision, whatever comes in."""
    def step(self, Y, t, h, F):
        @blockwise
        def doubled(Z):
            if not isinstance(Z, LowRank):
                return Z
            return LowRank(*(X.astype(np.result_type(X, float)) for X in Z))

        return doubled(super().step(Y, t, h, F))


@planted("keeps_type_and_shape")
class ReturnsDense(BUG):
    """The result as an ndarray."""
    def step(self, Y, t, h, F):
        return dense(super().step(Y, t, h, F))


@planted("keeps_type_and_shape")
class ReturnsNaN(BUG):
    """NaN in the core."""
    def step(self, Y, t, h, F):
        return super().step(Y, t, h, F) * np.nan


@planted("starts_with_F_at_Y", 1e-12)
class LateStart(GeoLoRA):
    """F at the end of the step."""
    def step(self, Y, t, h, F):
        return super().step(Y, t + h, h, F)


@planted("acts_block_by_block", 1e-12)
class FirstBlockOnly(DLRT):
    """Only the first block moves."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        return type(Y)([Y1.blocks[0], *Y.blocks[1:]]) if hasattr(Y, "blocks") else Y1


@planted("converges_with_its_order", 1e-12)
class HalfStep(DLRT):
    """h/2 for h."""
    def step(self, Y, t, h, F):
        return super().step(Y, t, h / 2, F)


@planted("descends", 1e-12, claims={"descends": True})
class Uphill(DLRT):
    """The gradient with its sign."""
    def step(self, Y, t, h, F):
        return super().step(Y, t, h, lambda t, Y: -F(t, Y))


@planted("converges_with_its_order", 1e-12)
class ConjugateForgotten(DLRT):
    """[K1, U0] in the place of [U0, K1], with the overlap of [U0, K1]."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        G = F(t, Y)
        U1, V1 = augment(U0, G @ V0), augment(V0, H(G) @ U0)
        flip = blockwise(lambda U: U if isinstance(U, Identity) else np.asarray(U)[:, ::-1])
        S1 = (H(U1) @ U0) @ S0 @ (H(V0) @ V1) + h * (H(U1) @ G @ V1)
        return truncate(LowRank(flip(U1), S1, V1), 1e-12)


@planted("reproduces_curves_of_rank_r", claims={"exact_on_rank_r": True})
class CutTooFar(BUG):
    """The best approximation of one rank too few."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)

        @blockwise
        def one_less(Z):
            shorter = isinstance(Z, LowRank) and Z.rank > 1
            return best_approximation(Z, rank=Z.rank - 1) if shorter else Z

        return one_less(Y1)
