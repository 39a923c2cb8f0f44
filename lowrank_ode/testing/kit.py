"""The theorems as a kit: which does an integrator obey, how tightly, and on which matrix not?

`check_integrator(method)` needs no test framework. Each theorem is a function
(method, seed) → (measured, bound) that draws its own problem from the seed, so that a failure is
reproduced by two numbers. The contract is asked of every method, but for features that it does not
claim; the other theorems of those that claim them, by attributes (see
lowrank_ode/integrators/__init__.py) or by the argument `claims`. A method is checked as it is: what
its options put outside the hypotheses of a theorem is not asked, and the report says so.
"""

import copy
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from numbers import Real

import numpy as np

from ..matrices import LowRank
from ..options import check_count
from .theorems import FEATURES, THEOREMS, NotAsked


@dataclass(frozen=True)
class Row:
    """The outcome of one theorem: the draw with the largest ratio, or, of those that failed, the
    one with the smallest matrix.

    `verdict` begins with holds, fails, not asked (its hypotheses hold in no draw) or not claimed.
    `start` describes the first step of that draw: shape, rank and singular values of Y, t and h.
    """

    theorem: str
    equation: str
    verdict: str
    measured: float | None = None
    bound: float | None = None
    ratio: float | None = None
    seed: int | None = None
    start: str | None = None


class TheoremFails(AssertionError):
    """A method does not obey a theorem; `row` tells which, and on which draw."""

    def __init__(self, row, method):
        self.row = row
        super().__init__(f"{row.theorem}: {row.verdict}\n"
                         f"  equation   {row.equation}\n"
                         f"  measured   {row.measured}\n"
                         f"  bound      {row.bound}\n"
                         f"  seed       {row.seed}\n"
                         f"  method     {method!r}\n"
                         f"  start      {row.start}\n"
                         f"  reproduce  from lowrank_ode.testing import THEOREMS\n"
                         f"             THEOREMS[{row.theorem!r}].residual(method, seed={row.seed})"
                         "    # → (measured, bound)")


class Report(tuple):
    """Rows, printable as a table; `passed` is True if none fails; `json()` is the same as text."""

    @property
    def passed(self):
        return not any(row.verdict.startswith("fails") for row in self)

    def json(self):
        return json.dumps([asdict(row) for row in self], indent=1)

    def __str__(self):
        lines = [f"{'theorem':<36}{'measured':>10}{'bound':>10}{'ratio':>10}  verdict"]
        for row in self:
            numbers = "".join(f"{'-' if x is None else format(x, '.1e'):>10}"
                              for x in (row.measured, row.bound, row.ratio))
            lines.append(f"{row.theorem:<36}{numbers}  {row.verdict.splitlines()[0]}")
        return "\n".join(lines)


def check_integrator(method, claims=None, report=False, seeds=None, without=None):
    """Check an integrator, any object with step(Y, t, h, F): the contract and what it claims.

    claims: None for those on the object; else a dict such as {"order": 2, "descends": True} or a
    list of names. seeds: how many draws of each theorem (default: its own number). without: what of
    the contract the method does not claim, of "complex", "float32", "direct_sums" (coupled blocks)
    and "operators" (fields that are LowRank, sparse or a LinearOperator); None for the attribute
    `without` of the object, if it has one. Raises TheoremFails at the first theorem that fails,
    naming it, the residual of its equation, the bound, the seed, and a line that reproduces it;
    with report=True returns a Report of all.

    Raises TypeError for a class in the place of its instance; ValueError for unknown claims and
    features, an order that is no number > 0, and seeds < 1.

    >>> from lowrank_ode import BUG
    >>> print(check_integrator(BUG(), claims=["robust"], report=True).passed)
    True
    """
    if isinstance(method, type):
        raise TypeError(f"method: got the class {method.__name__}, "
                        f"expected an instance: {method.__name__}()")
    if seeds is not None:
        check_count("seeds", seeds)
    rows, claimed, without = [], _claims(method, claims), _without(method, without)
    for theorem in THEOREMS.values():
        if theorem.claim is None or claimed.get(theorem.claim) not in (None, False):
            watch = partial(_Watched, method, claimed.get("order"), without)
            rows.append(_outcome(theorem, watch, seeds or theorem.seeds))
            failed = rows[-1].verdict.startswith("fails")
            if failed and not report:
                raise TheoremFails(rows[-1], method)
            if failed and theorem.vital:
                break
    return Report(rows)


