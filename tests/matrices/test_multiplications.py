"""Multiplications of whole networks, by hand and as published."""

import pytest

from lowrank_ode.compression import flops_saved, multiplications, prediction_flops

LENET5 = [(20, 25), (50, 500), (500, 800), (10, 500)], [24 * 24, 8 * 8, 1, 1]


def test_multiplications_of_lenet5_against_a_count_by_hand():
    """Kernels are used once a pixel of their outputs; a factor of rank r takes r products a row."""
    shapes, positions = LENET5
    by_hand = 576 * 20 * 25 + 64 * 50 * 500 + 500 * 800 + 10 * 500
    assert multiplications(shapes, [None] * 4, positions) == by_hand == 2_293_000
    cut = 576 * 6 * (20 + 25) + 64 * 7 * (50 + 500) + 8 * (500 + 800) + 10 * 500
    assert multiplications(shapes, [6, 7, 8, None], positions) == cut == 417_320
    # planted: fully connected layers taken for convolutions, positions forgotten, FLOPs for MACs
    assert len({by_hand, 576 * (500 + 25000 + 400000 + 5000), multiplications(shapes, [None] * 4),
                sum(P * prediction_flops(shape) for shape, P in zip(*LENET5, strict=True))}) == 4


def test_the_published_count_of_a_speed_up_leaves_out_what_is_no_convolution():
    """The released code counts kernels alone [XLZW20]: f c k₁ k₂ to r (c k₁ + f k₂) at each pixel,
    folded f k₂ × c k₁, or to r (c k₁ k₂ + f); other layers would lower, or raise, the ratio."""
    def speed_up(layers, shapes, ranks):
        positions = [LENET5[1][k] for k in layers]
        return (multiplications([LENET5[0][k] for k in layers], [None] * len(layers), positions)
                / multiplications([shapes[k] for k in layers], ranks, positions))

    f, c, k = 50, 20, 5
    spatial = [(20 * k, 1 * k), (f * k, c * k)]
    by_hand = ((576 * 500 + 64 * f * c * k * k)
               / (576 * 2 * (1 * k + 20 * k) + 64 * 7 * (c * k + f * k)))
    assert speed_up([0, 1], spatial, [2, 7]) == by_hand
    channel = (576 * 500 + 64 * 25000) / (576 * 6 * 45 + 64 * 7 * 550)
    assert speed_up([0, 1], LENET5[0], [6, 7]) == channel
    assert speed_up(range(4), LENET5[0], [6, 7, None, None]) < channel


@pytest.mark.parametrize("speed_up, saved", [(1.81, 44.70), (2.23, 55.15), (3.18, 68.55),
                                             (1.41, 29.07), (2.00, 50.00)])
def test_published_speed_ups_are_the_published_reductions_to_rounding(speed_up, saved):
    """The speed-ups of [XLZW20] and the reductions, in percent, which other tables quote for them;
    s to two decimals determines 100 (1 − 1/s) to 100 · 0.005/s². Planted: 100/s."""
    within = 100 * 0.005 / speed_up**2 + 0.005
    assert abs(flops_saved(speed_up) - saved) <= within
    assert speed_up == 2 or abs(100 / speed_up - saved) > within


def test_counts_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="ranks, positions: got 1 and 2, expected one for each of"):
        multiplications([(3, 4), (2, 3)], [1], [1, 1])
    with pytest.raises(ValueError, match="positions: got 0"):
        multiplications([(3, 4)], [1], [0])
    with pytest.raises(ValueError, match="rank: got 4"):
        multiplications([(3, 4)], [4])
    with pytest.raises(ValueError, match="speed_up: got 0"):
        flops_saved(0)
