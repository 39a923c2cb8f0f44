"""TRP on weights inside residual blocks, and on weights whose inputs are in groups."""

import pytest
from inside_blocks import agrees, residual
from small_networks import convolutional, examples, started

from lowrank_ode.compression import (
    TRP,
    count_parameters,
)
from lowrank_ode.matrices import norm
from lowrank_ode.nets import Network, chains
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense

IN_GROUPS = Network((6, 6, 4), (Patches(3, groups=2), BlockDiagonal(6, 2, "tanh"), Patches(2),
                                Grouped(8, 3, "tanh"), Patches(2, groups=2), Dense(5, "tanh"),
                                Flatten(), Grouped(8, 2, "tanh"), Dense(3, "identity")))


@pytest.mark.parametrize("net", [IN_GROUPS, residual(), convolutional()],
                         ids=["groups", "residual", "chain"])
def test_trp_decomposes_what_it_takes(net):
    """Each network of which it takes weights, the factors computing what the cut weights do."""
    params, x = started(net), examples(net)
    method = TRP.of(net, energy=0.3, last=True)
    assert len(method.blocks) == len(net.weight_shapes)
    finished, (new, cut) = method.finished(params), method.decomposed(net, params)
    assert agrees(net, finished, new, cut, x) and norm(finished - params) > 1e-2
    assert count_parameters(cut) == count_parameters(finished) < count_parameters(params)
    assert not agrees(net, params, new, cut, x)


@pytest.mark.parametrize("scheme", ["spatial", "spatial_transposed", "filter", "decoupled"])
def test_trp_takes_no_kernels_in_groups_that_it_could_not_decompose(scheme):
    """Those that it need not fold it takes, and decomposes."""
    for first in (True, False):
        with pytest.raises(ValueError, match=f"scheme: got {scheme} for .*, expected channel, for"):
            TRP.of(IN_GROUPS, scheme=scheme, first=first)
    rows = Network((8,), (Grouped(6, 2, "tanh"), Dense(4, "identity")))
    params, method = started(rows), TRP.of(rows, scheme=scheme, energy=0.5)
    new, cut = method.decomposed(rows, params)
    assert agrees(rows, method.finished(params), new, cut, examples(rows))
    assert [*chains.parts(new.layers, new.shape)] == rows.parts
