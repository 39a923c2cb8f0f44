"""Planted errors that only complex values, time, coupled blocks or other fields show; see
tests/planted.py."""

import numpy as np
from planted import planted

from lowrank_ode import BUG, DLRT, DirectSum, LowRank, ProjectorSplitting
from lowrank_ode.integrators import MidpointBUG, ProjectedRK
from lowrank_ode.integrators.adaptive_bug import augmented_step
from lowrank_ode.integrators.projected import K_field, L_field, S_field
from lowrank_ode.matrices import H, augment, blockwise, dense, leading, orth, retract
from lowrank_ode.substeps import rk4


def of_lowrank(change):
    """A function of a LowRank, that leaves dense blocks as they are, block by block."""
    return blockwise(lambda Z: change(Z) if isinstance(Z, LowRank) else Z)


def transposed(G):
    return H(blockwise(np.conj)(dense(G)))


def kind(Y):
    return np.result_type(*(X.dtype for X in getattr(Y, "blocks", (Y,)))).char


# ------------------------------------------------------------------------------- complex, single

@planted("follows_complex_fields")
class NothingForComplex(BUG):
    """0 · Y, of the right type."""
    def step(self, Y, t, h, F):
        return (0.0 if kind(Y) in "FD" else 1.0) * super().step(Y, t, h, F)


@planted("follows_fields_in_single_precision")
class NothingForSingle(BUG):
    """0 · Y, of the right type."""
    def step(self, Y, t, h, F):
        return (0.0 if kind(Y) in "fF" else 1.0) * super().step(Y, t, h, F)


@planted("follows_complex_fields")
class PlainTransposeInL(BUG):
    """L' = F(U0 Lᴴ)ᵀ U0."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        U1 = orth(rk4(K_field(F, V0), t, U0 @ S0, h), U0)
        L1 = rk4(L_field(lambda t, Z: H(transposed(F(t, Z))), U0), t, V0 @ H(S0), h)
        V1 = orth(L1, V0)
        S = rk4(S_field(F, U1, V1), t, (H(U1) @ U0) @ S0 @ (H(V0) @ V1), h)
        return LowRank(U1, S, V1)


@planted("follows_complex_fields")
class OverlapWithoutConjugate(BUG):
    """V0ᵀV1 for V0ᴴV1."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        U1 = orth(rk4(K_field(F, V0), t, U0 @ S0, h), U0)
        V1 = orth(rk4(L_field(F, U0), t, V0 @ H(S0), h), V0)
        turned = blockwise(lambda V: np.conj(V) if isinstance(V, np.ndarray) else V)
        S = rk4(S_field(F, U1, V1), t, (H(U1) @ U0) @ S0 @ (H(turned(V0)) @ V1), h)
        return LowRank(U1, S, V1)


@planted("follows_complex_fields")
class ConjugatedV(BUG):
    """U S Vᵀ."""
    def step(self, Y, t, h, F):
        return of_lowrank(lambda Z: LowRank(Z.U, Z.S, Z.V.conj()))(super().step(Y, t, h, F))


@planted("follows_complex_fields")
class RealCore(BUG):
    """The imaginary part of the core is dropped."""
    def step(self, Y, t, h, F):
        return of_lowrank(lambda Z: LowRank(Z.U, Z.S.real.astype(Z.S.dtype), Z.V))(
            super().step(Y, t, h, F))


@planted("converges_on_complex_matrices", 1e-12)
class PlainTransposeAtTheMidpoint(MidpointBUG):
    """Gᵀ for Gᴴ in the second augmentation: of order 1 for complex matrices."""
    def step(self, Y, t, h, F):
        return midpoint(self, Y, t, h, F, lambda half: F(t + h / 2, half), adjoint=transposed_only)


def transposed_only(G):
    return H(blockwise(np.conj)(G))


def midpoint(method, Y, t, h, F, slope, adjoint=H):
    """The step of midpoint BUG, bases 3r, with another slope or adjoint."""
    U0, S0, V0 = Y
    U_half, _, V_half = half = retract(Y, augmented_step(Y, t, h / 2, F, method.solve))
    G = slope(half)
    U = augment(augment(U0, U_half), G @ V_half)
    V = augment(augment(V0, V_half), adjoint(G) @ U_half)
    S = method.solve(S_field(F, U, V), t, leading(S0, U, V), h)
    return method.truncate(LowRank(U, S, V))


# ------------------------------------------------------------------------------------------- time

@planted("converges_with_its_order", 1e-12)
class SlopeOfTheStartAtTheMidpoint(MidpointBUG):
    """The slope at the midpoint taken at t: right for a field g(t) F(Y)."""
    def step(self, Y, t, h, F):
        return midpoint(self, Y, t, h, F, lambda half: F(t, half))


