"""Commands in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def started(*command, **options):
    path = os.pathsep.join([str(ROOT), options.get("cwd", ""), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "LOWRANK_ODE_DATA": "", **options.pop("env", {})}
    return subprocess.Popen([sys.executable, *command], env=env, stderr=subprocess.PIPE,
                            **{"stdout": subprocess.PIPE, **options})


def ended(*command, **options):
    """(exit code, what was printed, what was said to stderr)."""
    process = started(*command, **options)
    out, error = process.communicate(timeout=120)
    return process.returncode, out, error
