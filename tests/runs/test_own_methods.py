"""A method of one's own on the command line: made as it is written, or refused in a line."""

from dataclasses import dataclass

import pytest

from lowrank_ode import DLRT
from lowrank_ode.__main__ import main
from lowrank_ode.commands.named import made_of
from lowrank_ode.results import read_json
from lowrank_ode.substeps import rk4

QUICK = ["train", "--data", "digits", "--widths", "20,20", "--epochs", "2", "--lr", "0.1"]


@dataclass(frozen=True)
class Mine(DLRT):
    """A method of somebody's, importable from here."""

    solve: object = None


@pytest.mark.parametrize("text, made", [
    ("test_own_methods:Mine", Mine()), ("test_own_methods:Mine()", Mine()),
    ("test_own_methods:Mine(tau=0.3, solve=rk4)", Mine(0.3, solve=rk4)),
    ("test_own_methods:Mine(0.3, [4, None])", Mine(0.3, [4, None])),
    ("lowrank_ode:DLRT(max_rank=4)", DLRT(max_rank=4))])
def test_a_method_of_ones_own_is_made_as_it_is_written(text, made):
    assert made_of(text, "--method") == made


def nothing():
    """What is no method, made or not."""


@pytest.mark.parametrize("text, words", [
    ("test_own_methods:Mine(tau=-1)", "tau: got -1"),
    ("test_own_methods:Mine(x=1)", "argument 'x'"),
    ("test_own_methods:Mine(tau=print(1))", "malformed node"),
    ("test_own_methods:Mine(", "expected mod"),
    ("test_own_methods:Mine(tau=magic)", "malformed node"),
    ("test_own_methods:Mine()()", "one call"),
    ("test_own_methods:Mine().step", "expected module:Class"),
    ("test_own_methods:None_", "has no attribute 'None_'"),
    ("test_own_methods:nothing", "no integrator|NoneType, expected an integr"),
    (":Mine", "got ':Mine', expected module:Class"),
    ("test_own_methods:", "expected module:Class"),
    ("no_such_module:Mine", "No module named 'no_such_module'")])
def test_what_is_no_method_is_refused_in_a_line_and_nothing_is_run(text, words, capsys):
    with pytest.raises(SystemExit, match=f"error: .*({words})"):
        main([*QUICK, "--method", text])
    assert not capsys.readouterr().out.startswith("1")


def test_a_method_of_ones_own_trains_and_takes_no_option_that_it_would_not_use(tmp_path):
    own, named = [*QUICK, "--method", "test_own_methods:Mine(tau=0.2)"], [*QUICK, "--tau", "0.2"]
    for name, options in (("own", own), ("named", named)):
        main([*options, "--out", str(tmp_path / f"{name}.json")])
    own_losses, losses = ([r["loss"] for r in read_json(tmp_path / f"{name}.json")["records"]]
                          for name in ("own", "named"))
    assert own_losses == losses
    with pytest.raises(SystemExit, match=r"--tau: got 0\.1, expected none with --method test_own"):
        main([*own, "--tau", "0.1"])
