"""The committed results of figures/compress_only.py bear out its first sentence, and those of the
page that shows them, and wrong ones would not."""

import numpy as np
import pytest
from stored import exchanged, rejects, scales, stored

from figures import _compression, compress_only
from figures._compression import METHODS, size
from figures.compress_only import DEEP, LEAST
from lowrank_ode.compression import svd
from lowrank_ode.matrices import DirectSum, best_approximation
from lowrank_ode.nets import lenet5


def one_start_for_the_other(data):
    for run in data["runs"]:
        run["start"] = {"small": "large", "large": "small"}[run["start"]]


@pytest.mark.parametrize("scale", scales("compress_only"))
def test_compress_only_claim(scale):
    data = stored("compress_only", scale)
    assert compress_only.equal_errors_keep_more_than_equal_energies_and_these_than_equal_ranks(data)
    claim = compress_only.equal_errors_keep_more_than_equal_energies_and_these_than_equal_ranks
    rejects(claim, data,
            exchanged("SVD", "SVD-Energy"), exchanged("SVD-Energy", "ALDS root"),
            exchanged("ALDS √k", "SVD"))
    assert compress_only.a_smaller_start_ends_with_a_lower_stable_rank(data)
    rejects(compress_only.a_smaller_start_ends_with_a_lower_stable_rank, data,
            one_start_for_the_other)


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
        groups = [k > 1 for run in data["runs"] for row in run["methods"].get(method, []) if row
                  for k in row["groups"]]
        return np.mean(groups) < 0.25
    data = stored("compress_only", scale)
    assert rare(data, "ALDS √k") and rare(data, "ALDS root") and not rare(data, "ALDS max")


@pytest.mark.parametrize("scale", scales("compress_only"))
def test_compress_only_is_complete_and_of_the_settings_in_the_code(scale):
    data, settings = stored("compress_only", scale), compress_only.SETTINGS[scale]
    assert data["settings"] == settings
    assert ([(run["net"], run["start"], run["seed"]) for run in data["runs"]]
            == [(net, start, seed) for net in settings["nets"] for start in settings["starts"]
                for seed in settings["seeds"][net]])
    assert settings["methods"]["300-100"] == list(METHODS)
    for run in data["runs"]:
        assert list(run["methods"]) == settings["methods"][run["net"]]
        for rows in run["methods"].values():
            assert len(rows) == len(settings["budgets"][run["net"]])
        for rows in run["low rank"].values():
            assert [row["tau"] for row in rows] == settings["tau"][run["net"]]
        assert bool(run["low rank"]) == (run["start"] == "small")


@pytest.mark.parametrize("scale", [scale for scale in scales("compress_only") if scale == "full"])
def test_on_full_mnist_principal_components_are_ahead_of_what_looks_at_weights(scale):
    """At a tenth of the numbers, run by run; on few images they are not always."""
    def ahead(data):
        at = {net: budgets.index(0.1) for net, budgets in data["settings"]["budgets"].items()}
        tests = [{method: rows[at[run["net"]]]["test"] for method, rows in run["methods"].items()
                  if rows[at[run["net"]]]} for run in data["runs"]]
        return all(max(run, key=run.get) == "PCA" for run in tests)
    data = stored("compress_only", scale)
    assert ahead(data)
    rejects(ahead, data, exchanged("PCA", "ALDS √k"))


def test_of_lenet5_from_the_large_start_no_order_holds():
    """So that no more is claimed: at a tenth of the numbers the energies are first or last."""
    runs = [run["methods"] for run in stored("compress_only", "full")["runs"]
            if (run["net"], run["start"]) == ("lenet5", "large")]
    at = [{method: next(row["test"] for row in run[method] if row["budget"] == 0.1)
           for method in ("SVD", "SVD-Energy", "ALDS root", "ALDS √k")} for run in runs]
    assert len(at) == 3 and {max(found, key=found.get) == "SVD-Energy" for found in at} == {
        True, False} and any(min(found, key=found.get) == "SVD-Energy" for found in at)
    assert max(max(found.values()) for found in at) < 0.4


