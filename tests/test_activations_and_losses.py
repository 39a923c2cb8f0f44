"""What a network is made of: activations with their slopes, at every point, and losses with theirs."""

import numpy as np
import pytest

from lowrank_ode.nets import mlp
from lowrank_ode.nets.activations import ACTIVATIONS
from lowrank_ode.nets.losses import cross_entropy


@pytest.mark.parametrize("activation", ["tanh", "softplus", "identity"])
def test_the_slope_is_the_derivative_by_complex_step_at_every_point_zero_included(activation):
    """At 0 the two halves of softplus meet, and |Im a| decides nothing: the slope is 1/2, not 3/2."""
    value, slope, _ = ACTIVATIONS[activation]
    a = np.array([-30.0, -1, -1e-300, 0, 1e-300, 1, 30])
    for step in (1e-30, -1e-30):
        np.testing.assert_allclose(slope(value(a.copy())), value(a + 1j * step).imag / step, rtol=1e-14, atol=5e-16)       # 1 − z² of tanh


def test_networks_are_equal_if_their_widths_are_and_serve_as_keys():
    assert mlp([5, 4]) == mlp((5, 4)) == mlp(np.array([5, 4])) != mlp([4, 5]) and len({mlp([5, 4]), mlp((5, 4))}) == 1


def test_a_loss_in_half_precision_does_not_overflow_for_a_large_batch():
    """40,000 examples, when the largest number is 65,504: a sum of losses, and batch times Σ exp, would be infinite."""
    outputs, labels = np.zeros((10, 40_000), np.float16), np.arange(40_000) % 10
    loss, delta = cross_entropy(outputs, labels)
    assert abs(loss - np.log(10)) <= 2e-3 and delta.dtype == np.float16
    assert np.allclose(delta[1:, 0], 2.5e-6, rtol=0.05, atol=0) and np.isclose(delta[0, 0], -22.5e-6, rtol=0.05, atol=0)
