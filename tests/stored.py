"""The committed results of the figures, and errors planted in them."""

import copy
import importlib

from figures import _run
from figures.__main__ import NAMES

MODULES = [importlib.import_module(f"figures.{name}") for name in NAMES]


def scales(name):
    return [scale for scale in ("default", "full") if _run.paths(name, scale)[0].exists()]


def stored(name, scale="default"):
    return _run.read(_run.paths(name, scale)[0])


def rejects(holds, data, *plants):
    """Each planted error alone is seen."""
    for plant in plants:
        wrong = copy.deepcopy(data)
        plant(wrong)
        assert not holds(wrong), plant.__name__


def exchanged(one, other):
    """Planted: the results of two methods, one for the other, in a run of 784-300-100-10."""
    def plant(data):
        *_, methods = (run["methods"] for run in data["runs"] if run["net"] == "300-100")
        methods[one], methods[other] = methods[other], methods[one]
    plant.__name__ = f"{one} for {other}"
    return plant