def test_low_rank_training_on_full_mnist_is_ahead_on_lenet5_and_behind_on_500x4():
    """Run by run: LeNet5 with at most 5.5 % of the numbers above all that was cut to a twentieth;
    784-500×4-10 with some 11 % .012 to .026 below L-Rank, PCA and ALDS with a tenth. Planted: one
    network for the other."""
    def holds(data):
        for run in (run for run in data["runs"] if run["low rank"] and run["net"] != "300-100"):
            rows = [rows[0] for rows in run["low rank"].values()]
            lowest, highest = (of(row["test"] for row in rows) for of in (min, max))
            cut = {budget: [row["test"] for name, rows in run["methods"].items() for row in rows
                            if row and row["budget"] == budget and (
                                budget < 0.1 or name in ("L-Rank", "PCA", "ALDS √k"))]
                   for budget in (0.05, 0.1)}
            part = max(row["numbers"] for row in rows) / run["dense"]["numbers"]
            ahead = part < 0.056 and lowest > max(cut[0.05])
            behind = min(cut[0.1]) - highest > 0.01 and max(cut[0.1]) - lowest < 0.026
            if not (ahead if run["net"] == "lenet5" else behind):
                return False
        return True

    def networks(data):
        for run in data["runs"]:
            run["net"] = {"lenet5": DEEP, DEEP: "lenet5"}.get(run["net"], run["net"])
    data = stored("compress_only", "full")
    assert holds(data)
    rejects(holds, data, networks)


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


def means(data, net, start, method, of="test"):
    """{budget: mean over the seeds}."""
    runs = [run for run in data["runs"] if (run["net"], run["start"]) == (net, start)]
    return {at[0]["budget"]: np.mean([row[of] for row in at])
            for at in zip(*(run["methods"][method] for run in runs), strict=True)}


@pytest.mark.parametrize("scale", scales("compress_only"))
def test_from_a_small_start_more_is_kept_and_principal_components_need_none(scale):
    """At a tenth of the numbers, in the mean: of ALDS and L-Rank four points at least, and PCA
    loses three points at most from either start. Planted: one start for the other, one method for
    the other."""
    def holds(data):
        for net in data["settings"]["nets"]:
            more = [means(data, net, "small", m)[0.1] - means(data, net, "large", m)[0.1]
                    for m in ("ALDS root", "ALDS √k", "L-Rank")]
            lost = [np.mean([run["dense"]["test"] for run in data["runs"]
                             if (run["net"], run["start"]) == (net, start)])
                    - means(data, net, start, "PCA")[0.1] for start in ("small", "large")]
            if min(more) < 0.04 or max(lost) > 0.03:
                return False
        return True

    def weights_alone(data):
        for run in data["runs"]:
            run["methods"]["PCA"] = run["methods"]["L-Rank"]
    data = stored("compress_only", scale)
    assert holds(data)
    rejects(holds, data, one_start_for_the_other, weights_alone)


@pytest.mark.parametrize("scale", scales("compress_only"))
def test_what_is_cheap_in_numbers_is_not_in_operations(scale):
    """On LeNet5 L-Rank takes at least twice the operations of ALDS at the same numbers, and keeps
    more down to a tenth; on other networks as many, to a tenth of them. Planted: numbers."""
    def holds(data, of="flops"):
        for net in data["settings"]["nets"]:
            for start in data["settings"]["starts"]:
                ours, other = (means(data, net, start, m, of) for m in ("L-Rank", "ALDS √k"))
                ratios = [ours[budget] / other[budget] for budget in ours if budget >= LEAST]
                if min(ratios) < 2 if net == "lenet5" else max(ratios) > 1.1:
                    return False
                ours, other = (means(data, net, start, m) for m in ("L-Rank", "ALDS √k"))
                if net == "lenet5" and min(ours[b] - other[b] for b in ours if b >= LEAST) < 0:
                    return False
        return True
    data = stored("compress_only", scale)
    if "lenet5" in data["settings"]["nets"]:
        assert holds(data) and not holds(data, "numbers")


def test_a_dense_network_is_trained_once_a_case_and_by_other_code_anew(monkeypatch):
    calls = []

    def trained():
        calls.append(None)
        return DirectSum([np.full((2, 2), len(calls))])

    def found(case):
        return _compression.kept(case, trained).blocks[0][0, 0]

    assert [found({"a": 1}), found({"a": 1}), found({"a": 2}), found({"a": 1})] == [1, 1, 2, 1]
    monkeypatch.setattr(_compression, "source", lambda: "other code")
    assert [found({"a": 1}), found({"a": 1})] == [3, 3]
