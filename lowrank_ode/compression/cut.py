"""Weights cut to ranks that a score and a budget choose: what the methods have in common."""

from ..matrices import best_approximation
from .budget import allocate, numbers_allowed
from .weights import Piece, rebuilt, total_numbers, weights_of


def cut(net, params, budget, score):
    """(net, params, report) with the best approximation of each weight of rank #{i: gᵢ > e}, and
    one threshold e for all; score(weight) is the falling g₁ ≥ g₂ ≥ … of its σ₁ ≥ σ₂ ≥ …."""
    weights = weights_of(net, params)
    ranks = ranks_within(budget, params, weights, [score(weight) for weight in weights])
    pieces = [rank and Piece((best_approximation(weight.W, rank=rank),), tail(weight, rank))
              for weight, rank in zip(weights, ranks, strict=True)]
    return rebuilt(net, params, weights, pieces)


def tail(weight, rank):
    """σ_{r+1}/σ₁, the relative error of the best approximation of rank r."""
    return float(weight.sigma[rank] / (weight.sigma[0] or 1.0))


def ranks_within(budget, params, weights, scores):
    """A rank for each weight, None for one that stays dense, as its factors are no smaller."""
    def numbers(ranks):
        return fixed + sum(min(weight.numbers(), weight.numbers(rank))
                           for weight, rank in zip(weights, ranks, strict=True))

    total = total_numbers(params)
    fixed = total - sum(weight.numbers() for weight in weights)
    ranks = allocate(scores, numbers, numbers_allowed(budget, total))
    return [rank if weight.numbers(rank) < weight.numbers() else None
            for weight, rank in zip(weights, ranks, strict=True)]
