"""Training a network as one matrix ODE, W' = −∇L(W): where networks and integrators meet."""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .generators import generator, generator_from
from .integrators import METHODS, Dense, method_of
from .matrices import DirectSum, LowRank, check_state
from .nets import Network, blocks_of
from .nets.norms import for_prediction
from .options import check_count, check_number


@dataclass(frozen=True, eq=False)
class State:
    """Where a training stands after so many epochs and steps: `train(…, start=state)` goes on to
    the bit as if it had never stopped. generator is the state of the random numbers; a method has
    none, its steps are pure (integrators/__init__.py).

    `lowrank_ode.save` writes the parameters and, as JSON, `summary()`: State(params, **summary).
    """

    params: DirectSum
    epoch: int
    step: int
    generator: dict

    def summary(self):
        """All but the parameters, as a dict for JSON."""
        return {"epoch": self.epoch, "step": self.step, "generator": self.generator}


@dataclass(frozen=True, repr=False)
class Record:
    """What `train` tells: epoch and steps so far; since the record before, the mean batch loss
    (each before its step) and the seconds spent in steps (evaluation not counted); now, the
    accuracy on the test set (R² if that has targets, see `Network.accuracy`), the rank of each
    LowRank layer, the parameters, and at the end of an epoch the state to go on from."""

    epoch: int
    step: int
    loss: float
    accuracy: float
    ranks: tuple
    seconds: float
    params: DirectSum
    state: State | None = None

    def __repr__(self):
        return (f"<Record epoch {self.epoch}, step {self.step}: loss {self.loss:.4g}, accuracy "
                f"{100 * self.accuracy:.2f} %, ranks {self.ranks}, {self.seconds:.1f} s>")

    def summary(self):
        """All but parameters and state, as a dict for JSON."""
        return {"epoch": self.epoch, "step": self.step, "loss": self.loss,
                "accuracy": self.accuracy, "ranks": self.ranks, "seconds": self.seconds}


def gradient_field(net, x, labels, on_loss=None, decay=0.0):
    """F(t, params) = −∇L − decay · params of the batch (x, labels): the same at all times t.
    on_loss(L) is called at each evaluation. net is a Network or has a `value_and_grad` as one has.
    Where params and ∇L are LowRank, F is their sum in factors."""
    def F(t, params):
        loss, grads = net.value_and_grad(params, x, labels)
        if on_loss:
            on_loss(loss)
        return -(grads + float(decay) * params) if decay else -grads
    return F


def train(net: Network, params: DirectSum | None, data, method, lr, batch_size: int = 128,
          epochs: int = 1, rng=None, every: int | None = None, progress: Callable | None = None,
          drop: float = 0.0, decay: float = 0.0, start: State | None = None) -> Iterator[Record]:
    """Train `net` from `params` with any integrator, or that of a name ("dlrt": with its defaults):
    a step of size h = lr along the gradient flow of each minibatch. A generator of Records, one an
    epoch, one after each `every` steps if given.

    data is a `lowrank_ode.data.Data`. lr is a number, or a sequence, at most as long as there are
    epochs, whose entries share these evenly: (0.2, 0.1) halves it at half time. Each batch is a
    field of its own, so that no stage of a step crosses batches; batches are drawn anew each epoch
    by `rng` (a numpy Generator or a seed, default 0), the last one may be smaller.
    progress(iterable) may wrap the batches of an epoch in a progress bar. drop is the probability
    with which an input of a batch is set to 0, the others divided by 1 − drop [SHKSS14]: against
    overfitting. decay is that of the weights: the field is −∇L − decay · params, the gradient of
    L + decay ‖params‖²/2 turned round, biases included, as of torch's SGD; the records tell L. The
    same rng gives the same records, seconds apart. Accuracies of a network with batch
    normalisations are those with the statistics of the first batch of the epoch.

    start, a State, takes the place of params and rng, which are None then: with the arguments that
    it was reached with, training goes on with the epoch after it, to the bit as if never stopped.

    method.step(params, t, h, F) is given t = 0.0, 1.0, …, the number of the step: the fields, which
    do not depend on t, have no other time, and a method may do something else every so many steps.

    Raises ValueError, at once, for invalid arguments or data that do not fit the network; during
    training, if the loss is not finite. Warns if the method is one for low rank and no weight is a
    LowRank: a dense one stays dense, and nothing is compressed.
    """
    steps = _checked(net, data, lr, batch_size, epochs, every, drop, decay)
    start, rng = _start(params, rng, start, epochs)
    check_state(start.params, "params")
    net.accuracy(start.params, data.test_x[:2], data.test_labels[:2])   # refuses other shapes
    if np.ndim(data.labels) == 2:
        net.value(start.params, data.x[:2], data.labels[:2])            # a loss of classes
    smallest = len(data.x) % batch_size or batch_size
    for_prediction(net, start.params, data.x[:min(smallest, 2)])    # what cannot be folded
    method = method_of(method)
    _warn_of_dense(method, start.params)
    run = _Run(net, data, method, steps, batch_size, epochs, every, progress, drop, decay)
    return run.records(start, rng)


