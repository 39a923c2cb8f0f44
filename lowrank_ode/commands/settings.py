"""What determines a training run: the options of `train`, and network, start and method of them."""

from argparse import ArgumentTypeError
from dataclasses import fields

import numpy as np

from ..data import hold_out, load
from ..integrators import BY_NAME, method_of
from ..nets import lenet5, mlp
from ..nets.activations import ACTIVATIONS
from .named import SUBSTEPS, made_of

DEFAULTS = {"data": "mnist5k", "validate": None, "net": "mlp", "widths": [500, 500, 500, 500],
            "activation": "relu", "method": "dlrt", "tau": 0.1, "substeps": "euler", "rank": None,
            "lr": [0.1], "decay": 0.0, "batch": 128, "epochs": 10, "drop": 0.0, "every": None,
            "seed": 0}
SMALLEST = 16       # pixels a side, of which LeNet5 leaves one


def add_to(p):
    """The options, each None unless given: DEFAULTS are filled in by `settings_of`."""
    _about_the_network(p.add_argument)
    _about_the_method(p.add_argument)
    _about_the_epochs(p.add_argument)


def _about_the_network(add):
    add("--data", help="mnist, mnist5k (5,000 real images, no download), digits (8×8), cifar10 (an "
        "archive in the folder in LOWRANK_ODE_DATA, no download), or a folder of four IDX files, "
        "raw or .gz, or a file .npz, .csv or .tar.gz (default mnist5k)")
    add("--validate", type=float, metavar="PART",
        help="of the training images, such as 0.2: set apart, and accuracy is that on them; the "
        "test images are not looked at")
    add("--net", choices=["mlp", "lenet5"],
        help="fully connected, or two convolutions and two dense layers, for "
        "images of 16×16 pixels at least (default mlp)")
    add("--widths", type=_list(int), help="hidden widths of the mlp (default 500,500,500,500)")
    add("--activation", choices=ACTIVATIONS, help="of the hidden layers (default relu)")


def _about_the_method(add):
    add("--method", type=_method,
        help=f"integrator: {', '.join(BY_NAME)}, or your own, module:Class or "
        "module:Class(tau=0.1, …), importable from here (default dlrt)")
    add("--tau", type=float,
        help="relative tolerance of the rank-adaptive methods, below 1 (default 0.1)")
    add("--substeps", choices=SUBSTEPS, help="of the methods that have substeps (default euler)")
    add("--rank", type=_ranks,
        help="rank of the start, but for --method dense; several, one for each hidden layer, or "
        "for each layer, such as 40,20,dense (default: a quarter of the narrowest layer)")


def _about_the_epochs(add):
    add("--lr", type=_list(float),
        help="step size h, or several that share the epochs (default 0.1)")
    add("--decay", type=float, help="of all parameters: W' = −∇L(W) − decay · W (default 0)")
    add("--batch", type=int, help="examples in a batch (default 128)")
    add("--epochs", type=int, help="passes over the training set (default 10)")
    add("--drop", type=float,
        help="part of the inputs set to 0 in each batch, against overfitting (default 0)")
    add("--every", type=int, metavar="STEPS",
        help="tell loss, accuracy and ranks after so many steps, too")
    add("--seed", type=int,
        help="of start and batches; the same seed gives the same run (default 0)")


def given(args):
    """The options that were given, as a dict."""
    return {name: vars(args)[name] for name in DEFAULTS if vars(args)[name] is not None}


def settings_of(args):
    """All options as a dict, the defaults filled in; None for what method and network do not use.

    Raises ValueError for an option that is given and would not be used, and for tau and validate
    out of range.
    """
    settings, said = {**DEFAULTS, **given(args)}, given(args)
    name, own = settings["method"], settings["method"] not in BY_NAME
    has = set() if own else {field.name for field in fields(BY_NAME[name])}
    for option, is_used, of in (("tau", has & {"tau", "tol"}, "method"),
                                ("substeps", "solve" in has, "method"),
                                ("rank", name != "dense", "method"),
                                ("widths", settings["net"] == "mlp", "net")):
        if not is_used and option in said:
            raise ValueError(f"--{option}: got {said[option]}, expected none with --{of} "
                             f"{settings[of]}, which does not use it")
        settings[option] = settings[option] if is_used else None
    if settings["tau"] is not None and not 0 <= settings["tau"] < 1:
        raise ValueError(f"--tau: got {settings['tau']}, expected at least 0 and less than 1: "
                         "from 1 on a step cuts off all but one direction")
    if settings["validate"] is not None and not 0 < settings["validate"] < 1:
        raise ValueError(f"--validate: got {settings['validate']}, expected a part of the training "
                         "images between 0 and 1")
    return settings


def make_method(name, tau=None, substeps=None):
    """The integrator of that name with the options that it has, or one's own."""
    if name not in BY_NAME:
        try:
            return method_of(made_of(name, "--method"))
        except TypeError as error:
            raise ValueError(f"--{error}") from error
    options = {"tau": tau, "tol": tau, "relative": True, "solve": SUBSTEPS.get(substeps)}
    has = {field.name for field in fields(BY_NAME[name])}
    return BY_NAME[name](**{key: value for key, value in options.items() if key in has})


def make_data(settings):
    data = load(settings["data"])
    return hold_out(data, settings["validate"]) if settings["validate"] else data


def start(settings, data, rng):
    """The network, and its parameters at the start; the rank is filled in."""
    net, rank = _network(settings, data), settings["rank"]
    if settings["method"] != "dense" and rank is None:
        rank = settings["rank"] = max(1, min(map(min, net.weight_shapes[:-1]), default=1) // 4)
    last = net.weights_of_the_last
    if np.ndim(rank) and len(rank) == len(net.weight_shapes) - last:
        rank = [*rank, *[None] * last]
    return net, net.init(rng, rank, np.float32)


def _network(settings, data):
    widths, activation = settings["widths"], settings["activation"]
    if settings["net"] == "mlp":
        return mlp([data.x.shape[1], *widths, data.classes], activation)
    if len(data.shape) != 3:
        raise ValueError(f"--net lenet5: got data of {data.shape[0]} numbers each, expected images "
                         "(height, width, channels): --net mlp takes any numbers")
    if min(data.shape[:2]) < SMALLEST:
        raise ValueError(f"--net lenet5: got images of {data.shape[0]}×{data.shape[1]} pixels, "
                         f"expected {SMALLEST}×{SMALLEST} at least: windows of 5×5 pixels and "
                         "pooling by 2, both twice, leave nothing of smaller ones; --net mlp takes "
                         "images of any size")
    return lenet5(data.shape, data.classes, activation)


def _list(kind):
    def parse(text):
        return [kind(part) for part in text.split(",")]
    parse.__name__ = f"comma-separated {kind.__name__} list"
    return parse


def _ranks(text):
    ranks = [None if part == "dense" else int(part) for part in text.split(",")]
    return ranks if len(ranks) > 1 or ranks == [None] else ranks[0]


def _method(text):
    if text not in BY_NAME and ":" not in text:
        raise ArgumentTypeError(f"got {text!r}, expected one of {', '.join(BY_NAME)}, or "
                                "module:Class")
    return text
