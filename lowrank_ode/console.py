"""What a command prints, on any console."""

import os
import sys


def open_console():
    """Write each line as it is printed, so that a killed run leaves its log, and "?" for what the
    console cannot encode."""
    if hasattr(sys.stdout, "reconfigure"):          # not where something else takes its place
        sys.stdout.reconfigure(errors="replace", line_buffering=True)


def stop(error):
    """End the command with one line on the error, and exit code 1."""
    if isinstance(error, BrokenPipeError):          # `| head`: what is left has no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(f"error: {error}")
