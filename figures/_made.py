"""What a JSON says beside its results: what made them, and what was measured of the machine."""

import copy
import os
import platform
import subprocess
from functools import lru_cache

import joblib
import numpy as np
import scipy

import lowrank_ode
from lowrank_ode.results import read_json, write_json

from ._places import FOLDER, is_checkout

MEASURED = "seconds", "bytes", "taken", "cores", "torch"
THREADS = "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"


def made():
    """Of results of this process: the code, by its commit and whether it was as committed, the
    versions, and the BLAS threads of a process."""
    return {**(code(FOLDER.parent) if is_checkout() else {}),
            "lowrank_ode": lowrank_ode.__version__, "python": platform.python_version(),
            "numpy": np.__version__, "scipy": scipy.__version__, "threads": _threads()}


@lru_cache
def code(root):
    """{"commit": …, "clean": …} of a git checkout, as it was when asked first; clean: all Python
    files are as committed. {} if git does not say."""
    def git(*words):
        return subprocess.run(["git", "-C", str(root), *words], check=True, text=True,
                              capture_output=True).stdout.strip()
    try:
        return {"commit": git("rev-parse", "--short=10", "HEAD"),
                "clean": not git("status", "--porcelain", "--", "*.py")}
    except (OSError, subprocess.CalledProcessError):        # no git; not to be asked by this user
        return {}


def _threads():
    said = [os.environ[name] for name in THREADS if os.environ.get(name, "").isdigit()]
    return 1 if joblib.effective_n_jobs(None) > 1 else int(said[0]) if said else os.cpu_count()


def computed_at(data):
    """A sentence on what made the results."""
    made = data.get("made", {})
    if "lowrank_ode" not in made:
        return "Commit not recorded" + (f" (committed in {made['committed in']})." if made else ".")
    code = (f"at {made['commit']}{'' if made['clean'] else ', changed,'}" if "commit" in made
            else f"by lowrank_ode {made['lowrank_ode']}")
    earlier = f", {made['earlier jobs']} jobs of it earlier" if made["earlier jobs"] else ""
    return (f"Computed {code} with Python {made['python']}, NumPy {made['numpy']}, "
            f"SciPy {made['scipy']}, BLAS threads: {made['threads']}{earlier}.")


def write(path, data):
    """data as JSON, what was measured of the machine in a part of its own, "clock"."""
    rest, clock = apart(data)
    write_json(path, {**rest, **({"clock": clock} if clock else {})})


def read(path):
    """What `write` was given. ValueError: its clock is that of other results."""
    data = read_json(path)
    for key, values in data.pop("clock", {}).items():
        holders = list(_holders(data, key))
        if len(values) != len(holders):
            raise ValueError(f"{path}: clock: got {len(values)} of {key}, expected {len(holders)}")
        for holder, value in zip(holders, values, strict=True):
            holder[key] = value
    return data


def apart(data):
    """(data, with None for each value that was measured, {key: these values in their order})."""
    rest, clock = copy.deepcopy(data), {}
    for key in MEASURED:
        for holder in _holders(rest, key):
            clock.setdefault(key, []).append(holder[key])
            holder[key] = None
    return rest, clock


def _holders(data, key):
    """The dicts in data, but for its settings, that have this key."""
    if isinstance(data, dict):
        if key in data:
            yield data
        for name, value in data.items():
            if name not in ("settings", *MEASURED):
                yield from _holders(value, key)
    elif isinstance(data, list | tuple):
        for each in data:
            yield from _holders(each, key)
