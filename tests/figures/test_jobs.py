"""Jobs: the same results however they are run, and whatever goes wrong, nothing lost, nothing
computed twice or used unsaid."""

import io
import math
import os
import re
import signal
import sys
import time

import joblib
import pytest
from naps import nap, naps, started

from figures._jobs import processes, remove_jobs, run_jobs
from lowrank_ode.results import read_json, write_json


def divide(a, b):
    return a / b


def last_is_quickest(k):
    time.sleep(0.1 * (3 - k))
    return {"k": (k, 0.1 * k), "process": os.getpid()}


@pytest.mark.parametrize("number", [1, 2])
def test_results_and_their_order_are_those_of_the_jobs_in_one_process_and_in_several(
        tmp_path, number):
    with processes(number):
        results = run_jobs(last_is_quickest, {f"{k}": {"k": k} for k in range(4)},
                           tmp_path / "jobs")
    at = {result.pop("process") for result in results.values()}
    # as JSON says a tuple
    assert list(results.items()) == [(f"{k}", {"k": [k, 0.1 * k]}) for k in range(4)]
    assert at == {os.getpid()} if number == 1 else os.getpid() not in at


def test_a_relative_folder_is_that_of_the_caller(tmp_path, monkeypatch):
    with processes(2):
        for place in (tmp_path / "a", tmp_path / "b"):      # two processes serve both
            place.mkdir()
            monkeypatch.chdir(place)
            run_jobs(nap, naps(tmp_path / "log"), "jobs")
            assert len(os.listdir(place / "jobs")) == 4


def surroundings(k):
    import numpy  # noqa: F401
    from threadpoolctl import threadpool_info
    return [max(library["num_threads"] for library in threadpool_info()),
            signal.getsignal(signal.SIGINT) == signal.SIG_IGN]


