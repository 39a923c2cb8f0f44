"""Counts, numbers and tolerances: what is none is refused by name."""

import numpy as np
import pytest

from lowrank_ode.options import check_count, check_number, check_truncation


def test_a_count_is_a_whole_number_between_1_and_its_limit():
    for n in (1, 2, 3, np.int64(3)):
        assert type(check_count("n", n, most=3)) is int and check_count("n", n) == n
    for n in (0, -1, 4, 1.0, 2.5, np.nan, None, "2", True, np.True_):
        with pytest.raises(ValueError, match="n: got"):
            check_count("n", n, most=3)
    for most, limit in ((3, "≥ 1 and ≤ 3"), (None, "≥ 1")):
        with pytest.raises(ValueError) as refusal:
            check_count("n", 0, most)
        assert str(refusal.value) == f"n: got 0, expected a whole number {limit}"


def test_a_number_is_a_real_one_and_comes_back_as_a_float():
    for x in (2, 0.5, -1e300, np.float32(0.5), np.array(3)):
        assert type(check_number("x", x)) is float and check_number("x", x) == x
    for x in (np.nan, np.inf, 1j, "1", None, True, [1.0], np.ones((1, 1))):
        with pytest.raises(ValueError, match=r"x: got .*, expected a finite number"):
            check_number("x", x)
    with pytest.raises(ValueError, match="x: got 2, expected less than 2"):
        check_number("x", 2, "less than 2", lambda x: x < 2)
    with pytest.raises(ValueError, match=r"at most 0\.1"):        # as a float it is 0.1 + 1.5e-9
        check_number("x", np.float32(0.1), "at most 0.1", lambda x: x <= 0.1)


def test_a_tolerance_is_a_number_from_0_on_and_a_rank_a_count_or_none():
    for tol, most in ((0, None), (0.5, 1), (np.float32(1), np.int64(3)), (np.inf, None)):
        assert check_truncation("tau", tol, most) is None
    for tol, most, message in ((-1e-300, None, "tau: got -1e-300"), (np.nan, None, "tau: got nan"),
                               (0, 0, "max_rank: got 0"), (0, 1.5, "max_rank: got 1.5")):
        with pytest.raises(ValueError, match=message):
            check_truncation("tau", tol, most)
