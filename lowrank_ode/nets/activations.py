"""Activation functions as pairs: σ(a), and σ'(a) as a function of the output z = σ(a), so that
backprop keeps outputs only.

One of your own is an `Activation`, given in place of a name. All of these but relu are analytic,
and act on complex arguments too: a complex step checks a gradient to the last digit.
"""

from typing import NamedTuple

import numpy as np

from .numerical import untouched


class Activation(NamedTuple):
    """value(a) may overwrite the array a, and returns it or another; slope(z) leaves z as it is.

    gain: random W with entries of variance gain/inputs let activations keep their size.
    """

    value: callable
    slope: callable         # of the output
    gain: float = 1.0


def _relu(a):
    return np.maximum(a, np.zeros_like(a[:1]), out=a)       # NumPy is slow with a single 0


def _softplus(a):
    return np.add(np.maximum(a, 0), np.log1p(np.exp(np.where(a > 0, -a, a))), out=a)


ACTIVATIONS = {
    "relu": Activation(_relu, lambda z: z > 0, 2.0),
    "tanh": Activation(lambda a: np.tanh(a, out=a), lambda z: 1 - z * z, 1.0),
    "softplus": Activation(_softplus, lambda z: -np.expm1(-z), 2.0),       # gain: roughly
    "identity": Activation(lambda a: a, lambda z: 1, 1.0),
}


def activation_of(given):
    """The Activation of that name, or the one given; ValueError for anything else."""
    if isinstance(given, Activation):
        if not (callable(given.value) and callable(given.slope)):
            raise ValueError(f"activation: got {given}, expected functions value and slope")
        return given
    if not isinstance(given, str) or given not in ACTIVATIONS:
        raise ValueError(f"activation: got {given!r}, expected an Activation or one of "
                         f"{', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[given]


def activated(activation, a):
    """σ(a), written over a: what `value` returns may be an array that it returns each time.

    Raises ValueError if what `value` returns is no array of that shape, or complex where a is real.
    """
    out = activation_of(activation).value(a)
    is_like = isinstance(out, np.ndarray) and out.shape == a.shape
    if not is_like or not np.can_cast(out.dtype, a.dtype, "same_kind"):
        found = f"shape {out.shape} of {out.dtype}" if isinstance(out, np.ndarray) else out
        raise ValueError(f"activation: value(a) gave {found}, "
                         f"expected an array of shape {a.shape} of {a.dtype}")
    if out is not a:
        a[...] = out
    return a


def slope_of(activation, out):
    """σ' where σ is `out`, which stays as it is: a real number, or an array like it.

    Raises ValueError if what `slope` returns is neither, and if it writes to `out`.
    """
    slope = activation_of(activation).slope(untouched(out))
    if np.shape(slope) not in ((), out.shape) or np.asarray(slope).dtype.kind not in "biuf":
        raise ValueError(f"activation: slope(z) gave shape {np.shape(slope)} of "
                         f"{np.asarray(slope).dtype}, expected real numbers of shape {out.shape}")
    return slope
