"""check MODULE:CLASS: an integrator of one's own against the theorems."""

import sys

from ..testing import check_integrator
from .named import made_of


def add_to(commands):
    p = commands.add_parser("check", help="check an integrator of your own against the theorems",
                            description="Run lowrank_ode.testing.check_integrator on CLASS() and "
                            "print its report.")
    p.set_defaults(run=run)
    p.add_argument("target", metavar="MODULE:CLASS",
                   help="a class with step(Y, t, h, F): module:Class, path/to/file.py:Class, "
                   "or with options, 'module:Class(tau=0)'")
    p.add_argument("--seeds", type=int,
                   help="draws of each theorem (default: its own number, 1 to 30)")
    p.add_argument("--without", type=lambda text: text.split(","), metavar="FEATURES",
                   help="what it does not claim, of complex, float32, direct_sums, operators "
                   "(fields that are no ndarrays)")


def run(args):
    """Print the report; SystemExit if a theorem fails."""
    report = check_integrator(made_of(args.target), report=True, seeds=args.seeds,
                              without=args.without)
    print(report)
    if not report.passed:
        sys.exit(1)
