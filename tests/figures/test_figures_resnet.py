"""The committed results of the figure on ResNet-20 bear out its first sentence, and are counted as
the code counts; wrong ones would be refused."""

import copy

import pytest
from stored import rejects, scales, stored

from figures import _compression, resnet20
from lowrank_ode.compression.totals import multiply_adds, total_parameters
from lowrank_ode.nets.architectures import resnet_cifar


def exchange_statistics(data):
    for _, _, row in resnet20.rows_of(data):
        row["anew"], row["kept"] = row["kept"], row["anew"]


def let_a_layer_err(data):
    *_, (_, _, row) = ((run, method, row) for run, method, row in resnet20.rows_of(data)
                       if method.startswith("ALDS"))
    row["errors"][3] = row["bounds"][3] + 0.01


def store_one_number_more(data):
    run, _, row = next(resnet20.rows_of(data))
    row["numbers"] = int(row["budget"] * run["dense"]["numbers"]) + 1


@pytest.mark.parametrize("scale", scales("resnet20"))
@pytest.mark.parametrize("holds, plant", [
    (resnet20.new_statistics_keep_more, exchange_statistics),
    (resnet20.no_layer_errs_by_more_than_its_bound, let_a_layer_err),
    (resnet20.no_budget_is_exceeded, store_one_number_more)])
def test_resnet20_claim(scale, holds, plant):
    data = stored("resnet20", scale)
    assert data["settings"] == resnet20.SETTINGS[scale] and holds(data)
    wrong = copy.deepcopy(data)
    plant(wrong)
    assert not holds(wrong)


def test_dense_counts_are_those_of_the_architecture():
    net = resnet_cifar(20, "A", (28, 28, 1))
    for run in stored("resnet20")["runs"]:
        assert run["dense"]["numbers"] == total_parameters(net) == 269_434
        assert run["dense"]["flops"] == 2 * multiply_adds(net)


def test_old_statistics_are_those_of_the_network_before_the_cut(monkeypatch):
    """Where nothing is cut both are the same, to rounding; by a small run without training."""
    settings = {**resnet20.SETTINGS["small"], "budgets": [1.0, 0.4], "again": 0}
    monkeypatch.setattr(_compression, "last", lambda case, net, start, *_: start)
    dense = resnet20.dense_results(settings, 0)
    whole, cut = resnet20.cut_networks(settings, 0, "SVD-Energy")
    assert whole["kept"] == whole["anew"] == {key: dense[key] for key in ("held out", "test")}
    assert cut["kept"] != cut["anew"] and cut["numbers"] < whole["numbers"]


def test_the_smallest_network_within_a_point_is_chosen_on_held_out_images():
    """Planted: test images that say the opposite; a smaller network that misses by a little."""
    def row(part, held_out, test):
        return {"numbers": 1000 * part, "anew": {"held out": held_out, "test": test}}
    run = {"dense": {"numbers": 1000, "held out": 0.95, "test": 0.9}, "low rank": {}, "methods": {
        "SVD": [row(0.5, 0.945, 0.7), row(0.3, 0.94, 0.8), row(0.2, 0.9399, 0.9), None],
        "L-Rank": [row(0.5, 0.93, 0.95)]}}
    data = {"runs": [run], "settings": {"points": 0.01, "methods": ["SVD", "L-Rank"], "tau": []}}
    assert list(resnet20.within(data, "SVD", "anew")) == [pytest.approx((0.3, -0.1))]
    assert list(resnet20.sweep_table(data)) == ["| SVD | 30.0 % (-10.00) | – |",
                                                "| L-Rank | – | – |"]


def test_what_the_page_says_of_full_mnist():
    """Planted: equal ranks exchanged with L-Rank; what trained at low rank with what was cut."""
    def said(data):
        run, = data["runs"]
        half, quarter = ({method: rows[k]["retrained"]["test"]
                          for method, rows in run["methods"].items()} for k in (0, 1))
        low = [row for rows in run["low rank"].values() for row in rows]
        return (min(half.values()) > run["dense"]["test"] - 0.03
                and quarter.pop("SVD") < min(quarter.values()) - 0.2
                and all(row["anew"]["test"] > run["dense"]["test"] for row in low)
                and all(0.35 < row["numbers"] / run["dense"]["numbers"] < 0.45 for row in low))

    def one_method_for_another(data):
        rows = data["runs"][0]["methods"]
        rows["SVD"], rows["L-Rank"] = rows["L-Rank"], rows["SVD"]

    def one_way_for_another(data):
        run = data["runs"][0]
        run["low rank"]["DLRT"][0]["anew"] = run["methods"]["L-Rank"][0]["retrained"]

    data = stored("resnet20", "full")
    assert said(data)
    rejects(said, data, one_method_for_another, one_way_for_another)
