"""Planted defects B1–B9, each found in released code of the field; see tests/planted.py."""

import numpy as np
from planted import planted
from published import published_rank, published_truncation

from lowrank_ode import BUG, DLRT, AdaptiveBUG, LowRank, truncate
from lowrank_ode.integrators import ABCPSI, ParallelBUG, ProjectedRK
from lowrank_ode.integrators.adaptive_bug import augmented_step
from lowrank_ode.integrators.projected import K_field, L_field, S_field
from lowrank_ode.matrices import H, blockwise, orth, retract, tangent_projection
from lowrank_ode.substeps import euler, rk4


@planted("reproduces_curves_of_rank_r", 1e-12, claims={"exact_on_rank_r": True})
class B1TransposedV(AdaptiveBUG):
    """B1: after the truncation, columns of the transposed small V."""
    def step(self, Y, t, h, F):
        @blockwise
        def cut(Z):
            return published_truncation(Z, 1e-12) if isinstance(Z, LowRank) else Z

        return cut(augmented_step(Y, t, h, F, self.solve))


@planted("finds_more_rank_where_it_is_needed", 0.05, claims={"adaptive": True})
class B2LostTail(DLRT):
    """B2: the tail lacks the smallest singular value, and where no rank qualifies it is r."""
    def step(self, Y, t, h, F):
        @blockwise
        def cut(Z):
            if not isinstance(Z, LowRank):
                return Z
            sigma = Z.singular_values()
            r = max(1, published_rank(sigma, 0.05 * np.linalg.norm(sigma))) if Z.rank > 1 else 1
            return truncate(Z, max_rank=r)

        return cut(DLRT(0).step(Y, t, h, F))


@planted("keeps_type_and_shape")
class B3RowsOfU(BUG):
    """B3: V built from rows of U; shapes fit for square matrices alone."""
    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        by_rows = blockwise(lambda Z: LowRank(Z.U, Z.S, Z.U) if isinstance(Z, LowRank) else Z)
        return by_rows(Y1)


@planted("converges_with_its_order")
class B4FrozenBases(BUG):
    """B4: bases that are never trained."""
    def step(self, Y, t, h, F):
        U, S, V = Y
        return LowRank(U, rk4(S_field(F, U, V), t, S, h), V)


@planted("converges_with_its_order", 1e-12)
class B5ElementwiseCore(ABCPSI):
    """B5: the core times the overlap of the bases, entry by entry."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        U1 = orth(rk4(K_field(F, V0), t, U0 @ S0, h), U0)
        overlap = blockwise(lambda S, M: S * M.T if isinstance(M, np.ndarray) else S)
        L1 = rk4(L_field(F, U1), t, V0 @ H(overlap(S0, H(U1) @ U0)), h)
        V1 = orth(L1, V0)
        return LowRank(U1, H(L1) @ V1, V1)


@planted("converges_with_its_order")
class B6ProductRule(BUG):
    """B6: the K-gradient as (∂L/∂U) S + U (∂L/∂S), where G V is meant."""
    def step(self, Y, t, h, F):
        U0, S0, V0 = Y
        G = F(t, Y)
        GV = G @ V0
        U1 = orth(U0 @ S0 + h * (GV @ H(S0) @ S0 + U0 @ (H(U0) @ GV)), U0)
        V1 = orth(V0 @ H(S0) + h * H(H(U0) @ G), V0)
        S = euler(S_field(F, U1, V1), t, (H(U1) @ U0) @ S0 @ (H(V0) @ V1), h)
        return LowRank(U1, S, V1)


@planted("converges_with_its_order", 2)
class B7WrongNodes(ProjectedRK):
    """B7: Runge–Kutta nodes leave out a stage: F always at t. Seen where fields depend on time."""
    def step(self, Y, t, h, F):
        K1 = tangent_projection(Y, F(t, Y))
        Y2 = retract(Y, Y + h * K1)
        return retract(Y, Y + h * tangent_projection(Y2, F(t, Y2)))


@planted("is_pure", 1e-12)
class B8FlippedSigns(ParallelBUG):
    """B8: a random sign in the basis; here the sign changes from call to call."""
    calls = 0
    def step(self, Y, t, h, F):
        type(self).calls += 1
        Y1 = super().step(Y, t, h, F)
        return -Y1 if self.calls % 2 else Y1


@planted("returns_orthonormal_bases", 0.0)
class B9TooManyColumns(AdaptiveBUG):
    """B9: the augmented basis is not capped at m columns, dependent ones are filled up."""
    def step(self, Y, t, h, F):
        @blockwise
        def widen(U, K):
            if not isinstance(U, np.ndarray):
                return U
            return np.hstack([U, K / (np.linalg.norm(K, axis=0) + 1e-300)])

        U0, S0, V0 = Y
        U1, V1 = widen(U0, F(t, Y) @ V0), widen(V0, H(H(U0) @ F(t, Y)))
        return LowRank(U1, H(U1) @ U0 @ S0 @ (H(V0) @ V1), V1)
