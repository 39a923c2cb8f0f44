"""The pictures and tables of large networks: the stored numbers bear out what is said of them, and
are what the code computes now."""

import math

import numpy as np
import pytest
from stored import stored

from figures import _published, architectures, large_steps
from figures._run import FOLDER
from lowrank_ode.compression import count_weights


def test_architectures_claim():
    """Planted: a published saving that is that of no rank; one that a larger share has; one in
    training that ranks can reach."""
    data = stored("architectures")
    assert len(data["rows"]) == len(_published.NETWORKS) == 23
    training = [row for row in data["rows"] if row["bound"] is not None]
    assert len(training) == 2
    training[0]["bound"] = training[0]["beside"][1]
    assert not architectures.those_for_training_are_not(data)
    data["rows"][0]["share"] -= 0.1
    assert not architectures.published_savings_are_reached(data)
    data["rows"][0] |= {"share": None}
    assert not architectures.published_savings_are_reached(data)


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


def test_large_steps_claim():
    """Planted: a loss that rises; more memory taken than was said."""
    data = stored("large_steps")
    assert set(data["nets"]) == set(large_steps.ARCHITECTURES)
    for net in data["nets"].values():
        assert all(math.isfinite(loss) for loss in net["DLRT"]["losses"])
    data["nets"]["vgg16"]["GeoLoRA"]["losses"][2] = 99.0
    data["nets"]["vgg16"]["taken"] = data["nets"]["vgg16"]["said"] + 1
    assert not large_steps.every_loss_falls(data)
    assert not large_steps.no_more_memory_is_taken_than_was_said(data)


def test_a_small_run_of_large_steps_is_one_of_ResNet_20():
    settings = large_steps.SETTINGS["small"]
    found = large_steps.taken({**settings, "rank": 4, "steps": 1}, "resnet20")
    assert set(found) == {"lr", "batch", "said", "DLRT", "GeoLoRA", "taken"}
    line, = large_steps.table({"nets": {"resnet20": found}})
    assert line.count("|") == large_steps.HEAD.count("|")


@pytest.mark.parametrize("name", ["architectures_counts", "architectures_savings", "large_steps"])
def test_the_tables_are_on_the_page(name):
    page = (FOLDER.parent / "docs/published-vs-here.md").read_text("utf-8")
    assert (FOLDER / f"{name}.md").read_text("utf-8") in page
