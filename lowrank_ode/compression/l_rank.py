"""The compression step of learning-compression: the best ranks for a price of a number."""

from .contract import method
from .cut import cut


@method()
def l_rank(net, params, budget, *, cost="parameters", normalised=False, scheme="channel"):
    """The ranks that minimise λ C + Σ ‖W − Ŵ‖², C the cost of all factors [IC20], with the price λ
    that meets the budget; at least 1. Each layer has a minimum of its own,

        argmin_j λ c j + Σ_{i>j} σᵢ² = #{i: σᵢ² > λ c},     gᵢ = σᵢ²/c,  c = n + m

    cost: "parameters", or "flops", for which c is what a rank takes of operations, 2 (n + m) for
    each pixel; the budget is one of numbers, all the same. normalised: σᵢ²/‖W‖² for σᵢ², so that
    the scale of a layer does not matter. scheme: how kernels are folded to matrices (kernels.py).
    Only the step from trained weights to ranks: the published method alternates it with training.

    Raises ValueError for another cost.
    """
    return cut(net, params, budget, lambda weight: priced(weight, cost, normalised),
               scheme)


def priced(weight, cost, normalised):
    squares = weight.sigma**2
    size = squares.sum() if normalised else 1.0
    return squares / (size or 1.0) / price(weight, cost)


def price(weight, cost):
    """What a rank costs."""
    if cost not in ("parameters", "flops"):
        raise ValueError(f"cost: got {cost!r}, expected parameters or flops")
    return weight.flops() if cost == "flops" else weight.numbers(1)
