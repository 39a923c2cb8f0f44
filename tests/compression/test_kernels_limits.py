"""Decompositions of weights that are on no windows; and those that do not fit are refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds
from test_kernels import CUTS, KERNEL, close, convolution, runs, start

from lowrank_ode import best_approximation
from lowrank_ode.compression.kernels import Piece, fold, replaced, unfold
from lowrank_ode.nets import Network, mlp
from lowrank_ode.nets.groups import Grouped
from lowrank_ode.nets.layers import Dense


@given(st.sampled_from(CUTS), seeds)
def test_a_weight_without_windows_is_cut_too(cuts, seed):
    """A kernel of one pixel; groups are parts of the features. A bias may come to a layer without."""
    (scheme, groups), rng = cuts, np.random.default_rng(seed)
    net = mlp([12, 8, 3], "tanh")
    net = replace(net, layers=(Dense(8, "tanh", bias=False), *net.layers[1:]))
    params = start(net, rng)
    parts = tuple(best_approximation(part, rank=1)
                  for part in fold(params.blocks[0], (1, 1), scheme, groups))
    assert close(*runs(net, params, Piece(parts, scheme), rng))
    bias, x = rng.standard_normal((8, 1)), rng.standard_normal((4, 12))
    found, new = replaced(net, params, [Piece(parts, scheme, bias), None])
    hidden = np.tanh(unfold(parts, (1, 1), scheme) @ x.T + bias)
    assert close(found.outputs(new, x), (params.blocks[1] @ hidden + params.blocks[2]).T)


def of(**changes):
    """A decomposition of the first weight, with something changed."""
    rng, net = np.random.default_rng(0), changes.get("net", convolution())
    params = start(net, rng)
    options = {"parts": (params.blocks[0],), "scheme": "channel", "bias": None, **changes}
    piece = Piece(options["parts"], options["scheme"], options["bias"])
    return replaced(net, params, changes.get("pieces", [piece, None]))


W = np.ones((4, 90))
AGAIN = Network((6,), (Grouped(4, 2), Dense(2)))


@pytest.mark.parametrize("make, message", [
    (lambda: fold(W, KERNEL, "rows"), "scheme: got 'rows', expected one of channel, spatial"),
    (lambda: unfold([W], KERNEL, "rows"), "scheme: got 'rows'"),
    (lambda: fold(W, (4, 5)), r"kernel: got \(4, 5\) for a weight of shape \(4, 90\)"),
    (lambda: fold(W, KERNEL, groups=4), "groups: got 4, expected a divisor of the 6 channels"),
    (lambda: fold(W, KERNEL, groups=0), "groups: got 0"),
    (lambda: fold(W, KERNEL, "decoupled", 2), "groups: got 2 for the scheme decoupled, expected 1"),
    (lambda: of(pieces=[None]), "pieces: got 1, expected one for each of 2 weights"),
    (lambda: of(scheme="rows"), "scheme: got 'rows'"),
    (lambda: of(parts=(W[:, :-1],)), r"parts: got shapes \[\(4, 89\)\], expected \[\(4, 90\)\]"),
    (lambda: of(parts=()), "groups: got 0"),
    (lambda: of(scheme="spatial"), r"parts: got shapes .* expected \[\(12, 30\)\]"),
    (lambda: of(parts=fold(W, KERNEL, "spatial"), scheme="spatial"), "parts: got a dense one"),
    (lambda: of(bias=np.zeros(4)), r"bias: got shape \(4,\), expected \(4, 1\)"),
    (lambda: of(net=AGAIN, pieces=[Piece((np.ones((4, 3)),) * 2), None, None]),
     "pieces: got 2 parts of the scheme channel for Grouped.* are in groups"),
    (lambda: of(net=AGAIN, pieces=[None, Piece((np.ones((4, 3)),), "spatial"), None]),
     "pieces: got 1 parts of the scheme spatial for Grouped"),
    (lambda: of(net=AGAIN, pieces=[None, Piece((np.ones((4, 3)),), bias=np.ones((4, 1))), None]),
     "pieces: .* with the old bias"),
    (lambda: of(net=AGAIN, pieces=[Piece((np.ones((4, 2)),)), None, None]),
     r"parts: got shapes \[\(4, 2\)\], expected \[\(4, 3\)\]")])
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
