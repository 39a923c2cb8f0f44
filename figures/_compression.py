"""What the figures on compression share: networks trained once, methods by their names, one
measure.

A case is a dict that JSON can say: data, net ("300-100", widths of the hidden layers, "lenet5" or
"resnet20", of any depth 6n + 2), seed, start (a factor on He's random weights), train (options of
`train`). A tenth of the
training images, drawn by the seed, is held out of training; whatever is chosen is chosen on it.
"""

import functools
import hashlib
import io
import json
from pathlib import Path

import numpy as np

import lowrank_ode
from lowrank_ode import DLRT, Dense, LowRank
from lowrank_ode.compression import (
    alds,
    count_parameters,
    energy,
    filters,
    l_rank,
    multiplications,
    pca,
    pfp,
    pruned,
    stable_rank,
    svd,
    svd_error,
)
from lowrank_ode.compression.totals import positions
from lowrank_ode.data import hold_out, load
from lowrank_ode.integrators import GeoLoRA, ProjectedRK
from lowrank_ode.matrices import DirectSum
from lowrank_ode.nets import lenet5
from lowrank_ode.nets.architectures import resnet_cifar
from lowrank_ode.results import write_whole
from lowrank_ode.substeps import euler
from lowrank_ode.training import ranks, train

from ._made import read
from ._places import found, places
from ._run import name_of as name_of_figure
from ._run import produce
from ._training import network

HELD_OUT = 0.1
SAMPLES = {"PCA": 1000, "PFP": 100}     # training images that these methods see
METHODS = {"SVD": svd, "SVD-Energy": energy, "SVD-Nuclear": functools.partial(energy, p=1),
           "SVD-Error": svd_error, "L-Rank": l_rank, "PCA": pca,
           "ALDS root": alds, "ALDS √k": functools.partial(alds, bound="sqrt_k"),
           "ALDS max": functools.partial(alds, bound="max"),
           "ALDS √k, EM": functools.partial(alds, bound="sqrt_k", seeds=15),
           "FT": filters, "PFP": pfp}
LOW_RANK = {"DLRT": DLRT, "GeoLoRA": GeoLoRA}
LOOKS = {"SVD": ("#9ecae1", "s"), "SVD-Energy": ("#4292c6", "o"), "SVD-Nuclear": ("#08519c", "v"),
         "SVD-Error": ("#6a4fb0", "D"), "L-Rank": ("#12908f", "^"), "PCA": ("#2a8f4e", "P"),
         "ALDS root": ("#d9822b", "o"), "ALDS √k": ("#8c4f10", "X"), "ALDS max": ("#f2b872", "<"),
         "ALDS √k, EM": ("#d4b106", ">"), "FT": ("#bbbbbb", "s"), "PFP": ("#777777", "d"),
         "DLRT": ("#b5314a", "*"), "GeoLoRA": ("#e06c9f", "h")}


def stored(module, scale):
    """The results of a figure, of this run or committed, or, if they are not there or of other
    settings, computed."""
    for path in found(name_of_figure(module), scale):
        if (data := read(path))["settings"] == module.SETTINGS[scale]:
            return data
    return produce(module, scale)


def cases(settings, net, starts):
    """{key: case} of a network, for all starts (names in settings["starts"]) and its seeds."""
    return {f"{net}, {start} start, seed {seed}":
            {"data": settings["data"], "net": net, "seed": seed,
             "start": settings["starts"][start], "train": settings["train"][net]}
            for start in starts for seed in settings["seeds"][net]}


def start_of(key):
    """The name of the start, of a key of `cases`."""
    return key.split(", ")[1].removesuffix(" start")


def name_of(net):
    """Of a network, for people: LeNet5, 300-100, 500×4."""
    widths = net.split("-")
    alike = len(widths) > 2 and len(set(widths)) == 1
    return {"lenet5": "LeNet5"}.get(net, f"{widths[0]}×{len(widths)}" if alike else net)


def seeds_of(runs):
    """How many, in words."""
    return "one seed" if len(runs) == 1 else f"{len(runs)} seeds"


loaded = functools.lru_cache(maxsize=1)(load)


@functools.lru_cache(maxsize=1)
def images(source, seed):
    """(training and held-out images, training and test images), the same training images."""
    whole = loaded(source)
    return hold_out(whole, HELD_OUT, seed), whole


def problem(case):
    """The network, its random start, and the data of `images`."""
    chosen, whole = images(case["data"], case["seed"])
    net = net_of(case["net"], whole)
    start = net.init(np.random.default_rng(case["seed"]), dtype=np.float32)
    return net, case["start"] * start, chosen, whole


