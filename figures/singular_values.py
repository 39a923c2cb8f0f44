"""The error of projector splitting, BUG and adaptive BUG falls like h down to the same floor for
every smallest singular value σ₃ from 1 to 1e-16; explicit Euler on the factor ODE, which inverts S,
errs by more than 1 at every h for σ₃ = 1e-12 and overflows for 1e-16.

Y' = F(Y), 30 × 28, rank 3, from singular values 1, ½, σ₃: the tangent family with a source of norm
1e-4 that is not tangent, so that what a step adds in new directions does not shrink with σ₃
(without such a source the factor ODE would look just as good). Error at t = 0.5 in the Frobenius
norm against the exact flow of the full matrix; dashed: the best rank-3 approximation of the exact
solution. A cross at the top: overflow.
"""

import warnings

import numpy as np

from lowrank_ode import BUG, AdaptiveBUG, ProjectorSplitting, best_approximation, evolve
from lowrank_ode.integrators import FactorODE
from lowrank_ode.matrices import norm
from lowrank_ode.problems import tangent_family

from . import _style

METHODS = {"projector splitting": ProjectorSplitting(), "BUG": BUG(),
           "adaptive BUG": AdaptiveBUG(tol=0, max_rank=3), "S⁻¹ factor ODE": FactorODE()}
DEFAULT = {"seed": 7, "shape": [30, 28], "source": 1e-4, "T": 0.5,
           "sigma": [1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-12, 1e-16],
           "steps": [4, 8, 16, 32, 64, 128, 256, 512]}
SETTINGS = {"small": {**DEFAULT, "sigma": [1.0, 1e-6, 1e-12], "steps": [4, 16, 64]},
            "default": DEFAULT, "full": DEFAULT}


def compute(settings, run):
    curves = run(errors,
                 {sigma: {"settings": settings, "sigma": sigma} for sigma in settings["sigma"]})
    return {"h": [settings["T"] / n for n in settings["steps"]], "curves": list(curves.values())}


def errors(settings, sigma):
    start = [1, max(0.5, sigma), sigma]
    problem = tangent_family(np.random.default_rng(settings["seed"]), *settings["shape"], start,
                             settings["source"])
    truth = problem.solution(settings["T"])
    table = {name: [error(method, problem, truth, settings["T"], n) for n in settings["steps"]]
             for name, method in METHODS.items()}
    return {"sigma": sigma, "errors": table,
            "floor": norm(best_approximation(truth, rank=3) - truth)}


def error(method, problem, truth, T, n):
    """Error at T, or None where the method overflows."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)     # the factor ODE's Y grows
            *_, (_, Y) = evolve(method, problem.Y0, problem.F, (0, T), n)
            distance = norm(Y - truth)
    except (ValueError, np.linalg.LinAlgError):
        return None
    return distance if distance < 1e10 else None


def draw(data):
    figure, panels = _style.axes(1, 4, (11, 3.4), sharex=True, sharey=True)
    h, curves, top = data["h"], data["curves"], 1e3
    for ax, name in zip(panels, METHODS, strict=True):
        for shade, curve in zip(_style.shades(_style.COLOURS[name], len(curves)),
                                curves, strict=True):
            values, text = curve["errors"][name], power(curve["sigma"])
            ax.loglog(h, [v if v and v < top else np.nan for v in values], "o-",
                      color=shade, label=text)
            over = [x for x, v in zip(h, values, strict=True) if not v or v >= top]
            if over:
                ax.plot(over, [top] * len(over), "x", color=shade, clip_on=False, ms=6)
            visible = [(x, v) for x, v in zip(h, values, strict=True) if v and v < top]
            if name == "S⁻¹ factor ODE" and curve["sigma"] < 1e-5 and visible:
                offset = (-26, 4) if visible[0][0] == h[0] else (6, 0)
                _style.label(ax, text, visible[0], shade, offset)
        _style.floor(ax, max(curve["floor"] for curve in curves), "best rank 3")
        if name != "S⁻¹ factor ODE":
            _style.slope(ax, h[:5], 1.5e-3, 1)
        ax.set(title=name, xlabel="step size h", ylim=(1e-5, top))
    _style.label(panels[-1], "×: overflow or error > 1000", (h[-1], top), "#333333", (4, -10))
    panels[0].set_ylabel("error at t = 0.5  (Frobenius)")
    panels[0].legend(title="σ₃ at the start", fontsize=7.5, title_fontsize=8,
                     loc="upper left", ncols=2)
    return figure


def power(sigma):
    return "1" if sigma == 1 else f"1e{round(np.log10(sigma))}"


def is_robust_to_small_singular_values(data):
    """The robust methods: slope 1 above the floor, within a factor 8 of each other over all σ₃,
    down to twice the floor."""
    for name in ("projector splitting", "BUG", "adaptive BUG"):
        found = np.array([curve["errors"][name] for curve in data["curves"]], float)
        floors = np.array([[curve["floor"]] for curve in data["curves"]])
        slope = np.log2(found[0, 0] / found[0, 2]) / 2
        near = found.max(axis=0) < 8 * found.min(axis=0)
        if not near.all() or not (found[:, -1:] < 2 * floors).all() or abs(slope - 1) > 0.1:
            return False
    return True


def the_factor_ode_fails(data):
    """It errs by more than 1 at every h, or overflows; not for the largest σ₃."""
    naive = {curve["sigma"]: np.array([np.inf if error is None else error
                                       for error in curve["errors"]["S⁻¹ factor ODE"]])
             for curve in data["curves"]}
    return ((naive[1e-12] > 1).all() and np.isinf(naive[1e-16]).all() and naive[1e-8][0] > 1
            and naive[1.0][0] < 0.1)


CLAIMS = {"default": (is_robust_to_small_singular_values, the_factor_ode_fails)}
