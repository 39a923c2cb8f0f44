"""Weight decay is a part of the field, W' = −∇L − decay · W, in factors where W is in factors."""

import numpy as np
import pytest
from clouds import NET, TRAINING, equal, start, two_clouds

from lowrank_ode import DLRT, Dense, DirectSum, LowRank
from lowrank_ode.integrators import GeoLoRA
from lowrank_ode.matrices import dense, norm
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field, train

EPS = np.finfo(float).eps


class Flat:
    """A network whose loss is the same everywhere; its gradient is of the kinds of the real one."""

    inputs, classes = NET.inputs, NET.classes
    accuracy = staticmethod(NET.accuracy)

    def value_and_grad(self, params, x, labels):
        loss, grads = NET.value_and_grad(params, x, labels)
        return loss, 0.0 * grads


def with_biases(params):
    return DirectSum([np.ones(X.shape) if k % 2 else X for k, X in enumerate(params.blocks)])


def shrinks(method, decay, told):
    """Whether each block of 12 steps without a gradient shrinks by (1 − h · decay)¹², as `told`."""
    params, h = with_biases(start(method)), 0.1
    *_, last = train(Flat(), params, two_clouds(), method, h, 60, 6, decay=told)
    factor = (1 - h * decay) ** 12
    return all(norm(Y1 - factor * dense(Y0)) <= 12 * 50 * EPS * norm(Y0) for Y0, Y1
               in zip(params.blocks, dense(last.params).blocks, strict=True))


@pytest.mark.parametrize("method", [Dense(euler), DLRT(0), GeoLoRA(0)], ids=str)
def test_without_a_gradient_all_blocks_shrink_by_one_factor_a_step_biases_too(method):
    assert shrinks(method, 0.5, 0.5)
    assert not shrinks(method, 0.5, 0.25)       # planted: L + decay ‖W‖²/4
    assert not shrinks(method, 0.5, 0.0)        # planted: forgotten


@pytest.mark.parametrize("rank", [None, 5])
def test_it_is_minus_the_gradient_of_the_loss_and_half_the_squared_norm(rank):
    params, data, decay = with_biases(NET.init(np.random.default_rng(0), rank)), two_clouds(), 0.3
    rng, step = np.random.default_rng(1), 1e-5
    field = dense(gradient_field(NET, data.x, data.labels, decay=decay)(0.0, params))
    along = DirectSum([rng.standard_normal(X.shape) for X in params.blocks])

    def value(s):
        moved = dense(params) + s * along
        return NET.value(moved, data.x, data.labels) + decay / 2 * norm(moved) ** 2

    slope = sum(np.vdot(X, Z) for X, Z in zip(field.blocks, along.blocks, strict=True))
    assert abs((value(step) - value(-step)) / (2 * step) + slope) <= 1e-7 * norm(along)


def test_blocks_in_factors_stay_in_factors_and_equal_those_multiplied_out():
    params, data = NET.init(np.random.default_rng(0), [4, None, 2]), two_clouds()
    x = data.x[:3]
    F = gradient_field(NET, x, data.labels[:3], decay=0.3)
    G, full = F(0.0, params), F(0.0, dense(params))
    assert [isinstance(X, LowRank) for X in G.blocks] == [True, *[False] * 3, True, False]
    assert [X.rank for X in G.blocks[:5:4]] == [4 + 3, 2 + 3]       # of W, and one an example
    assert norm(dense(G) - dense(full)) <= 50 * EPS * norm(full)


@pytest.mark.parametrize("method", TRAINING, ids=str)
def test_every_integrator_trains_with_it_in_its_precision_and_none_is_none(method):
    def last(start, **options):
        *_, record = train(NET, start, two_clouds(), method, 0.2, 20, 2, **options)
        return record

    rank = None if isinstance(method, Dense) else 5
    single = NET.init(np.random.default_rng(0), rank, np.float32)
    decayed = last(single, decay=np.float64(0.2)).params
    assert {X.dtype for X in decayed.blocks} == {np.dtype(np.float32)}
    assert norm(decayed) < 0.95 * norm(last(single).params)
    assert equal(last(single, decay=0).params, last(single).params)


def test_the_records_tell_the_loss_without_it():
    data, params = two_clouds(), start(None)
    (record,) = train(NET, params, data, DLRT(), 0.1, 120, decay=10.0)
    assert record.loss == pytest.approx(NET.value(params, data.x, data.labels), rel=1e-13)


@pytest.mark.parametrize("decay", [-0.1, np.nan, np.inf])
def test_a_decay_below_zero_or_not_finite_is_refused_at_once(decay):
    with pytest.raises(ValueError, match=r"decay: got .*, expected a number ≥ 0"):
        train(NET, start(None), two_clouds(), DLRT(), 0.1, decay=decay)


def test_the_field_is_without_decay_unless_told_and_keeps_the_precision_of_the_weights():
    """Whatever that of the decay is."""
    params, data = NET.init(np.random.default_rng(0), dtype=np.float32), two_clouds()
    grads = NET.value_and_grad(params, data.x, data.labels)[1]
    assert equal(gradient_field(NET, data.x, data.labels)(0.0, params), -grads)
    decayed = gradient_field(NET, data.x, data.labels, decay=np.float64(0.1))(0.0, params)
    assert {X.dtype for X in decayed.blocks} == {np.dtype(np.float32)}
