"""The kit: right methods pass, wrong ones are rejected by the right theorem, and claims are true in
both directions."""

import json

import numpy as np
import planted_draws  # noqa: F401 -- they enter their defects into PLANTED
import planted_kinds  # noqa: F401
import planted_published  # noqa: F401
import pytest
from hypothesis import settings
from methods import low_rank, rejects, with_options
from outsiders import OUTSIDERS
from planted import PLANTED

from lowrank_ode import BUG, DLRT, METHODS, AdaptiveBUG, Dense
from lowrank_ode.__main__ import main
from lowrank_ode.integrators import (
    ABCPSI,
    FactorODE,
)
from lowrank_ode.matrices import dense, norm, tangent_projection
from lowrank_ode.testing import THEOREMS, TheoremFails, check_integrator, kit
from lowrank_ode.testing.claims import tangent_pair

SHARP = [*(with_options(m, max_rank=6) if isinstance(m, (AdaptiveBUG, ABCPSI)) else m
           for m in low_rank(tol=1e-12) if not rejects(m)), FactorODE()]
CLAIMS = sorted({theorem.claim for theorem in THEOREMS.values() if theorem.claim})


def test_every_method_is_checked():
    assert {type(method) for method in SHARP} >= set(METHODS) - {Dense}


@pytest.mark.parametrize("method", SHARP, ids=str)
def test_what_a_class_claims_holds_and_what_it_denies_fails(method, monkeypatch):
    """None is: not known. The order is two-sided in test_theorems_accuracy."""
    monkeypatch.setattr(kit, "THEOREMS", {name: theorem for name, theorem in THEOREMS.items()
                                          if theorem.claim})
    claims = {**dict.fromkeys(CLAIMS, True), "order": method.order}
    report = check_integrator(method, claims, report=True)
    for claim in CLAIMS:
        said, asked = getattr(method, claim), [
            row for row in report if THEOREMS[row.theorem].claim == claim
            and not row.verdict.startswith("not asked")]
        holds = not any(row.verdict.startswith("fails") for row in asked)
        assert said is None or not asked or holds == bool(said), (
            f"{claim} is said to be {said}:\n{report}")


@pytest.mark.parametrize("method", SHARP, ids=str)
def test_no_right_method_is_rejected_by_any_seed(method):
    """With the contract. A twentieth as many seeds as the hypothesis profile has examples: 50 for
    thorough. For ci the test above has more of each claim, the one below of the contract."""
    claims = [claim for claim in CLAIMS if claim != "order" and getattr(method, claim)]
    assert check_integrator(method, claims, seeds=settings.default.max_examples // 20).passed


@pytest.mark.parametrize("method", METHODS, ids=lambda Method: Method.__name__)
def test_every_method_passes_as_it_comes(method):
    report = check_integrator(method(), report=True)
    assert report.passed, str(report)


def test_what_the_options_put_outside_the_hypotheses_is_not_asked_and_the_report_says_why():
    by_name = {row.theorem: row.verdict
               for row in check_integrator(DLRT(), report=True, seeds=2)}
    assert by_name["keeps_symmetry"] == ("not asked: tau = 0.1 may cut what the theorem says is "
                                         "kept")
    capped = {row.theorem: row.verdict
              for row in check_integrator(AdaptiveBUG(1e-12, max_rank=2), report=True, seeds=3)}
    assert capped["converges_with_its_order"] == ("not asked: max_rank = 2 is below the rank of "
                                                  "the solution")
    assert capped["keeps_norm"] == "not asked: max_rank = 2 cuts what the theorem speaks of"
    assert not any("not asked" in row.verdict
                   for row in check_integrator(DLRT(0), report=True, seeds=2))


def test_dense_is_checked_as_what_it_is():
    by_name = {row.theorem: row.verdict
               for row in check_integrator(Dense(), claims={"order": 4}, report=True)}
    assert by_name.pop("returns_orthonormal_bases").startswith("not asked: low_rank = False")
    assert set(by_name.values()) == {"holds"} and "converges_on_coupled_blocks" in by_name
    with pytest.raises(TheoremFails, match="follows_its_field"):
        check_integrator(Dense(solve=lambda f, t, y, h: y + 2 * h * f(t, y)))


@pytest.mark.parametrize("method, without", OUTSIDERS, ids=lambda x: type(x).__name__)
def test_what_a_method_does_not_claim_is_taken_off_the_contract_and_listed(method, without):
    """Each of them is needed."""
    report = check_integrator(method, report=True, without=without)
    assert report.passed and sum(row.verdict == "holds" for row in report) > 8
    assert all(f"not claimed: {name}" in str(report) for name in without)
    for name in without:
        rest = [other for other in without if other != name]
        assert not check_integrator(method, report=True, without=rest, seeds=6).passed, name
    declared = type("Declared", (type(method),), {"without": without})()
    assert check_integrator(declared, report=True, seeds=1).passed


@pytest.mark.parametrize("wrong, claims, theorem", PLANTED,
                         ids=lambda x: type(x).__name__ if hasattr(x, "step") else None)
def test_every_planted_defect_is_rejected_by_its_theorem(wrong, claims, theorem, monkeypatch):
    """By its own, though an earlier one may see it, too."""
    its_own = THEOREMS[theorem]
    monkeypatch.setattr(kit, "THEOREMS", {theorem: its_own})
    if claims is not None:
        claims = {claim: said for claim, said in claims.items() if claim == its_own.claim}
    with pytest.raises(TheoremFails) as failure:
        check_integrator(wrong, claims)
    assert failure.value.row.theorem == theorem


def test_every_theorem_rejects_a_planted_defect():
    names = [type(wrong).__name__ for wrong, *_ in PLANTED]
    assert len(names) == len(set(names)) >= 75
    assert {name[:2] for name in names} >= {f"B{k}" for k in range(1, 10)}
    assert {theorem for *_, theorem in PLANTED} == set(THEOREMS)


@pytest.mark.parametrize("method", [m for m in SHARP if m.adaptive], ids=str)
def test_a_step_along_a_constant_tangent_field_has_the_singular_values_that_are_chosen(method):
    sigma = np.array([1.0, 0.6, 0.3, 0.01])
    Y, Z = tangent_pair(np.random.default_rng(0), sigma, 1.5)
    F = 2 * (dense(Z) - dense(Y))
    assert np.allclose(Z.singular_values(), sigma, rtol=0, atol=1e-14)
    assert norm(tangent_projection(Y, F) - F) <= 1e-13
    assert norm(dense(method.step(Y, 0, 0.5, lambda t, W: F)) - dense(Z)) <= 1e-13


def test_a_failure_names_theorem_equation_residual_bound_and_seed_and_is_reproduced_by_them():
    step = {"step": lambda self, Y, t, h, F: BUG().step(Y, t, 0.9 * h, F)}
    wrong = type("TooShort", (BUG,), step)()
    with pytest.raises(TheoremFails) as failure:
        check_integrator(wrong, claims={"exact_on_rank_r": True})
    assert failure.value.row.theorem == "follows_its_field"
    row, text = failure.value.row, str(failure.value)
    words = row.theorem, row.equation, row.measured, row.bound, f"seed={row.seed}", row.start
    assert all(str(word) in text for word in words)
    assert row.start.startswith("Y ") and " rank 1, σ = 1.0e+00; t = " in row.start
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
    report = check_integrator(BUG(), report=True, seeds=2)
    assert report.passed and "holds" in str(report)
    assert len(str(report).splitlines()) == len(report) + 1
    rows = json.loads(report.json())
    claimed = {t.name for t in THEOREMS.values() if t.claim is None or getattr(BUG, t.claim)}
    assert {row["theorem"] for row in rows} == claimed


def bad(name, step):
    return type(name, (), {"step": step, "order": 1})()


def mutate(self, Y, t, h, F):
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
    (bad("Mutates", mutate), "assignment destination is read-only"),
])
def test_what_is_no_integrator_is_reported_plainly_and_never_crashes(method, words):
    report = check_integrator(method, report=True)
    assert not report.passed and words in str(report) and not report[-1].verdict == "holds"
    with pytest.raises(TheoremFails, match=words):
        check_integrator(method)


