"""What was measured with a clock or in bytes bears out its claims, each against a planted error."""

import copy
import io
import itertools
import json
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from stored import stored

from figures import _steps, ablation, scaling, timings


@pytest.mark.parametrize("repeats, seconds, rounds", [(2, 0, 2), (1, 3, 3), (4, 3, 4)])
def test_processes_take_turns(monkeypatch, repeats, seconds, rounds):
    """Of each a number a round, so many rounds, and so many seconds a process, by a clock of turns
    taken."""
    log = []

    @contextmanager
    def process(threads, settings, what, width, ranks):
        def turn():
            log.append((threads, what, width))
            return [{"a": len(log), "b": rank} for rank in ranks]
        yield turn

    monkeypatch.setattr(_steps, "_process", process)
    monkeypatch.setattr(_steps.time, "perf_counter", lambda: len(log))
    found = _steps.measure({"repeats": repeats, "seconds": seconds}, "train", 7,
                           {"one": [None, 3], "two": [3]})
    assert log == [("one", "train", 7), ("two", "train", 7)] * rounds
    odd, even = ([*range(first, 2 * rounds + 1, 2)] for first in (1, 2))
    assert found == {"one": [{"a": odd, "b": [None] * rounds}, {"a": odd, "b": [3] * rounds}],
                     "two": [{"a": even, "b": [3] * rounds}]}


@pytest.mark.parametrize("clock", ["perf_counter", "thread_time"])
@pytest.mark.parametrize("took, times", [(0.1, 2), (1, 1)])
def test_in_a_turn_each_job_is_done_once_and_a_short_one_twice(monkeypatch, capsys, took, times,
                                                               clock):
    """By a clock of jobs done, each of which takes so long; the other clock stands still. The order
    is another one in each turn."""
    log = []
    monkeypatch.setitem(_steps.JOBS, "train", lambda settings, *case: {
        who: partial(log.append, (*case, who)) for who in "ab"})
    for name in ("perf_counter", "thread_time"):
        monkeypatch.setattr(_steps.time, name,
                            lambda name=name: took * len(log) if name == clock else 0)
    monkeypatch.setattr(_steps.sys, "stdin", io.StringIO("\n" * 20))
    _steps.answer_in_turns({"clock": clock}, "train", 7, [None, 3])
    ready, *turns = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready == 0 and turns == [[{"a": took, "b": took}] * 2] * 20
    done = [log[k:k + 4 * times] for k in range(0, len(log), 4 * times)]
    jobs = {(7, rank, who) for rank in (None, 3) for who in "ab"}
    assert all(set(turn) == jobs and turn[::times] == turn[times - 1::times] for turn in done)
    assert len(done) == 20 and len(set(map(tuple, done))) > 10


def test_processes_time_their_jobs():
    settings = {"seed": 0, "clock": "perf_counter", "images": 4, "repeats": 2, "seconds": 0}
    found = _steps.measure(settings, "predict", 12, {"one": [None, 3], "two": [3]})
    took = [those["ours"] for threads, ranks in (("one", 2), ("two", 1))
            for those in found[threads] if len(found[threads]) == ranks]
    assert found.keys() == {"one", "two"} and len(took) == 3
    assert all(len(times) == 2 and min(times) > 0 for times in took)


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match=r"(?s)weights, threads: two: .*KeyError: 'weights' "
                                           r"\(exit status 1\)"):
        _steps.measure({"repeats": 1, "seconds": 0}, "weights", 7, {"two": [3]})


def test_a_ratio_is_the_median_of_those_in_a_round():
    """Planted: the ratio of medians."""
    row = {"seconds": {"a": [1, 4, 9], "b": [1, 2, 9]}}
    assert timings.over(row, "a", "b") == 1
    assert timings.seconds(row, "a") / timings.seconds(row, "b") == 2
    row = {"seconds": {"DLRT, without b": [1, 4, 9], "DLRT": [1, 2, 9]}}
    assert ablation.ratio(row, "DLRT", "b") == 1


def test_a_ratio_to_dense_is_the_median_of_those_to_the_faster_of_two():
    """Planted: the ratio of medians; the first of the two, or the slower one."""
    ours, torch, row = [1, 4, 9], [1, 2, 9], {"seconds": {"ours": [2, 6, 9]}}
    for both in ({"ours": ours, "torch": torch}, {"torch": torch, "ours": ours}):
        assert timings.over_dense(row, {"seconds": both}) == 2
    assert timings.over_dense(row, {"seconds": {"ours": ours}}) != 2
    slower = {"seconds": {"torch": torch}}
    assert timings.seconds(row, "ours") / timings.seconds(slower, "torch") == 3


def slow_down(data, who, factor, what="train"):
    """Planted: steps that take longer."""
    wrong = copy.deepcopy(data)
    for row in wrong["rows"]:
        if row["what"] == what and row["rank"] and who in row["seconds"]:
            row["seconds"][who] = [factor * took for took in row["seconds"][who]]
    return wrong


def test_timings_claim():
    """Half of PyTorch's three passes, cheaper than dense; tables of the docs are of the JSON."""
    data = stored("timings")
    assert [len(list(table(data))) for _, table in timings.TABLES.values()] == [9, 6, 8, 3, 2]
    for who in ("ours", "GeoLoRA"):
        assert not timings.beats_pytorch(slow_down(data, who, 2))
        assert not timings.resnet_within_reach(slow_down(data, who, 2, "ResNet-20"))
    for what, factor in (("train", 3), ("LeNet5", 1.5)):
        slowed = slow_down(data, "ours", factor, what)
        assert not timings.is_cheaper_than_dense_and_than_pytorch(slowed)


def test_ablation_claim():
    """Planted: a speed-up worth something at one point only; the table is of the JSON."""
    data = stored("ablation")
    assert len(data["rows"]) == len(ablation.POINTS)
    names = list(ablation.worth(data))
    assert [line.split(" | ")[0] for line in ablation.table(data)] == [f"| {x}" for x in names]
    for name in names:
        wrong = copy.deepcopy(data)
        for row, method in itertools.product(wrong["rows"][1:], ablation.METHODS):
            row["seconds"][f"{method}, without {name}"] = row["seconds"][method]
        assert not ablation.each_is_worth_its_price(wrong)


def test_scaling_claim():
    """Memory like n; time like n, but for what caches give to the small ones. Planted: n log n."""
    data = stored("scaling")
    assert data["n"][-1] == 10**6
    for found in data["methods"].values():
        logs = np.log(data["n"])
        found["seconds"] = [took * x for took, x in zip(found["seconds"], logs, strict=True)]
    assert not scaling.grows_like_n(data)
