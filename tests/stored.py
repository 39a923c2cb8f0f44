"""The committed results of the figures, and errors planted in them."""

import copy

from figures import _run


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
    """Planted: the results of two methods, one for the other, in one run."""
    def plant(data):
        methods = data["runs"][-1]["methods"]
        methods[one], methods[other] = methods[other], methods[one]
    plant.__name__ = f"{one} for {other}"
    return plant
