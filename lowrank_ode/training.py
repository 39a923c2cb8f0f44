"""Training a network as one matrix ODE, W' = −∇L(W): where networks and integrators meet."""

import time
from dataclasses import dataclass

import numpy as np

from .matrices import DirectSum, LowRank, check_count, check_state
from .nets import Network
from .nets.norms import for_prediction


@dataclass(frozen=True)
class Record:
    """What `train` tells: epoch and steps so far; since the record before, the mean batch loss
    (each before its step) and the seconds spent in steps (evaluation not counted); now, the
    accuracy on the test set, the rank of each LowRank layer, and the parameters."""

    epoch: int
    step: int
    loss: float
    accuracy: float
    ranks: tuple
    seconds: float
    params: DirectSum

    def summary(self):
        """All but the parameters, as a dict for JSON."""
        return {"epoch": self.epoch, "step": self.step, "loss": self.loss,
                "accuracy": self.accuracy, "ranks": self.ranks, "seconds": self.seconds}


def gradient_field(net, x, labels, on_loss=None):
    """F(t, params) = −∇L of the batch (x, labels): the same at all times t. on_loss(loss) is called
    at each evaluation. net is a Network or has a `value_and_grad` as one has."""
    def F(t, params):
        loss, grads = net.value_and_grad(params, x, labels)
        if on_loss:
            on_loss(loss)
        return -grads
    return F


def train(net: Network, params, data, method, lr, batch_size=128, epochs=1, rng=None, every=None,
          progress=None, drop=0.0):
    """Train `net` from `params` with any integrator: a step of size h = lr along the gradient flow
    of each minibatch. A generator of Records, one an epoch, one after each `every` steps if given.

    data is a `lowrank_ode.data.Data`. lr is a number, or a sequence, at most as long as there are
    epochs, whose entries share these evenly: (0.2, 0.1) halves it at half time. Each batch is a
    field of its own, so that no stage of a step crosses batches; batches are drawn anew each epoch
    by `rng` (a numpy Generator or a seed, default 0), the last one may be smaller.
    progress(iterable) may wrap the batches of an epoch in a progress bar. drop is the probability
    with which an input of a batch is set to 0, the others divided by 1 − drop [SHKSS14]: against
    overfitting. The same rng gives the same records, seconds apart. Accuracies of a network with
    batch normalisations are those with the statistics of the first batch of the epoch.

    Raises ValueError, at once, for invalid arguments or data that do not fit the network; during
    training, if the loss is not finite.
    """
    steps = _checked(net, data, lr, batch_size, epochs, every, drop)
    rng = np.random.default_rng(0 if rng is None else rng)
    check_state(params, "params")
    net.accuracy(params, data.test_x[:2], data.test_labels[:2])     # refuses other shapes

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
                F = gradient_field(net, x, data.labels[batch], seen.append)
                params, step = method.step(params, 0.0, h, F), step + 1
                losses.append(float(seen[0]))
                seconds += time.perf_counter() - start
                if not np.isfinite(losses[-1]):
                    raise ValueError(f"lr: the loss is {losses[-1]} at step {step}, step size {h}; "
                                     "expected a finite one: try a smaller lr")
                if k == len(batches) or (every and step % every == 0):
                    check_state(params, f"params after step {step}, lr = {h}")
                    trained, own = for_prediction(net, params, data.x[batches[0]])
                    accuracy = trained.accuracy(own, data.test_x, data.test_labels)
                    yield Record(epoch, step, np.mean(losses), accuracy, ranks(params), seconds,
                                 params)
                    losses, seconds = [], 0.0

    return records(params)


def _checked(net, data, lr, batch_size, epochs, every, drop):
    """The step sizes as an array; ValueError for arguments of `train` that are no good."""
    if data.x.shape[1] != net.inputs or data.classes > net.classes:
        raise ValueError(f"data: {data.x.shape[1]} inputs and {data.classes} classes, expected "
                         f"{net.inputs} and at most {net.classes} for this network")
    steps = np.atleast_1d(np.asarray(lr, float))
    if not (steps.ndim == 1 and steps.size and (steps > 0).all() and np.isfinite(steps).all()):
        raise ValueError(f"lr: got {lr}, expected a step size > 0, or several")
    for name, number in (("batch_size", batch_size), ("epochs", epochs),
                         ("every", 1 if every is None else every)):
        check_count(name, number)
    if len(steps) > epochs:
        raise ValueError(f"lr: got {len(steps)} step sizes, "
                         f"expected at most one for each of {epochs} epochs")
    if not 0 <= drop < 1:
        raise ValueError(f"drop: got {drop}, expected a probability in [0, 1)")
    return steps


def ranks(params):
    """Ranks of the LowRank blocks, in order."""
    return tuple(X.rank for X in params.blocks if isinstance(X, LowRank))
