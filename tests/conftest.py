"""Hypothesis profiles: `ci` (derandomised, the default) and `thorough` (ten times the examples).

pytest --hypothesis-profile=thorough

Other kernels of OpenBLAS round otherwise, and a training in single precision is soon another one:
the committed results that pieces of figures are compared with are of those for AVX2, which tests
use on every machine that has them, unless OPENBLAS_CORETYPE says otherwise.
"""

import os

import pytest
from hypothesis import settings

os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")       # before NumPy is imported

settings.register_profile("ci", max_examples=100, derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("ci")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Processes that share the cores (`pytest -n auto`) have one BLAS thread each."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
