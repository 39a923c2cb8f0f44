"""python -m figures [NAME …] [--clock] [--small | --full] [--jobs N] [--redraw]

Compute and draw the figures of this folder, print their tables.
"""

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

from lowrank_ode.console import open_console, stop

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
CLOCK = [name for name in NAMES if name in ("ablation", "scaling", "timings")]


def main(argv=None):
    open_console()
    parser = argparse.ArgumentParser(prog="python -m figures", description="Compute the figures, "
                                     "write NAME.json and NAME.png, and print the tables. "
                                     "An interrupted run resumes where it stopped.")
    clocked = ", ".join(CLOCK)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(NAMES)} "
                        f"(default: all but {clocked}, which time the machine)")
    parser.add_argument("--clock", action="store_true", help=f"by default {clocked}, too")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--small", dest="scale", action="store_const", const="small",
                       default="default", help="seconds, into figures/small/")
    scale.add_argument("--full", dest="scale", action="store_const", const="full", help="paper "
                       "scale, on full MNIST where there is such a version: NAME_full.json")
    parser.add_argument("--redraw", action="store_true",
                        help="draw from the JSON there is, compute nothing")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="processes for the "
                        "independent jobs of a figure, each with one BLAS thread "
                        "(default 1: no further process)")
    args = parser.parse_args(argv)
    unknown = sorted(set(args.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown figure {', '.join(unknown)}: expected {', '.join(NAMES)}")
    if args.jobs < 1:
        parser.error(f"--jobs: got {args.jobs}, expected at least 1")
    try:
        from ._jobs import processes
        from ._run import paths, produce, redraw, tables
        for name in args.names or [name for name in NAMES if args.clock or name not in CLOCK]:
            module = importlib.import_module(f"figures.{name}")
            start = time.perf_counter()
            if args.redraw:
                data = redraw(module, args.scale)
            else:
                with processes(args.jobs):
                    data = produce(module, args.scale)
                seconds = time.perf_counter() - start
                source = data.get("data", "made by the problem itself")
                print(f"{name}: data: {source}; {seconds:.0f} s", flush=True)
            picture = os.path.relpath(paths(name, args.scale)[1])
            print(f"{name}: {picture}", *tables(module, data).values(), sep="\n\n", flush=True)
    except (OSError, ImportError, ValueError, RuntimeError) as error:
        stop(error)
    except KeyboardInterrupt:
        sys.exit("interrupted: finished jobs are kept, the same command goes on from there")


if __name__ == "__main__":
    main()
