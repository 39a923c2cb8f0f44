"""The committed results of figures/svd_pruning.py bear out its first sentence,
and wrong ones would not."""

import copy

import pytest

from figures import _run, svd_pruning

SCALES = ["default", "full"]


def stored(scale):
    return _run.read(_run.paths("svd_pruning", scale)[0])


def swapped(row):
    """Planted: retraining that leads away."""
    row["retrained"] = row["retrained"][::-1]


def at_chance(row):
    """Planted: what the wrong factor gives, in the place of what the right one gives."""
    row["retrained"][0] = row["published_loader"] or 0.1


def no_effect(row):
    """Planted: the right factor where the wrong one is meant."""
    row["published_loader"] = row["retrained"][0]


def too_little(row):
    """Planted: a tenth of what retraining has won."""
    row["retrained"][-1] = row["retrained"][0] + 0.1 * (row["retrained"][-1] - row["retrained"][0])


@pytest.mark.parametrize("scale", SCALES)
def test_svd_pruning_claim(scale):
    data = stored(scale)
    for plant in (swapped, at_chance, no_effect, too_little):
        wrong = copy.deepcopy(data)
        for net in wrong["nets"]:
            plant(net["ranks"][-1])
        assert not svd_pruning.retraining_wins_back_more_than_half(wrong), plant.__name__


def test_on_full_mnist_training_at_the_rank_is_never_behind_pruning_and_retraining():
    data = stored("full")
    # planted: one epoch of ten
    data["nets"][0]["ranks"][0]["from_start"] = data["nets"][0]["ranks"][0]["from_start"][:1]
    assert not svd_pruning.training_at_the_rank_is_never_behind(data)


@pytest.mark.parametrize("scale", SCALES)
def test_stored_results_are_those_of_the_settings_in_the_code_and_complete(scale):
    data = stored(scale)
    assert data["settings"] == svd_pruning.SETTINGS[scale]
    assert [net["width"] for net in data["nets"]] == data["settings"]["widths"]
    for net in data["nets"]:
        epochs, again = (data["settings"][key]["epochs"] for key in ("train", "retrain"))
        assert [row["rank"] for row in net["ranks"]] == data["settings"]["ranks"]
        assert len(net["dense"]) == epochs
        assert all(len(row["from_start"]) == epochs and len(row["retrained"]) == again + 1
                   for row in net["ranks"])
