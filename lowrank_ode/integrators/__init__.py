"""One method a file. A method is any object with step(Y, t, h, F) that keeps this contract:

1. Y is a LowRank, or a DirectSum of LowRank and ndarray blocks; F(t, Y) returns anything with `@`
   from both sides (ndarray, LowRank, sparse array, LinearOperator, or a DirectSum of these); h > 0.
   The result approximates the flow of Y' = F(t, Y) at t + h.
2. Pure: Y and what it holds are untouched, the result depends on the arguments alone.
3. Orthonormal bases in, orthonormal bases out.
4. Precision is kept: float32 in, float32 out; complex likewise.
5. The first call of F in a step is F(t, Y), up to rounding in the product of the factors: so a
   field may report its loss at no cost.
6. The claims on the class hold, with accurate substeps and truncation off: True is shown to hold,
   False is shown to fail, None is unknown. `order` of the error in h on problems whose solution
   stays on the manifold; `exact_on_rank_r`: F = A'(t) with A of rank r is integrated exactly;
   `keeps_symmetry`, and skew-symmetry, for F(Yᵀ) = F(Y)ᵀ; `keeps_norm` for ⟨Y, F(Y)⟩ = 0;
   `descends`: a convex loss does not rise for h ≤ 1/(4L); `robust`: one step stays near the tangent
   step whatever the smallest singular value; `adaptive`: the rank may change.
"""

from .abc_psi import ABCPSI
from .adaptive_bug import AdaptiveBUG
from .bug import BUG
from .dense import Dense
from .dlrt import DLRT
from .factor_descent import FactorDescent
from .factor_ode import FactorODE
from .geolora import GeoLoRA
from .midpoint_bug import MidpointBUG
from .parallel_bug import ParallelBUG
from .parallel_bug_2 import ParallelBUG2
from .projected_rk import ProjectedRK
from .projector_splitting import ProjectorSplitting

METHODS = (Dense, ProjectorSplitting, BUG, AdaptiveBUG, DLRT, ParallelBUG, ParallelBUG2,
           MidpointBUG, ProjectedRK, ABCPSI, GeoLoRA)

__all__ = ["ABCPSI", "BUG", "DLRT", "METHODS", "AdaptiveBUG", "Dense", "FactorDescent", "FactorODE",
           "GeoLoRA", "MidpointBUG", "ParallelBUG", "ParallelBUG2", "ProjectedRK",
           "ProjectorSplitting"]
