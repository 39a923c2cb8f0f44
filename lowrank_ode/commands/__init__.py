"""The commands of `python -m lowrank_ode`, one a file: add_to(commands) tells the parser its
options, run(args) does it. Raises what the command line says in one line: ValueError, OSError,
ImportError; and SystemExit."""

from . import check, compress, export, predict, train

COMMANDS = (train, check, predict, export, compress)

__all__ = ["COMMANDS"]
