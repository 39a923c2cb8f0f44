"""What `timings` times: jobs without arguments, each case in a process of its own with the threads that it is to have."""

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from lowrank_ode import DLRT, Dense
from lowrank_ode.compression import merged
from lowrank_ode.nets import lenet5, mlp
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field

try:
    from . import _torch_baseline as baseline
except ImportError:
    baseline = None

THREADS = {             # of the BLAS of NumPy and of SciPy, of PyTorch, of our own
    "one": {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1, "LOWRANK_ODE_THREADS": 1},
    "two": {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 2, "LOWRANK_ODE_THREADS": 2},
    "two of BLAS": {"OPENBLAS_NUM_THREADS": 2, "OMP_NUM_THREADS": 2, "LOWRANK_ODE_THREADS": 1},
}


def measure(settings, what, width, rank, threads):
    """{who: median seconds} of the jobs of a case, in a fresh process."""
    environment = {**os.environ, **{name: str(number) for name, number in THREADS[threads].items()}}
    found = subprocess.run([sys.executable, "-m", "figures._steps", json.dumps([settings, what, width, rank])], env=environment, text=True,
                           capture_output=True, cwd=Path(__file__).parent.parent)
    if found.returncode:
        raise RuntimeError(f"{what}, width {width}, rank {rank}: {found.stderr.strip()}")
    return json.loads(found.stdout)


def medians(jobs, repeats):
    """Median seconds of each job, run in turn, after one run that does not count."""
    taken = {name: [] for name in jobs}
    for k in range(repeats + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            taken[name] += [time.perf_counter() - start] if k else []
    return {name: statistics.median(times) for name, times in taken.items()}


class Stepping:
    """A job that takes one step from where the last one ended."""

    def __init__(self, step, state):
        self.step, self.state = step, state

    def __call__(self):
        self.state = self.step(self.state)


def training_jobs(settings, width, rank):
    """A step by our code (of this rank; None for dense), by PyTorch if there, and, for a rank, its products alone."""
    widths, rng, lr = [784, *[width] * 4, 10], np.random.default_rng(settings["seed"]), settings["lr"]
    net, (x, labels) = mlp(widths), _batch(rng, settings["batch"])
    jobs = {"ours": _our_step(net, x, labels, lr, rank, net.init(rng, rank, np.float32))}
    if rank:
        jobs["floor"] = products(widths, rank, settings["batch"], rng)
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
    jobs = {"ours": _our_step(net, x, labels, settings["lr"], rank, net.init(rng, ranks, np.float32))}
    if baseline:
        x, labels = (baseline.torch.from_numpy(X) for X in (x, labels))
        jobs["torch"] = Stepping(lambda P: baseline.lenet_step(P, x, labels, settings["lr"]), baseline.lenet())
    return jobs


def prediction_jobs(settings, width, rank):
    rng, net = np.random.default_rng(settings["seed"]), mlp([784, *[width] * 4, 10])
    ranks = rank and [min(rank, 784), rank, rank, rank, None]
    (x, _), params = _batch(rng, settings["images"]), merged(net.init(rng, ranks, np.float32))
    return {"ours": lambda: net.outputs(params, x)}


def products(widths, r, b, rng):
    """The matrix products of one DLRT step of rank r on these widths, the last layer dense, batch b, and nothing else: a job."""
    def random(*shape):
        return rng.random(shape, np.float32)

    shapes = list(pairwise(widths))
    layers = [{"Z": random(b, m).T, "D": random(b, n).T, "U": random(n, r), "V": random(m, r), "S": random(r, r), "K": random(n, r),
               "L": random(m, r), "U1": random(n, 2 * r), "V1": random(m, 2 * r), "P": random(2 * r, r), "small": random(b, r)}
              for m, n in shapes]

    def job():
        for number, x in enumerate(layers[:-1]):
            Z, D, U, V, S, P, small = x["Z"], x["D"], x["U"], x["V"], x["S"], x["P"], x["small"]
            Z.T @ V, S @ small.T, U @ small.T                                           # forward
            D.T @ U                                                                     # backward
            if number:
                small @ S, V @ small.T
            D @ small, Z @ small                                                        # G V0, Gᵀ U0
            for B, K, B1 in ((U, x["K"], x["U1"]), (V, x["L"], x["V1"])):
                for _ in range(2):                                                      # augment: orthogonalise, normalise, twice
                    B.T @ K, B @ S, K.T @ K, K @ S
                B1 @ P, B.T @ B                                                         # new basis, and how orthonormal it is
            np.hstack([small, D.T @ U]).T @ np.hstack([small, Z.T @ V])                 # Ûᵀ G V̂
        Z, D = layers[-1]["Z"], layers[-1]["D"]
        W = D @ Z.T
        W @ Z, W.T @ D
    return job


def _our_step(net, x, labels, lr, rank, start):
    F, method = gradient_field(net, x, labels), DLRT(0, max_rank=rank) if rank else Dense(euler)
    return Stepping(lambda P: method.step(P, 0, lr, F), start)


def _batch(rng, size):
    """As sparse and as large as MNIST images."""
    return (rng.random((size, 784)) * (rng.random((size, 784)) < 0.2)).astype(np.float32), rng.integers(0, 10, size)


JOBS = {"train": training_jobs, "predict": prediction_jobs, "LeNet5": lenet_jobs}

if __name__ == "__main__":
    settings, what, width, rank = json.loads(sys.argv[1])
    print(json.dumps(medians(JOBS[what](settings, width, rank), settings["repeats"])))
