"""The command line: python -m lowrank_ode train …, check MODULE:CLASS, predict and export FILE."""

import argparse
import sys

from . import __version__
from .commands import COMMANDS
from .console import open_console, stop


def parser():
    top = argparse.ArgumentParser(prog="python -m lowrank_ode",
                                  description="Dynamical low-rank training of networks.")
    top.add_argument("--version", action="version", version=f"lowrank_ode {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return top


def main(argv=None):
    open_console()
    args = parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, OSError, ImportError) as error:
        stop(error)
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
