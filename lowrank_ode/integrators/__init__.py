"""One method a file. A method is any object with step(Y, t, h, F) that keeps this contract:

1. Y is a LowRank, or a DirectSum of LowRank and ndarray blocks; F(t, Y) returns anything with `@` from both sides (ndarray, LowRank,
   sparse array, LinearOperator, or a DirectSum of these); h > 0. The result approximates the flow of Y' = F(t, Y) at t + h.
2. Pure: Y and what it holds are untouched, the result depends on the arguments alone.
3. Orthonormal bases in, orthonormal bases out.
4. Precision is kept: float32 in, float32 out; complex likewise.
5. The first call of F in a step is F(t, Y), up to rounding in the product of the factors: so a field may report its loss at no cost.
6. The claims on the class hold: `order` of the error in h on problems whose solution stays on the manifold; `exact_on_rank_r`: a curve
   A(t) of rank r, given by its increments, is reproduced, with truncation off; `keeps_symmetry`; `descends`: a smooth loss falls, up to
   truncation, once h is small enough; `adaptive`: the rank may change.
"""

from .adaptive_bug import AdaptiveBUG
from .bug import BUG
from .dense import Dense
from .dlrt import DLRT
from .factor_ode import FactorODE
from .projector_splitting import ProjectorSplitting

METHODS = (Dense, ProjectorSplitting, BUG, AdaptiveBUG, DLRT)

__all__ = ["BUG", "DLRT", "METHODS", "AdaptiveBUG", "Dense", "FactorODE", "ProjectorSplitting"]
