"""Trained rank pruning: Euler at the cut matrix, and its period; each check is shown the mistake
that it is for. Its subgradient is in test_trp_subgradient.py, its ranks in test_trp_ranks.py."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from clouds import NET, equal, two_clouds

from lowrank_ode import Dense, DirectSum
from lowrank_ode.compression import TRP
from lowrank_ode.compression.trp import nuclear_subgradient
from lowrank_ode.matrices import check_state, dense, norm
from lowrank_ode.nets import mlp
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field, train


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
    method = TRP.of(NET, energy=0.5, every=2, nuclear=0.1)
    for t in (0, 1):
        Y1 = method.step(params, t, 0.1, F)
        assert all(isinstance(X, np.ndarray) for X in check_state(Y1).blocks)
        assert equal(before, params)
    full = method.step(before, 0, 0.1, F)
    assert norm(full - method.step(params, 0, 0.1, F)) < 1e-13


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


@pytest.mark.parametrize("options, message", [
    ({"scheme": "tucker"}, "scheme: got 'tucker', expected one of channel, "),
    ({"kernels": ((3, 3), None)}, "kernels: got 2, expected one for each of 1 blocks"),
    ({"energy": 1}, r"energy: got 1, expected .* in \[0, 1\)"),
    ({"energy": -0.1}, "energy: got -0"), ({"energy": np.nan}, "energy: got nan"),
    ({"every": 0}, "every: got 0"),
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
