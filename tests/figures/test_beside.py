"""What the command `python -m figures` writes, where, and what it says of it, with a planted
figure."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from planted_figure import CLAIMS, cannot_be_asked, main, starts_at_one, starts_at_two

from figures import _places, _run
from lowrank_ode.results import read_json

ROOT = Path(__file__).parent.parent.parent


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*")
            if path.is_file()}


def changed(path, change):
    """Planted: other numbers, committed."""
    data = read_json(path)
    change(data)
    path.write_text(json.dumps(data))


def verdict(capsys):
    return capsys.readouterr().out.splitlines()[-1].partition("planted_figure")[2].strip()


def test_a_run_writes_to_results_only_and_says_that_it_is_identical(planted, capsys):
    before = contents(planted)
    main()
    assert verdict(capsys) == "identical but for the clock; its claims hold"
    after = contents(planted)
    assert {str(path) for path in after.keys() - before} == {
        f"here/results/planted_figure.{ending}" for ending in ("json", "png", "md")}
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("kind, begins", [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_pictures_of_other_formats(planted, kind, begins):
    main("--format", kind, "--out", "a/b")
    picture = planted / f"here/a/b/planted_figure.{kind}"
    first = picture.read_bytes()
    main("--format", kind, "--out", "a/b", "--redraw")
    assert first.startswith(begins) and picture.read_bytes() == first
    assert not (planted / "here/a/b/planted_figure.png").exists()


def test_each_scale_has_files_of_its_own(planted):
    """Planted: --full in the place of the default."""
    for scale, name in (("default", "planted_figure"), ("full", "planted_figure_full"),
                        ("small", "small/planted_figure")):
        before = contents(planted / "here")
        main(*([] if scale == "default" else [f"--{scale}"]))
        after = contents(planted / "here")
        assert read_json(planted / f"here/results/{name}.json")["scale"] == scale
        assert {str(path) for path in after.keys() - before} == {
            f"results/{name}.{ending}" for ending in ("json", "png", "md")}
        assert {path: after[path] for path in before} == before


def in_its_last_digit(data):
    data["runs"][0]["values"][1] = float(np.nextafter(1 / 3, 1))


def below_rounding_of_one(data):
    data["runs"][0]["values"][2] = 3e-14


def by_a_thousandth(data):
    data["runs"][0]["values"][1] *= 1.001


def of_another_kind(data):
    data["runs"][0]["values"][1] = None


def one_more(data):
    data["runs"][0]["values"].append(0.0)


def another_setting(data):
    data["settings"]["scale"] = "other"


def only_the_clock(data):
    data["clock"]["seconds"] = [7.0]
    data["made"] = {}


VERDICTS = [(in_its_last_digit, "within rounding, 2e-16 at runs[0].values[1]"),
            (below_rounding_of_one, "within rounding, 1e-09 at runs[0].values[2]"),
            (by_a_thousandth, "different, 0.001 at runs[0].values[1]"),
            (of_another_kind, "different at runs[0].values[1]"),
            (one_more, "different at runs[0].values"),
            (another_setting, "different at settings.scale"),
            (only_the_clock, "identical but for the clock")]


@pytest.mark.parametrize("change, words", VERDICTS, ids=[each.__name__ for each, _ in VERDICTS])
def test_verify_says_how_far_apart_and_where_and_fails_where_a_result_is_different(
        planted, capsys, change, words):
    changed(planted / "source/figures/planted_figure.json", change)
    if words.startswith("different"):
        with pytest.raises(SystemExit, match=r"^not verified: planted_figure$"):
            main("--verify")
    else:
        main("--verify")
    assert verdict(capsys) == f"{words}; its claims hold"
    main()                                              # no failure of the plain command
    assert verdict(capsys) == f"{words}; its claims hold"


def test_nothing_committed_nothing_claimed_and_a_claim_that_fails(planted, capsys, monkeypatch):
    main("--verify", "--full")
    assert verdict(capsys) == "identical but for the clock; nothing claimed"
    (planted / "source/figures/planted_figure.json").unlink()
    main("--verify")
    assert verdict(capsys) == "nothing committed; its claims hold"
    monkeypatch.setitem(CLAIMS, "default", (starts_at_one, starts_at_two, cannot_be_asked))
    with pytest.raises(SystemExit, match=r"^not verified: planted_figure$"):
        main("--verify")
    assert verdict(capsys) == "nothing committed; FAILS: starts_at_two, cannot_be_asked"


def test_verify_uses_nothing_that_was_there_but_jobs_of_an_interrupted_one(planted, monkeypatch):
    for folder in ("source/figures", "here/results", "here/results/verify"):
        (planted / folder / "networks.jobs").mkdir(parents=True)
    (planted / "here/results/verify/other.json").touch()
    monkeypatch.setattr(_run, "remove_jobs", lambda *_: seen.append(_places.places()))
    seen = []
    main("--verify")
    main()
    assert seen == [(planted / "here/results/verify",),
                    (planted / "here/results", planted / "source/figures")]
    assert sorted(os.listdir("results/verify")) == [
        "planted_figure.jobs", "planted_figure.json", "planted_figure.md", "planted_figure.png"]
    assert os.path.isdir("results/networks.jobs")


def test_commit_writes_results_and_pages_and_nothing_else_does(planted, capsys):
    """A page is rendered with --commit only."""
    page, source = planted / "page.md", planted / "source/figures"
    table = (source / "planted_figure.md").read_text()
    assert page.read_text() == f"<!-- table planted_figure -->\n{table}<!-- end -->\n"
    changed(source / "planted_figure.json", lambda data: data["runs"][0]["values"].insert(0, 2.0))
    capsys.readouterr()
    main("--redraw", "--commit")
    assert "| 2.0 s: 0.5 |" in page.read_text() and not os.listdir()
    assert capsys.readouterr().out.endswith("| 2.0 s: 0.5 |\n\n")
    rendered = page.read_text()
    page.write_text(rendered.replace("2.0", "3.0"))
    main()
    assert "| 3.0 s: 0.5 |" in page.read_text()
    capsys.readouterr()
    main("--commit")
    assert page.read_text() == rendered.replace("2.0", "1.0")
    assert verdict(capsys) == "different at runs[0].values; its claims hold"


def test_what_cannot_be_committed_is_refused(planted, capsys):
    for options, words in ((["--out", "x"], "--out"), (["--format", "pdf"], "--format"),
                           (["--verify"], "--verify"), (["--small"], "--small")):
        with pytest.raises(SystemExit):
            main("--commit", *options)
        assert f"--commit: got {words} with it, expected" in capsys.readouterr().err
    for option in ("--small", "--redraw"):
        with pytest.raises(SystemExit):
            main("--verify", option)
        assert f"--verify: got {option} with it, expected" in capsys.readouterr().err
    (planted / "source/.git").rmdir()
    with pytest.raises(SystemExit):
        main("--commit")
    assert "--commit: expected a checkout of the source" in capsys.readouterr().err
