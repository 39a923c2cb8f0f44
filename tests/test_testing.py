"""The kit: right methods pass, wrong ones are rejected by the right theorem, and claims are true in
both directions."""

import json

import planted_published  # noqa: F401 -- enters its defects into PLANTED
import pytest
from hypothesis import settings
from planted import PLANTED

from lowrank_ode import BUG, DLRT, METHODS, AdaptiveBUG, Dense, ProjectorSplitting
from lowrank_ode.__main__ import main
from lowrank_ode.integrators import (
    ABCPSI,
    FactorODE,
    GeoLoRA,
    MidpointBUG,
    ParallelBUG,
    ParallelBUG2,
    ProjectedRK,
)
from lowrank_ode.testing import THEOREMS, TheoremFails, check_integrator

SHARP = [ProjectorSplitting(), ProjectorSplitting(2), BUG(), AdaptiveBUG(1e-12, max_rank=6),
         DLRT(1e-12), ParallelBUG(1e-12), ParallelBUG2(1e-12), MidpointBUG(1e-12),
         MidpointBUG(1e-12, bases="4r"), ProjectedRK(1), ProjectedRK(2), ProjectedRK(3),
         ABCPSI(1e-12, max_rank=6), GeoLoRA(1e-12), FactorODE()]
CLAIMS = sorted({theorem.claim for theorem in THEOREMS.values() if theorem.claim})


def test_every_method_is_checked():
    assert {type(method) for method in SHARP} >= set(METHODS) - {Dense}


@pytest.mark.parametrize("method", SHARP, ids=str)
def test_what_a_class_claims_holds_and_what_it_denies_fails(method):
    """None is: not known. The order is two-sided in test_theorems_accuracy."""
    assert check_integrator(method)
    for claim in set(CLAIMS) - {"order"}:
        verdict = check_integrator(method, claims=[claim], report=True)
        said = getattr(method, claim)
        assert said is None or verdict.passed == said, f"{claim} is said to be {said}:\n{verdict}"


@pytest.mark.parametrize("method", SHARP, ids=str)
def test_no_right_method_is_rejected_by_any_seed(method):
    """As many seeds as the hypothesis profile has examples: 100 for ci, 1,000 for thorough.

    (Orders take long, and have 3.)
    """
    claims = [claim for claim in CLAIMS if claim != "order" and getattr(method, claim)]
    assert check_integrator(method, claims, seeds=settings.default.max_examples).passed


@pytest.mark.parametrize("wrong, claims, theorem", PLANTED,
                         ids=lambda x: type(x).__name__ if hasattr(x, "step") else None)
def test_every_planted_defect_is_rejected_by_its_theorem(wrong, claims, theorem):
    with pytest.raises(TheoremFails) as failure:
        check_integrator(wrong, claims)
    assert failure.value.row.theorem == theorem, str(failure.value)


def test_at_least_25_defects_are_planted_the_published_ones_among_them():
    names = [type(wrong).__name__ for wrong, *_ in PLANTED]
    assert len(set(names)) >= 25 and {name[:2] for name in names} >= {f"B{k}" for k in range(1, 10)}


def test_a_failure_names_theorem_equation_residual_bound_and_seed_and_is_reproduced_by_them():
    step = {"step": lambda self, Y, t, h, F: BUG().step(Y, t, 0.9 * h, F)}
    wrong = type("TooShort", (BUG,), step)()
    with pytest.raises(TheoremFails) as failure:
        check_integrator(wrong, claims={"exact_on_rank_r": True})
    row, text = failure.value.row, str(failure.value)
    words = row.theorem, row.equation, row.measured, row.bound, f"seed={row.seed}", row.start
    assert all(str(word) in text for word in words)
    assert row.start == "Y 12×11, rank 3, σ = 1.0e+00, 5.0e-01, 2.0e-01; t = 0.0, h = 0.1"
    assert THEOREMS[row.theorem].residual(wrong, row.seed) == (row.measured, row.bound)
    assert row.measured > row.bound


def test_of_the_draws_that_fail_the_smallest_matrix_is_shown():
    """A method that fails wherever the rank is above 1.

    The kit's draws have ranks 1 to 4, and seed 0 does not fail.
    """
    wrong = bad("RankOneOnly", lambda self, Y, t, h, F: Y if getattr(Y, "rank", 2) == 1 else 1 / 0)
    row = check_integrator(wrong, claims=[], report=True)[0]
    assert "ZeroDivisionError" in row.verdict and "rank 2" in row.start and row.seed % 4 == 1


def test_a_report_is_a_table_and_json_and_has_a_tight_row():
    report = check_integrator(BUG(), report=True)
    assert report.passed and "holds" in str(report)
    assert len(str(report).splitlines()) == len(report) + 1
    rows = json.loads(report.json())
    claimed = {t.name for t in THEOREMS.values() if t.claim is None or getattr(BUG, t.claim)}
    assert {row["theorem"] for row in rows} == claimed


def bad(name, step):
    return type(name, (), {"step": step, "order": 1})()


def mutate(self, Y, t, h, F):
    if hasattr(Y, "S"):
        Y.S[...] = 0
    return Y


@pytest.mark.parametrize("method, words", [
    (object(), "no method step"),
    (bad("Raises", lambda self, Y, t, h, F: 1 / 0), "ZeroDivisionError"),
    (bad("Wrong", lambda self, Y: Y), "TypeError"),
    (bad("Dense", lambda self, Y, t, h, F: Y.dense()), "step returned ndarray for LowRank"),
    (bad("Transposed", lambda self, Y, t, h, F: Y.adjoint()), "step returned shape"),
    (bad("None", lambda *a: None), "step returned NoneType"),
    (bad("NaN", lambda self, Y, t, h, F: float("nan") * Y), "keeps_type_and_shape"),
    (bad("Mutates", mutate), "is_pure"),
])
def test_what_is_no_integrator_is_reported_plainly_and_never_crashes(method, words):
    report = check_integrator(method, report=True)
    assert not report.passed and words in str(report) and not report[-1].verdict == "holds"
    with pytest.raises(TheoremFails, match=words):
        check_integrator(method)


def test_an_unknown_claim_and_no_seeds_are_refused():
    with pytest.raises(ValueError, match="claims: got speed"):
        check_integrator(BUG(), claims=["speed"])
    with pytest.raises(ValueError, match="seeds: got 0"):
        check_integrator(BUG(), seeds=0)


def test_the_command_line_checks_a_class(capsys):
    main(["check", "lowrank_ode:BUG", "--seeds", "2"])
    assert "is_robust_to_small_singular_values" in capsys.readouterr().out
    for target, message in (("planted:ReturnsNaN", "keeps_type_and_shape"),
                            ("lowrank_ode:NoSuch", "NoSuch"),
                            ("no_such_module:X", "no_such_module"),
                            ("lowrank_ode", "module:Class")):
        with pytest.raises(SystemExit) as exit_:
            main(["check", target])
        assert message in str(exit_.value) + capsys.readouterr().out
