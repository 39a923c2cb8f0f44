"""A network is one matrix ODE: any integrator trains it, by the same step, all layers jointly."""

import itertools
import json
import time
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from clouds import NET, TRAINING, equal, start, two_clouds

from lowrank_ode import BUG, DLRT, AdaptiveBUG, Dense, DirectSum, LowRank, ProjectorSplitting
from lowrank_ode.flow import evolve, exact_flow
from lowrank_ode.integrators import MidpointBUG, ProjectedRK
from lowrank_ode.matrices import best_approximation, dense, norm
from lowrank_ode.nets import mlp
from lowrank_ode.substeps import euler, rk4
from lowrank_ode.training import gradient_field, ranks, train


@pytest.mark.parametrize("method", TRAINING, ids=str)
def test_any_integrator_trains_a_network(method):
    records = list(train(NET, start(method), two_clouds(), method, 0.2, batch_size=20, epochs=20))
    assert [r.epoch for r in records] == list(range(1, 21))
    assert records[-1].loss < 0.7 * records[0].loss and records[-1].accuracy > 0.75
    assert records[-1].ranks == ranks(records[-1].params) and all(r.seconds > 0 for r in records)
    assert set(records[0].summary()) == {"epoch", "step", "loss", "accuracy", "ranks", "seconds"}


def test_the_ranks_are_those_of_the_blocks_of_low_rank_in_order():
    X, Y = (LowRank(np.eye(4, r), np.eye(r), np.eye(5, r)) for r in (3, 2))
    assert ranks(DirectSum([X, np.ones((4, 1)), Y])) == (3, 2)


def test_a_run_is_determined_by_its_seed():
    def run(seed=None):
        records = train(NET, start(None), two_clouds(), DLRT(), 0.2, 20, 3, rng=seed)
        return [(r.loss, r.accuracy, r.ranks, norm(r.params)) for r in records]

    assert run(1) == run(1) != run(2) != run(0) == run()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropped_inputs_are_zero_with_this_probability_and_the_others_make_up_for_them(
        dtype, monkeypatch):
    """Drawn anew for each batch; what is tested is whole."""
    data, seen = two_clouds(), []
    data = replace(data, x=data.x.astype(dtype))
    monkeypatch.setattr("lowrank_ode.training.gradient_field",
                        lambda net, x, *rest: seen.append(x) or gradient_field(net, x, *rest))
    *_, last = train(NET, start(None), data, DLRT(), 0.1, len(data.x), 200, rng=3, drop=0.25)
    drawn = np.array(seen)
    left = drawn != 0
    assert drawn.dtype == dtype and abs(left.mean() - 0.75) <= 5 * np.sqrt(0.25 * 0.75 / left.size)
    assert len({tuple(x) for x in left.reshape(len(left), -1)}) == len(left)
    assert np.isin(drawn[left], data.x / dtype(0.75)).all()
    assert last.accuracy == NET.accuracy(last.params, data.test_x, data.test_labels)
    *_, none = train(NET, start(None), data, DLRT(), 0.1, 60, 2, rng=3, drop=0)
    *_, plain = train(NET, start(None), data, DLRT(), 0.1, 60, 2, rng=3)
    assert equal(none.params, plain.params)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_record_is_json_in_every_precision_and_cannot_be_changed(dtype):
    params = NET.init(np.random.default_rng(0), 5, dtype)
    (record,) = train(NET, params, two_clouds(), DLRT(), 0.1, 60, 1)
    told = record.summary()
    assert json.loads(json.dumps(told)) == {**told, "ranks": list(record.ranks)}
    assert told["loss"] == record.loss
    with pytest.raises(FrozenInstanceError):
        record.loss = 0.0


def test_records_between_epochs_change_nothing_but_how_often_it_reports():
    rare, often = (list(train(NET, start(None), two_clouds(), DLRT(), 0.2, 20, 2, every=every))
                   for every in (None, 4))
    assert [r.step for r in rare] == [6, 12] and [r.step for r in often] == [4, 6, 8, 12]
    assert equal(often[-1].params, rare[-1].params)
    assert rare[0].loss == pytest.approx((4 * often[0].loss + 2 * often[1].loss) / 6)


def test_a_mixed_network_trains_all_its_blocks_and_leaves_the_start_untouched():
    params = NET.init(np.random.default_rng(0), [4, None, None])
    before = [np.array(X) for X in dense(params).blocks]
    *_, last = train(NET, params, two_clouds(), DLRT(), 0.2, 20, 1)
    assert equal(DirectSum(before), params)
    assert all(norm(X - Z) > 1e-4 for X, Z in zip(before, dense(last.params).blocks, strict=True))
    assert [isinstance(X, LowRank) for X in last.params.blocks] == [True, *[False] * 5]


def test_on_dense_blocks_DLRT_and_adaptive_BUG_are_the_euler_step_and_splitting_nearly_so():
    """Projector splitting deviates by h²."""
    params, data = NET.init(np.random.default_rng(0)), two_clouds()
    F = gradient_field(NET, data.x, data.labels)

    def deviation(method, h):
        return norm(dense(method.step(params, 0, h, F)) - Dense(euler).step(params, 0, h, F))

    for method in (DLRT(), AdaptiveBUG(solve=euler), BUG(euler)):
        assert deviation(method, 0.1) <= 1e-13
    deviations = [deviation(ProjectorSplitting(solve=euler), h) for h in (0.1, 0.05)]
    assert deviations[1] > 1e-6 and 3.5 < deviations[0] / deviations[1] < 4.5


