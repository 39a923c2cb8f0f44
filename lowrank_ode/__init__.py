"""Dynamical low-rank training as one matrix ODE: W' = −∇L(W), integrated in factors U S Vᴴ."""

from .estimator import LowRankClassifier
from .flow import evolve, exact_flow
from .integrators import BUG, DLRT, METHODS, AdaptiveBUG, Dense, ProjectorSplitting
from .matrices import DirectSum, LowRank, best_approximation, tangent_projection, truncate
from .storage import load, save

__version__ = "0.1.0"

__all__ = ["BUG", "DLRT", "METHODS", "AdaptiveBUG", "Dense", "DirectSum", "LowRank",
           "LowRankClassifier", "ProjectorSplitting", "best_approximation", "evolve", "exact_flow",
           "load", "save", "tangent_projection", "truncate"]
