"""What the kit draws is hard enough, and as often as is said: methods that are wrong in the last
bit, for small singular values, after the first step or for large steps alone are rejected, and
would pass if such draws were left out."""

from functools import cache

import numpy as np
import pytest

from lowrank_ode import BUG, DLRT, LowRank
from lowrank_ode.__main__ import main
from lowrank_ode.matrices import blockwise, norm
from lowrank_ode.testing import THEOREMS, check_integrator, contract
from lowrank_ode.testing.bounds import draw_closed_constants, draw_theorem_1
from lowrank_ode.testing.draws import draw, draw_tangent
from lowrank_ode.testing.theorems import Theorem

EPS = np.finfo(float).eps


def passes(theorem, method, seeds=None):
    """Of so many seeds, as many as the kit takes unless told otherwise."""
    for seed in range(seeds or THEOREMS[theorem].seeds):
        measured, bound = THEOREMS[theorem].residual(method, seed)
        if not measured <= bound:
            return False
    return True


# ------------------------------------------------------------------------------ to the last bit

def next_bit(X, where=0):
    """The first number of an array replaced by the next one."""
    X = np.array(X)
    X.flat[where] = np.nextafter(X.flat[where].real, np.inf).astype(X.dtype)
    return X


class Spoiled(BUG):
    """A right step, of which spoil(Y1, Y, its number) is returned."""

    def __init__(self, spoil):
        super().__init__()
        object.__setattr__(self, "spoil", spoil)
        object.__setattr__(self, "numbers", [])

    def step(self, Y, t, h, F):
        self.numbers.append(0)
        return self.spoil(super().step(Y, t, float(h), F), Y, len(self.numbers))


def one_bit(Y1, Y, number):
    return LowRank(next_bit(Y1.U), Y1.S, Y1.V) if number == 2 else Y1


def one_nan(Y1, Y, number):
    U = np.array(Y1.U)
    U[-1, -1] = np.nan
    return LowRank(U, Y1.S, Y1.V)


def writes_a_bit(Y1, Y, number):
    for X in getattr(Y, "blocks", ()):
        if isinstance(X, np.ndarray):
            X[...] = next_bit(X)
    return Y1


def double_core(Y1, Y, number):
    """Of single precision in all but the core."""
    return blockwise(lambda Z: LowRank(Z.U, Z.S.astype(np.result_type(Z.S, float)), Z.V))(Y1)


@pytest.mark.parametrize("theorem, spoil", [
    ("is_pure", one_bit), ("keeps_type_and_shape", one_nan),
    ("leaves_dense_blocks_alone", writes_a_bit), ("keeps_precision", double_core)])
def test_what_is_right_to_the_last_bit_is_not_right_to_the_last_but_one(theorem, spoil):
    assert passes(theorem, Spoiled(lambda Y1, Y, number: Y1))
    assert not passes(theorem, Spoiled(spoil), 1)


# ---------------------------------------------------------------------------------- hard spectra

class BasesByGram(BUG):
    """K (KᵀK)^(−1/2) in the place of a QR of K: no longer orthonormal for σ_r < 1e-8 σ_1."""

    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        if not isinstance(Y1, LowRank):
            return Y1
        K = Y1.U @ Y1.S
        sigma, Q = np.linalg.eigh(K.conj().T @ K)
        U = K @ Q / np.sqrt(np.maximum(sigma, EPS**2 * sigma[-1]))
        return LowRank(U, np.eye(Y1.rank), Y1.V)


class LosesSmallDirections(BUG):
    """Singular values below a part of the largest are set to it: 1e-7."""

    def step(self, Y, t, h, F):
        Y1 = super().step(Y, t, h, F)
        if isinstance(Y, LowRank) and Y.singular_values()[-1] < 1e-7 * norm(Y):
            return Y1 * 1.5
        return Y1


def ratio(Y):
    sigma = Y.singular_values()
    return sigma[-1] / sigma[0]


def test_spectra_of_the_contract_go_down_to_rounding():
    """Planted: draws of even seeds alone, whose singular values end at 1e-2."""
    ratios = [ratio(draw(seed)[0]) for seed in range(30)]
    assert min(ratios) < 1e-14 and sum(r < 1e-8 for r in ratios) >= 8
    assert min(ratios[::2]) >= 0.99e-2
    assert not passes("returns_orthonormal_bases", BasesByGram())


def test_bases_by_the_gram_matrix_would_pass_with_spectra_down_to_1e_2(monkeypatch):
    monkeypatch.setattr(contract, "draw", lambda seed, *rest: draw(2 * seed, *rest))
    residual = THEOREMS["returns_orthonormal_bases"].residual
    assert all(measured < 1e-10 for measured, _ in (residual(BasesByGram(), seed)
                                                    for seed in range(15)))


