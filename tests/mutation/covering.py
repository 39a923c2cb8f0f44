"""Which tests run which lines of a file: a mutant meets these first, the fastest before others."""

import json
import os
from pathlib import Path

import coverage
import pytest

MOST = 40       # tests of a mutant before it meets all of its file


class Tracer:
    """A pytest plugin, made before the package is imported: writes {line: [tests, the fastest
    first]} of a file to the folder."""

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
        order = {line: sorted(filter(None, tests), key=self.seconds.get)
                 for line, tests in found.items()}
        Path("covering.json").write_text(json.dumps(order), encoding="utf-8")


def covering(lines):
    """Tests that run any of these lines, after a run with a `Tracer`; none for what is run when
    the package is imported, which may concern every test."""
    order = json.loads(Path("covering.json").read_text(encoding="utf-8"))
    return list(dict.fromkeys(test for line in lines for test in order.get(str(line), [])))[:MOST]
