"""ALDS: groups of channels and ranks, chosen so that the largest relative error is least."""

import numpy as np

from ..generators import generator
from ..matrices import best_approximation
from ..options import check_count
from .budget import allocate, numbers_allowed
from .contract import method
from .counts import count_parameters
from .weights import Approximation, plain, rebuilt, total_numbers, weights_of

MOST_GROUPS = 16

BOUNDS = {      # of ‖[E_1 … E_k]‖₂ from ‖E_i‖₂, along the first axis
    "root": lambda s: np.sqrt((s**2).sum(axis=0)),
    "sqrt_k": lambda s: np.sqrt(len(s)) * s.max(axis=0),
    "max": lambda s: s.max(axis=0),
}


@method()
def alds(net, params, budget, *, bound="root", groups=None, seeds=None, rng=None,
         scheme="channel"):
    """Automatic layer-wise decomposition selection [LMFR21]. The columns of each weight W (n, m)
    are split by groups of channels, W = [W_1 … W_k], and each W_i is cut to the rank j, in
    j (k n + m) numbers. With the singular values σ_{i,1} ≥ σ_{i,2} ≥ … of W_i

        ε(k, j) = β(σ_{1,j+1}, …, σ_{k,j+1}) / ‖W‖₂ ≥ ‖W − Ŵ‖₂ / ‖W‖₂
        minimise  max over layers of ε(k, j)  subject to  Σ j (k n + m) ≤ budget

    Local step: a table of ε(k, j) and numbers for each layer, every k up to 16 that divides its
    channels; and dense. Global step: at a level e each layer takes its cheapest entry with
    ε ≤ e. That falls as e rises, so the least level within the budget is found by bisection among
    the entries, and is the exact minimum.

    bound: β is the root of the sum of squares; "sqrt_k" √k times the largest, as published;
    "max" the largest, as in the released code [TPCODE21]: a lower bound if k > 1.
    groups: a number of groups for all layers. seeds: in place of the exact step so many starts of
    the published alternation (`alternated`); rng, a numpy Generator or a seed, draws them.
    scheme: how kernels are folded to matrices (kernels.py); a group is one of channels in each.

    Raises ValueError for an unknown bound, and for groups that do not divide the channels.
    """
    if bound not in BOUNDS:
        raise ValueError(f"bound: got {bound!r}, expected one of {', '.join(BOUNDS)}")
    net, params = plain(net, params)
    weights = weights_of(net, params, scheme)
    tables = [table(weight, bound, groups) for weight in weights]
    fixed = count_parameters(params) - sum(weight.numbers() for weight in weights)
    allowed = numbers_allowed(budget, total_numbers(params))
    if seeds is None:
        entries = cheapest(tables, fixed, allowed)
    else:
        entries = alternated(tables, fixed, allowed, check_count("seeds", seeds),
                             generator(rng))
    return rebuilt(net, params, weights,
                   [decomposed(*pair) for pair in zip(weights, entries, strict=True)])


def table(weight, bound="root", groups=None):
    """(k, j, ε, numbers) for all k and j for which factors are smaller than W, and for dense,
    (1, None, 0, n m)."""
    entries, beta = [(1, None, 0.0, weight.numbers())], BOUNDS[bound]
    for k in _groups(weight, groups):
        most = (weight.numbers() - 1) // weight.numbers(1, k)
        errors = beta(weight.spectra(k)) / (weight.sigma[0] or 1.0)
        entries += [(k, j, float(errors[j]), weight.numbers(j, k)) for j in range(1, most + 1)]
    return entries


def _groups(weight, groups):
    channels = weight.channels
    if groups is None:
        return [k for k in range(1, min(channels, MOST_GROUPS) + 1) if channels % k == 0]
    if channels % check_count("groups", groups):
        raise ValueError(f"groups: got {groups}, expected a divisor of the {channels} channels of "
                         f"layer {weight.place}")
    return [groups]


def cheapest(tables, fixed, allowed):
    """The global step: an entry for each layer, the largest ε as small as the numbers allow; of
    each layer the least ε at its numbers."""
    steps = [_staircase(entries) for entries in tables]
    scores = [np.array([np.inf, *(error for _, _, error, _ in entries[:-1])]) for entries in steps]

    def numbers(counts):
        return fixed + sum(entries[c - 1][3] for entries, c in zip(steps, counts, strict=True))

    counts = allocate(scores, numbers, allowed)
    return [entries[c - 1] for entries, c in zip(steps, counts, strict=True)]


def _staircase(entries):
    """Those entries than which none is cheaper with an error no larger; numbers rise, ε falls."""
    kept = []
    for entry in sorted(entries, key=lambda entry: (entry[3], entry[2])):
        if not kept or entry[2] < kept[-1][2]:
            kept.append(entry)
    return kept


def alternated(tables, fixed, allowed, seeds, rng):
    """The published global step, expectation and maximisation by name: from groups k drawn at
    random for each layer (from k = 1 at first)

        ranks:   the least level, with these k, whose numbers meet the budget
        groups:  for each layer, with its numbers b, the k with least ε(k, ⌊b/(k n + m)⌋)

    until the largest ε falls no more; the best of all starts. Rounded down, neither step can raise
    it. A dense layer keeps its groups. Starts whose rank 1 exceeds the budget are left out.
    """
    best = None
    for seed in range(seeds):
        choices = [sorted({k for k, j, _, _ in entries if j}) or [1] for entries in tables]
        groups = [int(rng.choice(ks)) if seed else ks[0] for ks in choices]
        least = fixed + sum(min(entry[3] for entry in entries)
                            for entries in map(_with_groups, tables, groups))
        if seed and least > allowed:
            continue
        *_, entries = alternation(tables, fixed, allowed, groups)
        if best is None or worst(entries) < worst(best):
            best = entries
    return best


def alternation(tables, fixed, allowed, groups):
    """The entries after each of the two steps in turn, as long as the largest ε falls."""
    level = np.inf
    while True:
        entries = cheapest([*map(_with_groups, tables, groups)], fixed, allowed)
        if not worst(entries) < level:
            return
        level = worst(entries)
        yield entries
        entries = [_best_groups(*pair) for pair in zip(tables, entries, strict=True)]
        groups = [new[0] if new[1] else old for new, old in zip(entries, groups, strict=True)]
        yield entries


def _with_groups(entries, groups):
    """Those with so many groups, and dense."""
    return [entry for entry in entries if entry[0] == groups or entry[1] is None]


def _best_groups(entries, given):
    """Of all k, with at most the numbers given, the one with least ε at the largest such rank."""
    if given[1] is None:
        return given
    largest = {k: entry for entry in entries for k, j, _, numbers in [entry]
               if j and numbers <= given[3]}        # ranks rise: the last one of each k stays
    return min([given, *largest.values()], key=lambda entry: entry[2])


def worst(entries):
    return max((error for _, _, error, _ in entries), default=0.0)


def decomposed(weight, entry):
    """W_1, …, W_k, each its best approximation of rank j; None for a dense entry."""
    k, rank, error, _ = entry
    if rank is None:
        return None
    return Approximation(tuple(best_approximation(W, rank=rank) for W in weight.parts(k)), error)
