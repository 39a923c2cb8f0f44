"""The theorems as a kit: which of them does an integrator obey, how tightly, and where it fails, on which matrix?

`check_integrator(method)` needs no test framework. Each theorem is a function (method, seed) → (measured, bound) that draws its own problem
from the seed, so that a failure is reproduced by two numbers. The contract is asked of every method; the other theorems of those that
claim them, by attributes (see lowrank_ode/integrators/__init__.py) or by the argument `claims`. A method is checked as it is: to see it
obey theorems about exact substeps, give it accurate ones, and switch truncation off.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np

from .theorems import THEOREMS


@dataclass(frozen=True)
class Row:
    """The outcome of one theorem: the draw with the largest ratio, or the first that failed."""

    theorem: str
    equation: str
    verdict: str
    measured: float | None = None
    bound: float | None = None
    ratio: float | None = None
    seed: int | None = None


class TheoremFails(AssertionError):
    """A method does not obey a theorem; `row` tells which, and on which draw."""

    def __init__(self, row, method):
        self.row = row
        super().__init__(f"{row.theorem}: {row.verdict}\n  equation   {row.equation}\n  measured   {row.measured}\n"
                         f"  bound      {row.bound}\n  seed       {row.seed}\n  method     {method!r}\n"
                         f"  reproduce  lowrank_ode.testing.THEOREMS[{row.theorem!r}].residual(method, seed={row.seed})")


class Report(tuple):
    """Rows, printable as a table; `passed` is True if all hold; `json()` is the same as text."""

    @property
    def passed(self):
        return all(row.verdict == "holds" for row in self)

    def json(self):
        return json.dumps([asdict(row) for row in self], indent=1)

    def __str__(self):
        lines = [f"{'theorem':<36}{'measured':>10}{'bound':>10}{'ratio':>10}  verdict"]
        for row in self:
            numbers = "".join(f"{'-' if x is None else format(x, '.1e'):>10}" for x in (row.measured, row.bound, row.ratio))
            lines.append(f"{row.theorem:<36}{numbers}  {row.verdict.splitlines()[0]}")
        return "\n".join(lines)


def check_integrator(method, claims=None, report=False, seeds=None):
    """Check an integrator, any object with step(Y, t, h, F), against the contract and the theorems that it claims.

    claims: None for those on the object; else a dict such as {"order": 2, "descends": True} or an iterable of names. seeds: how many
    draws of each theorem (default: its own number). Raises TheoremFails at the first theorem that fails, naming it, the residual of its
    equation, the bound, the seed, and a line that reproduces it; with report=True never raises, and returns a Report of all of them.

    >>> from lowrank_ode import BUG
    >>> print(check_integrator(BUG(), claims=["robust"], report=True).passed)
    True
    """
    rows = []
    claimed = _claims(method, claims)
    for theorem in THEOREMS.values():
        if theorem.claim is None or claimed.get(theorem.claim) not in (None, False):
            rows.append(_outcome(theorem, _with_claims(method, claimed), seeds or theorem.seeds))
            if rows[-1].verdict != "holds" and not report:
                raise TheoremFails(rows[-1], method)
            if rows[-1].verdict != "holds" and theorem.claim is None:
                break               # without the contract the theorems mean nothing
    return Report(rows)


def _claims(method, claims):
    if claims is None:
        return {theorem.claim: getattr(method, theorem.claim, None) for theorem in THEOREMS.values() if theorem.claim}
    claims = dict(claims) if isinstance(claims, dict) else dict.fromkeys(claims, True)
    unknown = set(claims) - {theorem.claim for theorem in THEOREMS.values()}
    if unknown:
        raise ValueError(f"claims: got {', '.join(sorted(unknown))}, expected some of "
                         f"{', '.join(sorted({theorem.claim for theorem in THEOREMS.values() if theorem.claim}))}")
    return claims


class _Claimant:
    """The method, with the order that it is said to have."""

    def __init__(self, method, order):
        self.method, self.order = method, order

    def __getattr__(self, name):
        return getattr(self.method, name)

    def __repr__(self):
        return repr(self.method)


def _with_claims(method, claimed):
    return method if claimed.get("order") in (None, True, getattr(method, "order", None)) else _Claimant(method, claimed["order"])


def _outcome(theorem, method, seeds):
    worst = Row(theorem.name, theorem.equation, "holds")
    for seed in range(seeds):
        try:
            with np.errstate(all="ignore"):
                measured, bound = theorem.residual(method, seed)
        except Exception as error:                  # whatever a foreign step raises is a finding, not a crash
            return Row(theorem.name, theorem.equation, f"fails: {type(error).__name__}: {error}", seed=seed)
        ratio = float(measured / bound) if bound > 0 else float(measured > 0)
        row = Row(theorem.name, theorem.equation, "holds", float(measured), float(bound), ratio, seed)
        if not measured <= bound:
            return Row(**{**asdict(row), "verdict": "fails"})
        worst = max(worst, row, key=lambda r: -np.inf if r.ratio is None else r.ratio)
    return worst
