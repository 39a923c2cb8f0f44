"""A step without a speed-up is the same step: the twins that `ablation` puts in its place."""

from unittest.mock import patch

import numpy as np
import pytest

from figures import _twins
from lowrank_ode import DLRT
from lowrank_ode.integrators import GeoLoRA, parallel_bug
from lowrank_ode.matrices import H, norm, outer
from lowrank_ode.nets import lenet5, mlp
from lowrank_ode.training import gradient_field

METHODS = {"DLRT": DLRT, "GeoLoRA": GeoLoRA}
RANK = 18           # cores of 36 rows: beyond what LAPACK is asked for at once


def steps(method):
    """(net, parameters after a few steps, field, method) for a small mlp, and for LeNet5."""
    for net, rank, size in ((mlp([30, 50, 50, 10], "tanh"), RANK, 40), (lenet5(), 4, 3)):
        rng = np.random.default_rng(0)
        F = gradient_field(net, rng.random((size, net.inputs)), rng.integers(0, 10, size))
        P, fixed = net.init(rng, rank), METHODS[method](0, max_rank=rank)
        for _ in range(5):
            P = fixed.step(P, 0, 0.05, F)
        yield P, F, fixed, rank


def differ(method, change):
    """By how much a step changes, relative to what it moves, at most."""
    worst = 0.0
    for P, F, fixed, _ in steps(method):
        Y = fixed.step(P, 0, 0.05, F)
        with change():
            other = fixed.step(P, 0, 0.05, F)
        worst = max(worst, norm(other - Y) / norm(Y - P))
    return worst


SAME = 1e-9         # 50 EPS · n · cond, for cores of condition up to 1e4, over a move of 1e-2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("speed_up", _twins.TWINS)
def test_a_step_without_a_speed_up_is_the_same_step(method, speed_up, monkeypatch):
    """And the twin is what is called in its place."""
    called = []

    def counting(twin):
        return lambda *args, **options: called.append(1) or twin(*args, **options)

    monkeypatch.setitem(_twins.TWINS, speed_up, [(where, name, counting(twin))
                                                 for where, name, twin in _twins.TWINS[speed_up]])
    assert differ(method, lambda: _twins.without(speed_up)) <= SAME and called


@pytest.mark.parametrize("method", METHODS)
def test_three_gradients_are_one(method):
    for P, F, fixed, rank in steps(method):
        Y, other = (m.step(P, 0, 0.05, F) for m in (fixed, _twins.THREE_GRADIENTS[method](rank)))
        assert norm(other - Y) <= SAME * norm(Y - P)


@pytest.mark.parametrize("where, name, twin", [
    (_twins.layers, "gradient", lambda W, D, Z, DU, ZV: 1.001 * H(D) @ Z),
    (_twins.layers, "gradient", lambda W, D, Z, DU, ZV: outer(H(D), H(np.roll(Z, 1)))),
    (parallel_bug, "augment", lambda U0, K: _twins.multiplied_out(U0, 0 * K)),
    (_twins.truncation, "_by_newton", lambda Y, *_: Y)])
def test_a_wrong_twin_is_noticed(where, name, twin):
    assert differ("GeoLoRA", lambda: patch.object(where, name, twin)) > 1e-4
