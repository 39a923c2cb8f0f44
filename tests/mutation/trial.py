"""What the tests say to a mutant: run in a copy of the repository, in a fork of a process that has
NumPy and pytest loaded already."""

import importlib.util
import os
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest
import scipy.integrate
import scipy.sparse.linalg  # noqa: F401

from .covering import Tracer, covering
from .mutants import CONFIG, ROOT

PATIENCE, HANGS = 30, 600       # seconds of the processor for a test, and on the clock
FIRST = 40                      # tests in a process, before it takes the slow ones
OTHERS = ["tests/matrices", "tests/integrators", "tests/theorems", "tests/testing", "tests/nets",
          "tests/runs", "tests/compression", "lowrank_ode"]
traced = []                     # the file that this process has a `Tracer`'s notes of


class Watch:
    """A pytest plugin: a clock for each test, and a note of the test that is under way."""

    def pytest_runtest_logstart(self, nodeid):
        Path("under_way").write_text(nodeid, encoding="utf-8")
        _set_clock()


def prepare():
    """Let this process run trials: in a copy of the repository, the package not yet imported;
    hypothesis need not shrink what it finds."""
    copy = Path(tempfile.mkdtemp()) / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".hypothesis", "__pycache__"))
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("mutation", max_examples=100, derandomize=True,
                                         deadline=None, database=None, phases=phases)


def trial(mutant, hint=None, others=False):
    """The test that fails or does not end, None if there is none: the hint; of those that
    mutation.cfg names for the file the ones that run its lines, and all, if an import runs them;
    if asked for, the others."""
    path, named = Path(mutant.file), shlex.split(CONFIG["mutation:tests"][mutant.file])
    if mutant.file not in traced:
        if _fails(named, mutant.file):
            raise ValueError("without any mutation a test fails: "
                             + Path("under_way").read_text(encoding="utf-8"))
        traced[:] = [mutant.file]
    original, (found, imported) = path.read_bytes(), covering(mutant.lines)
    try:
        path.write_text(mutant.source, encoding="utf-8")
        for tests in ([hint] if hint else [], found[:FIRST], found[FIRST:],
                      named if imported else [], OTHERS if others else []):
            # two mutants in one second, of one size
            Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
            if tests and _fails(tests):
                return Path("under_way").read_text(encoding="utf-8")
        return None
    finally:
        path.write_bytes(original)


def _set_clock():
    """Ends the fork, whatever the test is busy with."""
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    signal.alarm(HANGS)


def _fails(tests, file=None):
    """file: of a run without mutation, which notes the lines that each test runs."""
    Path("under_way").write_text("import", encoding="utf-8")
    pid = os.fork()
    if pid == 0:
        _set_clock()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        plugins = [Watch(), *([Tracer(file)] if file else [])]
        try:
            importlib.import_module("lowrank_ode")
        except Exception:      # pytest would call it wrong usage, where conftest.py fails
            os._exit(1)
        os._exit(pytest.main(["-x", "-q", "--hypothesis-profile=mutation", *tests],
                             plugins=plugins))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    # a hint may be out of date
    return code not in (pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR,
                        pytest.ExitCode.NO_TESTS_COLLECTED)
