"""train: a network with low-rank weights, on images."""

import argparse
import sys

from ..compression import count_parameters
from ..generators import generator
from ..training import train
from . import runs, settings
from .plot import check_plot, plot_run
from .settings import make_data, make_method, settings_of, start

MANY = 1000             # training images, at most, that tell whether the loss has fallen

EXAMPLES = """\
examples:
  python -m lowrank_ode train --data digits --widths 64,64 --lr 0.3,0.1 --batch 16
      two hidden layers on 1,797 small images: seconds, to see it work
  python -m lowrank_ode train --data mnist --widths 500,500,500,500 --tau 0.15 --rank 150 \\
                              --lr 0.2,0.1,0.03 --batch 64 --out run.json
      the network of the paper; full MNIST from the folder in LOWRANK_ODE_DATA, or downloaded
  python -m lowrank_ode train --resume run.json
      goes on with it where it was killed, as if it had not been
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
  --validate 0.2 is for choosing: by the test images only what is chosen is judged.
"""


def add_to(commands):
    p = commands.add_parser("train", help="train a network with low-rank weights", epilog=EXAMPLES,
                            formatter_class=argparse.RawDescriptionHelpFormatter,
                            description="Train a network on images; "
                            "test accuracy, ranks and compression at the end.")
    p.set_defaults(run=run)
    settings.add_to(p)
    p.add_argument("--out", metavar="FILE.json",
                   help="write settings, seed and records here, and the network with its weights "
                   "to FILE.npz, after each epoch, atomically")
    p.add_argument("--overwrite", action="store_true", help="even if these files exist")
    p.add_argument("--resume", metavar="FILE.json",
                   help="go on with the run of --out FILE.json, with its settings")
    p.add_argument("--plot", metavar="FILE.png|pdf|svg",
                   help="draw loss, accuracy and ranks at the end")


def run(args):
    """Train as the parsed arguments tell; each finished epoch is written to --out, and printed.

    SystemExit with exit code 1 if it is interrupted, or the loss is higher at the end.
    """
    result, net, state = _begun(args)
    options = result["settings"]
    rng = generator(options["seed"], "--seed")
    method, data = make_method(*(options[k] for k in ("method", "tau", "substeps"))), make_data(
        options)
    found, params = start(options, data, rng)
    if state is None:
        result |= {"data": data.name, "fingerprint": runs.fingerprint(data), "records": []}
    else:
        runs.check_same(result, net, data, found)
    print(f"data: {data.name}\nnetwork: {found}, {options['activation']}; "
          f"start rank {options['rank'] or 'full'}; {method}")
    records = train(found, None if state else params, data, method, options["lr"],
                    options["batch"], options["epochs"], None if state else rng, options["every"],
                    _progress, options["drop"], options["decay"], state)
    last = _followed(records, result, found, args)
    _summarise(result, found, args)
    before, after = (found.value(P, data.x[:MANY], data.labels[:MANY])
                     for P in (params, last.params))
    if not after <= before:
        sys.exit(f"error: the loss has grown, from {before:.4g} at the start to {after:.4g} "
                 f"(of the first {MANY} training images): "
                 f"--lr{'' if options['tau'] is None else ', or --tau,'} is too large")


def _begun(args):
    """(result, net, state) so far: what is known of the run to resume, or the settings alone.

    Raises before data are loaded what would else be raised after the run.
    """
    if args.plot is not None:
        check_plot(args.plot)
    if args.resume is None:
        options = settings_of(args)
        if args.out is not None:
            runs.check_out(args.out, args.overwrite)
        return {"settings": options}, None, None
    if args.out is not None or args.overwrite:
        raise ValueError(f"--{'out' if args.out is not None else 'overwrite'}: expected none with "
                         "--resume, which goes on in its own file")
    begun, args.out = runs.read(args), args.resume
    return begun


def _followed(records, result, net, args):
    """The last of the records, when all are written and printed."""
    dense_count = sum((n + 1) * m for m, n in net.weight_shapes)
    try:
        for record in records:
            count = count_parameters(record.params)
            result["records"].append({**record.summary(), "parameters": count,
                                      "compression": 1 - count / dense_count})
            if args.out:
                runs.write(args.out, result, net, record.state)
            print(f"epoch {record.epoch:3d}  {_step(record)}loss {record.loss:.4f}  "
                  f"{_accuracy(result)} {100 * record.accuracy:.2f} %  "
                  f"ranks {list(record.ranks)}  {record.seconds:.1f} s")
    except KeyboardInterrupt:
        kept = args.out and result["records"]
        sys.exit(f"interrupted{f'; {args.out} holds the finished epochs' if kept else ''}")
    return record


def _summarise(result, net, args):
    last, dense_count = result["records"][-1], sum((n + 1) * m for m, n in net.weight_shapes)
    print(f"\n{_accuracy(result):14} {100 * last['accuracy']:.2f} %\n"
          f"ranks          {', '.join(map(str, last['ranks'])) or 'full'}\n"
          f"parameters     {last['parameters']} of {dense_count}\n"
          f"compression    {100 * last['compression']:.1f} %")
    if args.plot:
        plot_run(args.plot, result["records"], _accuracy(result).split()[0])


def _accuracy(result):
    return "validation accuracy" if result["settings"]["validate"] else "test accuracy"


def _step(record):
    return "" if record.state else f"step {record.step}  "


def _progress(batches):
    try:
        from tqdm import tqdm
    except ImportError:
        return batches
    return tqdm(batches, unit="batch", leave=False, disable=None)   # no bar without a terminal
