"""Principal components of a layer's outputs: low rank where the data are, not where W is."""

import numpy as np

from ..matrices import LowRank
from .contract import method
from .cut import ranks_within
from .inputs import inputs_of
from .l_rank import price
from .weights import Approximation, plain, rebuilt, weights_of


@method(uses_data=True)
def pca(net, params, budget, *, x=None, cost="parameters"):
    """Outputs y = W z + b, before the activation, are projected onto their first j principal
    components U_j [ZZHS16]: ȳ + U_j U_jᵀ (y − ȳ) is a layer again,

        Ŵ = U_j (U_jᵀ W),     b̂ = ȳ + U_j U_jᵀ (b − ȳ)

    with the mean ȳ and the covariance, of eigenvalues λ₁ ≥ λ₂ ≥ …, over examples and pixels. Of all
    affine layers of rank j it has the least squared error on these. Without b all is about 0 in
    place of ȳ. Ranks: where a rank less costs more of the product of energies, it stays,

        gⱼ = (λⱼ / Σ_{a≤j} λₐ) / c,     c = n + m, or the operations of a rank if cost is "flops"

    x (samples, inputs): of the training set. Inputs of a layer are those of the dense network.
    Raises ValueError without x, for fewer samples than ranks, and for another cost.
    """
    net, params = plain(net, params)
    weights = weights_of(net, params)
    components = principal_components(net, params, weights, x)
    scores = [of_energies(s**2) / price(w, cost)
              for w, (_, s, _) in zip(weights, components, strict=True)]
    ranks = ranks_within(budget, params, weights, scores)
    return rebuilt(net, params, weights,
                   [rank and projected(weight, U[:, :rank], mean) for weight, rank, (mean, _, U)
                    in zip(weights, ranks, components, strict=True)])


def principal_components(net, params, weights, x):
    """(ȳ, σ, U) for each weight: the mean of its outputs (n, 1), the singular values σ² ∝ λ of the
    centred ones, and the principal components, the columns of U (n, n).

    Of the outputs as rows, with a 1 in front, the triangular factor R is kept: its first row is
    √N (1, ȳᵀ), and the rest that of the centred outputs. So no digits are lost in squares.
    """
    factors, counted = {}, {}
    for weight, A in inputs_of(net, params, weights, x):
        place, Z = weight.place, A.reshape(-1, weight.shape[1])
        Y = Z @ weight.W.T
        if weight.rest:
            Y = np.hstack([np.ones((len(Y), 1)), Y + weight.rest[0].T])
        Y = np.vstack([factors[place], Y]) if place in factors else Y
        factors[place] = np.linalg.qr(Y, mode="r")
        counted[place] = counted.get(place, 0) + len(Z)
    for weight in weights:
        _check_samples(weight, counted[weight.place])
    return [_components(weight, factors[weight.place]) for weight in weights]


def _components(weight, R):
    mean = np.zeros((weight.shape[0], 1))
    if weight.rest:
        mean, R = R[:1, 1:].T / R[0, 0], R[1:, 1:]
    _, sigma, Uh = np.linalg.svd(R)
    rounding = max(weight.shape) * np.finfo(weight.dtype).eps * sigma.max()
    return mean, np.where(sigma > rounding, sigma, 0.0), Uh.T


def _check_samples(weight, samples):
    """There may be no rank that the samples do not determine."""
    n, m = weight.shape
    most = (n * m - 1) // (n + m)
    if samples <= most:
        raise ValueError(f"x: {samples} samples and pixels at layer {weight.place}, expected at "
                         f"least {most + 1}: its rank may be {most}")


def of_energies(energies):
    """λⱼ over the sum up to it, and 0 where that is 0."""
    return energies / (np.cumsum(energies) + (energies.max() == 0))


def projected(weight, U, mean):
    """The layer followed by the projection onto the columns of U about the mean."""
    Q, R = np.linalg.qr(weight.W.T @ U)
    bias = None
    if weight.rest:
        b = weight.rest[0].astype(np.float64)
        bias = mean + U @ (U.T @ (b - mean))
    return Approximation((LowRank(U, R.T, Q),), None, bias)
