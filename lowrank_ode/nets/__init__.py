"""Networks with hand-written backprop. They know matrices, not integrators or time."""

from .networks import MLP, mlp

__all__ = ["MLP", "mlp"]
