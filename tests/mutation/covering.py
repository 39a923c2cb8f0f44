"""Which tests run which lines of a file: a mutant meets these, the fastest before others."""

import json
import math
import os
from pathlib import Path

import coverage
import pytest


class Tracer:
    """A pytest plugin, made before the package is imported: writes {line: [tests, the fastest
    first, and "" for an import]} of a file to the folder."""

    def __init__(self, file):
        self.path, self.seconds = os.path.abspath(file), {}
        self.coverage = coverage.Coverage(data_file=None, include=[self.path], messages=False)
        self.coverage.start()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        self.coverage.switch_context(item.nodeid)
        yield
        self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration

    def pytest_sessionfinish(self):
        self.coverage.stop()
        found = self.coverage.get_data().contexts_by_lineno(self.path)
        order = {line: sorted(tests, key=lambda test: self.seconds.get(test, math.inf))
                 for line, tests in found.items()}
        Path("covering.json").write_text(json.dumps(order), encoding="utf-8")


def covering(lines):
    """After a run with a `Tracer`: tests that run any of these lines; and whether an import runs
    them, or nothing does, so that any other test may notice."""
    order = json.loads(Path("covering.json").read_text(encoding="utf-8"))
    found = list(dict.fromkeys(test for line in lines for test in order.get(str(line), [])))
    return [test for test in found if test], not found or "" in found
