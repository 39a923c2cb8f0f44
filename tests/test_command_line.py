"""python -m lowrank_ode and python -m figures, as a person uses them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from idx_files import folder_of

from lowrank_ode.__main__ import BY_NAME, main

QUICK = ["train", "--data", "digits", "--widths", "20,20", "--epochs", "2", "--rank", "5", "--lr", "0.1"]


@pytest.mark.parametrize("method", BY_NAME)
def test_every_method_trains_from_the_command_line(method, tmp_path, capsys):
    main([*QUICK, "--method", method, "--out", str(tmp_path / "run.json")])
    said, result = capsys.readouterr().out, json.loads((tmp_path / "run.json").read_text())
    assert result["settings"]["method"] == method and result["settings"]["seed"] == 0 and "digits (1438" in result["data"]
    assert [r["epoch"] for r in result["records"]] == [1, 2]
    assert set(result["records"][0]) >= {"loss", "accuracy", "ranks", "seconds", "parameters", "compression"}
    assert f"test accuracy  {100 * result['records'][-1]['accuracy']:.2f} %" in said and "compression" in said and "digits (1438" in said
    assert result["settings"]["rank"] == (None if method == "dense" else 5)


def test_parameters_and_compression_are_those_of_the_ranks(tmp_path, capsys):
    main([*QUICK, "--tau", "0.1", "--out", str(tmp_path / "run.json")])
    last = json.loads((tmp_path / "run.json").read_text())["records"][-1]
    r1, r2 = last["ranks"]
    assert last["parameters"] == r1 * (64 + 20) + 20 + r2 * 40 + 20 + 210
    assert last["compression"] == 1 - last["parameters"] / (65 * 20 + 21 * 20 + 21 * 10)


def test_the_same_seed_gives_the_same_run(tmp_path):
    runs = []
    for seed in ("1", "1", "2"):
        main([*QUICK, "--seed", seed, "--out", str(tmp_path / "run.json")])
        runs.append([(r["loss"], r["accuracy"]) for r in json.loads((tmp_path / "run.json").read_text())["records"]])
    assert runs[0] == runs[1] != runs[2]


def test_a_folder_of_idx_files_is_data(tmp_path, capsys):
    folder_of(tmp_path / "idx")
    main(["train", "--data", str(tmp_path / "idx"), "--widths", "6", "--epochs", "1", "--batch", "2"])
    assert "IDX files" in capsys.readouterr().out


@pytest.mark.parametrize("options, message", [
    (["--tau", "-1"], "tau: got -1"), (["--rank", "0"], "rank: got 0"), (["--rank", "21"], "rank: got 21"), (["--lr", "0"], "lr: got"),
    (["--batch", "0"], "batch_size: got 0"), (["--epochs", "0"], "epochs: got 0"), (["--widths", "0"], "widths: got"),
    (["--data", "mnist6k"], "unknown data 'mnist6k'"), (["--out", "no/such/folder/run.json"], "no folder"), (["--out", "."], "is a folder"),
])
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main([*QUICK, *options])
    assert str(exit_.value).startswith("error: ") and message in str(exit_.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [["--method", "sgd"], ["--widths", "20,x"], ["--lr", "fast"], ["--substeps", "magic"]])
def test_unknown_words_are_refused_with_usage(options, capsys):
    with pytest.raises(SystemExit):
        main([*QUICK, *options])
    assert "usage:" in capsys.readouterr().err


def test_a_run_that_diverges_keeps_its_finished_epochs(tmp_path, monkeypatch):
    from lowrank_ode import training
    real, calls = training.ranks, []
    def ranks(params):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(params)
    monkeypatch.setattr(training, "ranks", ranks)
    with pytest.raises(SystemExit, match="holds the finished epochs"):
        main([*QUICK, "--out", str(tmp_path / "run.json")])
    assert len(json.loads((tmp_path / "run.json").read_text())["records"]) == 1 and len(list(tmp_path.iterdir())) == 1


def test_help_teaches():
    text = subprocess.run([sys.executable, "-m", "lowrank_ode", "train", "--help"], capture_output=True, text=True, check=True).stdout
    assert "examples:" in text and "how to choose:" in text and "--tau" in text and np.all([name in text for name in BY_NAME])
