"""The integrators under test: every class with the settings in which it is tested, and lists of
them by what they claim, from which tests take theirs."""

from dataclasses import fields, replace

from lowrank_ode import BUG, DLRT, AdaptiveBUG, Dense, ProjectorSplitting
from lowrank_ode.integrators import (
    ABCPSI,
    FactorDescent,
    FactorODE,
    GeoLoRA,
    MidpointBUG,
    ParallelBUG,
    ParallelBUG2,
    ProjectedRK,
)

REGISTRY = {Dense: [{}],
            ProjectorSplitting: [{}, {"order": 2}], BUG: [{}], AdaptiveBUG: [{}], DLRT: [{}],
            ParallelBUG: [{}, {"rejection": 10}], ParallelBUG2: [{}],
            MidpointBUG: [{}, {"bases": "4r"}], ABCPSI: [{}], GeoLoRA: [{}],
            ProjectedRK: [{"order": 1}, {"order": 2}, {"order": 3}]}

EVERY = [method(**setting) for method, settings in REGISTRY.items() for setting in settings]
PLAIN = [method() for method in REGISTRY]
BASELINES = [FactorDescent(), FactorODE()]          # no members of METHODS


def unregistered(methods):
    return set(methods) - set(REGISTRY)


def low_rank(*claims, plain=False, tol=None, **options):
    """Those that keep their result in factors and claim all of this, in every setting or in the
    plain one; `tol` is the tolerance, by whatever name, and options go to those that have them."""
    return [with_options(method, tol, **options) for method in (PLAIN if plain else EVERY)
            if type(method) is not Dense and all(getattr(method, claim) for claim in claims)]


def with_options(method, tol=None, **options):
    names = {field.name for field in fields(method)}
    if tol is not None:
        options |= {"tol": tol, "tau": tol}
    return replace(method, **{name: value for name, value in options.items() if name in names})


def rejects(method):
    """Whether a step may be taken again, from larger bases: at tolerance 0 until they are whole."""
    return getattr(method, "rejection", None) is not None


LOW_RANK = low_rank()
CAPPED = {"max_rank": 3}
