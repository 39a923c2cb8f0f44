"""One method a file. A method is any object with step(Y, t, h, F) that keeps this contract:

1. Y is a LowRank, or a DirectSum of LowRank and ndarray blocks; F(t, Y) returns anything with `@`
   from both sides (ndarray, LowRank, sparse array, LinearOperator with rmatvec, or a DirectSum of
   these) in the shape of Y; h > 0. F leaves Y as it is, and may use the array that it returns again
   in its next call. The result approximates the flow of Y' = F(t, Y) at t + h.
2. Pure: Y and what it holds are untouched, the result depends on the arguments alone.
3. Orthonormal bases in, orthonormal bases out.
4. The precision, single or double, is that of Y, whatever F returns; the result is complex where Y
   or what F returns is.
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

BY_NAME = {method.__module__.rpartition(".")[2]: method for method in METHODS}


def method_of(method):
    """`method`, or the one of that name with its defaults: "adaptive_bug" is AdaptiveBUG().

    Raises ValueError for an unknown name, TypeError for a class, and for what has no step.
    """
    if isinstance(method, str):
        if method not in BY_NAME:
            raise ValueError(f"method: got {method!r}, expected one of {', '.join(BY_NAME)}")
        return BY_NAME[method]()
    if isinstance(method, type):
        raise TypeError(f"method: got the class {method.__name__}, expected an integrator: "
                        f"{method.__name__}()")
    if not callable(getattr(method, "step", None)):
        raise TypeError(f"method: got {type(method).__name__}, expected an integrator, "
                        "with step(Y, t, h, F)")
    return method


__all__ = ["ABCPSI", "BUG", "BY_NAME", "DLRT", "METHODS", "AdaptiveBUG", "Dense", "FactorDescent",
           "FactorODE", "GeoLoRA", "MidpointBUG", "ParallelBUG", "ParallelBUG2", "ProjectedRK",
           "ProjectorSplitting", "method_of"]
