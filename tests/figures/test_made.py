"""What a JSON of a figure says beside its results, and where these lie."""

import contextvars
import copy
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import planted_figure
import pytest
from planted_figure import main

from figures import _made, _places, _run
from figures.__main__ import NAMES
from figures._jobs import run_jobs
from lowrank_ode.results import read_json, write_json

ROOT = Path(__file__).parent.parent.parent


def test_the_clock_is_apart_and_what_is_read_is_what_was_written(tmp_path):
    data = {"settings": {"seconds": 3}, "torch": None, "runs": [
        {"seconds": {"a": [1, 2]}, "x": 1}, {"y": [{"seconds": 4, "bytes": 5}]}], "methods": {
            "BUG": {"seconds": [[6.5]]}}}
    before = copy.deepcopy(data)
    _made.write(tmp_path / "a.json", data)
    assert data == before == _made.read(tmp_path / "a.json")
    written = read_json(tmp_path / "a.json")
    assert written["clock"] == {"torch": [None], "bytes": [5],
                                "seconds": [{"a": [1, 2]}, 4, [[6.5]]]}
    assert written["runs"][0] == {"seconds": None, "x": 1} and written["settings"]["seconds"] == 3
    written["clock"]["seconds"].pop()                                   # planted
    write_json(tmp_path / "a.json", written)
    with pytest.raises(ValueError, match=r"a.json: clock: got 2 of seconds, expected 3"):
        _made.read(tmp_path / "a.json")
    write_json(tmp_path / "a.json", before)                             # with no part for it
    assert _made.read(tmp_path / "a.json") == before