def _start(params, rng, start, epochs):
    """The state to start from, and the generator; ValueError for arguments that do not go
    together."""
    if start is None:
        rng = generator(rng)
        return State(params, 0, 0, rng.bit_generator.state), rng
    if not isinstance(start, State):
        raise ValueError(f"start: got {type(start).__name__}, expected a State, as of record.state "
                         "at the end of an epoch")
    for name, given in (("params", params), ("rng", rng)):
        if given is not None:
            raise ValueError(f"{name}: got {type(given).__name__}, expected None beside start, "
                             "which has its own")
    for name in ("epoch", "step"):
        check_count(f"start.{name}", getattr(start, name))
    if start.epoch >= epochs:
        raise ValueError(f"start: {start.epoch} epochs are behind it, expected fewer than epochs = "
                         f"{epochs}")
    return start, generator_from(start.generator, "start.generator")


@dataclass(frozen=True, eq=False)
class _Run:
    """The arguments of `train`, checked; steps are the step sizes."""

    net: Network
    data: object
    method: object
    steps: np.ndarray
    batch_size: int
    epochs: int
    every: int | None
    progress: object
    drop: float
    decay: float

    def records(self, start, rng):
        params, step = start.params, start.step
        for epoch in range(start.epoch + 1, self.epochs + 1):
            h = float(self.steps[(epoch - 1) * len(self.steps) // self.epochs])
            losses, seconds, batches = [], 0.0, self._batches(rng)
            waiting = self.progress(batches) if self.progress else batches
            for k, batch in zip(range(1, len(batches) + 1), waiting, strict=True):
                began = time.perf_counter()
                params, loss = self._stepped(params, step, h, batch, rng)
                seconds += time.perf_counter() - began
                losses.append(loss)
                step, is_last = step + 1, k == len(batches)
                if not np.isfinite(loss):
                    raise ValueError(f"lr: the loss is {loss} at step {step}, step size {h}; "
                                     "expected a finite one: try a smaller lr")
                if is_last or (self.every and step % self.every == 0):
                    check_state(params, f"params after step {step}, lr = {h}")
                    state = State(params, epoch, step, rng.bit_generator.state) if is_last else None
                    accuracy = self._accuracy(params, self.data.x[batches[0]])
                    yield Record(epoch, step, np.mean(losses), accuracy, ranks(params), seconds,
                                 params, state)
                    losses, seconds = [], 0.0

    def _batches(self, rng):
        """Of an epoch: which examples are in each."""
        order = rng.permutation(len(self.data.x))
        return [order[i:i + self.batch_size] for i in range(0, len(order), self.batch_size)]

    def _stepped(self, params, step, h, batch, rng):
        """The parameters after a step of size h on the batch, and the loss before it."""
        seen, x = [], self.data.x[batch]
        if self.drop:
            kept = rng.random(x.shape, np.float32) >= self.drop
            x = x * kept / x.dtype.type(1 - self.drop)
        F = gradient_field(self.net, x, self.data.labels[batch], seen.append, self.decay)
        return self.method.step(params, float(step), h, F), float(seen[0])

    def _accuracy(self, params, x):
        """On the test images, batch normalisations with the statistics of x."""
        net, params = for_prediction(self.net, params, x)
        return net.accuracy(params, self.data.test_x, self.data.test_labels)


def _checked(net, data, lr, batch_size, epochs, every, drop, decay):
    """The step sizes as an array; ValueError for arguments of `train` that are no good."""
    if isinstance(net, type) or not hasattr(net, "value_and_grad"):
        raise ValueError(f"net: got {net}, expected a Network")
    if not hasattr(data, "test_labels"):
        raise ValueError(f"data: got {type(data).__name__}, expected a lowrank_ode.data.Data")
    if data.x.shape[1] != net.inputs or data.classes > net.classes:
        raise ValueError(f"data: {data.x.shape[1]} inputs and {data.classes} classes, expected "
                         f"{net.inputs} and at most {net.classes} for this network")
    shape = getattr(net, "shape", ())
    if len(data.shape) == 3 == len(shape) and data.shape != shape:
        raise ValueError(f"data: images of shape {data.shape}, expected {shape}")
    try:
        steps = np.atleast_1d(np.asarray(lr, float))
    except (TypeError, ValueError):
        steps = np.array([])
    if not (steps.ndim == 1 and steps.size and (steps > 0).all() and np.isfinite(steps).all()):
        raise ValueError(f"lr: got {lr}, expected a step size > 0, or several")
    for name, number in (("batch_size", batch_size), ("epochs", epochs),
                         ("every", 1 if every is None else every)):
        check_count(name, number)
    if len(steps) > epochs:
        raise ValueError(f"lr: got {len(steps)} step sizes, "
                         f"expected at most one for each of {epochs} epochs")
    check_number("drop", drop, "a probability in [0, 1)", lambda drop: 0 <= drop < 1)
    check_number("decay", decay, "a number ≥ 0", lambda decay: 0 <= decay < np.inf)
    return steps


def _warn_of_dense(method, params):
    is_low_rank = isinstance(method, METHODS) and not isinstance(method, Dense)
    if is_low_rank and not any(isinstance(X, LowRank) for X in params.blocks):
        warnings.warn(f"params: no LowRank among the blocks, so that {type(method).__name__} "
                      "compresses nothing: start from net.init(rng, rank=…) or pruned(params, …)",
                      stacklevel=3)


def ranks(params):
    """Ranks of the LowRank blocks, in order."""
    return tuple(X.rank for X in blocks_of(params) if isinstance(X, LowRank))