def test_low_rank_integrators_follow_the_exact_gradient_flow_of_the_network():
    """Full batch, weights of rank 2 that ranks 2 and 6 hold exactly: the distance falls with the
    rank, and with h; all layers jointly."""
    data, T = two_clouds(40), 1.0
    params = NET.init(np.random.default_rng(0), 2)
    F = gradient_field(NET, data.x, data.labels)
    *_, (_, exact) = exact_flow(params, F, (0, T), 2)

    def distance(method, rank, n):
        start = DirectSum([best_approximation(X.dense(), rank=rank) if isinstance(X, LowRank) else X
                           for X in params.blocks])
        *_, (_, Y) = evolve(method, start, F, (0, T), n)
        return norm(dense(Y) - exact)

    for method in (ProjectorSplitting(), BUG(), AdaptiveBUG(0, max_rank=6)):
        cut = replace(method, max_rank=2) if method.adaptive else method
        assert distance(method, 6, 16) < 1e-3 < distance(cut, 2, 16)
    errors = [distance(DLRT(0, max_rank=6), 6, n) for n in (16, 32)]
    assert 1.8 < errors[0] / errors[1] < 2.2


@pytest.mark.parametrize("lr, schedule", [
    (0.2, [0.2] * 4), ((0.2, 0.1), [0.2, 0.2, 0.1, 0.1]), ((0.3, 0.2, 0.1), [0.3, 0.3, 0.2, 0.1]),
    ((0.4, 0.3, 0.2, 0.1), [0.4, 0.3, 0.2, 0.1])])
def test_step_sizes_share_the_epochs_evenly_the_first_longest(lr, schedule):
    """They are Python's floats: a NumPy scalar would promote float32."""
    seen = []

    class Spy(DLRT):
        def step(self, Y, t, h, F):
            seen.append(h)
            return super().step(Y, t, h, F)

    list(train(NET, start(None), two_clouds(), Spy(), lr, batch_size=120, epochs=4))
    assert seen == schedule and {type(h) for h in seen} == {float}


def test_accuracy_is_that_on_the_test_set():
    """Here another one: learnt right, it is told wrong."""
    data = two_clouds()
    data = replace(data, test_x=data.test_x[:7], test_labels=1 - data.test_labels[:7])
    for record in train(NET, start(None), data, DLRT(), 0.2, 20, 3):
        assert record.accuracy == NET.accuracy(record.params, data.test_x, data.test_labels)
        assert record.accuracy < 0.5 < NET.accuracy(record.params, data.x, data.labels)


@pytest.mark.parametrize("method", [Dense(rk4), ProjectorSplitting(2, rk4), MidpointBUG(0),
                                    AdaptiveBUG(0, solve=rk4), ProjectedRK(3)], ids=str)
def test_the_loss_of_a_record_is_that_before_its_step_however_many_stages_the_step_has(method):
    data, params = two_clouds(), start(method)
    losses = [NET.value(params, data.x, data.labels)]
    for record in train(NET, params, data, method, lr=0.5, batch_size=120, epochs=3):
        assert record.loss == pytest.approx(losses[-1], rel=1e-13)
        losses.append(NET.value(record.params, data.x, data.labels))
        assert losses[-1] < 0.999 * losses[-2]


def test_the_seconds_of_a_record_are_those_of_the_steps_since_the_record_before(monkeypatch):
    ticks = itertools.count()                           # each step takes one tick of this clock
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    records = train(NET, start(None), two_clouds(), DLRT(), 0.1, 20, 2, every=4)
    assert [r.seconds for r in records] == [4, 2, 2, 4]


def test_parameters_that_are_not_finite_are_named_after_their_step():
    class Bad(DLRT):
        def step(self, Y, t, h, F):
            F(t, Y)                         # the loss before it is finite, and no step follows
            return Y * np.nan

    with pytest.raises(ValueError, match=r"params after step 1, lr = 0\.1.*NaN or Inf"):
        list(train(NET, start(None), two_clouds(), Bad(), 0.1, 120, 1))


def test_a_network_may_have_more_outputs_than_there_are_classes():
    net = mlp([6, 8, 5])
    (record,) = train(net, net.init(np.random.default_rng(0), 2), two_clouds(), DLRT(), 0.1, 60, 1)
    assert np.isfinite(record.loss)
    assert net.outputs(record.params, two_clouds().test_x).shape == (120, 5)


def test_every_example_is_seen_once_an_epoch_and_the_progress_bar_sees_every_batch():
    """In batches of 128, unless told otherwise."""
    class Counting:
        inputs, classes, seen = NET.inputs, NET.classes, []

        def value_and_grad(self, params, x, labels):
            self.seen += list(x[:, 0])
            return NET.value_and_grad(params, x, labels)
        accuracy = staticmethod(NET.accuracy)

    def bar(batches):
        sizes[:] = map(len, batches)
        return batches

    sizes, data = [], two_clouds()
    list(train(Counting(), start(None), data, DLRT(), 0.1, 50, 1, progress=bar))
    assert sorted(Counting.seen) == sorted(data.x[:, 0]) and sizes == [50, 50, 20]
    list(train(NET, start(None), two_clouds(130), DLRT(), 0.1, progress=bar))
    assert sizes == [128, 2]
