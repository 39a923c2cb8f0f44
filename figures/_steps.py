"""What `timings` times: jobs without arguments, in processes with the threads that they are to have."""

import json
import os
import sys
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen

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
SHORT = 0.2             # seconds: what takes longer is timed as it is, without a first time
THREADS = {             # of the BLAS of NumPy and of SciPy, of PyTorch, of our own
    "one": {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1, "LOWRANK_ODE_THREADS": 1},
    "two": {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 2, "LOWRANK_ODE_THREADS": 2},
    "two of BLAS": {"OPENBLAS_NUM_THREADS": 2, "OMP_NUM_THREADS": 2, "LOWRANK_ODE_THREADS": 1},
}


def measure(settings, what, width, ranks):
    """{threads: [{who: [seconds, …]} of each rank]} of the jobs of a width, for ranks = {threads: [rank, …]}; a number a round.

    There is a process for each number of threads; in a round each in its turn does all its jobs while the others wait, for what else the
    machine does changes with time. settings["repeats"] rounds at least, and as many as take settings["seconds"] a process.

    Raises RuntimeError if a process fails.
    """
    taken = []
    with ExitStack() as stack:
        turns = {threads: stack.enter_context(_process(threads, settings, what, width, among)) for threads, among in ranks.items()}
        began = time.perf_counter()
        while len(taken) < settings["repeats"] or time.perf_counter() - began < settings["seconds"] * len(turns):
            taken.append({threads: turn() for threads, turn in turns.items()})
    return {threads: [{who: [found[threads][k][who] for found in taken] for who in those} for k, those in enumerate(taken[0][threads])]
            for threads in ranks}


@contextmanager
def _process(threads, settings, what, width, ranks):
    """A process with these threads, which has its jobs ready; in each turn it does all of them once, and their seconds are returned."""
    environment = {**os.environ, **{name: str(number) for name, number in THREADS[threads].items()}}
    command = [sys.executable, "-m", "figures._steps", json.dumps([settings, what, width, ranks])]
    with Popen(command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, cwd=Path(__file__).parent.parent) as process:
        def answer():
            if line := process.stdout.readline():
                return json.loads(line)
            said, status = process.stderr.read().decode().strip(), process.wait()
            raise RuntimeError(f"{what}, threads: {threads}: {said} (exit status {status})")

        def turn():
            process.stdin.write(b"\n")
            return answer()

        answer()
        yield turn


def answer_in_turns(settings, what, width, ranks):
    """What such a process does: print a line when it is ready, and, for each line that it reads, [{who: seconds} of each rank]."""
    jobs = [JOBS[what](settings, width, rank) for rank in ranks]
    print("0", flush=True)
    for _ in sys.stdin:
        print(json.dumps([{who: _warm(job) for who, job in those.items()} for those in jobs]), flush=True)


def _warm(job):
    """Of a short job the second time of two: during the first, threads of the job before may still hold a core, and caches its numbers."""
    first = _seconds(job)
    return first if first > SHORT else _seconds(job)


def _seconds(job):
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
    (x, _), blocks = _batch(rng, settings["images"]), list(net.init(rng, rank and 1, np.float32).blocks)
    if rank:
        for k, (m, n) in enumerate(net.weight_shapes[:-1]):
            r = min(rank, m, n)
            blocks[2 * k] = outer(*(rng.standard_normal((rows, r), np.float32) / np.float32(size**0.5) for rows, size in ((m, n), (n, r))))
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
    answer_in_turns(*json.loads(sys.argv[1]))
