"""Weights cut to ranks that a score and a budget choose: what the methods have in common."""

from ..matrices import best_approximation
from .budget import allocate, numbers_allowed
from .counts import count_parameters
from .weights import Approximation, plain, rebuilt, total_numbers, weights_of


def cut(net, params, budget, score, scheme="channel"):
    """(net, params, report) with the best approximation of each weight, folded by the scheme, of
    rank #{i: gᵢ > e}, and one threshold e for all; score(weight) is the falling g₁ ≥ g₂ ≥ … of its
    σ₁ ≥ σ₂ ≥ …."""
    net, params = plain(net, params)
    weights = weights_of(net, params, scheme)
    ranks = ranks_within(budget, params, weights, [score(weight) for weight in weights])
    return rebuilt(net, params, weights, [rank and approximation(weight, rank)
                                          for weight, rank in zip(weights, ranks, strict=True)])


def approximation(weight, rank):
    """The best one of that rank; its relative error is σ_{r+1}/σ₁."""
    W, = weight.parts(1)
    return Approximation((best_approximation(W, rank=rank),),
                         float(weight.sigma[rank] / (weight.sigma[0] or 1.0)))


def ranks_within(budget, params, weights, scores):
    """A rank for each weight, None for one that stays dense, as its factors are no smaller."""
    def numbers(ranks):
        return fixed + sum(min(weight.numbers(), weight.numbers(rank))
                           for weight, rank in zip(weights, ranks, strict=True))

    fixed = count_parameters(params) - sum(weight.numbers() for weight in weights)
    ranks = allocate(scores, numbers, numbers_allowed(budget, total_numbers(params)))
    return [rank if weight.numbers(rank) < weight.numbers() else None
            for weight, rank in zip(weights, ranks, strict=True)]
