"""The committed results of figures/trp.py bear out its first sentence, and wrong ones would not."""

import copy

import pytest

from figures import _run, trp
from lowrank_ode.results import read_json

SCALES = [scale for scale in ("default", "full") if _run.paths("trp", scale)[0].exists()]
LOW = 8         # "low" are ranks up to this in every layer


def stored(scale):
    return read_json(_run.paths("trp", scale)[0])


def gains(data, choose):
    """By how much TRP is ahead of pruning, in the rows that are chosen."""
    return [row["TRP"] - row["SVD"] for row in trp.rows(data) if choose(row)]


def low_ranks_gain_moderate_ones_do_not(data):
    low = gains(data, lambda row: max(row["ranks"]) <= LOW)
    moderate = gains(data, lambda row: min(row["ranks"]) > LOW)
    seeds, energies = (len(data["settings"][name]) for name in ("seeds", "energies"))
    return (len(low) >= seeds and len(moderate) >= seeds and len(data["runs"]) >= seeds * energies
            and min(low) >= 0.02 and max(moderate) < 0.02)


def exchanged(row):
    """Planted: one for the other."""
    row["TRP"], row["SVD"] = row["SVD"], row["TRP"]


def level(row):
    """Planted: no gain."""
    row["TRP"] = row["SVD"]


def everywhere(row):
    """Planted: the same gain at all ranks."""
    row["TRP"] = row["SVD"] + 0.05


@pytest.mark.parametrize("scale", SCALES)
def test_the_claim(scale):
    data = stored(scale)
    assert low_ranks_gain_moderate_ones_do_not(data)
    for plant in (exchanged, level, everywhere):
        wrong = copy.deepcopy(data)
        for run in wrong["runs"]:
            plant(run["rows"][0])
        assert not low_ranks_gain_moderate_ones_do_not(wrong), plant.__name__


@pytest.mark.parametrize("scale", SCALES)
def test_training_and_a_small_start_lower_the_stable_rank(scale):
    data = stored(scale)
    for run in data["runs"]:
        start, trained = run["stable ranks"]
        assert trained[0] < start[0]


@pytest.mark.parametrize("scale", SCALES)
def test_stored_results_are_those_of_the_settings_in_the_code_and_complete(scale):
    data = stored(scale)
    settings = trp.SETTINGS[scale]
    assert data["settings"] == settings
    assert ([(run["net"], run["energy"], run["seed"]) for run in data["runs"]]
            == [(net, energy, seed) for net in settings["nets"]
                for energy in settings["energies"] for seed in settings["seeds"]])
    assert all([row["nuclear"] for row in run["rows"]] == settings["nuclear"]
               for run in data["runs"])


def test_places_at_which_weights_are_used():
    assert trp.positions(trp.lenet5()) == [24 * 24, 8 * 8, 1, 1]