def test_the_robust_are_asked_down_to_zero():
    """Planted: an error that singular values below 1e-7 alone bring."""
    assert not passes("is_robust_to_small_singular_values", LosesSmallDirections())
    seeds = THEOREMS["is_robust_to_small_singular_values"].seeds
    assert {seed % 18 for seed in range(seeds)} >= {0, 16, 17}


def test_draws_are_of_all_kinds():
    """Shapes both ways, times before 0, steps beyond 1, sizes over many powers of ten, 2r above
    min(m, n), rank 8."""
    for make, seeds in ((draw, 30), (draw_tangent, 30)):
        drawn = [make(seed)[:3] for seed in range(seeds)]
        shapes, ranks = [Y.shape for Y, *_ in drawn], [Y.rank for Y, *_ in drawn]
        assert any(m > n for m, n in shapes) and any(m < n for m, n in shapes)
        assert max(map(max, shapes)) > 20 and {1, 2, 3, 4, 8} <= set(ranks)
        assert any(2 * Y.rank > min(Y.shape) for Y, *_ in drawn)
        assert min(t for _, t, _ in drawn) < -1 and max(h for *_, h in drawn) > 1
        assert min(h for *_, h in drawn) < 0.01
        sizes = [norm(Y) for Y, *_ in drawn]
        assert max(sizes) > 1e6 * min(sizes)


# ------------------------------------------------------------------------------------- Theorem 1

class RightAtFirst(DLRT):
    """From the second step on half as far again."""

    def step(self, Y, t, h, F):
        further = vars(self).setdefault("begun", False)
        vars(self)["begun"] = True
        return super().step(Y, t, 1.5 * h if further else h, F)


class RightForSmallSteps(DLRT):
    """Steps above 0.3 are twice as long."""

    def step(self, Y, t, h, F):
        return super().step(Y, t, 2 * h if h > 0.3 else h, F)


@cache
def ratios(method, draws=60):
    """(steps, h, error over the bound of Theorem 1) of each draw."""
    found = []
    for seed in range(draws):
        seen = []

        class Seen(method):
            def step(self, Y, t, h, F):
                seen.append(h)                              # noqa: B023
                return super().step(Y, t, h, F)

        error, terms = draw_theorem_1(np.random.default_rng(seed), Seen)
        found.append((len(seen), seen[0], error / terms.sum()))
    return found


def largest(method, keep=lambda steps, h: True):
    return max(ratio for steps, h, ratio in ratios(method) if keep(steps, h))


def test_theorem_1_is_asked_over_many_steps_and_for_large_ones():
    """Planted: draws of one step only, and of small steps only, which see nothing."""
    assert 0.8 < largest(DLRT) <= 1
    assert largest(RightAtFirst) > 1
    assert largest(RightAtFirst, lambda steps, h: steps == 1) <= 1
    assert largest(RightForSmallSteps) > 1
    assert largest(RightForSmallSteps, lambda steps, h: h <= 0.3) <= 1


def test_constants_of_the_local_bounds_are_drawn_for_steps_from_1e_3_to_1():
    drawn = [draw_closed_constants(np.random.default_rng(seed)) for seed in range(60)]
    steps, ratios = [h for _, h in drawn], [ratio(problem.Y0) for problem, _ in drawn]
    assert min(steps) < 3e-3 and max(steps) > 0.5 and min(ratios) < 1e-10


# ----------------------------------------------------------------------------------- how often

def test_seeds_are_as_many_as_asked_for_and_else_those_of_the_theorem(monkeypatch, capsys):
    asked = []

    def residual(method, seed):
        asked.append(seed)
        return 0.0, 1.0

    monkeypatch.setattr("lowrank_ode.testing.kit.THEOREMS",
                        {"counted": Theorem("counted", "0 ≤ 1", None, residual, seeds=7)})
    for seeds, expected in ((None, 7), (3, 3), (12, 12)):
        asked.clear()
        assert check_integrator(BUG(), report=True, seeds=seeds).passed
        assert asked == list(range(expected))
    asked.clear()
    main(["check", "lowrank_ode:BUG", "--seeds", "5"])
    assert asked == list(range(5)) and "counted" in capsys.readouterr().out


def test_a_method_that_fails_at_the_last_seed_fails():
    """Planted: one seed fewer."""
    class Wrong(BUG):
        def step(self, Y, t, h, F):
            Y1 = super().step(Y, t, h, F)
            return Y1 * np.nan if norm(Y) == last else Y1

    last = norm(draw(29)[0])
    assert passes("keeps_type_and_shape", Wrong(), 29)
    assert not passes("keeps_type_and_shape", Wrong())
