"""Trained rank pruning: Euler at the cut matrix, its subgradient there and nowhere else, its ranks,
and its period; each check is shown the mistake that it is for."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import eps_of, lowrank_matrices, random_basis, seeds
from test_training import NET, equal, two_clouds

from lowrank_ode import Dense, DirectSum, LowRank
from lowrank_ode.compression import TRP, count_parameters
from lowrank_ode.compression.kernels import SCHEMES, fold, unfold
from lowrank_ode.compression.trp import nuclear_subgradient
from lowrank_ode.matrices import H, best_approximation, check_state, dense, norm
from lowrank_ode.nets import Network, layers, lenet5, mlp
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field, ranks, train

energies = st.sampled_from([0.0, 1e-12, 0.02, 0.1, 0.5, 0.99])


def sigmas(X):
    return np.linalg.svd(dense(X), compute_uv=False)


def inner(X, Z):
    """Re ⟨X, Z⟩."""
    return float(np.vdot(dense(X), dense(Z)).real)


def problem(dtype=np.float64):
    data = two_clouds()
    params = NET.init(np.random.default_rng(0), dtype=dtype)
    return params, gradient_field(NET, data.x, data.labels)


def cut(params, method):
    return dense(method.finished(params))


# the step

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_cuts_it_is_stochastic_gradient_descent_to_the_bit(dtype):
    """After the first step, which cuts, with any period larger than their number."""
    params = NET.init(np.random.default_rng(0), dtype=dtype)
    def last(start, method):
        *_, record = train(NET, start, two_clouds(), method, 0.2, 20, 3)
        return record.params

    never = TRP.of(NET, every=None, nuclear=1.0)
    assert equal(last(params, never), last(params, Dense(euler)))
    start = cut(params, rare := TRP.of(NET, every=10**6))
    assert equal(last(params, rare), last(start, Dense(euler)))
    assert {X.dtype for X in last(params, replace(never, every=2)).blocks} == {np.dtype(dtype)}
    # planted: a cut before each step
    assert not equal(last(params, replace(rare, every=1)), last(start, Dense(euler)))


@dataclass(frozen=True)
class AtTheUncut(TRP):
    """Planted: the gradient at W_t, not at T."""

    def step(self, Y, t, h, F):
        return cut(Y, self) + h * dense(F(t, Y))


def is_euler_at_the_cut(method):
    params, F = problem()
    got, T = method.step(params, 0.0, 0.3, F), cut(params, method)
    expected = Dense(euler).step(T, 0.0, 0.3, F)
    for k in method.blocks:
        expected.blocks[k][...] -= 0.3 * method.nuclear * dense(nuclear_subgradient(
            method.finished(params).blocks[k]))
    return norm(got - expected) <= 50 * np.finfo(float).eps * norm(expected)


def test_a_step_with_a_cut_is_that_of_euler_at_the_cut_matrix_with_the_subgradient():
    for nuclear in (0.0, 0.1):
        assert is_euler_at_the_cut(TRP.of(NET, energy=0.3, every=1, nuclear=nuclear))
    assert not is_euler_at_the_cut(AtTheUncut((0, 2), 0.3, 1))


def test_a_step_leaves_its_arguments_alone_and_makes_arrays_of_low_rank():
    params = NET.init(np.random.default_rng(0), 5)
    before, (_, F) = dense(params), problem()
    before = DirectSum([X.copy() for X in before.blocks])
    for t in (0, 1):
        Y1 = TRP.of(NET, energy=0.5, every=2, nuclear=0.1).step(params, t, 0.1, F)
        assert all(isinstance(X, np.ndarray) for X in check_state(Y1).blocks)
        assert equal(before, params)
    full = TRP.of(NET, energy=0.5, every=2, nuclear=0.1).step(before, 0, 0.1, F)
    assert norm(full - TRP.of(NET, energy=0.5, every=2, nuclear=0.1).step(params, 0, 0.1, F)) < 1e-13


# the ranks

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


# the subgradient

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
    return sigmas(Z).sum() - sigmas(T).sum() - inner(N, dense(Z) - dense(T))


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


# the period

def cuts(Method, batches=6, epochs=3):
    """The steps of a training run in which the gradient is taken at a cut matrix."""
    seen, data = [], two_clouds(20 * batches)

    class Spy(Method):
        def step(self, Y, t, h, F):
            def spied(t, X):
                seen.append(int(np.linalg.matrix_rank(X.blocks[2], tol=1e-8)) < 20)
                return F(t, X)
            return super().step(Y, t, h, spied)

    list(train(NET, NET.init(np.random.default_rng(0)), data, Spy((0, 2), 0.1, 4), 0.2, 20, epochs))
    assert len(seen) == batches * epochs
    return [t for t, low in enumerate(seen) if low]


class RestartedEachEpoch(TRP):
    """Planted: t counts within an epoch."""

    def step(self, Y, t, h, F):
        return super().step(Y, t % 6, h, F)


def test_it_cuts_every_so_many_steps_of_the_whole_training():
    assert cuts(TRP) == [0, 4, 8, 12, 16]
    assert cuts(RestartedEachEpoch) == [0, 4, 6, 10, 12, 16]


def test_time_is_the_number_of_the_step_of_every_training():
    times = []

    class Clock(Dense):
        def step(self, Y, t, h, F):
            times.append(t)
            return super().step(Y, t, h, F)

    list(train(NET, NET.init(np.random.default_rng(0)), two_clouds(), Clock(euler), 0.1, 60, 3))
    assert times == [0, 1, 2, 3, 4, 5] and {type(t) for t in times} == {float}


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
    T = cut(params, method)
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
    T, plain = cut(params, method), replace(method, nuclear=0.0)
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
    expected = IMAGES.outputs(cut(params, method), x)
    assert np.abs(net.outputs(small, x) - expected).max() <= 1e-12
    assert np.abs(IMAGES.outputs(params, x) - expected).max() > 1e-3
    if energy == 0.9:
        assert count_parameters(small) < count_parameters(params)


@pytest.mark.parametrize("options, message", [
    ({"scheme": "tucker"}, "scheme: got 'tucker', expected one of channel, "),
    ({"kernels": ((3, 3), None)}, "kernels: got 2, expected one for each of 1 blocks"),
    ({"energy": 1}, r"energy: got 1, expected .* in \[0, 1\)"), ({"energy": -0.1}, "energy: got -0"),
    ({"energy": np.nan}, "energy: got nan"), ({"every": 0}, "every: got 0"),
    ({"every": 2.5}, r"every: got 2\.5"), ({"nuclear": -1}, "nuclear: got -1"),
    ({"nuclear": np.inf}, "nuclear: got inf"), ({"blocks": ()}, r"blocks: got \(\)"),
    ({"blocks": (0, 0)}, r"blocks: got \(0, 0\), expected different"),
    ({"blocks": (-1,)}, "blocks: got -1"), ({"blocks": (0.5,)}, r"blocks: got 0\.5"),
])
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TRP(**{"blocks": (0,)} | options)


def test_bad_arguments_of_a_step_are_refused():
    params, F = problem()
    for t in (0.5, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"t: got .*, expected a whole number ≥ 0"):
            TRP((0,)).step(params, t, 0.1, F)
    for wrong, message in ((np.eye(3), "Y: got ndarray"), (DirectSum([np.eye(3)] * 2), "Y: got 2")):
        with pytest.raises(ValueError, match=f"{message}, expected a DirectSum of at least 3"):
            TRP((0, 2)).finished(wrong)
    with pytest.raises(ValueError, match="h: got 0"):
        TRP((0,)).step(params, 0, 0, F)
    with pytest.raises(ValueError, match=r"Y\.blocks\[1\]: .* expected finite numbers.*step size"):
        TRP((1,)).finished(DirectSum([np.eye(2), np.full((3, 3), np.nan)]))
    with pytest.raises(ValueError, match=r"blocks: got \[\]"):
        TRP.of(mlp([3, 2]))
    with pytest.raises(ValueError, match="kernel: got \\(3, 3\\) for a weight of shape \\(20, 20"):
        TRP((2,), kernels=((3, 3),)).finished(params)
