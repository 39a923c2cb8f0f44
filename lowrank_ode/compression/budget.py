"""Ranks from a budget: a falling score for each layer, and one threshold for all of them.

Each method that chooses ranks is this one machine; what is its own is the score.
"""

from bisect import bisect_right
from fractions import Fraction
from math import floor
from numbers import Integral

import numpy as np


def numbers_allowed(budget, total):
    """The whole number of numbers that a budget allows, of `total` dense ones: itself if it is a
    whole number, else that part of the total, rounded down.

    Raises ValueError unless it is a part in (0, 1], or a whole number from 1 to the total.
    """
    if isinstance(budget, Integral) and not isinstance(budget, bool):
        if not 1 <= budget <= total:
            raise ValueError(f"budget: got {budget} numbers, expected 1 to {total}, those of the "
                             "dense network")
        return int(budget)
    is_part = np.ndim(budget) == 0 and np.asarray(budget).dtype.kind == "f"
    if not is_part or not 0 < budget <= 1:
        raise ValueError(f"budget: got {budget}, expected a part of the dense numbers in (0, 1], "
                         "or a whole number of them")
    return floor(Fraction(str(float(budget))) * total)      # as it is written: 0.29 of 100 is 29


def counts_above(scores, threshold):
    """For each layer, how many of its falling scores g₁ ≥ g₂ ≥ … exceed the threshold, or 1."""
    return [max(1, int(np.searchsorted(-g, -threshold))) for g in map(np.asarray, scores)]


def allocate(scores, numbers, allowed):
    """The largest counts j of the form j = max(1, #{i: gᵢ > e}), one threshold e ≥ 0 for all
    layers, with numbers(counts) ≤ allowed.

    scores: for each layer its falling g₁ ≥ g₂ ≥ …; numbers: a function of the counts, which does
    not fall when one rises. Equal scores pass the threshold together, so that the numbers jump, and
    the budget need not be met with equality; the next smaller threshold exceeds it.
    Raises ValueError where the smallest counts do; it says what they take.
    """
    thresholds = [np.inf, *np.unique(np.concatenate([[0.0], *scores]))[::-1]]
    within = bisect_right(thresholds, allowed, key=lambda e: numbers(counts_above(scores, e)))
    if not within:
        raise ValueError(f"budget: got {allowed} numbers, expected at least "
                         f"{numbers(counts_above(scores, np.inf))}: the smallest choice takes so "
                         "many")
    return counts_above(scores, thresholds[within - 1])