@pytest.mark.parametrize("path", sorted(_places.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_committed_results_say_what_made_them_and_have_the_clock_apart(path, tmp_path):
    data = _made.read(path)
    assert "made" in data
    _made.write(tmp_path / "a.json", data)
    assert (tmp_path / "a.json").read_bytes() == path.read_bytes()


def git(folder, *words):
    command = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(not shutil.which("git"), reason="no git")
def test_the_commit_is_that_of_the_checkout_and_clean_if_its_python_files_are(tmp_path):
    assert _made.code(tmp_path / "nowhere") == {}
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").touch()
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "b.json").touch()
    commit = git(tmp_path, "rev-parse", "HEAD")
    found = _made.code.__wrapped__(tmp_path)
    assert found["clean"] is True and commit.startswith(found["commit"])
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("1")
        assert _made.code.__wrapped__(tmp_path) == {**found, "clean": False}
        git(tmp_path, "stash", "-q")


def test_made_says_commit_versions_and_threads_and_without_a_checkout_no_commit(
        planted, monkeypatch):
    monkeypatch.setattr(_made, "code", lambda root: {"commit": "abc", "clean": True})
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    said = _made.made()
    assert list(said) == ["commit", "clean", "lowrank_ode", "python", "numpy", "scipy", "threads"]
    assert said["numpy"] == np.__version__ and said["threads"] == 3
    (planted / "source/.git").rmdir()
    monkeypatch.setattr(_run, "run_jobs", lambda function, jobs, folder: {
        key: function(**arguments) for key, arguments in jobs.items()})     # no further process
    main("--jobs", "2")
    data = read_json("results/planted_figure.json")
    assert data["made"] == {**{key: said[key] for key in list(said)[2:]}, "threads": 1,
                            "earlier jobs": 0}
    assert data["processes"] == 2 and data["runs"][0]["seconds"] is None
    main()
    assert read_json("results/planted_figure.json")["processes"] == 1      # --jobs is obeyed


MADE = {"commit": "abc", "clean": True, "lowrank_ode": "0.1", "python": "3", "numpy": "2",
        "scipy": "1", "threads": 2, "earlier jobs": 0}
SENTENCES = [({}, "Commit not recorded."), ({"made": {"committed in": "abc"}},
                                            "Commit not recorded (committed in abc)."),
             ({"made": MADE},
              "Computed at abc with Python 3, NumPy 2, SciPy 1, BLAS threads: 2."),
             ({"made": {**MADE, "clean": False, "earlier jobs": 5}},
              "Computed at abc, changed, with Python 3, NumPy 2, SciPy 1, BLAS threads: 2, "
              "5 jobs of it earlier."),
             ({"made": {key: MADE[key] for key in list(MADE)[2:]}}, "Computed by lowrank_ode 0.1 "
              "with Python 3, NumPy 2, SciPy 1, BLAS threads: 2.")]


@pytest.mark.parametrize("data, sentence", SENTENCES)
def test_a_table_says_what_made_it(data, sentence):
    data = {"runs": [{"values": [1.0], "seconds": 2}], **data}
    assert _made.computed_at(data) == sentence
    table, = _run.tables(planted_figure, data).values()
    assert table.replace("\n", " ").startswith(f"{sentence}  | x | |---|")


def test_jobs_are_removed_only_after_the_json_is_written_and_an_interrupted_run_goes_on(
        planted, monkeypatch):
    with monkeypatch.context() as failing:
        failing.setattr(_run, "write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(SystemExit, match=r"^error: disk full"):
            main()
    assert os.listdir("results") == ["planted_figure.jobs"]
    assert os.listdir("results/planted_figure.jobs") == ["job.json"]
    monkeypatch.setattr(planted_figure, "VALUES", None)    # a job that is run again fails
    main()
    assert read_json("results/planted_figure.json")["made"]["earlier jobs"] == 1
    assert not os.path.exists("results/planted_figure.jobs")


def test_what_another_figure_has_left_is_of_this_run_and_else_committed(planted):
    committed = planted / "source/figures/planted_figure.json"
    mine = planted / "here/results/planted_figure.json"
    with _places.writing_to("results", planted / "source/figures"):
        assert _places.found("planted_figure", "default") == [committed]
        main()
        assert _places.found("planted_figure", "default") == [mine, committed]
        assert _places.places()[0] == planted / "here/results"
    assert _places.found("planted_figure", "default") == [committed]


def place(k):
    return f"{k}: {_places.places()[0]}"


def test_jobs_know_where_results_lie_wherever_they_run(tmp_path):
    """Planted: none said, it is where results are committed."""
    jobs, before = {f"{k}": {"k": k} for k in range(9)}, _places.places()
    for name in ("a", "b"):
        with joblib.parallel_config("threading", n_jobs=2), _places.writing_to(tmp_path / name):
            assert list(run_jobs(place, jobs, tmp_path / f"{name}.jobs").values()) == [
                f"{k}: {tmp_path / name}" for k in range(9)]
    assert _places.places() == before
    assert contextvars.Context().run(place, 1) == f"1: {_places.FOLDER}"


def test_from_any_folder_with_a_checkout_that_is_read_only(tmp_path):
    checkout, here = tmp_path / "checkout", tmp_path / "here"
    here.mkdir()
    for name in ("figures", "lowrank_ode"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns(
            "*.json", "*.png", "*.md", "*.jobs", "__pycache__", "small"))
    (checkout / "figures/planted.py").write_text(
        "from planted_figure import SETTINGS, compute, draw\n")
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*")}
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT / "tests")}
    subprocess.run([sys.executable, checkout / "figures", "planted"], cwd=here, env=env, check=True)
    assert sorted(os.listdir(here / "results")) == ["planted.json", "planted.png"]
    assert {path: path.stat().st_mtime_ns for path in checkout.rglob("*")} == before


def test_the_list_says_what_is_committed(capsys):
    from figures.__main__ import main
    main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    front = lines[NAMES.index("front")]
    assert front.endswith(importlib.import_module("figures.front").__doc__.splitlines()[0])
    orders = lines[NAMES.index("orders")]
    assert "--all  default, full " in front and "full" not in orders and "--all" not in orders
