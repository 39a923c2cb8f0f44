"""How the front door is used, for mypy to check (`python -m mypy tests/front_door.py`): it is told,
too, where it must complain, and complains if it need not."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lowrank_ode import DirectSum, LowRank, evolve, exact_flow, load, save, truncate
from lowrank_ode.nets import Network
from lowrank_ode.training import Record, State, train


def right(Y: LowRank, W: DirectSum, net: Network, data: object, path: Path) -> Iterator[Record]:
    small: LowRank = truncate(Y, 0.1, relative=True)
    for t, Z in evolve("bug", small, lambda t, X: X, (0, 1), 10):
        print(t + 1, Z.rank)
    for _, X in exact_flow(Y, lambda t, X: X, (0.0, 1.0)):
        print(X.shape)
    save(path, W, net, h=0.1)
    found, params, about = load("a.npz")
    print(found is None, params.shape, about["h"])
    state: State | None = None
    for record in train(net, W, data, "dlrt", 0.1, epochs=2, start=state):
        state = record.state
        yield record


def wrong(Y: LowRank, W: DirectSum, net: Network) -> None:
    truncate(Y, "0.1")                              # type: ignore[arg-type]
    truncate([1.0], 0.1)                            # type: ignore[type-var]
    evolve("bug", Y, 3, (0, 1), 10)                 # type: ignore[arg-type]
    evolve("bug", Y, np.add, (0, 1, 2), 10)         # type: ignore[arg-type]
    save(3, W, net)                                 # type: ignore[arg-type]
    save("a.npz", W, "net")                         # type: ignore[arg-type]
    load()                                          # type: ignore[call-arg]
    train(net, W, None, "dlrt", 0.1, epochs="2")    # type: ignore[arg-type]
    train(net, W, None, "dlrt", 0.1, start=3)       # type: ignore[arg-type]
