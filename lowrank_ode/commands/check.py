"""check MODULE:CLASS: an integrator of one's own against the theorems."""

import sys

from ..testing import check_integrator
from .named import class_named


def add_to(commands):
    p = commands.add_parser("check", help="check an integrator of your own against the theorems",
                            description="Run lowrank_ode.testing.check_integrator on CLASS() and "
                            "print its report.")
    p.set_defaults(run=run)
    p.add_argument("target", metavar="MODULE:CLASS",
                   help="a class with step(Y, t, h, F), importable from here, "
                   "made without arguments")
    p.add_argument("--seeds", type=int,
                   help="draws of each theorem (default: its own number, 3 to 30)")


def run(args):
    """Print the report; SystemExit if a theorem fails."""
    try:
        method = class_named(args.target)()
    except TypeError as error:
        raise ValueError(f"target: {error}") from error
    report = check_integrator(method, report=True, seeds=args.seeds)
    print(report)
    if not report.passed:
        sys.exit(1)
