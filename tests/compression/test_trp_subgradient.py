"""The subgradient of trained rank pruning: one at the cut matrix and nowhere else."""

import numpy as np
from clouds import NET, two_clouds
from hypothesis import given
from hypothesis import strategies as st
from measures import sigmas
from strategies import eps_of, random_basis, seeds

from lowrank_ode import DirectSum
from lowrank_ode.compression import TRP
from lowrank_ode.compression.trp import nuclear_subgradient
from lowrank_ode.matrices import H, best_approximation, dense, norm
from lowrank_ode.training import ranks, train


@st.composite
def cut_and_uncut(draw):
    """A matrix W with a tail that is not rounding, its cut T, and k."""
    rng, k = np.random.default_rng(draw(seeds)), draw(st.integers(1, 4))
    tail = draw(st.integers(1, 4))
    dtype = draw(st.sampled_from([np.float64, np.complex128]))
    top = np.sort(1 + draw(st.sampled_from([0.0, 1.0, 1e3])) * rng.random(k))[::-1]
    sigma = np.r_[top, draw(st.sampled_from([0.5, 1e-3])) * np.ones(tail)]
    m, n = (len(sigma) + draw(st.integers(0, 9)) for _ in range(2))
    U, V = (random_basis(rng, size, len(sigma), dtype) for size in (m, n))
    W = (U * sigma) @ H(V)
    return W, best_approximation(W, rank=k), sigma, rng


def gap(T, N, Z):
    """‖Z‖_* − ‖T‖_* − Re ⟨N, Z − T⟩, which is ≥ 0 for all Z if N is a subgradient at T."""
    product = np.vdot(dense(N), dense(Z) - dense(T)).real
    return sigmas(Z).sum() - sigmas(T).sum() - product


@given(cut_and_uncut())
def test_the_subgradient_is_one_at_the_cut_matrix_and_none_before_the_cut(drawn):
    """Z arbitrary, on the same spaces, with the rest of W, and T turned round; at W, by Z = T, the
    inequality fails by Σ_{i>k} σᵢ."""
    W, T, sigma, rng = drawn
    N, size, k = nuclear_subgradient(T), sigma[0], T.rank
    rounding = 50 * eps_of(W) * len(sigma) ** 1.5 * size
    for Z in (W, -W, 0 * W, dense(T) + dense(N), rng.standard_normal(W.shape),
              size * dense(N), dense(T) * 2, T.U @ rng.standard_normal((k, k)) @ H(T.V)):
        assert gap(T, N, Z) >= -rounding * (1 + sigmas(Z).sum() / size)
    assert abs(gap(W, N, T) + sigma[k:].sum()) <= rounding
    assert gap(W, N, T) < -0.4 * sigma[k]


@given(cut_and_uncut())
def test_a_step_along_it_before_the_cut_lowers_the_large_singular_values_alone(drawn):
    """So it is no way to a lower rank. After the cut there are no others."""
    W, T, sigma, _ = drawn
    step, k = 0.1 * sigma[-1], T.rank
    moved = sigmas(W - step * dense(nuclear_subgradient(T)))[:len(sigma)]
    expected = sigma - step * (np.arange(len(sigma)) < k)
    assert np.abs(moved - np.sort(expected)[::-1]).max() <= 50 * eps_of(W) * len(W) * sigma[0]
    assert np.abs(sigmas(W - step * dense(nuclear_subgradient(best_approximation(
        W, rank=min(W.shape)))))[:len(sigma)] - (sigma - step)).max() < 1e-9 * sigma[0]


def test_of_the_zero_matrix_it_is_zero():
    zero = TRP((0,)).finished(DirectSum([np.zeros((3, 2))])).blocks[0]
    assert norm(nuclear_subgradient(zero)) == 0
    params, F = DirectSum([np.zeros((3, 2))]), lambda t, Y: DirectSum([np.zeros((3, 2))])
    assert norm(TRP((0,), every=1, nuclear=1.0).step(params, 0, 1.0, F)) == 0


def test_the_nuclear_norm_lowers_the_ranks_of_training():
    def trained(nuclear):
        method = TRP.of(NET, energy=0.1, every=4, nuclear=nuclear)
        *_, last = train(NET, NET.init(np.random.default_rng(0)), two_clouds(), method, 0.2, 20, 30)
        return ranks(method.finished(last.params))

    assert sum(trained(0.2)) < sum(trained(0.0))
