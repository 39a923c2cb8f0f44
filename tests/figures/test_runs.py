"""The command `python -m figures` with a planted figure, which is this file: thirty naps, each
noting its start in the file `log`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import pytest
from matplotlib.figure import Figure
from naps import nap, started

from figures import __main__, scaling, stagnation, timings
from figures._jobs import processes, run_jobs
from lowrank_ode.results import read_json

ROOT = Path(__file__).parent.parent.parent
SETTINGS = {"default": {"naps": list(range(30)), "seconds": 0.3}}
COMMAND = """
import signal, sys, test_runs
from figures import __main__
sys.modules["figures.planted"] = test_runs
__main__.NAMES.append("planted")
signal.signal(signal.SIGINT, signal.default_int_handler)    # as in a terminal, wherever tests run
__main__.main(["planted", *sys.argv[1:]])
"""


def compute(settings, run):
    return {"slept": list(run(nap, {k: {"k": k, "seconds": settings["seconds"], "log": "log"}
                                    for k in settings["naps"]}).values())}


def draw(data):
    return Figure()


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """This file as the figure "planted" of the command, in an empty folder, which is returned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "figures.planted", sys.modules[__name__])
    monkeypatch.setattr(__main__, "NAMES", ["planted"])
    return tmp_path


@pytest.mark.parametrize("number, how", [(2, signal.SIGKILL), (2, signal.SIGINT),
                                         (1, signal.SIGINT)], ids=lambda value: str(int(value)))
def test_a_killed_or_interrupted_command_loses_at_most_the_jobs_in_flight(
        planted, monkeypatch, number, how):
    folder, log = planted / "results/test_runs.jobs", planted / "log"
    path = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent),
            os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen([sys.executable, "-c", COMMAND, "--jobs", str(number)], cwd=planted,
                               start_new_session=True, text=True,
                               stderr=subprocess.PIPE,
                               env={**os.environ, "PYTHONPATH": os.pathsep.join(path)})
    while len(started(log)) < 2 + number:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    os.killpg(process.pid, how)
    error = process.communicate(timeout=60)[1]
    finished = {int(path.stem) for path in folder.glob("*.json")}
    assert 2 <= len(finished) < 30 and len(set(started(log)) - finished) <= number
    if how == signal.SIGINT:
        assert "interrupted: finished jobs are kept, the same command goes on from there\n" in error
        assert "Traceback" not in error
        assert process.returncode == 1
    # planted: a loss, to be seen in what the next run starts
    (folder / f"{finished.pop()}.json").unlink()
    (folder / ".2.json.0123abcd.part").touch()              # as a killed process may leave it
    log.unlink()
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    __main__.main(["planted"])
    assert started(log) == sorted(set(range(30)) - finished)
    made = read_json(planted / "results/test_runs.json")
    assert made["slept"] == list(range(30)) and made["made"]["earlier jobs"] == len(finished)
    assert sorted(os.listdir(planted)) == ["log", "results"]
    assert sorted(os.listdir(planted / "results")) == ["test_runs.json", "test_runs.png"]


def test_the_command_names_a_refused_file_and_a_wrong_number_of_jobs(planted, capsys):
    (planted / "results/test_runs.jobs").mkdir(parents=True)
    (planted / "results/test_runs.jobs/3.json").write_text(json.dumps("mine"))
    with pytest.raises(SystemExit, match=r"^error: .*/test_runs.jobs/3.json: "
                       "not a finished job of this package; delete this file"):
        __main__.main(["planted"])
    with pytest.raises(SystemExit):
        __main__.main(["planted", "--jobs", "0"])
    assert "--jobs: got 0, expected at least 1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        __main__.main(["planted", "--all"])
    assert "--all: got planted with it, expected no names" in capsys.readouterr().err
    assert not (planted / "log").exists()


class Unheard(BaseException):
    pass


def ends(k, log):
    """A job that means to end the program, in one way or another."""
    nap(k, 0, log)
    if k % 2:
        raise {1: SystemExit("enough"), 3: GeneratorExit(), 5: Unheard("of")}[k]
    return k


@pytest.mark.parametrize("number", [1, 2])
def test_a_job_that_means_to_end_the_program_ends_itself_and_its_key_is_named(tmp_path, number):
    jobs = {f"job {k}": {"k": k, "log": str(tmp_path / "log")} for k in range(7)}
    with processes(number), pytest.raises(RuntimeError) as raised:
        run_jobs(ends, jobs, tmp_path / "jobs")
    first, *others = str(raised.value).splitlines()
    assert first.startswith("of 7 jobs 3 failed and 0 were not started; 4 are kept in ")
    for line, words in zip(sorted(others), ("job 1: SystemExit: enough", "job 3: GeneratorExit: ",
                                            "job 5: Unheard: of"), strict=True):
        assert line.startswith(f"{words} (test_runs.py, line ")
    assert sorted(os.listdir(tmp_path / "jobs")) == [f"job {k}.json" for k in range(0, 7, 2)]
    assert sorted(started(tmp_path / "log")) == list(range(7))


def test_what_is_timed_runs_alone():
    class Seen(Exception):
        pass

    def run(function, jobs):
        raise Seen(joblib.effective_n_jobs(None))

    for module, number in ((timings, 1), (scaling, 1), (stagnation, 2)):
        with processes(2), pytest.raises(Seen, match=f"^{number}$"):
            module.compute(module.SETTINGS["small"], run)


def test_joblib_sends_the_jobs_of_a_figure_to_a_dask_cluster(planted):
    pytest.importorskip("distributed")

    from dask.distributed import Client, LocalCluster
    from joblib import parallel_config

    from figures import rank_evolution
    from figures._places import writing_to
    from figures._run import produce

    with (LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client,
          parallel_config("dask"), writing_to("results")):
        data = produce(rank_evolution, "small")
        there = client.run(lambda: "figures.rank_evolution" in sys.modules)

    assert list(data["runs"]) == ["0.05", "0.15", "dense"] and any(there.values())
