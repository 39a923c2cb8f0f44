"""What is said of the last run of mutation testing is what it found;
the operators do what they are for."""

import json
import re
from pathlib import Path

import pytest
from mutation.report import reasons, report

ROOT = Path(__file__).parent.parent.parent


def named_but_gone(config):
    """The files that a configuration names and that do not exist."""
    return [name for name in re.findall(r"[\w/]+\.py\b", config)
            if "/" in name and not (ROOT / name).exists()]


def test_every_file_that_the_configuration_names_exists():
    config = read("tests/mutation/mutation.cfg")
    assert "lowrank_ode/flow.py = tests/" in config and named_but_gone(config) == []
    planted = "lowrank_ode/flow.py = tests/test_flow.py tests/integrators/test_substeps.py"
    assert named_but_gone(planted) == ["tests/test_flow.py"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_page_of_results_shows_the_last_run_and_each_survivor_has_its_reason():
    page, complaints = report(json.loads(read("docs/mutation.json")),
                              reasons(read("tests/mutation/equivalent.txt")))
    assert page == read("docs/mutation-results.md") and complaints == []


def test_a_survivor_without_a_reason_and_a_reason_without_a_survivor_are_complained_of():
    outcome = {"a.py": {"mutants": 5, "killed": 3, "alive": ["- x\n+ y", "- x\n+ z"]}}
    why = reasons("# a.py\n\n- x\n+ y\nThe same.\n\n- x\n+ w\nGone.\n\n"
                  "# b.py\n\n- x\n+ y\nNot of this run.\n")
    page, complaints = report(outcome, why)
    assert complaints == ["alive without a reason: a.py\n- x\n+ z",
                          "a reason, but not alive: a.py\n- x\n+ w"]
    assert "| all | | 5 | 3 | 1 | 1 | 60.0% | 75.0% |" in page and "The same." in page
    assert "Gone." not in page


@pytest.mark.parametrize("operator, source, mutants", [
    ("DropFactor", "A @ B @ C", {"B @ C", "A @ C", "A @ B"}), ("DropFactor", "A * B", set()),
    ("DropCall", "H(X) + np.abs(y).max(axis=0)",
     {"(X) + np.abs(y).max(axis=0)", "H(X) + np.abs(y)"}),
    ("DropCall", "f(x, y) + f() + X.conj()", {"f(x, y) + f() + X"}),
    ("DropKeyword", "f(x, dtype=d)", {"f(x)"}), ("DropKeyword", "zip(x, y, strict=True)", set()),
    ("DropStatement", "f(x)\ny = f(x)\n", {"pass\ny = f(x)\n"}),
    ("DropStatement", "raise ValueError(x)\n", {"pass\n"}),
])
def test_the_operators_of_linear_algebra_make_these_mutants_and_no_others(
        operator, source, mutants):
    mutating = pytest.importorskip("cosmic_ray.mutating")
    operators = pytest.importorskip("mutation.operators")
    found = (mutating.mutate_code(source, getattr(operators, operator)(), k) for k in range(9))
    assert set(filter(None, found)) == mutants
