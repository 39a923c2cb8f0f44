"""On a network trained on real digits, every integrator follows the exact gradient flow: as h
falls, its distance falls to within a factor 3 of the best rank-12 approximation of each weight, or,
with the Euler substeps of DLRT, like h towards it.

Full-batch gradient flow of a 64-20-16-10 tanh network with softmax cross-entropy, 300 images
of 8 × 8, from weights of rank 2 that every rank r ≥ 2 holds exactly (the other singular values are
zero at the start). Distance at t = 2, Frobenius norm, to the full network integrated by DOP853 to
rounding. Left: against the step size at rank 12. Right: against the rank at h = 1/32. Substeps:
RK4, for DLRT Euler. Dashed: the distance from each exact weight to the nearest matrix of rank r.
Dotted: h = 2/λ, with λ the largest eigenvalue of the Hessian of the loss at the start and the end
of the flow: beyond it explicit Euler is unstable.
"""

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from lowrank_ode import (
    BUG,
    DLRT,
    AdaptiveBUG,
    DirectSum,
    LowRank,
    ProjectorSplitting,
    best_approximation,
    evolve,
    exact_flow,
)
from lowrank_ode.data import load
from lowrank_ode.matrices import dense, norm
from lowrank_ode.nets import mlp
from lowrank_ode.training import gradient_field

from . import _style

METHODS = {"projector splitting": lambda r: ProjectorSplitting(),
           "projector splitting, order 2": lambda r: ProjectorSplitting(order=2),
           "BUG": lambda r: BUG(), "adaptive BUG": lambda r: AdaptiveBUG(tol=0, max_rank=r),
           "DLRT": lambda r: DLRT(tau=0, max_rank=r)}
DEFAULT = {"seed": 0, "examples": 300, "widths": [64, 20, 16, 10], "T": 2.0, "start_rank": 2,
           "rank": 12, "ranks": [2, 4, 8, 12, 14],
           "steps": [8, 16, 32, 64, 128], "steps_for_ranks": 64}
SETTINGS = {"small": {**DEFAULT, "ranks": [2, 8], "steps": [8, 32], "steps_for_ranks": 32},
            "default": DEFAULT, "full": DEFAULT}
LAYERS = {"layer 1 (20 × 64)": 0, "layer 2 (16 × 20)": 2}


def compute(settings, run):
    data, F, start, exact = flow(settings)
    found = run(distances, {name: {"settings": settings, "name": name} for name in METHODS})
    return {"data": data.name,
            "largest_curvature": max(largest_curvature(F, P) for P in (dense(start), exact)),
            "h": [settings["T"] / n for n in settings["steps"]], "ranks": settings["ranks"],
            "layers": [
        {"layer": layer,
         **{against: {name: [pair[i] for pair in found[name][against]] for name in METHODS}
            for against in ("against_h", "against_rank")},
         "floor": best(exact.blocks[k], settings["rank"]),
         "floors": [best(exact.blocks[k], r) for r in settings["ranks"]]}
        for i, (layer, k) in enumerate(LAYERS.items())]}


def flow(settings):
    """(data, field, start, exact end) of the gradient flow."""
    data, net = load("digits"), mlp(settings["widths"], "tanh")
    n = settings["examples"]
    F = gradient_field(net, data.x[:n].astype(float), data.labels[:n])
    start = net.init(np.random.default_rng(settings["seed"]), settings["start_rank"])
    *_, (_, exact) = exact_flow(start, F, (0, settings["T"]))
    return data, F, start, exact


def distances(settings, name):
    """From the exact weights of the two layers, for each step size and for each rank."""
    _, F, start, exact = flow(settings)

    def pair(rank, n):
        *_, (_, Y) = evolve(METHODS[name](rank), stored_with_rank(start, rank), F,
                            (0, settings["T"]), n)
        return [norm(dense(Y.blocks[k]) - exact.blocks[k]) for k in LAYERS.values()]

    return {"against_h": [pair(settings["rank"], n) for n in settings["steps"]],
            "against_rank": [pair(rank, settings["steps_for_ranks"]) for rank in settings["ranks"]]}


def stored_with_rank(params, r):
    """The same matrices, stored with r columns: the singular values beyond their rank are zero."""
    return DirectSum([best_approximation(X.dense(), rank=r) if isinstance(X, LowRank) else X
                      for X in params.blocks])


def largest_curvature(F, P, step=1e-5):
    """The largest eigenvalue of the Hessian −F'(P), by Lanczos on central differences."""
    shapes = [X.shape for X in P.blocks]
    cuts = np.cumsum([m * n for m, n in shapes])

    def hessian(v):
        D = DirectSum(part.reshape(shape)
                      for part, shape in zip(np.split(v, cuts[:-1]), shapes, strict=True))
        change = dense(F(0, P + (-step) * D)) - dense(F(0, P + step * D))
        return np.concatenate([X.ravel() for X in change.blocks]) / (2 * step)

    operator = LinearOperator((cuts[-1], cuts[-1]), hessian, dtype=float)
    return float(eigsh(operator, k=1, which="LA", tol=1e-6, v0=np.ones(cuts[-1]),
                       return_eigenvectors=False)[0])


def best(W, r):
    return norm(best_approximation(W, rank=r) - W)


def draw(data):
    figure, panels = _style.axes(2, 2, (8.2, 5.6), sharey="row")
    for (left, right), layer in zip(panels, data["layers"], strict=True):
        for name, colour in _style.COLOURS.items():
            if name in METHODS:
                left.loglog(data["h"], layer["against_h"][name], "o-", color=colour, label=name)
                right.semilogy(data["ranks"], layer["against_rank"][name], "o-",
                               color=colour, label=name)
        _style.floor(left, layer["floor"], f"best rank {data['settings']['rank']}")
        right.semilogy(data["ranks"], layer["floors"], "--", color="#333333", lw=0.9,
                       label="best rank r")
        _style.slope(left, data["h"][-4:], 0.7 * layer["against_h"]["DLRT"][-1], 1)
        left.axvline(2 / data["largest_curvature"], color="#777777", lw=0.9, ls=":")
        left.set(title=f"{layer['layer']}, rank {data['settings']['rank']}",
                 ylabel="distance to the exact flow")
        left.set_xticks(data["h"], [f"1/{round(1 / h)}" for h in data["h"]])
        left.xaxis.set_minor_formatter("")
        right.set(title=f"{layer['layer']}, h = "
                  f"1/{round(data['settings']['steps_for_ranks'] / data['settings']['T'])}")
    panels[1, 0].set_xlabel("step size h")
    panels[1, 1].set_xlabel("rank r")
    panels[0, 1].legend(fontsize=7.5)
    return figure


def comes_near_the_best_approximation(data):
    """All but DLRT."""
    return all(distances[-1] <= 3 * layer["floor"] and distances[-1] < distances[0] / 10
               for layer in data["layers"] for name, distances in layer["against_h"].items()
               if name != "DLRT")


def euler_is_of_order_one(data):
    """And jumps where it is unstable: from h = 3/λ on errors are ten times those of all h below
    2/λ, the limit; just above it they need not be."""
    h, limit = np.array(data["h"]), 2 / data["largest_curvature"]
    euler = np.array(data["layers"][1]["against_h"]["DLRT"])
    return (abs(np.log2(euler[-2] / euler[-1]) - 1) < 0.1
            and min(euler[h > 1.5 * limit]) > 10 * max(euler[h < limit]))


CLAIMS = {"default": (comes_near_the_best_approximation, euler_is_of_order_one)}
