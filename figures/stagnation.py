"""At a fixed truncation tolerance θ the error does not fall with the step size: it is U-shaped, and
below h‖F‖ = θ the rank never grows.

F = T − Y, T (30 × 28) with singular values 2⁻ⁱ, from rank 1; adaptive BUG with Euler substeps to
t = 4. Left: error against the exact flow, with the three terms of Theorem 1 in view: h from Euler's
method, θ/h from truncation once a step. Right: rank at the end. Dotted, in the colour of θ:
h = θ/‖F(Y0)‖, below which a step adds less than the tolerance cuts off.
"""

import numpy as np

from lowrank_ode import AdaptiveBUG, evolve
from lowrank_ode.matrices import norm
from lowrank_ode.problems import quadratic_flow, random_lowrank
from lowrank_ode.substeps import euler

from . import _style

DEFAULT = {"seed": 0, "shape": [30, 28], "terms": 12, "T": 4.0, "thetas": [1e-1, 1e-2, 1e-3, 1e-4],
           "steps": [4 * 2**k for k in range(11)]}
SETTINGS = {"small": {**DEFAULT, "steps": [4, 64, 1024]}, "default": DEFAULT, "full": DEFAULT}


def compute(settings, run):
    problem = flow(settings)
    curves = run(curve, {theta: {"settings": settings, "theta": theta}
                         for theta in settings["thetas"]})
    return {"h": [settings["T"] / n for n in settings["steps"]],
            "slope_at_start": norm(problem.F(0, problem.Y0)), "curves": list(curves.values())}


def flow(settings):
    rng = np.random.default_rng(settings["seed"])
    target = random_lowrank(rng, *settings["shape"],
                            2.0 ** -np.arange(1, settings["terms"] + 1)).dense()
    return quadratic_flow(rng, target, [0.5])


def curve(settings, theta):
    problem, T = flow(settings), settings["T"]
    truth = problem.solution(T)
    ends = [list(evolve(AdaptiveBUG(theta, solve=euler), problem.Y0, problem.F, (0, T), n))[-1][1]
            for n in settings["steps"]]
    return {"theta": theta, "errors": [norm(Y - truth) for Y in ends],
            "ranks": [Y.rank for Y in ends]}


def draw(data):
    figure, (left, right) = _style.axes(1, 2, (8.6, 3.5))
    h = data["h"]
    for shade, curve in zip(_style.shades(_style.COLOURS["adaptive BUG"], len(data["curves"])),
                            data["curves"], strict=True):
        text = f"θ = {curve['theta']:.0e}".replace("e-0", "e-")
        left.loglog(h, curve["errors"], "o-", color=shade, label=text)
        right.semilogx(h, curve["ranks"], "o-", color=shade, label=text)
        for ax in (left, right):
            ax.axvline(curve["theta"] / data["slope_at_start"], color=shade, lw=0.9, ls=":")
    _style.slope(left, h[:6], 3 * min(data["curves"][-1]["errors"]), 1)
    left.set(title="error at t = 4", xlabel="step size h",
             ylabel="distance to the exact flow (Frobenius)")
    right.set(title="rank at t = 4", xlabel="step size h", ylim=(0, None))
    right.legend(loc="upper left")
    return figure


def is_u_shaped(data):
    """For θ below 0.1: the least error is five times smaller than those at both ends."""
    errors = [curve["errors"] for curve in data["curves"] if curve["theta"] < 0.1]
    return all(0 < np.argmin(each) < len(each) - 1 and min(each[0], each[-1]) > 5 * min(each)
               for each in errors)


def the_rank_never_grows_below(data):
    """h‖F‖ = θ, which is seen."""
    still = [rank for curve in data["curves"] for h, rank in
             zip(data["h"], curve["ranks"], strict=True)
             if h * data["slope_at_start"] <= curve["theta"]]
    return bool(still) and set(still) == {1}


CLAIMS = {"default": (is_u_shaped, the_rank_never_grows_below)}
