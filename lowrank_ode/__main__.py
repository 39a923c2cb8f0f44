"""The command line: python -m lowrank_ode train …, and check MODULE:CLASS."""

import argparse
import ast
import importlib.util
import os
import re
import sys
from dataclasses import fields

import numpy as np

from .compression import count_parameters
from .console import open_console, stop
from .data import load
from .generators import generator
from .integrators import BY_NAME
from .nets import lenet5, mlp
from .nets.activations import ACTIVATIONS
from .results import check_writable, write_json
from .substeps import euler, heun, rk4
from .testing import check_integrator
from .training import train

SUBSTEPS = {"euler": euler, "heun": heun, "rk4": rk4}
MANY = 1000             # training images, at most, that tell whether the loss has fallen

EXAMPLES = """\
examples:
  python -m lowrank_ode train --data digits --widths 64,64 --tau 0.1 --epochs 5
      two hidden layers on 1,797 small images: seconds, to see it work
  python -m lowrank_ode train --data mnist --widths 500,500,500,500 --tau 0.15 --rank 150 \\
                              --lr 0.2,0.1,0.03 --batch 64 --out run.json
      the network of the paper; full MNIST from the folder in LOWRANK_ODE_DATA, or downloaded
  python -m lowrank_ode train --data mnist5k --widths 500,500,500,500 --method dense
      the same network with full weight matrices, by explicit Euler: stochastic gradient descent
  python -m lowrank_ode train --data mnist5k --net lenet5 --tau 0.2 --rank 20 --lr 0.1
      LeNet5, its kernels unfolded to matrices of low rank

how to choose:
  --lr is the step size h of the integrator; several share the epochs evenly, large ones first.
  --tau is the part of each weight's norm that a step may cut off: 0.05 keeps more ranks and
  accuracy, 0.15 fewer. The rank falls in the first steps and can grow only where
  h ‖gradient‖ > τ ‖W‖, so start high (--rank).
  --method bug or projector_splitting keep the rank of the start; adaptive_bug with
  --substeps euler is dlrt with three gradients. An option that a method does not have is an
  error. So is a loss that is higher at the end than at the start: --lr or --tau is too large.
"""


def parser():
    top = argparse.ArgumentParser(prog="python -m lowrank_ode",
                                  description="Dynamical low-rank training of networks.")
    commands = top.add_subparsers(dest="command", required=True)
    p = commands.add_parser("train", help="train a network with low-rank weights", epilog=EXAMPLES,
                            formatter_class=argparse.RawDescriptionHelpFormatter,
                            description="Train a network on images; "
                            "test accuracy, ranks and compression at the end.")
    _about_the_network(p)
    _about_the_training(p)
    c = commands.add_parser("check", help="check an integrator of your own against the theorems",
                            description="Run lowrank_ode.testing.check_integrator on CLASS() and "
                            "print its report.")
    c.add_argument("target", metavar="MODULE:CLASS",
                   help="a class with step(Y, t, h, F): module:Class, path/to/file.py:Class, "
                   "or with options, 'module:Class(tau=0)'")
    c.add_argument("--seeds", type=int,
                   help="draws of each theorem (default: its own number, 1 to 30)")
    c.add_argument("--without", type=_list(str), metavar="FEATURES",
                   help="what it does not claim, of complex, float32, direct_sums, operators "
                   "(fields that are no ndarrays)")
    return top


def _about_the_network(p):
    p.add_argument("--data", default="mnist5k",
                   help="mnist, mnist5k (5,000 real images, no download), digits (8×8), "
                   "or a folder of four IDX files, raw or .gz (default %(default)s)")
    p.add_argument("--net", choices=["mlp", "lenet5"], default="mlp",
                   help="fully connected, or two convolutions and two dense layers, for "
                   "images of 16×16 pixels at least (default %(default)s)")
    p.add_argument("--widths", type=_list(int),
                   help="hidden widths of the mlp (default 500,500,500,500)")
    p.add_argument("--activation", choices=ACTIVATIONS, default="relu",
                   help="of the hidden layers (default %(default)s)")


