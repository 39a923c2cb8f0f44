"""Networks with hand-written backprop. They know matrices, not integrators or time."""

from .networks import Network, lenet5, mlp

__all__ = ["Network", "lenet5", "mlp"]
