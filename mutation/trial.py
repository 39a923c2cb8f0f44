"""What the tests say to a mutant: run in a copy of the repository, in a fork of a process that has NumPy and pytest loaded already."""

import importlib.util
import os
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
SOURCE_READERS = ("docs", "layout")           # they would notice any change of a quoted line: no merit


class Watch:
    """A pytest plugin: a clock for each test, and a note of the test that is under way."""

    def pytest_runtest_logstart(self, nodeid):
        Path("under_way").write_text(nodeid, encoding="utf-8")
        signal.alarm(PATIENCE)                          # ends the fork, whatever the test is busy with


def prepare():
    """Let this process run trials: in a copy of the repository, the package not yet imported; hypothesis need not shrink what it finds."""
    copy = Path(tempfile.mkdtemp()) / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".hypothesis", "__pycache__"))
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    hypothesis.settings.register_profile("mutation", max_examples=100, derandomize=True, deadline=None, database=None,
                                         phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])


def trial(mutant, hint=None):
    """The test that fails or does not end, None if there is none; the tests of setup.cfg are run first, before them the hint."""
    path = Path(mutant.file)
    original = path.read_bytes()
    first, order = CONFIG["mutation:tests"][mutant.file].split(), CONFIG["mutation"]["order"].split()
    others = sorted({path.stem.removeprefix("test_") for path in Path("tests").glob("test_*.py")} - {*order, *SOURCE_READERS})
    first, rest = ([f"tests/test_{name}.py" for name in names] for names in (first, [n for n in [*order, *others] if n not in first]))
    try:
        path.write_text(mutant.source, encoding="utf-8")
        for tests in ([hint] if hint else [], first, [*rest, "lowrank_ode", "docs", "README.md"]):
            Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)        # two mutants in one second, of one size
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
        os._exit(pytest.main(["-x", "-q", "--hypothesis-profile=mutation", *tests], plugins=[Watch()]))
    return os.waitpid(pid, 0)[1] not in (0, pytest.ExitCode.USAGE_ERROR << 8)      # a hint may name a test that is gone
