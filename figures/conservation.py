"""Projector splitting keeps norm and energy of a Schrödinger wave, adaptive and midpoint BUG but
for what truncation cuts off; fixed-rank and parallel BUG lose them.

The discrete Schrödinger equation i Y' = D Y + Y Dᵀ − V Y V, complex 40 × 40 matrices, from rank 4,
h = 0.05, RK4 substeps (16 to a step). Left: the change of ‖Y‖² since the start; a truncation takes
away the square of its tail, and dashed is the sum of these for adaptive BUG. Right: the change of
the energy ⟨Y, 𝓗[Y]⟩. Truncation at tolerance 1e-6 and rank 8, which is reached in the first step.
"""

import numpy as np

from lowrank_ode import BUG, AdaptiveBUG, ProjectorSplitting, evolve
from lowrank_ode.integrators import MidpointBUG, ParallelBUG
from lowrank_ode.integrators.adaptive_bug import augmented_step
from lowrank_ode.matrices import norm
from lowrank_ode.problems import schroedinger
from lowrank_ode.substeps import repeated, rk4

from . import _style

DEFAULT = {"seed": 0, "n": 40, "rank": 4, "max_rank": 8, "tol": 1e-6, "T": 4.0,
           "steps": 80, "substeps": 16}
SETTINGS = {"small": {**DEFAULT, "T": 0.5, "steps": 10}, "default": DEFAULT, "full": DEFAULT}


def compute(settings, run):
    problem, methods = problem_and_methods(settings)
    return {"t": [settings["T"] * k / settings["steps"] for k in range(settings["steps"] + 1)],
            "tails": run(tails, {"tails": {"settings": settings}})["tails"],
            "energy": problem.energy(problem.Y0),
            "runs": run(changes, {name: {"settings": settings, "name": name} for name in methods})}


def problem_and_methods(settings):
    fine = repeated(rk4, settings["substeps"])
    options = {"tol": settings["tol"], "max_rank": settings["max_rank"]}
    methods = {"projector splitting": ProjectorSplitting(solve=fine), "BUG": BUG(fine),
               "adaptive BUG": AdaptiveBUG(**options, solve=fine),
               "parallel BUG": ParallelBUG(**options, solve=fine),
               "midpoint BUG": MidpointBUG(**options, solve=fine)}
    rng = np.random.default_rng(settings["seed"])
    return schroedinger(rng, settings["n"], settings["rank"]), methods


def changes(settings, name):
    """Of norm and energy since the start, after each step."""
    problem, methods = problem_and_methods(settings)
    square, energy = norm(problem.Y0) ** 2, problem.energy(problem.Y0)
    run = [Y for _, Y in evolve(methods[name], problem.Y0, problem.F, (0, settings["T"]),
                                settings["steps"])]
    return {"square": [norm(Y) ** 2 - square for Y in run],
            "energy": [problem.energy(Y) - energy for Y in run], "ranks": [Y.rank for Y in run]}


def tails(settings):
    """Squares of the tails that adaptive BUG cuts off, added up."""
    problem, methods = problem_and_methods(settings)
    method, h = methods["adaptive BUG"], settings["T"] / settings["steps"]
    lost, Y = [0.0], problem.Y0
    for k in range(settings["steps"]):
        Z = augmented_step(Y, k * h, h, problem.F, method.solve)
        Y = method.truncate(Z)
        lost.append(lost[-1] + norm(Z - Y) ** 2)
    return lost


def draw(data):
    figure, panels = _style.axes(1, 2, (9.4, 3.7))
    for ax, what, title in zip(panels, ("square", "energy"),
                               ("norm: |‖Y‖² − ‖Y0‖²|", "energy: |E(Y) − E(Y0)|"), strict=True):
        for name, run in data["runs"].items():
            ax.semilogy(data["t"][1:], np.abs(run[what][1:]),
                        color=_style.COLOURS[name], label=name)
        ax.set(title=title, xlabel="t", ylim=(1e-15, 30))
    panels[0].semilogy(data["t"][1:], data["tails"][1:], "--", color="#000000", lw=0.9,
                       label="Σ tail² of adaptive BUG")
    panels[0].legend(loc="lower right", ncols=2, fontsize=7.5)
    return figure


def some_keep_norm_and_energy(data):
    for what in ("square", "energy"):
        size = {name: np.abs(run[what]).max() for name, run in data["runs"].items()}
        if (size["projector splitting"] >= 1e-10
                or max(size["adaptive BUG"], size["midpoint BUG"]) >= 0.01
                or min(size["BUG"], size["parallel BUG"]) <= 0.1):
            return False
    return True


def adaptive_bug_loses_what_is_cut_off(data):
    lost = np.array(data["tails"])
    return (np.abs(lost + data["runs"]["adaptive BUG"]["square"]).max() < 1e-10
            and lost[-1] > 1e-4)


CLAIMS = {"default": (some_keep_norm_and_energy, adaptive_bug_loses_what_is_cut_off)}
