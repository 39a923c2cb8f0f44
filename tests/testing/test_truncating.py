"""Right methods that truncate within the hypotheses of a theorem pass it with their tolerance."""

import pytest

from lowrank_ode import DLRT, AdaptiveBUG
from lowrank_ode.integrators import ABCPSI, GeoLoRA, MidpointBUG, ParallelBUG, ParallelBUG2
from lowrank_ode.testing import check_integrator

METHODS = [AdaptiveBUG, ABCPSI, MidpointBUG, ParallelBUG, ParallelBUG2, DLRT, GeoLoRA]


@pytest.mark.parametrize("tau", [1e-3, 1e-5])
@pytest.mark.parametrize("Method", METHODS, ids=lambda Method: Method.__name__)
def test_a_tolerance_costs_what_the_bounds_allow_for_it(Method, tau):
    options = {} if Method in (DLRT, GeoLoRA) else {"relative": True}
    method = Method(tau, **options)
    claims = [claim for claim in ("exact_on_rank_r", "keeps_symmetry", "keeps_norm", "descends",
                                  "robust", "adaptive") if getattr(method, claim)]
    report = check_integrator(method, claims, report=True, seeds=4)
    assert report.passed, str(report)
    asked = [row for row in report if row.verdict == "holds"]
    assert len(asked) >= len(claims) and not any("not asked" in row.verdict for row in asked)
