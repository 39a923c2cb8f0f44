"""Numbers in sentences on the dense networks beside the published ones, against the JSON."""

import copy

from prose import caption, page
from stored import stored

from figures import _published, accuracy_vs_parameters, front


def said_of_fine_tuning(data):
    """The numbers of the page, in words of the page."""
    margins = accuracy_vs_parameters.ahead(data)
    ahead, behind = ([abs(margin) for (_, tau), margin in margins.items() if (tau >= 0.11) == some]
                     for some in (True, False))
    gains = [100 * (run["fine_tuned"]["accuracy"] - run["accuracy"]) for run in data["runs"]
             if run["tau"]]
    dense = [100 * run["fine_tuned"]["accuracy"] for run in data["runs"] if not run["tau"]]
    halved = [(run["width"], run["tau"]) for run in data["runs"] if "halved" in run["fine_tuned"]]
    one, (dropless, larger) = next(run for run in data["runs"] if run["tau"] == 0.15), data["tried"]
    same = larger["fine_tuned"].pop("halved") == 1 and all(
        larger["fine_tuned"][what] == one["fine_tuned"][what] for what in ("epoch", "accuracy"))
    half = round(100 * (one["fine_tuned"]["validation"] - dropless["fine_tuned"]["validation"]), 1)
    theirs = (_published.DENSE_NETS[width][0] for width in (500, 784))
    return [f"gains {min(gains):.1f} to {max(gains):.1f} points",
            f"it is ahead, by {min(ahead):.2f} to {max(ahead):.2f} points",
            f"it is behind, by {min(behind):.2f} to {max(behind):.2f}.",
            "come to {:.2f} and {:.2f} %".format(*dense),
            "ones to {:.2f} and {:.2f} %".format(*theirs),
            "To drop inputs is worth half a point" if half in (0.5, 0.6) else "",
            "what was halved once is the first row again" if same else "",
            "; at τ = 0.03 and width 784" if halved == [(784, 0.03)] else ""]


def test_what_the_page_says_of_fine_tuning():
    """Planted: another accuracy in place of the last."""
    text, data = page("published-vs-here"), stored("accuracy_vs_parameters", "full")
    for saying in said_of_fine_tuning(copy.deepcopy(data)):
        assert saying and saying in text, saying
    settings, most = data["settings"], max(-m for m in accuracy_vs_parameters.ahead(data).values())
    assert f"up to {most:.2f} points behind the larger ones" in page("README")
    assert (f"{settings['epochs']} epochs with plain steps from rank {settings['start_rank']}"
            in text and f"for {settings['fine_tuning']['epochs']} epochs, three tenths" in text
            and settings["fine_tuning"]["drop"] == 0.3)
    for run in data["runs"][:2]:
        run["fine_tuned"]["accuracy"] = 0.999
    assert sum(saying not in text for saying in said_of_fine_tuning(data)) >= 3


def said_of_fixed_ranks(data):
    margins, nets = front.ahead(data), list(front.means(data))
    largest = [margin for (_, tau), margin in margins.items() if tau <= 0.07]
    beside = {round(own["deviation"], 2) for own in nets if own["rank"] in (61, 65)}
    whole = next(own for own in nets if not own["drop"])
    dropped = next(own for own in nets if own["rank"] == whole["rank"])
    held = front.recipes(data)[0]["validation"]
    return [f"are {min(largest):.2f} to {max(largest):.2f} points, no more than seeds differ by, "
            f"whose standard deviations there are {', '.join(map(str, beside))}:",
            f"is worth {dropped['accuracy'] - whole['accuracy']:.1f} points",
            f"the standard error, {100 * (held * (1 - held) / 10000) ** 0.5:.2f} points"
            ] if sorted(margins.values())[:len(largest)] == sorted(largest) else [""]


def test_what_the_page_says_of_ranks_fixed_in_advance():
    """Planted: one seed in place of three."""
    text, data = page("published-vs-here"), stored("front", "full")
    assert all(saying and saying in text for saying in said_of_fixed_ranks(data)), (
        said_of_fixed_ranks(data))
    smallest = sorted(100 * margin for margin in front.ahead(data).values())
    assert f"margins are {smallest[0]:.0f} to {smallest[4]:.0f} of the 10,000" in caption("front")
    data["runs"] = [run for run in data["runs"] if run["seed"] == 0]
    assert not all(saying in text for saying in said_of_fixed_ranks(data))