def _claims(method, claims):
    """A dict of what is claimed, the order as a number."""
    known = {theorem.claim for theorem in THEOREMS.values() if theorem.claim}
    expected = f"expected a list or dict of some of {', '.join(sorted(known))}"
    said = {claim: getattr(method, claim, None) for claim in known}
    if claims is None:
        return said
    if isinstance(claims, str) or not isinstance(claims, Iterable):
        raise ValueError(f"claims: got {claims!r}, {expected}")
    claims = dict(claims) if isinstance(claims, dict) else dict.fromkeys(claims, True)
    if unknown := set(claims) - known:
        raise ValueError(f"claims: got {', '.join(map(str, sorted(unknown, key=str)))}, {expected}")
    if claims.get("order") is True:
        claims["order"] = said["order"] or True
    order = claims.get("order")
    if order is True or not (order is None or (isinstance(order, Real) and order > 0)):
        raise ValueError(f'claims: got the order {order}, expected a number > 0: {{"order": 2}}')
    return claims


def _without(method, without):
    without = getattr(method, "without", ()) if without is None else without
    without = (without,) if isinstance(without, str) else tuple(without)
    if unknown := set(without) - set(FEATURES):
        raise ValueError(f"without: got {', '.join(map(str, sorted(unknown, key=str)))}, "
                         f"expected some of {', '.join(FEATURES)}")
    return without


class _Watched:
    """The method, with the order that it is said to have and what it does not claim; remembers the
    start of its first step."""

    def __init__(self, method, order, without):
        self._method, self._start, self.without = method, None, without
        if order is not None:
            self.order = order

    def __getattr__(self, name):
        value = getattr(self._method, name)
        return self._watch(value) if name == "step" and callable(value) else value

    def __repr__(self):
        return repr(self._method)

    def with_max_rank(self, max_rank):
        other = copy.copy(self._method)
        object.__setattr__(other, "max_rank", max_rank)
        self._method = other
        return self

    def _watch(self, step):
        def watched(Y, t, h, F):
            self._start = self._start or (copy.deepcopy(Y), t, h)
            return step(Y, t, h, F)
        return watched

    def describe(self):
        """(numbers in the matrix, words) of the first step."""
        if not self._start:
            return 0, None
        Y, t, h = self._start
        blocks = [X for X in getattr(Y, "blocks", [Y]) if isinstance(X, LowRank)]
        words = (f"{X.shape[0]}×{X.shape[1]}, rank {X.rank}, σ = "
                 f"{', '.join(f'{s:.1e}' for s in np.linalg.svd(X.S, compute_uv=False))}"
                 for X in blocks)
        numbers = sum(X.rank * sum(X.shape) for X in blocks)
        return numbers, f"Y {' and '.join(words)}; t = {float(t):.3g}, h = {float(h):.3g}"


def _outcome(theorem, watch, seeds):
    rows, failed = [], []
    for seed in range(seeds):
        watched, measured, bound, ratio = watch(), None, None, None
        try:
            with np.errstate(all="ignore"):
                measured, bound = map(float, theorem.residual(watched, seed))
            ratio = measured / bound if bound > 0 else float(measured > 0)
            verdict = "holds" if measured <= bound else "fails"
        except NotAsked as why:
            reason = str(why)
            continue
        except Exception as error:          # whatever a foreign step raises is a finding, no crash
            verdict = f"fails: {type(error).__name__}: {error}"
        size, start = watched.describe()
        rows.append(Row(theorem.name, theorem.equation,
                        verdict, measured, bound, ratio, seed, start))
        if verdict != "holds":
            failed.append((size, rows[-1]))
    if failed:
        return min(failed, key=lambda pair: pair[0])[1]
    if not rows:
        return Row(theorem.name, theorem.equation, reason)
    return max(rows, key=lambda row: row.ratio)
