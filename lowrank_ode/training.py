"""Training a network as one matrix ODE, W' = −∇L(W): where networks and integrators meet."""

import time
import warnings
from dataclasses import dataclass

import numpy as np

from .generators import generator
from .integrators import METHODS, Dense, method_of
from .matrices import DirectSum, LowRank, check_count, check_number, check_state
from .nets import Network, blocks_of


@dataclass(frozen=True, repr=False)
class Record:
    """What `train` tells: epoch and steps so far; since the record before, the mean batch loss
    (each before its step) and the seconds spent in steps (evaluation not counted); now, the
    accuracy on the test set (R² if that has targets, see `Network.accuracy`), the rank of each
    LowRank layer, and the parameters."""

    epoch: int
    step: int
    loss: float
    accuracy: float
    ranks: tuple
    seconds: float
    params: DirectSum

    def __repr__(self):
        return (f"<Record epoch {self.epoch}, step {self.step}: loss {self.loss:.4g}, accuracy "
                f"{100 * self.accuracy:.2f} %, ranks {self.ranks}, {self.seconds:.1f} s>")

    def summary(self):
        """All but the parameters, as a dict for JSON."""
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


def train(net: Network, params, data, method, lr, batch_size=128, epochs=1, rng=None, every=None,
          progress=None, drop=0.0, decay=0.0):
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
    same rng gives the same records, seconds apart.

    method.step(params, t, h, F) is given t = 0.0, 1.0, …, the number of the step: the fields, which
    do not depend on t, have no other time, and a method may do something else every so many steps.

    Raises ValueError, at once, for invalid arguments or data that do not fit the network; during
    training, if the loss is not finite. Warns if the method is one for low rank and no weight is a
    LowRank: a dense one stays dense, and nothing is compressed.
    """
    steps = _checked(net, data, lr, batch_size, epochs, every, drop, decay)
    rng = generator(rng)
    check_state(params, "params")
    net.accuracy(params, data.test_x[:1], data.test_labels[:1])     # refuses other shapes
    if np.ndim(data.labels) == 2:
        net.value(params, data.x[:2], data.labels[:2])              # a loss of classes
    method = method_of(method)
    _warn_of_dense(method, params)

    def records(params):
        step, losses, seconds = 0, [], 0.0
        for epoch in range(1, epochs + 1):
            h = float(steps[(epoch - 1) * len(steps) // epochs])
            order = rng.permutation(len(data.x))
            batches = [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
            waiting = progress(batches) if progress else batches
            for k, batch in zip(range(1, len(batches) + 1), waiting, strict=True):
                start, seen, x = time.perf_counter(), [], data.x[batch]
                if drop:
                    x = x * (rng.random(x.shape, np.float32) >= drop) / x.dtype.type(1 - drop)
                F = gradient_field(net, x, data.labels[batch], seen.append, decay)
                params, step = method.step(params, float(step), h, F), step + 1
                losses.append(float(seen[0]))
                seconds += time.perf_counter() - start
                if not np.isfinite(losses[-1]):
                    raise ValueError(f"lr: the loss is {losses[-1]} at step {step}, step size {h}; "
                                     "expected a finite one: try a smaller lr")
                if k == len(batches) or (every and step % every == 0):
                    check_state(params, f"params after step {step}, lr = {h}")
                    accuracy = net.accuracy(params, data.test_x, data.test_labels)
                    yield Record(epoch, step, np.mean(losses), accuracy, ranks(params), seconds,
                                 params)
                    losses, seconds = [], 0.0

    return records(params)


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