def _about_the_training(p):
    p.add_argument("--method", choices=BY_NAME, default="dlrt",
                   help="integrator (default %(default)s)")
    p.add_argument("--tau", type=float,
                   help="relative tolerance of the rank-adaptive methods, below 1 (default 0.1)")
    p.add_argument("--substeps", choices=SUBSTEPS,
                   help="of the methods that have substeps (default euler)")
    p.add_argument("--rank", type=int,
                   help="rank of the start, but for --method dense "
                   "(default: a quarter of the narrowest layer)")
    p.add_argument("--lr", type=_list(float), default=[0.1],
                   help="step size h, or several that share the epochs (default 0.1)")
    p.add_argument("--decay", type=float, default=0.0,
                   help="of all parameters: W' = −∇L − decay · W (default %(default)s)")
    p.add_argument("--batch", type=int, default=128,
                   help="examples in a batch (default %(default)s)")
    p.add_argument("--epochs", type=int, default=10,
                   help="passes over the training set (default %(default)s)")
    p.add_argument("--drop", type=float, default=0.0,
                   help="part of the inputs set to 0 in each batch, against overfitting "
                   "(default %(default)s)")
    p.add_argument("--seed", type=int, default=0,
                   help="of start and batches; the same seed gives the same run "
                   "(default %(default)s)")
    p.add_argument("--out", metavar="FILE.json",
                   help="write settings, seed and per-epoch records here, "
                   "after each epoch, atomically")


def check(target, seeds=None, without=None):
    """Print the report on the integrator module:Class or file.py:Class; SystemExit if a theorem
    fails."""
    report = check_integrator(_integrator(target), report=True, seeds=seeds, without=without)
    print(report)
    if not report.passed:
        sys.exit(1)


def _integrator(target):
    """The instance that module:Class, path/to/file.py:Class or either with (option=value) names."""
    match = re.fullmatch(r"(.+?):([^\W\d]\w*)(\(.*\))?", target, re.S)
    if not match:
        raise ValueError(f"target: got {target!r}, expected module:Class, path/to/file.py:Class, "
                         "or module:Class(option=value)")
    module, name, call = match.groups()
    try:
        call = ast.parse(f"f{call or '()'}", mode="eval").body
        arguments = [ast.literal_eval(value) for value in call.args]
        options = {pair.arg: ast.literal_eval(pair.value) for pair in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"target: got {target!r}, expected numbers, text, True or None "
                         f"as options of {name}") from error
    try:
        found = _file(module) if module.endswith(".py") else importlib.import_module(module)
        return getattr(found, name)(*arguments, **options)
    except (AttributeError, TypeError, SyntaxError) as error:
        raise ValueError(f"target: {error}") from error


