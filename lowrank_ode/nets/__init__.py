"""Networks with hand-written backprop. They know matrices, not integrators or time."""

from .activations import Activation
from .models import lenet5, mlp
from .networks import Network, check_ranks

__all__ = ["Activation", "Network", "check_ranks", "lenet5", "mlp"]
