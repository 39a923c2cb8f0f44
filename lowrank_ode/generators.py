"""Random numbers: where a Generator is meant, a seed will do."""

import numpy as np

BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def generator(rng, name="rng"):
    """The numpy Generator given, or a new one from a seed; None is the seed 0.

    Raises ValueError, with the name of the argument, for anything else.
    """
    try:
        return np.random.default_rng(0 if rng is None else rng)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: got {rng!r}, expected a numpy Generator or a seed, "
                         "a whole number ≥ 0") from error


def generator_from(state, name="generator"):
    """A Generator that goes on where the one of that state stood.

    Raises ValueError, with the name of the argument, for what is no state of one of NumPy's.
    """
    try:
        kind = state["bit_generator"]
        if kind not in BIT_GENERATORS:
            raise ValueError(f"{kind}, expected one of {', '.join(BIT_GENERATORS)}")
        bits = getattr(np.random, kind)()
        bits.state = state
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: no state of a numpy Generator: {error}") from error
    return np.random.Generator(bits)
