"""python -m lowrank_ode.steps NET …: a few low-rank training steps of a large network, on one batch
of random images of its real size.

Nothing is learned from them. They show that the algorithm runs on the thing itself, what memory it
takes, which is said before, and that the loss falls.
"""

import argparse
import math
import os
import sys
import time

import numpy as np

from .integrators import BY_NAME
from .matrices import LowRank
from .nets.architectures import ARCHITECTURES
from .nets.chains import count_of_weights, shapes
from .nets.convolution import joins
from .nets.images import Flatten, MaxPool, Patches
from .nets.norms import BatchNorm
from .nets.skips import Residual
from .options import check_count, check_number
from .results import check_writable, write_json
from .training import gradient_field

GIB = 2**30
LR = {"alexnet": 3e-5, "alexnet_caffe": 3e-5, "vgg16": 3e-5, "resnet50": 2e-3, "resnet50_1x1": 2e-3,
      "vgg16_cifar": 5e-3}        # h of a few steps from a random start, found in trials; else 0.01


def memory(net, ranks, batch, itemsize=4):
    """Bytes that a training step takes at most, about: what the layers keep for the way back, their
    outputs, twice of a normalisation and three times of pooling; five times the outputs of the
    largest layer, on the way there and back; three times the parameters with factors of twice the
    rank, old, new and gradient; and three times the kernels, which are multiplied out."""
    parts, not_copied = net.parts, {*_without_copy(net, ranks)}
    outputs = [(layer, 0 if k in not_copied else math.prod(layer.shape(A)))
               for k, (_, layer, A) in enumerate(parts)]
    kept = sum(n * (0 if isinstance(layer, Flatten) else 3 if isinstance(layer, MaxPool) else
                    2 if isinstance(layer, BatchNorm) else 1) for layer, n in outputs)
    kept += sum(math.prod(A) for layer, A in zip(net.layers, shapes(net.layers, net.shape)[1:],
                                                 strict=True) if isinstance(layer, Residual))
    largest = max(n for _, n in outputs)
    kernels = sum(math.prod(layer.blocks(A)[0]) for below, layer, A in parts
                  if isinstance(below, Patches))
    stored = sum(n * m if r is None else 2 * r * (n + m)
                 for (n, m), r in zip(net.weight_shapes, ranks, strict=True))
    return itemsize * (batch * (kept + 5 * largest) + 3 * stored + 3 * kernels)


def _without_copy(net, ranks):
    """Places, among the parts, of windows that are one layer with the weights on them."""
    ranks = iter(ranks)
    for place, (below, layer, A) in enumerate(net.parts):
        own = [next(ranks) for _ in range(count_of_weights(layer))]
        if own and joins(below, layer, layer.blocks(A)[0], own[0]):
            yield place - 1


def largest_batch(net, ranks, limit, itemsize=4):
    """The largest batch whose step takes no more than `limit` bytes by that estimate, 0 for none.
    """
    one = memory(net, ranks, 1, itemsize)
    an_image = memory(net, ranks, 2, itemsize) - one
    return max(0, (limit - one) // an_image + 1)


def first_steps(net, params, x, labels, method, lr, steps):
    """(params, losses, seconds) of so many steps on one batch: a loss before each of them, and one
    after the last; seconds of each. Raises ValueError if the loss is not finite."""
    losses, seconds = [], []
    F = gradient_field(net, x, labels, lambda loss: losses.append(float(loss)))
    for _ in range(check_count("steps", steps)):
        start, before = time.perf_counter(), len(losses)
        params = method.step(params, 0.0, lr, F)
        del losses[before + 1:]             # a step may ask for more gradients than one
        seconds.append(time.perf_counter() - start)
    losses.append(float(net.value(params, x, labels)))
    if not np.isfinite(losses).all():
        raise ValueError(f"lr: got {lr}, the losses are {losses}, expected finite ones: try a "
                         "smaller lr")
    return params, losses, seconds


def problem(net, rank, batch, seed=0):
    """(params, x, labels): a random start in single precision, hidden weights of this rank or of
    their full one, if that is lower; random images and labels."""
    rng, ranks = np.random.default_rng(seed), ranks_of(net, rank)
    x = rng.standard_normal((batch, net.inputs), np.float32)
    return net.init(rng, ranks, np.float32), x, rng.integers(0, net.classes, batch)


def ranks_of(net, rank):
    check_count("rank", rank)
    return [*(min(rank, *shape) for shape in net.weight_shapes[:-1]), None]


def parser():
    p = argparse.ArgumentParser(prog="python -m lowrank_ode.steps", description="A few low-rank "
                                "training steps of a large network on random images.")
    p.add_argument("net", choices=ARCHITECTURES)
    p.add_argument("--method", choices=["dlrt", "geolora"], default="dlrt",
                   help="integrator (default %(default)s)")
    for name, kind, default, words in (
            ("rank", int, 16, "of hidden weights"), ("batch", int, 2, "images in the batch"),
            ("steps", int, 3, "so many"),
            ("lr", float, None, "step size h (default: one for each network)"),
            ("seed", int, 0, "of start, images and labels"),
            ("memory", float, None, "GiB that may be used (default: nine tenths of the machine)")):
        p.add_argument(f"--{name}", type=kind, default=default,
                       help=words + ("" if default is None else " (default %(default)s)"))
    p.add_argument("--out", metavar="FILE.json", help="write settings, losses and seconds here")
    return p


def run(args):
    """Take the steps that the parsed arguments tell of; ValueError, before anything is allocated,
    if they do not fit into memory."""
    net, batch = ARCHITECTURES[args.net](), check_count("batch", args.batch)
    if args.out:
        check_writable(args.out)
    ranks = ranks_of(net, args.rank)
    limit = 0.9 * physical_memory() if args.memory is None else args.memory * GIB
    needed, fits = memory(net, ranks, batch), int(largest_batch(net, ranks, limit))
    print(f"{args.net}: about {needed / GIB:.2f} GiB for {batch} images; of {limit / GIB:.1f} GiB "
          f"there is room for {fits}", flush=True)
    if batch > fits:
        raise ValueError(f"batch: got {batch}, expected at most {fits} for {limit / GIB:.1f} GiB")
    params, x, labels = problem(net, args.rank, batch, args.seed)
    method = BY_NAME[args.method](0, max_rank=args.rank)
    lr = LR.get(args.net, 0.01) if args.lr is None else check_number(
        "lr", args.lr, "a step size > 0", lambda h: 0 < h < np.inf)
    params, losses, seconds = first_steps(net, params, x, labels, method, lr, args.steps)
    for k, loss in enumerate(losses):
        print(f"after {k} steps  loss {loss:.4f}" + (f"  {seconds[k - 1]:.2f} s" if k else ""))
    if args.out:
        write_json(args.out, {"settings": {**vars(args), "lr": lr}, "bytes_estimated": int(needed),
                              "ranks": [X.rank for X in params.blocks if isinstance(X, LowRank)],
                              "losses": losses, "seconds": seconds})
    return losses


def physical_memory():
    """Bytes of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def main(argv=None):
    try:
        run(parser().parse_args(argv))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