def net_of(name, data):
    if name == "lenet5":
        return lenet5(classes=data.classes)
    if name.startswith("resnet"):
        return resnet_cifar(int(name.removeprefix("resnet")), "A", data.shape, data.classes)
    return network(data, [int(width) for width in name.split("-")])


def last(case, net, start, data, method, **options):
    """The parameters after the last epoch of training."""
    *_, record = train(net, start, data, method, rng=case["seed"], **{**case["train"], **options})
    return record.params


def dense_network(case):
    """The trained dense network of a case."""
    def trained():
        net, start, data, _ = problem(case)
        return last(case, net, start, data, Dense(euler))
    return kept(case, trained)


def kept(case, trained):
    """trained(), dense parameters, from the folder networks.jobs beside the results, where they are
    kept if this code has trained them before."""
    name = hashlib.sha256(json.dumps([case, source()], sort_keys=True).encode()).hexdigest()[:20]
    paths = [folder / "networks.jobs" / f"{name}.npz" for folder in places()]
    path = next((path for path in paths if path.exists()), paths[0])
    if not path.exists():
        blocks, file = trained().blocks, io.BytesIO()
        np.savez(file, *blocks)
        path.parent.mkdir(exist_ok=True)
        write_whole(path, file.getvalue())
    with np.load(path, allow_pickle=False) as found:
        return DirectSum([found[name] for name in found.files])


@functools.cache
def source():
    """A digest of what trains: the package, and what figures share."""
    files = sorted([*Path(lowrank_ode.__file__).parent.rglob("*.py"),
                    *Path(__file__).parent.glob("_*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def accuracies(net, params, chosen, whole):
    return {"held out": net.accuracy(params, chosen.test_x, chosen.test_labels),
            "test": net.accuracy(params, whole.test_x, whole.test_labels)}


def dense_results(case):
    """Of the dense network: accuracies, numbers, operations, stable ranks at the start and at the
    end."""
    net, start, chosen, whole = problem(case)
    params = dense_network(case)
    return {**accuracies(net, params, chosen, whole), **size(net, params),
            "stable ranks": [[stable_rank(W) for W in state.blocks[::2]]
                             for state in (start, params)]}


def size(net, params):
    """Numbers and operations on an example; weights may be LowRank."""
    at = [getattr(W, "rank", None) for W in params.blocks[::2]]
    return {"numbers": count_parameters(params),
            "flops": 2 * multiplications(net.weight_shapes, at, positions(net))}


def compressed(case, method, budget):
    """(network, parameters, report): a method, by its name, on the dense network."""
    net, _, chosen, _ = problem(case)
    seen = {"x": chosen.x[:SAMPLES[method]]} if method in SAMPLES else {}
    return METHODS[method](net, dense_network(case), budget, **seen)


def feasible(case, method, budget):
    """`compressed`, or None where rank 1 is too much for the budget."""
    try:
        return compressed(case, method, budget)
    except ValueError as error:
        if str(error).startswith("budget"):
            return None
        raise


def rewound(lr, epochs, again):
    """The step sizes of the last `again` of so many epochs, one an epoch."""
    return [lr[k * len(lr) // epochs] for k in range(epochs - again, epochs)]


def retrained(case, net, params, again):
    """The parameters after so many more epochs of projected Euler, at the ranks that they have,
    with the step sizes of the last ones of the training."""
    if not again:
        return params
    lr = rewound(case["train"]["lr"], case["train"]["epochs"], again)
    is_low = any(isinstance(X, LowRank) for X in params.blocks)
    method = ProjectedRK(1) if is_low else Dense(euler)
    return last(case, net, params, problem(case)[2], method, lr=lr, epochs=again)


def shrunk(case, method, budget, again=0):
    """A row: the network compressed to a budget, and retrained; None if it is infeasible."""
    found = feasible(case, method, budget)
    if found is None:
        return None
    net, params, report = found
    try:
        params = retrained(case, net, params, again)
    except ValueError as error:
        if str(error).startswith("lr"):             # the loss is infinite
            return None
        raise
    _, _, chosen, whole = problem(case)
    return {"budget": budget, "numbers": report.numbers, "flops": report.flops,
            "ranks": report.ranks, "groups": [row.groups for row in report.rows],
            **accuracies(net, params, chosen, whole)}


def trained_at_low_rank(case, integrator, tau, rank, again=0):
    """A row: the start cut to a rank, and trained by an integrator for all the epochs."""
    net, start, chosen, whole = problem(case)
    most = [min(rank, *shape) for shape in net.weight_shapes[:-1]]
    epochs = case["train"]["epochs"] + again
    params = last(case, net, pruned(start, [*most, None]), chosen, LOW_RANK[integrator](tau),
                  epochs=epochs)
    return {"tau": tau, "ranks": ranks(params), **size(net, params),
            **accuracies(net, params, chosen, whole)}
