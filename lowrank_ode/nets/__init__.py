"""Networks with hand-written backprop. They know matrices, not integrators or time."""

from .activations import Activation
from .layouts import from_keras, from_torch, images_from_torch, to_keras, to_torch
from .lora import from_lora, to_lora
from .models import lenet5, mlp
from .networks import Network, check_ranks
from .numerical import blocks_of

__all__ = ["Activation", "Network", "blocks_of", "check_ranks", "from_keras", "from_lora",
           "from_torch", "images_from_torch", "lenet5", "mlp", "to_keras", "to_lora", "to_torch"]
