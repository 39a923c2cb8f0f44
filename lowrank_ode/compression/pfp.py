"""Provable filter pruning: outputs go that no next layer ever depends on much."""

from bisect import bisect_right

import numpy as np

from .budget import allocate, numbers_allowed
from .chains import chain_of
from .contract import method
from .filters import largest
from .inputs import inputs_of
from .weights import total_numbers

FAILURE = 1e-16         # δ, the probability that the published bound fails
TINY = np.finfo(float).tiny     # sums below are 0: nobody depends on their parts
TRIALS = 2**60          # more draws than that are never wanted


@method(uses_data=True, low_rank=False)
def pfp(net, params, budget, *, x=None):
    """Provable filter pruning [LBLFR20], its deterministic variant. Sensitivity of channel c of
    the inputs z of a layer, that is, of output c of the layer below:

        s_c = max |w_iq z_q| / Σ_q' |w_iq' z_q'|    over examples, pixels, outputs i, columns q of c

    with the sum over all columns q' where w and z have the signs that they have at q.

    With S = Σ s_c, p_c = s_c/S, α = 6 ln(8 (P + 1) κ/δ) for P pixels and κ places in the kernel, an
    error ε takes M = ⌈3 (6 + 2ε) α S/ε²⌉ draws of channels, among which are about
    n = ⌈Σ_c 1 − (1 − p_c)^M⌉ different ones: the n of largest s_c stay. One ε for all layers. The
    first inputs and the last outputs stay.

    x (samples, inputs): of the training set; a few hundred do. Returns a smaller dense network.
    Raises ValueError without x, and for a network that is no chain.
    """
    chain = chain_of(net, params)
    found = sensitivities(chain, x)
    scores = [errors(s, weight.positions, weight.shape[1] // len(s))
              for weight, s in zip(chain.weights[1:], found, strict=True)]
    counts = allocate(scores, chain.numbers, numbers_allowed(budget, total_numbers(params)))
    return chain.smaller([largest(s, n) for s, n in zip(found, counts, strict=True)])


def sensitivities(chain, x):
    """s_c of the channels that each weight but the first sees."""
    widths = dict(zip((weight.place for weight in chain.weights), chain.widths, strict=True))
    found = {weight.place: np.zeros(weight.shape[1]) for weight in chain.weights[1:]}
    for weight, A in inputs_of(chain.net, chain.params, chain.weights, x):
        if weight.place in found:
            Z = A.reshape(-1, weight.shape[1])
            for z in (np.maximum(Z, 0), np.maximum(-Z, 0)):
                if z.any():
                    largest_parts(weight.W, z, found[weight.place])
    return [parts.reshape(-1, widths[place]).max(axis=0) for place, parts in found.items()]


def largest_parts(W, Z, found):
    """Raises `found` to the largest |w z_q| / Σ |w z| for each column q of W, over the rows of W
    and of Z ≥ 0, with the sum over entries of w of the same sign."""
    parts = np.empty_like(Z)
    for row in W:
        for w in (np.maximum(row, 0), np.maximum(-row, 0)):
            sums = Z @ w
            inverse = np.divide(1, sums, out=np.zeros_like(sums), where=sums > TINY)
            np.multiply(Z, inverse[:, None], out=parts)
            np.maximum(found, np.minimum(w * parts.max(axis=0), 1), out=found)


def errors(s, positions, places):
    """ε₁ ≥ ε₂ ≥ …: more than i − 1 channels are drawn exactly if ε < εᵢ.

    Their number exceeds i − 1 from some M draws on, and ε takes that many if
    3 (6 + 2ε) α S/ε² > M − 1.
    """
    S, alpha = s.sum(), 6 * np.log(8 * (positions + 1) * places / FAILURE)
    if S == 0:
        return np.zeros(len(s))
    with np.errstate(divide="ignore"):
        never = np.log1p(-s / S)                        # log of the probability, in one draw

    def different(draws):
        return -np.expm1(draws * never).sum()

    draws = np.array([bisect_right(range(1, TRIALS), i, key=different) + 1
                      for i in range(len(s))], float)
    a, b = draws - 1, alpha * S
    with np.errstate(divide="ignore"):                  # one draw suffices for any ε
        roots = (3 * b + np.sqrt(9 * b**2 + 18 * a * b)) / a
    return np.where(draws < TRIALS, roots, 0.0)
