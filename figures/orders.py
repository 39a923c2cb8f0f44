"""Every integrator converges with the order that it claims, from a well-conditioned start and from
one with singular values down to 1e-8.

Error at t = 0.5 (Frobenius norm) against the step size, on the tangent family, 16 × 15, rank 3:
F(Y) is tangent at every Y and the solution keeps its rank, so that nothing but the step size makes
an error. It is no Sylvester flow, on which projector splitting would be exact, and 4r < min(m, n),
or the bases of the midpoint methods would be the whole space. Columns: order claimed. Rows:
singular values of the start. Substeps are RK4, Euler for DLRT and GeoLoRA, which coincide here with
projected RK of order 1, for F is tangent. Thin lines: slopes 1, 2, 3. On the second start some
methods, parallel BUG and midpoint BUG among them, show their order at small steps only. Euler on
the equations of the factors converges as well: without a normal part of F small singular values do
no harm to it (what does: the figure singular_values).
"""

import numpy as np

from lowrank_ode import BUG, DLRT, AdaptiveBUG, ProjectorSplitting, evolve
from lowrank_ode.integrators import (
    ABCPSI,
    FactorODE,
    GeoLoRA,
    MidpointBUG,
    ParallelBUG,
    ParallelBUG2,
    ProjectedRK,
)
from lowrank_ode.matrices import norm
from lowrank_ode.problems import tangent_family

from . import _style

R = {"max_rank": 3}
METHODS = {
    "projector splitting": ProjectorSplitting(), "BUG": BUG(), "adaptive BUG": AdaptiveBUG(0, **R),
    "DLRT": DLRT(0, **R), "parallel BUG": ParallelBUG(0, **R), "abc-PSI": ABCPSI(0, **R),
    "GeoLoRA": GeoLoRA(0, **R), "projected RK, order 1": ProjectedRK(1),
    "S⁻¹ factor ODE": FactorODE(), "projector splitting, order 2": ProjectorSplitting(2),
    "parallel BUG, order 2": ParallelBUG2(0, **R), "midpoint BUG": MidpointBUG(0, **R),
    "midpoint BUG, 4r": MidpointBUG(0, bases="4r", **R), "projected RK, order 2": ProjectedRK(2),
    "projected RK, order 3": ProjectedRK(3)}
DEFAULT = {"seed": 7, "shape": [16, 15], "sigma": [[1, 0.6, 0.3], [1, 1e-4, 1e-8]], "T": 0.5,
           "steps": [4, 8, 16, 32, 64, 128, 256]}
SETTINGS = {"small": {**DEFAULT, "steps": [8, 32]}, "default": DEFAULT, "full": DEFAULT}


def compute(settings, run):
    found = run(errors, {f"{name} {sigma}": {"settings": settings, "name": name, "sigma": sigma}
                         for sigma in settings["sigma"] for name in METHODS})
    return {"h": [settings["T"] / n for n in settings["steps"]], "spectra": [
        {"sigma": sigma,
         "curves": {name: {"order": method.order, "errors": found[f"{name} {sigma}"]}
                    for name, method in METHODS.items()}}
        for sigma in settings["sigma"]]}


def errors(settings, name, sigma):
    rng, T = np.random.default_rng(settings["seed"]), settings["T"]
    problem = tangent_family(rng, *settings["shape"], sigma)
    truth = problem.solution(T)
    return [norm(list(evolve(METHODS[name], problem.Y0, problem.F, (0, T), n))[-1][1] - truth)
            for n in settings["steps"]]


def draw(data):
    figure, panels = _style.axes(2, 3, (10.6, 6.4), sharex=True, sharey="col")
    h = data["h"]
    for row, spectrum in zip(panels, data["spectra"], strict=True):
        for order, ax in enumerate(row, 1):
            curves = {name: c["errors"] for name, c in spectrum["curves"].items()
                      if c["order"] == order}
            for name, errors in curves.items():
                ax.loglog(h, errors, marker=_style.MARKERS[name],
                          color=_style.COLOURS[name], label=name)
            _style.slope(ax, h, 0.3 * min(errors[-1] for errors in curves.values()), order)
            ax.set_title(f"order {order},  σ = {', '.join(f'{s:g}' for s in spectrum['sigma'])}")
    for ax in panels[0]:
        ax.legend(fontsize=7, loc="upper left")
        ax.set_ylim(top=20 ** (len(ax.get_legend_handles_labels()[0]) / 6) * ax.get_ylim()[1])
    for ax in panels[1]:
        ax.set_xlabel("step size h")
    for ax in panels[:, 0]:
        ax.set_ylabel("error at t = 0.5")
    return figure


def has_the_order_claimed(data):
    """Slope over the last two halvings of h: to 0.02 on the well-conditioned start, to 0.3 on the
    other, where order 3 is surpassed."""
    return all(abs(np.log2(curve["errors"][-3] / curve["errors"][-1]) / 2 - curve["order"])
               <= (0.3 if min(spectrum["sigma"]) < 1e-3 else 0.02)
               for spectrum in data["spectra"] for curve in spectrum["curves"].values())


CLAIMS = {"default": (has_the_order_claimed,)}
