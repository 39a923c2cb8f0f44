"""The pictures and tables of large networks: the stored numbers bear out what is said of them, and
are what the code computes now."""

import math

import numpy as np
import pytest
from test_figures import stored

from figures import _published, architectures, large_steps
from figures._run import paths
from lowrank_ode.compression import count_weights


def reached(data):
    """Each published saving in prediction is one of ours, at the largest share that has it."""
    step = 1 / data["settings"]["grid"]
    for row in data["rows"]:
        if row["share"] is None or not row["published"] <= row["here"] <= row["at rank one"]:
            return False
        net = architectures.NETS[row["net"]]()
        if architectures.saving(net, row["what"], row["share"] + step)[0] >= row["published"]:
            return False
    return True


def test_architectures_claim():
    """Planted: a published saving that is that of no rank; one that a larger share has."""
    data = stored("architectures")
    assert reached(data) and len(data["rows"]) == len(_published.NETWORKS) == 23
    training = [row for row in data["rows"] if row["bound"] is not None]
    assert len(training) == 2
    for row in training:
        assert row["beside here"] < row["bound"] < row["beside"][1]
    data["rows"][0]["share"] -= 0.1
    assert not reached(data)
    data["rows"][0] |= {"share": None}
    assert not reached(data)


def test_the_stored_counts_are_those_of_today(tmp_path):
    found = architectures.compute({**architectures.DEFAULT, "shares": [0, 0.5, 1]}, None)
    data = stored("architectures")
    assert found["rows"] == [{**row, "beside": row["beside"] and tuple(row["beside"])}
                             for row in data["rows"]]
    for name, net in found["nets"].items():
        was = data["nets"][name]
        assert all(net[what] == was[what] for what in ("weights", "parameters", "multiply-adds"))
        for what, saved in net["saved"].items():
            assert saved == [was["saved"][what][k] for k in (0, 50, 100)]


def test_training_takes_more_than_twice_what_prediction_takes_at_any_ranks():
    """So that what is saved is below the bound; with all weights in factors. Planted: the count
    of prediction with the core is not twice that without."""
    rng, net = np.random.default_rng(0), architectures.NETS["resnet50"]()
    for _ in range(20):
        ranks = [int(rng.integers(1, min(shape) + 1)) for shape in net.weight_shapes]
        once, training, core = (count_weights(net.weight_shapes, ranks, convention) for convention
                                in ("eval_KV", "train_paper", "eval_USV"))
        assert core < 2 * once < training


def test_nothing_saves_more_than_rank_one_and_what_is_beyond_it_is_said():
    net = architectures.NETS["resnet20b"]()
    assert architectures.reaching(net, "parameters", 99.0, 100) is None
    row = architectures.published(("resnet20b", "none", "TRP", "parameters", 99.0, None), 100)
    assert row["share"] is None and row["at rank one"] < 99
    line, = architectures.savings({"rows": [row]})
    assert "not at rank one" in line
    for share in (0, 0.3, 1):
        ranks = architectures.tucker_ranks(architectures.NETS["vgg16_10"](), share)
        assert ranks[0] is ranks[-1] is None and len(ranks) == 16
    assert architectures.saving(net, "weights", 1)[0] >= 0


def falls(data):
    return all(later < sooner for net in data["nets"].values() for method in large_steps.METHODS
               for sooner, later in zip(net[method]["losses"], net[method]["losses"][1:],
                                        strict=False))


def test_large_steps_claim():
    """And what was said of the memory is no less than what was taken."""
    data = stored("large_steps")
    assert falls(data) and set(data["nets"]) == set(large_steps.ARCHITECTURES)
    for net in data["nets"].values():
        assert net["taken"] <= net["said"] <= 3 * net["taken"]
        assert all(math.isfinite(loss) for loss in net["DLRT"]["losses"])
    data["nets"]["vgg16"]["GeoLoRA"]["losses"][2] = 99.0
    assert not falls(data)


def test_a_small_run_of_large_steps_is_one_of_ResNet_20():
    settings = large_steps.SETTINGS["small"]
    found = large_steps.taken({**settings, "rank": 4, "steps": 1}, "resnet20")
    assert set(found) == {"lr", "batch", "said", "DLRT", "GeoLoRA", "taken"}
    line, = large_steps.table({"nets": {"resnet20": found}})
    assert line.count("|") == large_steps.HEAD.count("|")


@pytest.mark.parametrize("name", ["architectures_counts", "architectures_savings", "large_steps"])
def test_the_tables_are_on_the_page(name):
    page = (paths("architectures", "default")[0].parent.parent / "docs/published-vs-here.md")
    assert (paths(name, "default")[0].with_suffix(".md")).read_text("utf-8") in page.read_text("utf-8")
