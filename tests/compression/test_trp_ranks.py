"""What trained rank pruning cuts: to which ranks, of which blocks, and kernels as their scheme
folds them; each check is shown the mistake that it is for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import sigmas
from strategies import eps_of, lowrank_matrices, random_basis, seeds

from lowrank_ode import Dense, DirectSum, LowRank
from lowrank_ode.compression import TRP, count_parameters
from lowrank_ode.compression.kernels import SCHEMES, fold, unfold
from lowrank_ode.compression.trp import nuclear_subgradient
from lowrank_ode.matrices import best_approximation, check_state, dense, norm
from lowrank_ode.nets import Network, layers, lenet5, mlp
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field, ranks

energies = st.sampled_from([0.0, 1e-12, 0.02, 0.1, 0.5, 0.99])


def rank_by_definition(sigma, energy, part=lambda sigma: sigma**2):
    """The smallest k ≥ 1 with Σ_{i≤k} σᵢ² ≥ (1 − e) Σ σᵢ²."""
    parts = part(sigma)
    return next(k for k in range(1, len(sigma) + 1)
                if parts[:k].sum() >= (1 - energy) * parts.sum())


@given(seeds, st.sampled_from([0.02, 0.1, 0.5, 0.99]), st.integers(2, 9))
def test_the_rank_is_the_smallest_with_so_much_of_the_sum_of_squares(seed, energy, n):
    rng = np.random.default_rng(seed)
    sigma = np.sort(rng.random(n))[::-1] ** 3
    W = (random_basis(rng, n, n) * sigma) @ random_basis(rng, n, n)
    (k,) = ranks(TRP((0,), energy).finished(DirectSum([W])))
    assert k == rank_by_definition(sigma, energy)


def test_the_sum_of_the_singular_values_gives_other_ranks():
    """Planted: the 1-norm for the 2-norm."""
    sigma = np.array([1.0, 0.5, 0.25, 0.125])
    assert ranks(TRP((0,), 0.1).finished(DirectSum([np.diag(sigma)]))) == (2,)
    assert rank_by_definition(sigma, 0.1, part=lambda sigma: sigma) == 3


@given(lowrank_matrices(), energies)
def test_the_last_cut_is_the_best_approximation_of_its_rank_and_loses_no_more_energy(Y, energy):
    W = dense(Y)
    (T,) = TRP((0,), energy).finished(DirectSum([W])).blocks
    check_state(T)
    sigma, allowed = sigmas(W).astype(float), 50 * eps_of(W) * max(W.shape) * norm(W)
    assert T.dtype == W.dtype
    assert abs(norm(dense(T) - W) - np.linalg.norm(sigma[T.rank:])) <= allowed
    assert np.linalg.norm(sigma[T.rank:]) <= energy**0.5 * norm(W) + allowed
    assert T.rank == 1 or np.linalg.norm(sigma[T.rank - 1:]) >= energy**0.5 * norm(W) - allowed


# which blocks

def test_the_weights_of_a_network_are_named_and_biases_are_none():
    assert TRP.of(mlp([6, 20, 20, 2])).blocks == (0, 2)
    assert TRP.of(lenet5()).blocks == (0, 2, 4)
    assert TRP.of(lenet5(), last=True).blocks == (0, 2, 4, 6)
    assert TRP.of(lenet5(), first=False).blocks == (2, 4)
    assert TRP.of(lenet5(), last=True).kernels == ((5, 5), (5, 5), None, None)
    narrow = Network((1,), (layers.Dense(5), layers.Dense(1), layers.Dense(2)))     # W1 is 5 × 1
    assert TRP.of(narrow).blocks == (0, 2)
    groups = Network((8,), (Grouped(6, 2), layers.Dense(4), Grouped(3, 2)))
    assert TRP.of(groups).blocks == (0, 1, 3) and TRP.of(groups, first=False).blocks == (3,)
    assert TRP.of(groups, last=True).blocks == (0, 1, 3, 5, 6)
    net = lenet5((16, 16, 1))
    cut = TRP.of(net, energy=0.5).finished(net.init(np.random.default_rng(0)))
    assert [isinstance(X, LowRank) for X in cut.blocks] == [True, False] * 3 + [False] * 2


# kernels

IMAGES = Network((7, 8, 3), (layers.Dense(4),       # a weight on pixels
                             Patches((3, 2), (1, 2), (1, 0)), layers.Dense(9), MaxPool(),
                             Flatten(), layers.Dense(5), layers.Dense(2)))


def images(energy=0.3, **options):
    """Parameters, a field on them, inputs, and TRP of kernels 3 × 2 on 4 channels."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((20, 7 * 8 * 3)), rng.integers(0, 2, 20)
    params = IMAGES.init(rng)
    return params, gradient_field(IMAGES, x, labels), x, TRP.of(IMAGES, energy=energy, **options)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_kernels_are_cut_as_their_scheme_folds_them(scheme):
    """And not as another one does, planted; weights on no windows as they are."""
    params, _, _, method = images(scheme=scheme)
    T = dense(method.finished(params))
    assert method.blocks == (0, 2, 4) and method.kernels == (None, (3, 2), None)

    def tails(W, scheme):
        """Of the rank that the definition gives, part by part, the largest for all."""
        found = [sigmas(part) for part in fold(W, (3, 2), scheme)]
        k = max(rank_by_definition(sigma, 0.3) for sigma in found)
        return np.linalg.norm([np.linalg.norm(sigma[k:]) for sigma in found])

    size = norm(params)
    distance = norm(T.blocks[2] - params.blocks[2])
    assert abs(distance - tails(params.blocks[2], scheme)) <= 1e-13 * size
    assert all(abs(distance - tails(params.blocks[2], other)) > 1e-3
               for other in SCHEMES if other != scheme)
    for k in (0, 4):
        sigma = sigmas(params.blocks[k])
        assert (method.finished(params).blocks[k].rank == np.linalg.matrix_rank(T.blocks[k])
                == rank_by_definition(sigma, 0.3))
    assert isinstance(method.finished(params).blocks[2], LowRank) == (scheme == "channel")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_step_on_folded_kernels_goes_along_the_subgradient_of_the_folded_matrix(scheme):
    params, F, _, method = images(scheme=scheme, nuclear=0.1)
    T, plain = dense(method.finished(params)), replace(method, nuclear=0.0)
    moved = plain.step(params, 0, 0.3, F) - method.step(params, 0, 0.3, F)
    assert norm(plain.step(params, 0, 0.3, F) - Dense(euler).step(T, 0, 0.3, F)) <= 1e-13

    def expected(scheme):
        parts = [best_approximation(part, rank=np.linalg.matrix_rank(part, tol=1e-9))
                 for part in fold(T.blocks[2], (3, 2), scheme)]
        return 0.03 * unfold([nuclear_subgradient(part) for part in parts], (3, 2), scheme)

    assert norm(moved.blocks[2] - expected(scheme)) <= 1e-12
    other = "spatial" if scheme == "channel" else "channel"
    assert norm(moved.blocks[2] - expected(other)) > 1e-3           # planted: another folding
    assert norm(moved.blocks[4]) > 1e-3
    assert all(norm(moved.blocks[k]) == 0 for k in (1, 3, 5, 6, 7))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("energy", [0.3, 0.9])
def test_the_decomposed_network_computes_what_the_cut_weights_do_with_fewer_numbers(scheme, energy):
    params, _, x, method = images(energy, scheme=scheme)
    net, small = method.decomposed(IMAGES, params)
    expected = IMAGES.outputs(dense(method.finished(params)), x)
    assert np.abs(net.outputs(small, x) - expected).max() <= 1e-12
    assert np.abs(IMAGES.outputs(params, x) - expected).max() > 1e-3
    if energy == 0.9:
        assert count_parameters(small) < count_parameters(params)
