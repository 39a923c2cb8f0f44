"""A training that goes on from a state, or a file, is to the bit the one that was never stopped."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from bits import same_bits
from clouds import NET, start, two_clouds

from lowrank_ode import load, save
from lowrank_ode.compression.trp import TRP
from lowrank_ode.integrators import BY_NAME
from lowrank_ode.nets import lenet5
from lowrank_ode.training import State, train

RUN = {"lr": (0.2, 0.1), "batch_size": 32, "epochs": 4, "drop": 0.1, "decay": 0.01}
METHODS = {**{name: method() for name, method in BY_NAME.items()}, "trp": TRP.of(NET, every=3)}


def of_dense(name):
    return name in ("dense", "trp")


def run(method, first=None, **options):
    """The records of NET on two clouds, from the start or from a state."""
    begin = start(None) if not of_dense(method) else NET.init(0)
    return [*train(NET, begin if first is None else None, two_clouds(), METHODS[method],
                   start=first, **RUN | options)]


def kept(state, path):
    """The state, written and read."""
    save(path, state.params, NET, state=state.summary())
    _, params, about = load(path)
    return State(params, **about["state"])


def same(records, others):
    return [r.summary() | {"seconds": 0} for r in records] == [
        r.summary() | {"seconds": 0} for r in others] and same_bits(records[-1].params,
                                                                    others[-1].params)


@pytest.mark.parametrize("method", METHODS)
def test_after_any_epoch_it_goes_on_to_the_bit_from_memory_and_from_a_file(method, tmp_path):
    whole = run(method)
    for k in (1, 3):
        state = whole[k - 1].state
        assert same(run(method, state), whole[k:])
        assert same(run(method, kept(state, tmp_path / "state.npz")), whole[k:])


@pytest.mark.parametrize("kind", ["MT19937", "Philox", "SFC64", "PCG64DXSM"])
def test_whatever_draws_the_random_numbers(kind, tmp_path):
    def rng():
        return np.random.Generator(getattr(np.random, kind)(5))

    whole = run("dlrt", rng=rng())
    assert same(run("dlrt", kept(whole[1].state, tmp_path / "state.npz")), whole[2:])
    assert not same(run("dlrt"), whole)


def test_records_between_epochs_have_no_state_and_change_nothing():
    whole, often = run("dlrt"), run("dlrt", every=2)
    assert [r.state is None for r in often[:2]] == [True, False]
    last = [r for r in often if r.state]
    assert same_bits(last[-1].params, whole[-1].params)
    assert same(run("dlrt", last[1].state, every=2), [r for r in often if r.epoch > 2])


def test_each_part_of_the_state_is_needed():
    """Planted: other random numbers, steps counted anew, an epoch too far, other weights."""
    for method in ("dlrt", "trp"):
        whole, other = run(method), run(method, rng=1)[1].state
        state = whole[1].state
        assert same(run(method, state), whole[2:])
        for change in ({"generator": other.generator}, {"step": state.step + 1}, {"epoch": 3},
                       {"params": whole[0].params}):
            assert not same(run(method, replace(state, **change)), whole[2:])
    changed = run("trp", replace(state, step=state.step + 1))      # it cuts at other steps
    assert not same_bits(changed[-1].params, whole[-1].params)


@pytest.mark.parametrize("change, words", [
    ({"start": 3}, "start: got int, expected a State, as of record.state"),
    ({"params": start(None)}, "params: got DirectSum, expected None beside start"),
    ({"rng": 0}, "rng: got int, expected None beside start"),
    ({"epochs": 2}, "start: 2 epochs are behind it, expected fewer than epochs = 2"),
])
def test_arguments_that_do_not_go_with_a_state_are_refused_at_once(change, words):
    state = run("dlrt")[1].state
    arguments = {"net": NET, "params": None, "data": two_clouds(), "method": "dlrt", **RUN,
                 "start": state}
    with pytest.raises(ValueError, match=words):
        train(**arguments | change)


@pytest.mark.parametrize("change, words", [
    ({"step": 0}, r"start\.step: got 0"), ({"epoch": 0}, r"start\.epoch: got 0"),
    ({"epoch": 1.5}, r"start\.epoch: got 1\.5"),
    ({"generator": {}}, r"start\.generator: no state of a numpy Generator: 'bit_generator'"),
    ({"generator": None}, r"start\.generator: no state"),
    ({"generator": {"bit_generator": "PCG64", "state": 3}}, r"start\.generator: no state"),
    ({"generator": {"bit_generator": "seterr"}}, r"start\.generator: .*expected one of MT19937"),
    ({"params": NET.layers}, "params: got tuple"),
    ({"params": lenet5((16, 16, 1), 2).init(0)}, "params: blocks of shapes"),
])
def test_a_state_that_is_none_is_refused_at_once(change, words):
    with pytest.raises((ValueError, TypeError), match=words):
        run("dlrt", replace(run("dlrt")[1].state, **change))


def test_a_state_after_one_step_is_one():
    """Planted: none is."""
    data = two_clouds()
    arguments = {"net": NET, "params": start(None), "data": data, "method": "dlrt", "lr": 0.1,
                 "batch_size": len(data.x), "epochs": 2}
    first, second = train(**arguments)
    assert (first.state.epoch, first.state.step) == (1, 1)
    again, = train(**arguments | {"params": None, "start": first.state})
    assert same_bits(again.params, second.params)


def test_a_state_is_itself_only_and_stays_as_it_is():
    """Planted: an attribute is set."""
    state = run("dlrt")[0].state
    assert state != replace(state) and len({state, replace(state)}) == 2
    with pytest.raises(FrozenInstanceError):
        state.step = 3