@pytest.mark.parametrize("options, words", [
    ({"claims": ["speed"]}, "claims: got speed"), ({"claims": "robust"}, "claims: got 'robust'"),
    ({"claims": 3}, "claims: got 3, expected a list"),
    ({"claims": {"order": True}}, None), ({"claims": {"order": "2"}}, "claims: got the order 2"),
    ({"claims": {"order": 0}}, "claims: got the order 0"), ({"seeds": 0}, "seeds: got 0"),
    ({"without": ("speed",)}, "without: got speed, expected some of complex, float32"),
])
def test_unknown_claims_and_features_and_no_seeds_are_refused(options, words):
    if words is None:
        assert check_integrator(BUG(), **options, seeds=2)
        return
    with pytest.raises(ValueError, match=words):
        check_integrator(BUG(), **options)


def test_an_order_without_a_number_is_that_of_the_object_or_refused():
    report = check_integrator(BUG(), claims=["order"], report=True, seeds=2)
    assert report.passed and report[-1].theorem == "converges_on_coupled_blocks"
    with pytest.raises(ValueError, match=r'expected a number > 0: \{"order": 2\}'):
        check_integrator(Dense(), claims=["order"])


def test_a_class_in_the_place_of_its_instance_is_named():
    with pytest.raises(TypeError, match=r"got the class BUG, expected an instance: BUG\(\)"):
        check_integrator(BUG)


@pytest.mark.parametrize("target", ["lowrank_ode:DLRT", "lowrank_ode.integrators:GeoLoRA",
                                    "lowrank_ode:DLRT(tau=0, max_rank=5)", "lowrank_ode:Dense"])
def test_the_command_line_checks_a_class_as_it_comes_or_with_options(target, capsys):
    main(["check", target, "--seeds", "2"])
    assert "follows_coupled_fields" in capsys.readouterr().out


def test_the_command_line_checks_a_class_in_a_file(tmp_path, capsys):
    (tmp_path / "neighbour.py").write_text("from lowrank_ode import BUG as Base\n")
    file = tmp_path / "json.py"             # of a name that is taken
    file.write_text("from neighbour import Base\nclass Mine(Base):\n    without = ('complex',)\n")
    main(["check", f"{file}:Mine", "--seeds", "1"])
    assert "not claimed: complex" in capsys.readouterr().out
    main(["check", f"{file}:Mine()", "--seeds", "1", "--without", "float32,direct_sums"])
    assert "not claimed: float32" in capsys.readouterr().out


def test_the_command_line_names_what_is_wrong(capsys):
    for target, message in (("planted:ReturnsNaN", "keeps_type_and_shape"),
                            ("lowrank_ode:NoSuch", "NoSuch"),
                            ("no_such_module:X", "no_such_module"), ("gone.py:X", "gone.py"),
                            ("lowrank_ode:DLRT(tau=x)", "expected numbers"),
                            ("lowrank_ode:DLRT(tau=-1)", "tau: got -1"),
                            ("lowrank_ode:DLRT(speed=1)", "speed"),
                            ("lowrank_ode", "module:Class")):
        with pytest.raises(SystemExit) as exit_:
            main(["check", target])
        assert message in str(exit_.value) + capsys.readouterr().out
