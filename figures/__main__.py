"""python -m figures [NAME …] [--small | --full] [--jobs N] [--out DIR | --commit] [--verify] …

Compute and draw the figures of this folder, print their tables, and set the results beside the
committed ones.
"""

import os
import sys

if not __package__:         # python PATH/TO/figures, from any folder; no module by its bare name
    sys.path[0] = os.path.dirname(os.path.abspath(sys.path[0]))
    __package__ = __import__("figures").__name__

import argparse
import ast
import importlib
import shutil
import time
from pathlib import Path

from lowrank_ode.console import open_console, stop

from ._places import FOLDER, is_checkout, paths, writing_to

NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
CLOCK = ["ablation", "scaling", "timings"]
LONG = ["accuracy_vs_parameters", "compress_only", "front", "large_steps", "resnet20", "retrain",
        "sweep", "trainers", "trp", "what_matters"]


def main(argv=None):
    open_console()
    args = parsed(argv)
    try:
        if args.list:
            return print(*map(listed, NAMES), sep="\n")
        run(args)
    except (OSError, ImportError, ValueError, RuntimeError) as error:
        stop(error)
    except KeyboardInterrupt:
        sys.exit("interrupted: finished jobs are kept, the same command goes on from there")


def parsed(argv):
    parser = argparse.ArgumentParser(prog="python -m figures", description="Compute the figures, "
                                     "write NAME.json and NAME.png, and print the tables. "
                                     "An interrupted run resumes where it stopped.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(NAMES)} "
                        f"(default: all but {', '.join(LONG)}, which take a minute or so each, "
                        f"and {', '.join(CLOCK)}, which time the machine)")
    parser.add_argument("--all", action="store_true", help="these, too")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--small", dest="scale", action="store_const", const="small",
                       default="default", help="seconds, into DIR/small")
    scale.add_argument("--full", dest="scale", action="store_const", const="full", help="paper "
                       "scale, on full MNIST where there is such a version: NAME_full.json")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="processes for the "
                        "independent jobs of a figure, each with one BLAS thread "
                        "(default 1: no further process)")
    parser.add_argument("--out", metavar="DIR", default="results", help="where all is written, and "
                        "an interrupted run goes on (default: results)")
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png",
                        help="of pictures")
    parser.add_argument("--redraw", action="store_true", help="draw from the JSON there is, in DIR "
                        "or committed; compute nothing")
    parser.add_argument("--verify", action="store_true", help="compute all anew, in DIR/verify; "
                        "exit code 1 if a result is not the committed one, or a claim fails")
    parser.add_argument("--commit", action="store_true", help="write to where the committed "
                        "results are, and into the pages that show their tables")
    parser.add_argument("--list", action="store_true",
                        help="say what each figure shows, and which of its results are committed")
    args = parser.parse_args(argv)
    if wrong := refused(args, parser.get_default):
        parser.error(wrong)
    return args


def refused(args, default):
    """What is wrong with the arguments, if something is."""
    if unknown := sorted(set(args.names) - set(NAMES)):
        return f"unknown figure {', '.join(unknown)}: expected {', '.join(NAMES)}"
    if args.all and args.names:
        return f"--all: got {args.names[0]} with it, expected no names"
    if args.jobs < 1:
        return f"--jobs: got {args.jobs}, expected at least 1"
    small = ["--small"] if args.scale == "small" else []
    if args.verify and (bad := [*small, *(["--redraw"] if args.redraw else [])]):
        return f"--verify: got {bad[0]} with it, expected what computes committed results"
    if args.commit and (bad := [*small, *(f"--{name}" for name in ("out", "format", "verify")
                                          if getattr(args, name) != default(name))]):
        return f"--commit: got {bad[0]} with it, expected neither place, nor format, nor scale"
    if args.commit and not is_checkout():
        return f"--commit: expected a checkout of the source, {FOLDER.parent} has no .git"
    return None


def listed(name):
    """A line on a figure: whether it is drawn with --all only, which results are committed, the
    first line of its caption."""
    caption = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text("utf-8")))
    there = [scale for scale in ("default", "full") if paths(name, scale)[0].exists()]
    seldom = "--all" if name in CLOCK + LONG else ""
    return f"{name:24}{seldom:7}{', '.join(there):15}{caption.splitlines()[0]}"


def run(args):
    """All figures, and what is said of them at the end, or when it comes to an end."""
    names = args.names or [name for name in NAMES if args.all or name not in CLOCK + LONG]
    modules = {name: importlib.import_module(f"figures.{name}") for name in names}
    out = FOLDER if args.commit else Path(args.out) / ("verify" if args.verify else "")
    lines, wrong = [], []
    if args.verify:
        forget(out)
    try:
        with writing_to(out, *([] if args.commit or args.verify else [FOLDER])):
            for name, module in modules.items():
                line, is_right = drawn_and_judged(name, module, args, out)
                lines += [line] if line else []
                wrong += [] if is_right else [name]
    finally:
        if lines:
            print("yours beside the committed:", *lines, sep="\n")
    if args.verify:
        shutil.rmtree(out / "networks.jobs", ignore_errors=True)
        if wrong:
            sys.exit(f"not verified: {', '.join(wrong)}")


def drawn_and_judged(name, module, args, out):
    """A figure; of a computed one a line for the end, and whether all is as it should be."""
    from ._beside import beside, committed, failing, line
    before = committed(name, args.scale)                # --commit writes over it
    data = drawn(name, module, args, out)
    if args.redraw or args.scale == "small":
        return None, True
    found, fails = beside(data, before), failing(module, data)
    return line(name, found, fails), found[0] != "different" and not fails


def drawn(name, module, args, out):
    """Compute and draw a figure, or draw it only, and print its tables; returns its data."""
    from ._jobs import processes
    from ._pages import render
    from ._run import produce, redraw, tables
    start = time.perf_counter()
    if args.redraw:
        data = redraw(module, args.scale, args.format)
    else:
        with processes(args.jobs):
            data = produce(module, args.scale, args.format)
        source = data.get("data", "made by the problem itself")
        print(f"{name}: data: {source}; {time.perf_counter() - start:.0f} s", flush=True)
    if args.commit:
        render()
    picture = os.path.relpath(paths(name, args.scale, out)[1].with_suffix(f".{args.format}"))
    print(f"{name}: {picture}", *tables(module, data).values(), sep="\n\n", flush=True)
    return data


def forget(out):
    """Of results verified before, all but what an interrupted run has finished."""
    for path in out.glob("*.json"):
        path.unlink()


if __name__ == "__main__":
    main()
