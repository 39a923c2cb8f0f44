"""The command line: python -m lowrank_ode train …, and check MODULE:CLASS."""

import argparse
import importlib
import sys
from dataclasses import fields
from math import isqrt

import numpy as np

from .compression import count_parameters
from .data import load
from .integrators import BY_NAME
from .nets import lenet5, mlp
from .nets.activations import ACTIVATIONS
from .results import check_writable, write_json
from .substeps import euler, heun, rk4
from .testing import check_integrator
from .training import train

SUBSTEPS = {"euler": euler, "heun": heun, "rk4": rk4}

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
  --substeps euler is dlrt with three gradients.
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
                   help="a class with step(Y, t, h, F), importable from here, "
                   "made without arguments")
    c.add_argument("--seeds", type=int,
                   help="draws of each theorem (default: its own number, 3 to 30)")
    return top


def _about_the_network(p):
    p.add_argument("--data", default="mnist5k",
                   help="mnist, mnist5k (5,000 real images, no download), digits (8×8), "
                   "or a folder of four IDX files, raw or .gz (default %(default)s)")
    p.add_argument("--net", choices=["mlp", "lenet5"], default="mlp",
                   help="fully connected, or two convolutions and two dense layers, for "
                   "square images of 16×16 pixels at least (default %(default)s)")
    p.add_argument("--widths", type=_list(int), default=[500, 500, 500, 500],
                   help="hidden widths of the mlp (default 500,500,500,500)")
    p.add_argument("--activation", choices=ACTIVATIONS, default="relu",
                   help="of the hidden layers (default %(default)s)")


def _about_the_training(p):
    p.add_argument("--method", choices=BY_NAME, default="dlrt",
                   help="integrator (default %(default)s)")
    p.add_argument("--tau", type=float, default=0.1,
                   help="relative tolerance of the rank-adaptive methods (default %(default)s)")
    p.add_argument("--substeps", choices=SUBSTEPS, default="euler",
                   help="of the methods that have substeps (default %(default)s)")
    p.add_argument("--rank", type=int,
                   help="rank of the start, no matter with --method dense "
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


def check(target, seeds=None):
    """Print the report on the integrator module:Class; SystemExit if a theorem fails."""
    module, _, name = target.partition(":")
    if not name:
        raise ValueError(f"target: got {target!r}, expected module:Class")
    try:
        method = getattr(importlib.import_module(module), name)()
    except (AttributeError, TypeError) as error:
        raise ValueError(f"target: {error}") from error
    report = check_integrator(method, report=True, seeds=seeds)
    print(report)
    if not report.passed:
        sys.exit(1)


def make_method(name, tau, substeps):
    """The integrator of that name with the options that it has."""
    Method = BY_NAME[name]
    has = {field.name for field in fields(Method)}
    options = {"tau": tau, "tol": tau, "relative": True, "solve": SUBSTEPS[substeps]}
    return Method(**{key: value for key, value in options.items() if key in has})


def run(args):
    """Train as the parsed arguments tell; each finished epoch is printed, and written to --out."""
    if args.out:
        check_writable(args.out)
    method, data = make_method(args.method, args.tau, args.substeps), load(args.data)
    inputs = data.x.shape[1]
    net = (mlp([inputs, *args.widths, data.classes], args.activation) if args.net == "mlp"
           else lenet5((isqrt(inputs), isqrt(inputs), 1), data.classes, args.activation))
    rng = np.random.default_rng(args.seed)
    narrowest = min(map(min, net.weight_shapes[:-1]), default=1)
    rank = max(1, narrowest // 4) if args.rank is None else args.rank
    rank = None if args.method == "dense" else rank
    params = net.init(rng, rank, np.float32)
    dense_count = sum((n + 1) * m for m, n in net.weight_shapes)
    print(f"data: {data.name}\n"
          f"network: {net}, {args.activation}; start rank {rank or 'full'}; {method}")
    result = {"settings": {**vars(args), "rank": rank}, "data": data.name, "records": []}
    try:
        for record in train(net, params, data, method, args.lr, args.batch, args.epochs, rng,
                            progress=_progress, drop=args.drop, decay=args.decay):
            count = count_parameters(record.params)
            result["records"].append({**record.summary(), "parameters": count,
                                      "compression": 1 - count / dense_count})
            print(f"epoch {record.epoch:3d}  loss {record.loss:.4f}  "
                  f"test accuracy {100 * record.accuracy:.2f} %  "
                  f"ranks {list(record.ranks)}  {record.seconds:.1f} s")
            if args.out:
                write_json(args.out, result)
    except KeyboardInterrupt:
        kept = f"; {args.out} holds the finished epochs" if args.out and result["records"] else ""
        sys.exit(f"interrupted{kept}")
    print(f"\ntest accuracy  {100 * record.accuracy:.2f} %\n"
          f"ranks          {', '.join(map(str, record.ranks)) or 'full'}\n"
          f"parameters     {count} of {dense_count}\n"
          f"compression    {100 * (1 - count / dense_count):.1f} %")


def main(argv=None):
    args = parser().parse_args(argv)
    try:
        check(args.target, args.seeds) if args.command == "check" else run(args)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
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
