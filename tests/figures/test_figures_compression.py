"""The committed results of the figures on compression bear out their first sentences, and wrong
ones would not."""

import numpy as np
import pytest
from stored import exchanged, rejects, scales, stored

from figures import compress_only
from figures._compression import METHODS, rewound, size
from lowrank_ode.compression import svd
from lowrank_ode.matrices import DirectSum, best_approximation
from lowrank_ode.nets import lenet5


def one_start_for_the_other(data):
    for run in data["runs"]:
        run["start"] = {"small": "large", "large": "small"}[run["start"]]


@pytest.mark.parametrize("scale", scales("compress_only"))
def test_compress_only_claim(scale):
    data = stored("compress_only", scale)
    errors_keep_more, starts_matter = compress_only.CLAIMS[scale]
    assert errors_keep_more(data) and starts_matter(data)
    rejects(errors_keep_more, data, exchanged("SVD", "SVD-Energy"),
            exchanged("SVD-Energy", "ALDS root"), exchanged("ALDS √k", "SVD"))
    rejects(starts_matter, data, one_start_for_the_other)


@pytest.mark.parametrize("scale", scales("compress_only"))
def test_budgets_are_met(scale):
    def met(data):
        return all(row is None or row["numbers"] <= row["budget"] * run["dense"]["numbers"]
                   for run in data["runs"] for rows in run["methods"].values() for row in rows)

    def rounded_up(data):
        row = data["runs"][0]["methods"]["PFP"][0]
        row["numbers"] = int(row["budget"] * data["runs"][0]["dense"]["numbers"]) + 1
    data = stored("compress_only", scale)
    assert met(data)
    rejects(met, data, rounded_up)


@pytest.mark.parametrize("scale", scales("compress_only"))
def test_with_an_upper_bound_groups_are_rare(scale):
    """Planted: those of the bound that is none."""
    def rare(data, method):
        groups = [np.array(row["groups"]) > 1 for run in data["runs"]
                  for row in run["methods"][method] if row]
        return np.mean(groups) < 0.25
    data = stored("compress_only", scale)
    assert rare(data, "ALDS √k") and rare(data, "ALDS root") and not rare(data, "ALDS max")


@pytest.mark.parametrize("scale", scales("compress_only"))
def test_compress_only_is_complete_and_of_the_settings_in_the_code(scale):
    data, settings = stored("compress_only", scale), compress_only.SETTINGS[scale]
    assert data["settings"] == settings
    assert ([(run["net"], run["start"], run["seed"]) for run in data["runs"]]
            == [(net, start, seed) for net in settings["nets"] for start in settings["starts"]
                for seed in settings["seeds"]])
    for run in data["runs"]:
        assert list(run["methods"]) == list(METHODS)
        for rows in run["methods"].values():
            assert len(rows) == len(settings["budgets"])
        for rows in run["low rank"].values():
            assert [row["tau"] for row in rows] == settings["tau"][run["net"]]
        assert bool(run["low rank"]) == (run["start"] == "small")


def test_rewinding_takes_the_last_step_sizes():
    """As `train` shares them out: 12 epochs with 3 step sizes, 4 each."""
    assert rewound([3, 2, 1], 12, 5) == [2, 1, 1, 1, 1] and rewound([3, 2, 1], 12, 12)[0] == 3
    assert rewound([3, 2, 1], 4, 3) == [3, 2, 1]


@pytest.mark.parametrize("scale", [scale for scale in scales("compress_only") if scale == "full"])
def test_on_full_mnist_principal_components_are_ahead_of_what_looks_at_weights(scale):
    """At a tenth of the numbers, run by run; on few images they are not always."""
    def ahead(data):
        at = data["settings"]["budgets"].index(0.1)
        tests = [{method: rows[at]["test"] for method, rows in run["methods"].items() if rows[at]}
                 for run in data["runs"]]
        return all(max(run, key=run.get) == "PCA" for run in tests)
    data = stored("compress_only", scale)
    assert ahead(data)
    rejects(ahead, data, exchanged("PCA", "ALDS √k"))


def test_numbers_and_operations_are_those_of_the_reports():
    """On convolutions too. Planted: a layer taken for one at a single place."""
    net = lenet5()
    params = net.init(np.random.default_rng(0))
    *_, report = svd(net, params, 0.3)
    assert size(net, params) == {"numbers": report.dense_numbers, "flops": report.dense_flops}
    assert report.dense_flops > 2 * sum(n * m for n, m in net.weight_shapes)
    at = [W if k % 2 else best_approximation(W, rank=report.ranks[k // 2])
          if report.ranks[k // 2] else W for k, W in enumerate(params.blocks)]
    assert size(net, DirectSum(at)) == {"numbers": report.numbers, "flops": report.flops}
