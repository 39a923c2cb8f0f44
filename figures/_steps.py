"""What `timings` and `ablation` time: jobs without arguments, in processes with the threads that
they are to have."""

import json
import os
import random
import sys
import time
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np

from lowrank_ode import DLRT, Dense, DirectSum
from lowrank_ode.data import load
from lowrank_ode.integrators import GeoLoRA
from lowrank_ode.matrices import outer
from lowrank_ode.nets import lenet5, mlp
from lowrank_ode.nets.architectures import resnet_cifar
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field

from ._products import again, products
from ._training import METHODS
from ._twins import THREE_GRADIENTS, TWINS, without

try:
    from . import _torch_baseline as baseline
except ImportError:
    baseline = None

INTEGRATORS = [name for name in METHODS if name not in ("vanilla", "dense")]
SHORT = 0.2             # seconds: what takes longer is timed as it is, without a first time
THREADS = {             # of the BLAS of NumPy and of SciPy, and of PyTorch
    "one": {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1},
    "two": {"OPENBLAS_NUM_THREADS": 2, "OMP_NUM_THREADS": 2},
}


def measure(settings, what, width, ranks):
    """{threads: [{who: [seconds, …]} of each rank]} of the jobs of a width, a number a round, for
    ranks = {threads: [rank, …]}.

    There is a process for each number of threads; in a round each in its turn does all its jobs
    while the others wait, for what else the machine does changes with time. settings["repeats"]
    rounds at least, and as many as take settings["seconds"] a process.

    Raises RuntimeError if a process fails.
    """
    taken = []
    with ExitStack() as stack:
        turns = {threads: stack.enter_context(_process(threads, settings, what, width, among))
                 for threads, among in ranks.items()}
        end = time.perf_counter() + settings["seconds"] * len(turns)
        while len(taken) < settings["repeats"] or time.perf_counter() < end:
            taken.append({threads: turn() for threads, turn in turns.items()})
    return {threads: [{who: [found[threads][k][who] for found in taken] for who in those}
                      for k, those in enumerate(taken[0][threads])] for threads in ranks}


@contextmanager
def _process(threads, settings, what, width, ranks):
    """A process with these threads that has its jobs ready; in a turn it does all of them, and
    their seconds are returned."""
    environment = {**os.environ, **{name: str(n) for name, n in THREADS[threads].items()}}
    command = [sys.executable, "-m", "figures._steps", json.dumps([settings, what, width, ranks])]
    with Popen(command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment,
               cwd=Path(__file__).parent.parent) as process:
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
    """What such a process does: print a line when it is ready, and, for each line that it reads,
    [{who: seconds} of each rank]; in another order each time, for a job leaves traces in caches."""
    jobs = [JOBS[what](settings, width, rank) for rank in ranks]
    clock, order = getattr(time, settings["clock"]), random.Random(0)
    cases = [(k, who) for k, those in enumerate(jobs) for who in those]
    print("0", flush=True)
    for _ in sys.stdin:
        taken = [dict.fromkeys(those) for those in jobs]
        order.shuffle(cases)
        for k, who in cases:
            taken[k][who] = _warm(jobs[k][who], clock)
        print(json.dumps(taken), flush=True)


def _warm(job, clock):
    """Of a short job the second time of two: during the first, threads of the job before may still
    hold a core, and caches its numbers."""
    first = _seconds(job, clock)
    return first if first > SHORT else _seconds(job, clock)


def _seconds(job, clock):
    start = clock()
    job()
    return round(clock() - start, 7)


class Stepping:
    """A job that takes one step from where the last one ended."""

    def __init__(self, step, state):
        self.step, self.state = step, state

    def __call__(self):
        self.state = self.step(self.state)


def training_jobs(settings, width, rank):
    """A step by our code (of this rank, by DLRT and by GeoLoRA; None for dense), their products
    alone, and a step by PyTorch if there."""
    widths, rng = [784, *[width] * 4, 10], np.random.default_rng(settings["seed"])
    net, (x, labels), lr = mlp(widths), _batch(rng, settings["batch"]), settings["lr"]
    start = net.init(rng, rank, np.float32)
    if rank:
        jobs = {}
        for who, method in ("ours", DLRT(0, max_rank=rank)), ("GeoLoRA", GeoLoRA(0, max_rank=rank)):
            jobs[who] = _our_step(method, net, x, labels, lr, start)
            jobs["floor" if who == "ours" else f"{who}, floor"] = _floor(method, net, x, labels, lr,
                                                                         start)
    else:
        jobs = {"ours": _our_step(Dense(euler), net, x, labels, lr, start)}
    if baseline:
        x, labels = (baseline.torch.from_numpy(X) for X in (x, labels))
        step = ((lambda P: baseline.three_pass_step(P, x, labels, lr, rank)) if rank
                else lambda P: baseline.dense_step(P, x, labels, lr))
        jobs["torch"] = Stepping(step, baseline.network(widths, rank))
    return jobs


