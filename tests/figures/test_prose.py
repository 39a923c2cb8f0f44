"""Numbers in sentences: those published against a second copy, typed by itself from the sources'
tables; those in captions and pages against the JSON that they are about."""

import numpy as np
import pytest
from prose import caption, page
from stored import stored

from figures import _published

# ------------------------------------------------------------------------------------- published

# width; τ, ranks, accuracy, weights of prediction and of training: appendix of [SZKCT22]
DENSE = {784: """98.53 2466464
    .03 190,190,190,190 98.61 1199520 2968800
    .05 124,120,125,126 98.59  784000 1805268
    .07   76,86,85,83   98.58  525280 1151864
    .09   56,67,63,59   98.49  392000  836460
    .11   35,49,47,43   98.12  280672  584240
    .13   29,35,38,34   97.95  221088  453000
    .15   22,29,27,27   97.81  172480  348252
    .17   17,23,22,23   97.40  141120  281724""", 500: """98.54 1147000
    .03 176,170,171,174 98.49  745984 1964540
    .05 81,104,111,117  98.56  441004 1050556
    .07   52,67,73,72   98.52  283768  633360
    .09   35,53,51,46   98.34  199940  429884
    .11   27,40,37,38   98.11  154668  324904
    .13   20,31,32,30   97.50  123680  255500
    .15   17,25,26,24   97.22  101828  207320
    .17   13,21,24,20   96.90   86692  174728"""}
ARXIV = """.11 15,46,13,10 97.97 47975 50585
           .15 13,31,9,10  97.75 34435 35746
           .2  10,20,7,10  97.20 25650 26299
           .3  6,9,4,10    95.33 15520 15753"""
SLIDES = """.07 10,25,104 98.026 .126 58589 895492
            .09 10,23,62  98.161 .260 37445 532176
            .11 10,20,48  98.212 .438 30278 412898
            .13 9,16,37   97.872 .489 24542 316997
            .15 9,16,28   98.139 .329 20033 251477
            .2  8,8,15    98.115 .343 13091 135536
            .3  4,6,8     97.451 .484  9398  80792
            .4  2,4,4     95.967 .949  7250  47882
            .45 2,2,3     94.068 .486  6647  35654"""
# decay, DLRT, its deviation, the baseline, its deviation
DECAY = """1 97.81 .14 93.74 1.39
           2 97.29 .29 90.91 2.46
           10 97.07 .65 86.24 4.56"""
SECONDS = """5 .0717 .2472\n10 .0872 .2488\n20 .0988 .2501\n40 .1332 .2481\n80 .1986 .2522
             160 .3878 .2660\n320 .8552 .3286\n640 2.2502 .4803\n1280 7.6115 .7967"""
# what is saved of large networks, in %, or how many times less it is
SAVED = {"slides": {54.1, 14.2, 86, 78.4}, "SYS25": {94.58, 94.35},
         "LMFR21": {74.91, 67.86, 95.77, 86.23, 87.77, 79.90, 66.70, 43.51, 64.5, 76.3, 77.9, 81.4},
         "IC20": {724 / 240}, "TRP": {2.66, 2.84, 2.60, 3.18, 1.97, 2.17, 1.81, 2.23, 1.80, 2.30}}


def rows(text):
    """{first number: (ranks, where there are any, and the others)}."""
    for line in text.splitlines():
        first, *others = line.split()
        yield float(first), tuple(tuple(map(int, word.split(","))) if "," in word else float(word)
                                  for word in others)


def copies():
    """(here, second copy) of each table."""
    for width, text in DENSE.items():
        (accuracy, (weights,)), *others = rows(text)
        yield (*_published.DENSE_NETS[width], _published.DENSE_NET_WEIGHTS[width]), (
            accuracy, dict(others), weights)
    yield _published.LENET_ARXIV, dict(rows(ARXIV))
    yield _published.LENET_SLIDES, dict(rows(SLIDES))
    for k, method in ((0, "DLRT"), (2, "as published")):
        yield _published.ROBUST[method], {f"{decay:.0f}": found[k:k + 2]
                                          for decay, found in rows(DECAY)}
    train, predict = ({rank: found[k] for rank, found in rows(SECONDS)} for k in (0, 1))
    yield _published.TIMINGS, {"train": train, "predict": {**predict, 2560: 1.4297},
                               "dense_train": 0.3203, "dense_predict": 1.2477}
    yield (_published.LENET_WEIGHTS, _published.LENET_DENSE), (430500, (98.82, 0.06))
    yield _published.SVD_PRUNING, {"pruned": {10: 10, 100: 10}, "retrained": {10: 93, 90: 98.6}}


@pytest.mark.parametrize("here, copy", list(copies()), ids=lambda _: "")
def test_published_numbers_are_those_of_a_second_copy(here, copy):
    assert here == copy


def test_published_savings_are_those_of_a_second_copy():
    """Of a table that says how many times less it is, 100 − 100/times."""
    found = {}
    for _, _, source, _, saved, beside in _published.NETWORKS:
        numbers = found.setdefault(source, set())
        times = round(100 / (100 - saved), 9)
        numbers |= {times if source in ("IC20", "TRP") else saved} | {*(beside or ())[1:]}
    assert {name: sorted(map(round, [1e6 * x for x in numbers])) for name, numbers in found.items()
            } == {name: sorted(map(round, [1e6 * x for x in numbers]))
                  for name, numbers in SAVED.items()}


