"""Hypothesis profiles: `ci` (derandomised, the default) and `thorough` (ten times the examples).

pytest --hypothesis-profile=thorough
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("ci", max_examples=100, derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("ci")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Processes that share the cores (`pytest -n auto`) have one BLAS thread each."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
