"""The error of DLRT stays below the explicit bound of Theorem 1 all along a run, and over random
problems the bound is nearly attained.

Left: gradient flow of ½⟨W − T, Q[W − T]⟩, 20 × 18, Q with eigenvalues from 0.01 to 1, T of full
rank with decaying singular values; DLRT from rank 4 with τ = 1e-3, h = 0.02: distance to the exact
flow and the bound t (ε + L B h/2 + ϑ/h), its three terms apart, all constants measured on the run.
Right: the ratio of error to bound over 300 random problems each, sorted. Theorem 1: whole runs of
DLRT on convex quadratics, singular values down to 1e-16, hL up to 1. Local bounds: one step of
adaptive and of parallel BUG with substeps exact to rounding. The bounds hold with 1; what a bound
reaches over the draws is what a test of it can see.
"""

import numpy as np

from lowrank_ode import DLRT, AdaptiveBUG
from lowrank_ode.integrators import ParallelBUG
from lowrank_ode.problems import quadratic_flow, random_lowrank
from lowrank_ode.substeps import exact
from lowrank_ode.testing.bounds import (
    ADAPTIVE,
    PARALLEL,
    draw_local_error,
    draw_theorem_1,
    theorem_1_along,
)

from . import _style

TERMS = ("δ", "ε t", "L B h t/2", "ϑ t/h")
DEFAULT = {"seed": 5, "draws": 300, "shape": [20, 18], "rank": 4, "tau": 1e-3,
           "h": 0.02, "steps": 250}
SETTINGS = {"small": {**DEFAULT, "draws": 20, "steps": 50}, "default": DEFAULT, "full": DEFAULT}


def theorem_1(rng):
    error, terms = draw_theorem_1(rng)
    return error / terms.sum()


def adaptive(rng):
    error, bound, _ = draw_local_error(rng, AdaptiveBUG(0, solve=exact), ADAPTIVE)
    return error / bound


def parallel(rng):
    error, bound, _ = draw_local_error(rng, ParallelBUG(0, solve=exact), PARALLEL, gronwall=False)
    return error / bound


DRAWS = {"Theorem 1, DLRT": theorem_1, "adaptive BUG, one step": adaptive,
         "parallel BUG, one step": parallel}


def compute(settings, run):
    times = [settings["h"] * k for k in range(1, settings["steps"] + 1)]
    return {"t": times, "run": run(along, {"run": {"settings": settings}})["run"],
            "ratios": run(ratios, {name: {"settings": settings, "name": name} for name in DRAWS})}


def along(settings):
    """Error and terms of the bound after each step."""
    rng, (m, n) = np.random.default_rng(settings["seed"]), settings["shape"]
    target = random_lowrank(rng, m, n, 0.7 ** np.arange(min(m, n))).dense()
    problem = quadratic_flow(rng, target, 2.0 ** -np.arange(settings["rank"]),
                             10 ** rng.uniform(-2, 0, (m, n)))
    pairs = list(theorem_1_along(DLRT(settings["tau"]), problem, settings["h"], settings["steps"]))
    return {"error": [error for error, _ in pairs],
            "terms": {name: [terms[k] for _, terms in pairs] for k, name in enumerate(TERMS)}}


def ratios(settings, name):
    rng = np.random.default_rng(settings["seed"])
    return sorted(DRAWS[name](rng) for _ in range(settings["draws"]))


def draw(data):
    figure, (left, right) = _style.axes(1, 2, (9.4, 3.7))
    t, run = data["t"], data["run"]
    left.semilogy(t, run["error"], color=_style.COLOURS["DLRT"], label="error")
    left.semilogy(t, np.sum(list(run["terms"].values()), axis=0), color="#000000", label="bound")
    for name, style in zip(TERMS[1:], ("-", "--", ":"), strict=True):
        left.semilogy(t, run["terms"][name], style, color="#888888", lw=1, label=name)
    left.set(title=f"along a run of DLRT, h = {data['settings']['h']:g}", xlabel="t",
             ylabel="distance to the exact flow (Frobenius)")
    left.legend(loc="lower right", ncols=2)
    for (name, values), colour in zip(data["ratios"].items(),
                                      ("DLRT", "adaptive BUG", "parallel BUG"), strict=True):
        share = (np.arange(len(values)) + 0.5) / len(values)
        right.semilogy(share, values, color=_style.COLOURS[colour],
                       label=f"{name}: largest {max(values):.3f}")
    right.axhline(1, color="#333333", lw=0.9, ls="--")
    right.set(title="error / bound over random problems",
              xlabel="share of the draws with a smaller ratio", ylim=(1e-4, 2))
    right.legend(loc="lower right")
    return figure


def stays_below_the_bound(data):
    bound = np.sum(list(data["run"]["terms"].values()), axis=0)
    return (np.array(data["run"]["error"]) <= bound).all()


def the_bound_is_nearly_attained(data):
    return (all(0.9 <= max(values) <= 1 + 1e-9 for values in data["ratios"].values())
            and (np.array(data["ratios"]["Theorem 1, DLRT"]) > 0.3).mean() > 0.1)


CLAIMS = {"default": (stays_below_the_bound, the_bound_is_nearly_attained)}
