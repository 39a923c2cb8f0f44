"""Networks with hand-written backprop. They know matrices, not integrators or time."""

from .activations import Activation
from .models import lenet5, mlp
from .networks import Network, check_ranks
from .numerical import blocks_of

__all__ = ["Activation", "Network", "blocks_of", "check_ranks", "lenet5", "mlp"]