# ------------------------------------------------------------------------- sentences and the JSON

def reached_in(data):
    """The step after which all adaptive methods have max_rank."""
    ranks = np.array([run["ranks"] for run in data["runs"].values() if max(run["ranks"]) > 4])
    return int(np.argmax((ranks == data["settings"]["max_rank"]).all(axis=0)))


def test_the_step_in_which_the_rank_of_conservation_is_reached():
    data, words = stored("conservation"), ("start", "first", "second", "third")
    said = f"rank {data['settings']['max_rank']}, which is reached in the {{}} step"
    assert said.format(words[reached_in(data)]) in caption("conservation")
    for run in data["runs"].values():       # planted: one more step at the rank of the start
        run["ranks"].insert(0, 4)
    assert said.format(words[reached_in(data)]) not in caption("conservation")


def from_where_on(data, rank, noise):
    """1/h, from which on Euler on the factors is within a tenth of the best approximation."""
    panel = next(p for p in data["panels"] if (p["rank"], p["noise"]) == (rank, noise))
    far = [error > 1.1 * panel["best"] for error in panel["errors"]["S⁻¹ factor ODE"]]
    return data["settings"]["steps"][len(far) - far[::-1].index(True)]


def test_where_euler_on_the_factors_errs_in_the_classical_example():
    data = stored("lubich_oseledets")
    assert (f"within a tenth from h = 1/{from_where_on(data, 10, 1e-3)} on for rank 10, and from "
            f"h = 1/{from_where_on(data, 20, 1e-3)} on for rank 20" in caption("lubich_oseledets"))
    least = min(min(panel["errors"]["S⁻¹ factor ODE"]) / panel["best"] for panel in data["panels"]
                if panel["noise"] == 1e-6)
    assert 80 < least < 90 and "errs more than 80 times as much" in caption("lubich_oseledets")


def rises_from(data):
    """The σ₃ below which errors of the factor ODE are above those for σ₃ = 1, at every h."""
    naive = {curve["sigma"]: [np.inf if e is None else e for e in curve["errors"]["S⁻¹ factor ODE"]]
             for curve in data["curves"]}
    return min(sigma for sigma, errors in naive.items() if np.all(np.less_equal(errors, naive[1])))


def test_from_which_singular_value_on_the_factor_ODE_errs_more():
    data = stored("singular_values")
    assert f"no higher for σ₃ = {rises_from(data):.0e} than for 1".replace("e-0", "e-") in page(
        "2-the-three-fields")
    at_first = [curve["errors"]["S⁻¹ factor ODE"][0] for curve in data["curves"]]
    finite = [np.inf if e is None else e for e in at_first]
    assert finite[2:] == sorted(finite[2:])


def test_the_numbers_beside_the_table_of_the_readme():
    text, data = page("README"), stored("rank_evolution", "full")
    nets = _published.DENSE_NETS[500]
    for tau in (0.15, 0.05):
        ranks, accuracy, *_ = nets[1][tau]
        assert f"{accuracy:.2f} % (τ = {tau:g}, ranks {', '.join(map(str, ranks))})" in text
    assert f"and {nets[0]:.2f} % (dense)" in text
    last = {name: 100 * run["records"][-1]["accuracy"] for name, run in data["runs"].items()}
    behind = {round(nets[1][0.05][1] - last["0.05"], 1), round(nets[0] - last["dense"], 1)}
    assert behind == {0.3} and "the dense network are 0.3 points less accurate" in text
    assert last["0.15"] > nets[1][0.15][1] and "τ = 0.15 is more accurate" in text


@pytest.mark.parametrize("name, sayings", [
    ("conservation", ["complex {n} × {n}", "from rank {rank}", "{substeps} to a step",
                      "tolerance 1e-6"]),
    ("orders", ["t = {T}", "{shape[0]} × {shape[1]}, rank 3"]),
    ("singular_values", ["{shape[0]} × {shape[1]}, rank 3", "t = {T}", "norm 1e-4"]),
    ("stagnation", ["{shape[0]} × {shape[1]}", "t = {T:g}"]),
    ("bound_tightness", ["{shape[0]} × {shape[1]}", "rank {rank}", "τ = 1e-3", "h = {h}",
                         "{draws} random problems"]),
    ("gradient_flow", ["{examples} images", "t = {T:g}", "best rank-{rank}", "at rank {rank}"]),
    ("lubich_oseledets", ["{n} × {n}"]), ("what_matters", ["rank {rank}"]),
    ("large_steps", ["rank {rank}", "three low-rank steps"]), ("scaling", ["a million rows"]),
    ("trainers", ["784-500-500-500-500-10"])])
def test_sizes_in_captions_are_those_of_the_settings(name, sayings):
    settings = stored(name)["settings"]
    for saying in sayings:
        assert saying.format(**settings) in caption(name), saying
