"""Activation functions as pairs: σ(a), and σ'(a) as a function of the output z = σ(a), so that backprop keeps outputs only.

All but relu are analytic, and act on complex arguments too: a complex step checks a gradient to the last digit.
"""

from typing import NamedTuple

import numpy as np


class Activation(NamedTuple):
    value: callable         # overwrites its argument, and returns it
    slope: callable         # of the output
    gain: float             # random W with entries of variance gain/inputs: activations keep their size, roughly for softplus


def _softplus(a):
    return np.add(np.maximum(a, 0), np.log1p(np.exp(np.where(a > 0, -a, a))), out=a)


ACTIVATIONS = {
    "relu": Activation(lambda a: np.maximum(a, np.zeros_like(a[:, :1]), out=a), lambda z: z > 0, 2.0),
    "tanh": Activation(lambda a: np.tanh(a, out=a), lambda z: 1 - z * z, 1.0),
    "softplus": Activation(_softplus, lambda z: -np.expm1(-z), 2.0),
    "identity": Activation(lambda a: a, lambda z: 1, 1.0),
}
