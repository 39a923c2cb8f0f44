"""Random numbers: where a Generator is meant, a seed will do."""

import numpy as np


def generator(rng, name="rng"):
    """The numpy Generator given, or a new one from a seed; None is the seed 0.

    Raises ValueError, with the name of the argument, for anything else.
    """
    try:
        return np.random.default_rng(0 if rng is None else rng)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: got {rng!r}, expected a numpy Generator or a seed, "
                         "a whole number ≥ 0") from error
