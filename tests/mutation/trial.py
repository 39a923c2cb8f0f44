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

from .mutants import CONFIG, ROOT

PATIENCE = 20                                           # seconds for a test; the longest takes 3
LEFT_OUT = (            # to notice a changed text is no merit; and processes that start others
    "tests/docs/test_docs.py", "tests/docs/test_layout.py", "tests/docs/test_mutation.py",
    "tests/figures/test_jobs.py", "tests/figures/test_made.py", "tests/figures/test_runs.py")


class Watch:
    """A pytest plugin: a clock for each test, and a note of the test that is under way."""

    def pytest_runtest_logstart(self, nodeid):
        Path("under_way").write_text(nodeid, encoding="utf-8")
        signal.alarm(PATIENCE)      # ends the fork, whatever the test is busy with


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


def trial(mutant, hint=None):
    """The test that fails or does not end, None if there is none; the tests of mutation.cfg are run
    first, before them the hint."""
    path = Path(mutant.file)
    original = path.read_bytes()
    first = shlex.split(CONFIG["mutation:tests"][mutant.file])
    order = CONFIG["mutation"]["order"].split()
    others = sorted(set(map(str, Path("tests").rglob("test_*.py")))
                    - {*LEFT_OUT, *(() if "-k" in first else first)},
                    key=lambda name: order.index(name) if name in order else len(order))
    try:
        path.write_text(mutant.source, encoding="utf-8")
        for tests in ([hint] if hint else [], first, [*others, "lowrank_ode", "docs", "README.md"]):
            # two mutants in one second, of one size
            Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
            if tests and _fails(tests):
                return Path("under_way").read_text(encoding="utf-8")
        return None
    finally:
        path.write_bytes(original)


def _fails(tests):
    Path("under_way").write_text("import", encoding="utf-8")
    pid = os.fork()
    if pid == 0:
        signal.alarm(PATIENCE)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            importlib.import_module("lowrank_ode")
        except Exception:      # pytest would call it wrong usage, where conftest.py fails
            os._exit(1)
        ignored = [f"--ignore={file}" for file in LEFT_OUT]
        os._exit(pytest.main(["-x", "-q", "--hypothesis-profile=mutation", *ignored, *tests],
                             plugins=[Watch()]))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    # a hint may be out of date
    return code not in (pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR,
                        pytest.ExitCode.NO_TESTS_COLLECTED)