def convolutional_jobs(make, name, settings, width, rank):
    """A step of a network of images by our code, with weights of rank at most `rank` (None for
    dense), by DLRT, and by GeoLoRA, too, for other networks than LeNet5; and PyTorch's dense one if
    there."""
    rng, net, lr = np.random.default_rng(settings["seed"]), make(), settings["lr"]
    x, labels = _batch(rng, settings[f"{name}_batch"], net.inputs)
    start = net.init(rng, rank and _at_most(rank, net), np.float32)
    methods = {"ours": DLRT(0, max_rank=rank) if rank else Dense(euler)}
    if rank and name != "lenet":
        methods["GeoLoRA"] = GeoLoRA(0, max_rank=rank)
    jobs = {who: _our_step(method, net, x, labels, lr, start) for who, method in methods.items()}
    if baseline:
        x, labels = (baseline.torch.from_numpy(X) for X in (x, labels))
        loss, start = getattr(baseline, f"{name}_loss"), getattr(baseline, name)()
        jobs["torch"] = Stepping(lambda P: baseline.descent(loss, P, x, labels, lr), start)
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
    x, _ = _batch(rng, settings["images"])
    blocks = list(net.init(rng, rank and 1, np.float32).blocks)
    for k, (m, n) in enumerate(net.weight_shapes[:-1] if rank else ()):
        r = min(rank, m, n)
        blocks[2 * k] = outer(*(rng.standard_normal((rows, r), np.float32) / np.float32(size**0.5)
                                for rows, size in ((m, n), (n, r))))
    return {"ours": lambda: net.outputs(DirectSum(blocks), x)}


def ablation_jobs(settings, width, rank):
    """A step by DLRT and by GeoLoRA, and without each speed-up, on MNIST images, from where some
    steps of training ended."""
    lenet, data, lr = width == "LeNet5", load("mnist5k"), settings["lr"][str(width)]
    net = lenet5() if lenet else mlp([784, *[width] * 4, 10])
    size = settings["lenet_batch" if lenet else "batch"]
    batches = [slice(k, k + size) for k in range(0, len(data.x) - size + 1, size)]
    fields = [gradient_field(net, data.x[J].astype(np.float32), data.labels[J]) for J in batches]
    methods = {"DLRT": DLRT(0, max_rank=rank), "GeoLoRA": GeoLoRA(0, max_rank=rank)}
    start = net.init(np.random.default_rng(settings["seed"]), _at_most(rank, net), np.float32)
    for k in range(settings["warm"]):
        start = methods["DLRT"].step(start, 0, lr, fields[k % len(fields)])

    def job(method, context):
        def step(P):
            with context():
                return method.step(P, 0, lr, fields[0])
        return Stepping(step, start)

    jobs = {}
    for who, method in methods.items():
        jobs[who] = job(method, nullcontext)
        jobs[f"{who}, without one gradient"] = job(THREE_GRADIENTS[who](rank), nullcontext)
        for name in TWINS:
            jobs[f"{who}, without {name}"] = job(method, partial(without, name))
    return jobs


def _at_most(rank, net):
    """That rank or less in each layer but the last, which is dense."""
    return [min(rank, *shape) for shape in net.weight_shapes[:-1]] + [None]


def _our_step(method, net, x, labels, lr, start):
    return Stepping(lambda P: method.step(P, 0, lr, gradient_field(net, x, labels)), start)


def _floor(method, net, x, labels, lr, start):
    """The matrix products of such a step, and nothing else: a job."""
    def step(P, x):
        return method.step(P, 0, lr, gradient_field(net, x, labels))
    return partial(again, products(step, start, x))


def _batch(rng, size, inputs=784):
    """As sparse as MNIST images."""
    x = (rng.random((size, inputs)) * (rng.random((size, inputs)) < 0.2)).astype(np.float32)
    return x, rng.integers(0, 10, size)


JOBS = {"train": training_jobs, "methods": method_jobs, "predict": prediction_jobs,
        "LeNet5": partial(convolutional_jobs, lenet5, "lenet"),
        "ResNet-20": partial(convolutional_jobs, resnet_cifar, "resnet"),
        "ablation": ablation_jobs}

if __name__ == "__main__":
    answer_in_turns(*json.loads(sys.argv[1]))
