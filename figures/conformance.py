"""Each integrator obeys the theorems that it claims, and fails those that it denies.

Methods × theorems, by `lowrank_ode.testing.check_integrator`: the largest ratio of measured
residual to bound over the draws, 1 being the limit (below 0: the loss fell in every draw); where
the theorem fails, the ratio for the smallest matrix on which it does. Filled: the theorem holds;
crossed: it fails; a ring around it: the class claims it. Substeps are RK4 (Euler for DLRT and
GeoLoRA), truncation is off. "Descends" is open for projector splitting: neither proof nor
counterexample is known.
"""

from dataclasses import fields

from lowrank_ode import BUG, DLRT, AdaptiveBUG, ProjectorSplitting
from lowrank_ode.integrators import (
    ABCPSI,
    FactorODE,
    GeoLoRA,
    MidpointBUG,
    ParallelBUG,
    ParallelBUG2,
    ProjectedRK,
)
from lowrank_ode.testing import THEOREMS, check_integrator

from . import _style

METHODS = {
    "projector splitting": ProjectorSplitting(),
    "projector splitting, order 2": ProjectorSplitting(2), "BUG": BUG(),
    "adaptive BUG": AdaptiveBUG(1e-12), "DLRT": DLRT(1e-12), "parallel BUG": ParallelBUG(1e-12),
    "parallel BUG, order 2": ParallelBUG2(1e-12), "midpoint BUG": MidpointBUG(1e-12),
    "midpoint BUG, 4r": MidpointBUG(1e-12, bases="4r"), "abc-PSI": ABCPSI(1e-12),
    "GeoLoRA": GeoLoRA(1e-12), "projected RK, order 2": ProjectedRK(2),
    "projected RK, order 3": ProjectedRK(3), "S⁻¹ factor ODE": FactorODE()}
COLUMNS = {"order": "order", "exact_on_rank_r": "exact on\nrank-r curves",
           "keeps_symmetry": "keeps\nsymmetry", "keeps_norm": "keeps\nnorm",
           "descends": "descends", "robust": "robust", "adaptive": "adapts\nthe rank"}
DEFAULT = {"seeds": 10, "claims": list(COLUMNS)}
SETTINGS = {"small": {**DEFAULT, "seeds": 2}, "default": DEFAULT, "full": DEFAULT}


def compute(settings, run):
    return {"methods": run(checked,
                           {name: {"settings": settings, "name": name} for name in METHODS})}


def checked(settings, name):
    """What the method says of each theorem, and what is found."""
    method, table = METHODS[name], {}
    by_name = {theorem.name: theorem.claim for theorem in THEOREMS.values()}
    claims = {**dict.fromkeys(settings["claims"], True), "order": method.order}
    report = check_integrator(method, claims, report=True, seeds=settings["seeds"])
    for claim in settings["claims"]:
        row = worst([row for row in report if by_name[row.theorem] == claim])
        table[claim] = {"claimed": getattr(method, claim), "holds": row.verdict == "holds",
                        "measured": row.measured, "bound": row.bound, "ratio": row.ratio}
    options = [f.name for f in fields(method) if f.name != "solve"]
    return {"options": [f"{name}={getattr(method, name)}" for name in options], "claims": table}


def worst(rows):
    """Of the theorems of a claim the first that fails, else the one with the largest ratio."""
    failed = [row for row in rows if row.verdict.startswith("fails")]
    return failed[0] if failed else max((row for row in rows if row.verdict == "holds"),
                                        key=lambda row: row.ratio)


def number(claim, cell):
    """What stands beside the mark: the order claimed, nothing for yes or no, else the ratio."""
    if claim in ("order", "adaptive"):
        return f"{cell['claimed']} claimed" if claim == "order" else ""
    if cell["ratio"] is None:
        return "raises"
    if cell["ratio"] < 0:
        return "< 0"
    return f"{cell['ratio']:.0e}".replace("e-0", "e-").replace("e+0", "e")


def draw(data):
    figure, ax = _style.axes(1, 1, (8.6, 5.2))
    names = list(data["methods"])
    for y, name in enumerate(names):
        for x, claim in enumerate(COLUMNS):
            cell = data["methods"][name]["claims"][claim]
            claimed, holds = cell["claimed"] not in (False, None), cell["holds"]
            if claimed:
                ax.plot(x - 0.28, y, "o", mfc="none", mec="#333333", ms=11, mew=0.8)
            ax.plot(x - 0.28, y, "o" if holds else "x", color="#2a8f4e"
                    if holds else "#b5314a", ms=6, mew=1.6)
            ax.annotate(number(claim, cell), (x - 0.1, y), va="center", fontsize=7.5,
                        color="#333333")
    ax.set_yticks(range(len(names)), names)
    ax.set_xticks([x - 0.1 for x in range(len(COLUMNS))], COLUMNS.values())
    ax.set(xlim=(-0.6, len(COLUMNS) - 0.35), ylim=(len(names) - 0.5, -0.5))
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_xlabel("● holds   × fails   ○ claimed   number: measured residual / bound")
    return figure


def theorems_hold_where_claimed_alone(data):
    """And hold if what is measured is within the bound."""
    cells = [cell for method in data["methods"].values() for cell in method["claims"].values()]
    return all((cell["claimed"] is None or cell["holds"] == bool(cell["claimed"]))
               and (cell["measured"] is None
                    or cell["holds"] == (cell["measured"] <= cell["bound"])) for cell in cells)


CLAIMS = {"default": (theorems_hold_where_claimed_alone,)}
