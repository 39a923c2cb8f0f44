"""Wide residual networks: normalised before the weights."""

import numpy as np
import pytest
from derivatives import inner

from lowrank_ode.nets.architectures import wide_resnet
from lowrank_ode.nets.norms import folded
from lowrank_ode.nets.skips import Residual


def test_a_wide_network_normalises_before_its_weights():
    """Loss and gradient, of a small one; it cannot be folded, and is refused by name."""
    net, rng = wide_resnet(10, 1, (8, 8, 2), 3), np.random.default_rng(0)
    params, x = net.init(rng), rng.standard_normal((5, net.inputs))
    direction, at = net.init(rng), np.array([0, 1, 2, 0, 1])
    _, grads = net.value_and_grad(params, x, at)
    there, back = (net.value(params + h * direction, x, at) for h in (1e-6, -1e-6))
    slope = inner(grads, direction)
    assert abs((there - back) / 2e-6 - slope) <= 1e-6 * abs(slope)
    with pytest.raises(ValueError, match="a batch normalisation above None"):
        folded(net, params, x)
    widths = [shape[0] for shape in net.weight_shapes]
    assert widths == [16, 16, 16, 32, 32, 32, 64, 64, 64, 3]
    blocks = [layer for layer in net.layers if isinstance(layer, Residual)]
    assert [bool(block.shortcut) for block in blocks] == [False, True, True]