@pytest.fixture
def terminal():
    """Ctrl-C as in a terminal; what runs in the background may have been started without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_process_has_one_blas_thread_and_leaves_ctrl_c_to_the_one_that_waits(
        tmp_path, monkeypatch, terminal):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    found = []
    # planted: not a word on either
    for context in (processes, lambda number: joblib.parallel_config("loky", n_jobs=number)):
        with context(2):
            found.append(run_jobs(surroundings, {1: {"k": 1}, 2: {"k": 2}},
                                  tmp_path / f"jobs {len(found)}"))
    assert found == [{1: [1, True], 2: [1, True]}, {1: [2, False], 2: [2, False]}]


def test_a_finished_job_is_one_file_with_its_question_and_is_not_run_again(tmp_path):
    folder, log = tmp_path / "jobs", tmp_path / "log"
    first = run_jobs(nap, naps(log, 2), folder)
    question = {"lowrank_ode job": 1, "function": "naps.nap", "arguments": naps(log)["nap 1"]}
    assert read_json(folder / "nap 1.json") == {**question, "result": 1}
    assert run_jobs(nap, naps(log, 3), folder) == {**first, "nap 2": 2}
    assert started(log) == [0, 1, 2]
    remove_jobs(naps(log, 2), folder)
    assert os.listdir(folder) == ["nap 2.json"]
    remove_jobs(naps(log), folder)
    assert not folder.exists()


def test_any_key_is_a_file_of_the_folder(tmp_path):
    keys = ["a/b", "..", "S⁻¹ [1, 1e-4]", ("BUG", 8), 0.05, "*", "%2A", "a"]
    jobs = dict(zip(keys, naps(tmp_path / "log", len(keys)).values(), strict=True))
    for _ in range(2):
        assert run_jobs(nap, jobs, tmp_path / "jobs") == {key: k for k, key in enumerate(keys)}
    assert len(os.listdir(tmp_path / "jobs")) == len(keys) == len(started(tmp_path / "log"))
    (tmp_path / "jobs" / ".a.json.0f.part").touch()
    remove_jobs(keys[:-1], tmp_path / "jobs")
    assert sorted(os.listdir(tmp_path / "jobs")) == [".a.json.0f.part", "a.json"]


REFUSED = {
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-9]),
                  "not JSON, or cut short: "),
    "empty": (lambda path: path.write_text(""), "not JSON, or cut short: "),
    "foreign": (lambda path: path.write_text('{"figure": "orders"}'),
                "not a finished job of this package"),
    "no result": (lambda path: path.write_text('{"lowrank_ode job": 1}'),
                  "not a finished job of this package"),
    "no object": (lambda path: path.write_text("[1, 2]"), "not a finished job of this package"),
    "other version": ({"lowrank_ode job": 2}, "another job's: found {'lowrank_ode job': 2}, "
                      "expected {'lowrank_ode job': 1}"),
    "other function": ({"function": "test_jobs.doze"},
                       "another job's: found {'function': 'test_jobs.doze'}, expected"),
    "other settings": ({"arguments": {"k": 1, "seconds": 9, "extra": None}},
                       "another job's: found {'arguments': {'seconds': 9, 'extra': None}}, "
                       "expected {'arguments': {'seconds': 0.0, "),
}


@pytest.mark.parametrize("change, words", REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_not_the_finished_job_is_refused_by_name_before_any_job(
        tmp_path, change, words):
    folder, log = tmp_path / "jobs", tmp_path / "log"
    run_jobs(nap, naps(log, 3), folder)
    path = folder / "nap 1.json"
    change(path) if callable(change) else write_json(path, {**read_json(path), **change})
    content = path.read_bytes()
    with pytest.raises(ValueError, match=f"^{path}: {re.escape(words)}.*; "
                       "delete this file, and the job is run again, "):
        run_jobs(nap, naps(log), folder)
    assert path.read_bytes() == content and len(os.listdir(folder)) == 3
    assert started(log) == [0, 1, 2]
    path.unlink()
    assert list(run_jobs(nap, naps(log), folder).values()) == [0, 1, 2, 3]
    assert started(log) == [0, 1, 2, 1, 3]


def test_a_function_that_its_name_does_not_tell_and_arguments_that_json_cannot_say_are_refused(
        tmp_path):
    with pytest.raises(ValueError,
                       match=r"function: got test_jobs.*<lambda>, expected a function of a module"):
        run_jobs(lambda k: k, {"a": {"k": 1}}, tmp_path / "jobs")
    for wrong in (math.nan, 1j, {1, 2}):
        with pytest.raises(ValueError, match="jobs: got arguments "
                           f"{re.escape(str({'k': wrong}))}, expected what JSON can say: "):
            run_jobs(nap, {"a": {"k": wrong}}, tmp_path / "jobs")


@pytest.mark.parametrize("number", [1, 2])
def test_a_failing_job_costs_no_other_job(tmp_path, number):
    jobs = {f"b = {b}": {"a": 1, "b": b} for b in (0, 2, -0.0, 4)}
    for _ in range(2):
        with processes(number), pytest.raises(RuntimeError) as raised:
            run_jobs(divide, jobs, tmp_path / "jobs")
        first, *others = str(raised.value).splitlines()
        assert first.startswith("of 4 jobs 2 failed and 0 were not started; 2 are kept in "
                                f"{tmp_path}/jobs,")
        for b, line in zip(("-0.0", "0"), sorted(others), strict=True):
            assert re.fullmatch(rf"b = {b}: ZeroDivisionError: .* \(test_jobs.py, line \d+\)", line)
        assert sorted(os.listdir(tmp_path / "jobs")) == ["b = 2.json", "b = 4.json"]


def test_two_keys_of_one_name_are_refused_before_anything_is_run(tmp_path):
    with pytest.raises(ValueError, match=r"jobs: got keys .* expected a name of its own for each"):
        run_jobs(divide, {1: {"a": 1, "b": 1}, "1": {"a": 2, "b": 1}}, tmp_path / "jobs")
    assert not os.listdir(tmp_path / "jobs")


def test_a_result_that_json_cannot_say_is_the_failure_of_its_job(tmp_path):
    with pytest.raises(RuntimeError, match=r"of 2 jobs 1 failed and 0 were not started[^#]*"
                       r"inf: ValueError: .*inf.json: not written: "):
        run_jobs(divide, {"inf": {"a": 1e300, "b": 1e-300}, "one": {"a": 1, "b": 1}},
                 tmp_path / "jobs")
    assert os.listdir(tmp_path / "jobs") == ["one.json"]


def test_a_full_disk_stops_the_run_and_what_is_finished_stays(tmp_path, monkeypatch):
    fsync, log = os.fsync, tmp_path / "log"

    def full(file):
        if len(started(log)) > 1:
            raise OSError(28, "No space left on device")
        fsync(file)

    with monkeypatch.context() as planted:
        planted.setattr(os, "fsync", full)
        with pytest.raises(RuntimeError) as raised:
            run_jobs(nap, naps(log), tmp_path / "jobs")
    assert re.search(r"of 4 jobs 1 failed and 2 were not started; 1 are kept", str(raised.value))
    assert re.search(r"nap 1: OSError: \[Errno 28\] not written \(No space left on device\): "
                     "'.*nap 1.json'", str(raised.value))
    assert os.listdir(tmp_path / "jobs") == ["nap 0.json"]
    assert list(run_jobs(nap, naps(log), tmp_path / "jobs").values()) == [0, 1, 2, 3]
    assert started(log) == [0, 1, 1, 2, 3]


def test_a_folder_that_cannot_be_written_is_an_error_before_the_first_job(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(OSError, match="cannot write a file there"):
        run_jobs(nap, {**naps(log), "n" * 250: naps(log)["nap 0"]}, tmp_path / "jobs")
    assert not started(log) and not os.listdir(tmp_path / "jobs")


def die_late(k):
    time.sleep(0.5 * k)
    os._exit(1) if k else None


def test_a_process_that_dies_ends_the_run_and_what_is_finished_stays(tmp_path):
    with processes(2), pytest.raises(RuntimeError, match="terminated"):
        run_jobs(die_late, {k: {"k": k} for k in (0, 1)}, tmp_path / "jobs")
    assert os.listdir(tmp_path / "jobs") == ["0.json"]


def test_a_bar_counts_finished_jobs_and_tells_the_time_left(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    run_jobs(nap, naps(tmp_path / "log", 2, 0.15), tmp_path / "orders.jobs")
    for terminal in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", terminal)
        run_jobs(nap, naps(tmp_path / "log", 4, 0.15), tmp_path / "orders.jobs")
        if terminal.isatty():
            assert re.search(r"orders: +50%.* 2/4 ", terminal.getvalue())
            assert re.search(r" 3/4 \[00:0\d<00:0\d, ", terminal.getvalue())
            assert " 4/4 [" in terminal.getvalue()
        else:
            assert not terminal.getvalue()      # no bar in a log file
        remove_jobs(["nap 2", "nap 3"], tmp_path / "orders.jobs")
