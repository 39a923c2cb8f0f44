"""What `timings` times: jobs without arguments, in processes with the threads that they are to have."""

import json
import os
import subprocess
import sys
import time
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from lowrank_ode import DLRT, Dense, DirectSum
from lowrank_ode.integrators import GeoLoRA
from lowrank_ode.matrices import outer
from lowrank_ode.nets import lenet5, mlp
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field

from ._products import again, products
from ._training import METHODS

try:
    from . import _torch_baseline as baseline
except ImportError:
    baseline = None

INTEGRATORS = [name for name in METHODS if name not in ("vanilla", "dense")]
THREADS = {             # of the BLAS of NumPy and of SciPy, of PyTorch, of our own
    "one": {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1, "LOWRANK_ODE_THREADS": 1},
    "two": {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 2, "LOWRANK_ODE_THREADS": 2},
    "two of BLAS": {"OPENBLAS_NUM_THREADS": 2, "OMP_NUM_THREADS": 2, "LOWRANK_ODE_THREADS": 1},
}


def measure(settings, what, threads, cases):
    """[{who: [seconds, …]}] of the jobs of each case (width, rank), as `in_turn` finds them in a fresh process."""
    environment = {**os.environ, **{name: str(number) for name, number in THREADS[threads].items()}}
    found = subprocess.run([sys.executable, "-m", "figures._steps", json.dumps([settings, what, cases])], env=environment, text=True,
                           capture_output=True, cwd=Path(__file__).parent.parent)
    if found.returncode:
        raise RuntimeError(f"{what}, {threads}: {found.stderr.strip()}")
    return json.loads(found.stdout)


def in_turn(settings, what, cases):
    """[{who: [seconds, …]}] of the jobs of each case; all jobs of a width take turns, for what else the machine does changes with time."""
    found = {}
    for _, among in groupby(map(tuple, cases), key=itemgetter(0)):
        jobs = {(case, who): job for case in among for who, job in JOBS[what](settings, *case).items()}
        for (case, who), times in rounds(jobs, settings["repeats"], settings["seconds"]).items():
            found.setdefault(case, {})[who] = times
    return [found[tuple(case)] for case in cases]


def rounds(jobs, repeats, seconds=0):
    """Seconds of each job, a number a round: all in turn, so many times and for so many seconds at least; the second time of two: during
    the first, threads of the job before may still hold a core."""
    taken, began = [], time.perf_counter()
    while len(taken) < repeats or time.perf_counter() - began < seconds:
        taken.append([_second_time(job) for job in jobs.values()])
    return dict(zip(jobs, zip(*taken, strict=True), strict=True))


def _second_time(job):
    job()
    start = time.perf_counter()
    job()
    return round(time.perf_counter() - start, 7)


class Stepping:
    """A job that takes one step from where the last one ended."""

    def __init__(self, step, state):
        self.step, self.state = step, state

    def __call__(self):
        self.state = self.step(self.state)


def training_jobs(settings, width, rank):
    """A step by our code (of this rank, by DLRT and by GeoLoRA; None for dense), their products alone, and a step by PyTorch if there."""
    widths, rng, lr = [784, *[width] * 4, 10], np.random.default_rng(settings["seed"]), settings["lr"]
    net, (x, labels) = mlp(widths), _batch(rng, settings["batch"])
    start = net.init(rng, rank, np.float32)
    method = DLRT(0, max_rank=rank) if rank else Dense(euler)
    jobs = {"ours": _our_step(method, net, x, labels, lr, start)}
    if rank:
        jobs["floor"] = _floor(method, net, x, labels, lr, start)
        jobs["GeoLoRA"] = _our_step(GeoLoRA(0, max_rank=rank), net, x, labels, lr, start)
        jobs["GeoLoRA, floor"] = _floor(GeoLoRA(0, max_rank=rank), net, x, labels, lr, start)
    if baseline:
        x, labels = (baseline.torch.from_numpy(X) for X in (x, labels))
        step = (lambda P: baseline.three_pass_step(P, x, labels, lr, rank)) if rank else lambda P: baseline.dense_step(P, x, labels, lr)
        jobs["torch"] = Stepping(step, baseline.network(widths, rank))
    return jobs


def lenet_jobs(settings, width, rank):
    """A step of LeNet5 by our code, with weights of rank at most `rank` (None for dense), and PyTorch's dense one if there."""
    rng, net = np.random.default_rng(settings["seed"]), lenet5()
    ranks = rank and [min(rank, *shape) for shape in net.weight_shapes[:-1]] + [None]
    x, labels = _batch(rng, settings["lenet_batch"])
    method = DLRT(0, max_rank=rank) if rank else Dense(euler)
    jobs = {"ours": _our_step(method, net, x, labels, settings["lr"], net.init(rng, ranks, np.float32))}
    if baseline:
        x, labels = (baseline.torch.from_numpy(X) for X in (x, labels))
        jobs["torch"] = Stepping(lambda P: baseline.lenet_step(P, x, labels, settings["lr"]), baseline.lenet())
    return jobs


def method_jobs(settings, width, rank):
    """A step by each integrator, and its products alone."""
    rng, net = np.random.default_rng(settings["seed"]), mlp([784, *[width] * 4, 10])
    (x, labels), lr = _batch(rng, settings["batch"]), settings["lr"]
    start, jobs = net.init(rng, rank, np.float32), {}
    for name in INTEGRATORS:
        method = METHODS[name](rank)
        jobs[name] = _our_step(method, net, x, labels, lr, start)
        jobs[f"{name}, floor"] = _floor(method, net, x, labels, lr, start)
    return jobs


def prediction_jobs(settings, width, rank):
    """Outputs of a network with hidden weights K Vᵀ of this rank, None for dense ones."""
    rng, net = np.random.default_rng(settings["seed"]), mlp([784, *[width] * 4, 10])
    (x, _), blocks = _batch(rng, settings["images"]), list(net.init(rng, dtype=np.float32).blocks)
    if rank:
        for k, W in enumerate(blocks[:-2:2]):
            r = min(rank, *W.shape)
            blocks[2 * k] = outer(W[:, :r].copy(), rng.standard_normal((W.shape[1], r), np.float32) / np.float32(r**0.5))
    return {"ours": lambda: net.outputs(DirectSum(blocks), x)}


def _our_step(method, net, x, labels, lr, start):
    return Stepping(lambda P: method.step(P, 0, lr, gradient_field(net, x, labels)), start)


def _floor(method, net, x, labels, lr, start):
    """The matrix products of such a step, and nothing else: a job."""
    return partial(again, products(lambda P, x: method.step(P, 0, lr, gradient_field(net, x, labels)), start, x))


def _batch(rng, size):
    """As sparse and as large as MNIST images."""
    return (rng.random((size, 784)) * (rng.random((size, 784)) < 0.2)).astype(np.float32), rng.integers(0, 10, size)


JOBS = {"train": training_jobs, "methods": method_jobs, "predict": prediction_jobs, "LeNet5": lenet_jobs}

if __name__ == "__main__":
    print(json.dumps(in_turn(*json.loads(sys.argv[1]))))
