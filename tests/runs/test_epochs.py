"""What an epoch is: all examples once, in an order of its own, by the generator of the run."""

import numpy as np
from clouds import NET, equal, start, two_clouds

from lowrank_ode import DLRT
from lowrank_ode.training import train

EPOCHS, BATCH = 4, 50


class Once(np.random.Generator):
    """Planted: the permutation is drawn once, and is that of each epoch."""

    kept = None

    def permutation(self, n):
        self.kept = super().permutation(n) if self.kept is None else self.kept
        return self.kept


class Never(np.random.Generator):
    """Planted: the examples in the order in which they are stored."""

    def permutation(self, n):
        return np.arange(n)


def orders(rng, drop=0.0):
    """Which examples the steps of each epoch see, in their order, told by an input not dropped."""
    data, seen = two_clouds(), []

    class Spy:
        inputs, classes, accuracy = NET.inputs, NET.classes, staticmethod(NET.accuracy)

        def value_and_grad(self, params, x, labels):
            seen.extend(row[row != 0][0] * (1 - drop) for row in x)
            return NET.value_and_grad(params, x, labels)

    list(train(Spy(), start(None), data, DLRT(), 0.1, BATCH, EPOCHS, rng, drop=drop))
    place = {round(value, 9): k for k, row in enumerate(data.x) for value in row}
    found = [place[round(value, 9)] for value in seen]
    return [found[k:k + len(data.x)] for k in range(0, len(found), len(data.x))]


def is_drawn_anew(epochs, n):
    """Each epoch has all examples, in another order than those before it, and than the stored."""
    return (all(sorted(order) == list(range(n)) for order in epochs)
            and len({tuple(order) for order in [*epochs, range(n)]}) == len(epochs) + 1)


def test_the_order_of_the_examples_is_drawn_anew_each_epoch():
    n = len(two_clouds().x)
    assert is_drawn_anew(orders(3), n) and is_drawn_anew(orders(None), n)
    assert orders(3) == orders(np.random.default_rng(3)) != orders(4)
    for planted in (Once, Never):
        assert not is_drawn_anew(orders(planted(np.random.PCG64(3))), n), planted.__name__


def test_the_permutations_are_those_of_the_generator_one_an_epoch():
    """Nothing else is drawn, unless inputs are dropped."""
    rng = np.random.default_rng(5)
    expected = [rng.permutation(len(two_clouds().x)).tolist() for _ in range(EPOCHS)]
    assert orders(5) == expected != orders(5, drop=0.1)
    assert orders(5, drop=0.1)[0] == expected[0]


def test_a_resumed_run_draws_the_orders_that_the_whole_run_had():
    """Planted: one that begins its generator anew."""
    whole = list(train(NET, start(None), two_clouds(), DLRT(), 0.1, BATCH, EPOCHS, 3))
    halfway = whole[1].state
    *_, rest = train(NET, None, two_clouds(), DLRT(), 0.1, BATCH, EPOCHS, start=halfway)
    assert equal(rest.params, whole[-1].params)
    anew = np.random.default_rng(3).bit_generator.state
    wrong = type(halfway)(halfway.params, halfway.epoch, halfway.step, anew)
    *_, other = train(NET, None, two_clouds(), DLRT(), 0.1, BATCH, EPOCHS, start=wrong)
    assert not equal(other.params, whole[-1].params)


def test_a_method_is_given_the_number_of_the_step_as_a_float():
    times = []

    class Noted:
        def step(self, Y, t, h, F):
            times.append(t)
            return DLRT().step(Y, t, h, F)

    list(train(NET, start(None), two_clouds(), Noted(), 0.1, BATCH, 2))
    assert times == list(range(6)) and {type(t) for t in times} == {float}