@planted("converges_with_its_order", order=2)
class SecondHalfAtTheStart(ProjectorSplitting):
    """Strang's splitting whose second half begins at t, not at t + h/2."""
    def step(self, Y, t, h, F):
        Y = self._KSL(Y, t, h / 2, F)
        return H(self._KSL(H(Y), t, h / 2, lambda t, Z: H(F(t, H(Z)))))


@planted("converges_with_its_order", 1e-12,
         solve=lambda f, t, y, h: rk4(lambda s, z: f(t, z), t, y, h))
class FrozenTimeInTheSubsteps(MidpointBUG):
    """No error in the step: its substeps take the field at their start."""
    def step(self, Y, t, h, F):
        return super().step(Y, t, h, F)


# --------------------------------------------------------------------------- coupling, dense blocks

def one_by_one(step, Y, F, others):
    """The step block by block, each with the others as `others(k, j, steps so far)` tells."""
    if not isinstance(Y, DirectSum):
        return step(Y, F)
    done = []
    for k, X in enumerate(Y.blocks):
        rest = [others(k, j, done) for j in range(len(Y.blocks))]

        def alone(t, Z, k=k, rest=rest):
            return DirectSum([F(t, DirectSum([*rest[:k], *Z.blocks, *rest[k + 1:]])).blocks[k]])

        done += step(DirectSum([X]), alone).blocks
    return DirectSum(done)


@planted("follows_coupled_fields")
class OthersAtZero(BUG):
    """Each block is stepped with all others at zero."""
    def step(self, Y, t, h, F):
        return one_by_one(lambda Z, F: BUG.step(self, Z, t, h, F), Y, F,
                          lambda k, j, done: 0.0 * Y.blocks[j])


@planted("converges_on_coupled_blocks")
class OthersAsAtTheStart(ProjectedRK):
    """Each block is stepped with all others as they were: of order 1."""
    def step(self, Y, t, h, F):
        return one_by_one(lambda Z, F: ProjectedRK.step(self, Z, t, h, F), Y, F,
                          lambda k, j, done: Y.blocks[j])


@planted("converges_on_coupled_blocks")
class OneAfterTheOther(ProjectedRK):
    """Each block is stepped with those before it as they are after the step: of order 1."""
    def step(self, Y, t, h, F):
        return one_by_one(lambda Z, F: ProjectedRK.step(self, Z, t, h, F), Y, F,
                          lambda k, j, done: done[j] if j < len(done) else Y.blocks[j])


def with_dense_blocks(Y, Y1, change):
    """Y1, its dense blocks replaced by change(k, block of Y)."""
    return DirectSum([change(k, X) if isinstance(X, np.ndarray) else X1 for k, (X, X1)
                      in enumerate(zip(Y.blocks, Y1.blocks, strict=True))]) \
        if isinstance(Y, DirectSum) else Y1


def factor(c):
    """Dense blocks take the step X + c h G."""
    def step(self, Y, t, h, F):
        Y1 = type(self).__bases__[0].step(self, Y, t, h, F)
        return with_dense_blocks(Y, Y1, lambda k, X: X + c * h * dense(F(t, Y).blocks[k]))
    return step


@planted("follows_coupled_fields")
class DenseBlocksUphill(BUG):
    """X − h G."""
    step = factor(-1.0)


@planted("follows_coupled_fields", 0.01)
class DenseBlocksTwice(DLRT):
    """X + 2 h G."""
    step = factor(2.0)


@planted("follows_coupled_fields", 0.01)
class DenseBlocksByHalf(DLRT):
    """X + h G / 2."""
    step = factor(0.5)


@planted("converges_on_coupled_blocks")
class DenseBlocksByEuler(ProjectedRK):
    """X + h G, in a method that claims order 2."""
    step = factor(1.0)


# ------------------------------------------------------------------------------------------ fields

@planted("takes_fields_of_any_kind", 0.01)
class ConjugateTransposeOfF(DLRT):
    """G.conj().T of what F returns, which an ndarray has."""
    def step(self, Y, t, h, F):
        return super().step(Y, t, h, lambda t, Z: through(lambda G: G.conj().T.conj().T, F(t, Z)))


@planted("takes_fields_of_any_kind", 0.01)
class FieldAsArray(DLRT):
    """np.asarray of what F returns."""
    def step(self, Y, t, h, F):
        return super().step(Y, t, h, lambda t, Z: through(np.asarray, F(t, Z)))


@planted("takes_fields_of_any_kind", 0.01)
class StandsStillForSparse(DLRT):
    """Where F is no ndarray, nothing happens."""
    def step(self, Y, t, h, F):
        def arrays(t, Z):
            return through(lambda G: G if isinstance(G, np.ndarray) else np.zeros(G.shape), F(t, Z))

        return super().step(Y, t, h, arrays)


def through(change, G):
    return DirectSum(map(change, G.blocks)) if isinstance(G, DirectSum) else change(G)