def _file(path):
    """The module in that file; as in a script, its neighbours can be imported."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location("checked", path)
    module = sys.modules["checked"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_method(name, tau, substeps):
    """The integrator of that name with the options that it has."""
    options = {"tau": tau, "tol": tau, "relative": True, "solve": SUBSTEPS.get(substeps)}
    has = {field.name for field in fields(BY_NAME[name])}
    return BY_NAME[name](**{key: value for key, value in options.items() if key in has})


def settings_of(args):
    """The options of `train` as a dict, the defaults of those that not all methods and networks
    have filled in; None for what these have not.

    Raises ValueError for an option that is given and would not be used, an empty --out, and for tau
    out of [0, 1).
    """
    settings = vars(args).copy()
    has = {field.name for field in fields(BY_NAME[args.method])}
    for option, default, is_used, of in (
            ("tau", 0.1, has & {"tau", "tol"}, "method"),
            ("substeps", "euler", "solve" in has, "method"),
            ("rank", None, args.method != "dense", "method"),
            ("widths", [500, 500, 500, 500], args.net == "mlp", "net")):
        if settings[option] is None:
            settings[option] = default if is_used else None
        elif not is_used:
            raise ValueError(f"--{option}: got {settings[option]}, "
                             f"expected none with --{of} {settings[of]}, which does not use it")
    if args.out == "":
        raise ValueError("--out: got an empty name, expected a file")
    if settings["tau"] is not None and not 0 <= settings["tau"] < 1:
        raise ValueError(f"--tau: got {args.tau}, expected at least 0 and less than 1: "
                         "from 1 on a step cuts off all but one direction")
    return settings


def start(settings, data, rng):
    """The network, and its parameters at the start; the rank is filled in."""
    widths, activation = settings["widths"], settings["activation"]
    net = (mlp([data.x.shape[1], *widths, data.classes], activation) if settings["net"] == "mlp"
           else lenet5(data.shape, data.classes, activation))
    if settings["method"] != "dense" and settings["rank"] is None:
        settings["rank"] = max(1, min(map(min, net.weight_shapes[:-1]), default=1) // 4)
    return net, net.init(rng, settings["rank"], np.float32)


def run(args):
    """Train as the parsed arguments tell; each finished epoch is written to --out, and printed.

    SystemExit with exit code 1 if it is interrupted, or the loss is higher at the end.
    """
    settings, rng = settings_of(args), generator(args.seed, "--seed")
    if args.out is not None:
        check_writable(args.out)
    method, data = make_method(args.method, settings["tau"], settings["substeps"]), load(args.data)
    net, params = start(settings, data, rng)
    dense_count = sum((n + 1) * m for m, n in net.weight_shapes)
    print(f"data: {data.name}\nnetwork: {net}, {args.activation}; "
          f"start rank {settings['rank'] or 'full'}; {method}")
    result = {"settings": settings, "data": data.name, "records": []}
    try:
        for record in train(net, params, data, method, args.lr, args.batch, args.epochs, rng,
                            progress=_progress, drop=args.drop, decay=args.decay):
            count = count_parameters(record.params)
            result["records"].append({**record.summary(), "parameters": count,
                                      "compression": 1 - count / dense_count})
            if args.out:
                write_json(args.out, result)
            print(f"epoch {record.epoch:3d}  loss {record.loss:.4f}  "
                  f"test accuracy {100 * record.accuracy:.2f} %  "
                  f"ranks {list(record.ranks)}  {record.seconds:.1f} s")
    except KeyboardInterrupt:
        kept = f"; {args.out} holds the finished epochs" if args.out and result["records"] else ""
        sys.exit(f"interrupted{kept}")
    print(f"\ntest accuracy  {100 * record.accuracy:.2f} %\n"
          f"ranks          {', '.join(map(str, record.ranks)) or 'full'}\n"
          f"parameters     {count} of {dense_count}\n"
          f"compression    {100 * (1 - count / dense_count):.1f} %")
    before, after = (net.value(P, data.x[:MANY], data.labels[:MANY])
                     for P in (params, record.params))
    if not after <= before:
        sys.exit(f"error: the loss has grown, from {before:.4g} at the start to {after:.4g} "
                 f"(of the first {MANY} training images): "
                 f"--lr{'' if settings['tau'] is None else ', or --tau,'} is too large")


def main(argv=None):
    open_console()
    args = parser().parse_args(argv)
    try:
        check(args.target, args.seeds, args.without) if args.command == "check" else run(args)
    except (ValueError, OSError, ImportError) as error:
        stop(error)
    except KeyboardInterrupt:
        sys.exit("interrupted")


def _list(kind):
    def parse(text):
        return [kind(part) for part in text.split(",")]
    parse.__name__ = f"comma-separated {kind.__name__} list"
    return parse


def _progress(batches):
    try:
        from tqdm import tqdm
    except ImportError:
        raise ImportError('tqdm is missing: pip install "lowrank_ode[figures]"') from None
    return tqdm(batches, unit="batch", leave=False, disable=None)   # no bar without a terminal


if __name__ == "__main__":
    main()
