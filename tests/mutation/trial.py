"""What the tests say to a mutant: run in a copy of the repository, in a fork of a process that has
NumPy and pytest loaded already."""

import importlib.util
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections import defaultdict, deque
from pathlib import Path

import hypothesis
import pytest
import scipy.integrate
import scipy.sparse.linalg  # noqa: F401

from .mutants import CONFIG, ROOT

PATIENCE, HANGS = 30, 600       # seconds of the processor for a test, and on the clock
LATELY = defaultdict(lambda: deque(maxlen=4))   # by file, tests that its last mutants failed: first
OTHERS = ["tests/matrices", "tests/integrators", "tests/theorems", "tests/testing", "tests/nets",
          "tests/runs", "tests/compression", "lowrank_ode"]


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
    """The test that fails or does not end, None if there is none: the hint, what the last mutants
    failed, those that mutation.cfg names for the file, if asked for the others."""
    path, lately = Path(mutant.file), LATELY[mutant.file]
    original = path.read_bytes()
    try:
        path.write_text(mutant.source, encoding="utf-8")
        for tests in ([hint] if hint else [], list(lately),
                      shlex.split(CONFIG["mutation:tests"][mutant.file]), OTHERS if others else []):
            # two mutants in one second, of one size
            Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
            if tests and _fails(tests):
                killer = Path("under_way").read_text(encoding="utf-8")
                if "::" in killer and killer not in lately:
                    lately.append(killer)
                return killer
        return None
    finally:
        path.write_bytes(original)


def _set_clock():
    """Ends the fork, whatever the test is busy with."""
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    signal.alarm(HANGS)


def _fails(tests):
    Path("under_way").write_text("import", encoding="utf-8")
    pid = os.fork()
    if pid == 0:
        _set_clock()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            importlib.import_module("lowrank_ode")
        except Exception:      # pytest would call it wrong usage, where conftest.py fails
            os._exit(1)
        os._exit(pytest.main(["-x", "-q", "--hypothesis-profile=mutation", *tests],
                             plugins=[Watch()]))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    # a hint may be out of date
    return code not in (pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR,
                        pytest.ExitCode.NO_TESTS_COLLECTED)
