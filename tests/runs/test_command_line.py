"""python -m lowrank_ode and python -m figures, as a person uses them."""

import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
from idx_files import TEST_IMAGES, TRAIN_IMAGES, folder_of

from lowrank_ode import DLRT
from lowrank_ode.__main__ import main, parser
from lowrank_ode.commands import settings
from lowrank_ode.commands import train as command
from lowrank_ode.commands.settings import BY_NAME, make_method
from lowrank_ode.matrices import dense, norm
from lowrank_ode.nets import lenet5, mlp
from lowrank_ode.substeps import euler, heun, rk4
from lowrank_ode.training import ranks, train

SHORT = ["train", "--data", "digits", "--widths", "20,20", "--epochs", "2", "--lr", "0.1"]
QUICK = [*SHORT, "--rank", "5"]


@pytest.mark.parametrize("method", BY_NAME)
def test_every_method_trains_from_the_command_line(method, tmp_path, capsys):
    main([*(SHORT if method == "dense" else QUICK), "--method", method,
          "--out", str(tmp_path / "run.json")])
    said, result = capsys.readouterr().out, json.loads((tmp_path / "run.json").read_text())
    assert result["settings"]["method"] == method and result["settings"]["seed"] == 0
    assert "digits (1438" in result["data"]
    assert [r["epoch"] for r in result["records"]] == [1, 2]
    assert set(result["records"][0]) >= {"loss", "accuracy", "ranks", "seconds",
                                         "parameters", "compression"}
    assert f"test accuracy  {100 * result['records'][-1]['accuracy']:.2f} %" in said
    assert "compression" in said and "digits (1438" in said
    said, made = result["settings"], make_method(method, 0.1, "euler")
    assert said["rank"] == (None if method == "dense" else 5)
    assert said["widths"] == [20, 20]
    assert said["tau"] == (0.1 if {"tau", "tol"} & vars(made).keys() else None)
    assert said["substeps"] == ("euler" if "solve" in vars(made) else None)


def test_parameters_and_compression_are_those_of_the_ranks(tmp_path, capsys):
    main([*QUICK, "--tau", "0.1", "--out", str(tmp_path / "run.json")])
    last = json.loads((tmp_path / "run.json").read_text())["records"][-1]
    r1, r2 = last["ranks"]
    assert last["parameters"] == r1 * (64 + 20) + 20 + r2 * 40 + 20 + 210
    assert last["compression"] == 1 - last["parameters"] / (65 * 20 + 21 * 20 + 21 * 10)


def test_the_same_seed_gives_the_same_run(tmp_path):
    runs = []
    for seed in ("1", "1", "2"):
        main([*QUICK, "--seed", seed, "--out", str(tmp_path / "run.json"), "--overwrite"])
        runs.append([(r["loss"], r["accuracy"])
                     for r in json.loads((tmp_path / "run.json").read_text())["records"]])
    assert runs[0] == runs[1] != runs[2]


@pytest.fixture
def ask(monkeypatch):
    """ask("--lr", "0.1") is what `train` would be called with, as a dict; nothing is trained."""
    def asked(*options):
        arguments = {}
        def stand_in(*args, **kwargs):
            arguments.update(inspect.signature(train).bind(*args, **kwargs).arguments)
            raise ValueError("stop")
        monkeypatch.setattr(command, "train", stand_in)
        with pytest.raises(SystemExit, match="error: stop"):
            main(["train", "--data", "digits", *options])
        return arguments
    return asked


def test_every_option_reaches_the_training(ask):
    asked = ask("--widths", "20,24", "--activation", "tanh", "--lr", "0.3,0.1", "--batch", "7",
                "--epochs", "3", "--method", "dlrt", "--drop", "0.2", "--decay", "0.01")
    assert asked["net"] == mlp((64, 20, 24, 10), "tanh")
    assert (asked["lr"], asked["batch_size"], asked["epochs"]) == ([0.3, 0.1], 7, 3)
    assert len(asked["data"].x) == 1438
    assert (asked["drop"], asked["decay"]) == (0.2, 0.01)
    assert ask()["drop"] == ask()["decay"] == 0
    assert {X.dtype for X in asked["params"].blocks} == {np.dtype(np.float32)}
    assert list(asked["progress"](["a batch", "another"])) == ["a batch", "another"]


def test_what_is_not_said_has_the_default_that_the_help_tells(ask):
    asked = ask()
    assert asked["net"] == mlp([64, 500, 500, 500, 500, 10]) and asked["method"] == DLRT(0.1)
    assert (asked["lr"], asked["batch_size"], asked["epochs"]) == ([0.1], 128, 10)


@pytest.mark.parametrize("widths, rank", [("20,24", 5), ("60,60", 15), ("80,80", 16), ("3,3", 1)])
def test_the_rank_of_the_start_is_a_quarter_of_the_narrowest_layer_but_the_last(widths, rank, ask):
    for options, expected in (((), (rank, rank)), (("--rank", "2"), (2, 2)),
                              (("--method", "dense"), ())):
        assert ranks(ask("--widths", widths, *options)["params"]) == expected


def test_the_seed_is_that_of_the_start_and_of_the_batches(ask):
    first, same, other = (ask("--widths", "5,5", "--seed", seed) for seed in "112")
    starts = [dense(asked["params"]).blocks[0] for asked in (first, same, other)]
    assert np.array_equal(*starts[:2]) and norm(starts[0] - starts[2]) > 0.1
    draws = [asked["rng"].permutation(1438).tolist() for asked in (first, same, other)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("substeps, solve", [("euler", euler), ("heun", heun), ("rk4", rk4)])
def test_tau_and_substeps_reach_the_methods_that_have_them(name, substeps, solve, ask):
    method = make_method(name, 0.3, substeps)
    assert type(method) is BY_NAME[name] and getattr(method, "solve", solve) is solve
    assert getattr(method, "tau", 0.3) == 0.3
    assert (getattr(method, "tol", 0.3), getattr(method, "relative", True)) == (0.3, True)
    if name == "adaptive_bug":
        assert ask("--method", name, "--tau", "0.3", "--substeps", substeps)["method"] == method


def test_where_out_cannot_be_written_is_said_before_the_data_are_loaded(monkeypatch):
    monkeypatch.setattr(settings, "load", lambda source: pytest.fail("the data were loaded"))
    with pytest.raises(SystemExit, match="no folder"):
        main([*QUICK, "--out", "no/such/folder/run.json"])


def test_a_folder_of_idx_files_is_data(tmp_path, capsys):
    folder_of(tmp_path / "idx")
    main(["train", "--data", str(tmp_path / "idx"), "--widths", "6", "--epochs", "1",
          "--batch", "2"])
    assert "IDX files" in capsys.readouterr().out


def test_a_method_takes_the_options_that_it_has_and_no_others():
    """Whether it has one is told by its signature."""
    for name, Method in BY_NAME.items():
        has = inspect.signature(Method).parameters
        for options, needs in ((["--tau", "0.2"], {"tau", "tol"}),
                               (["--substeps", "rk4"], {"solve"})):
            asked = parser().parse_args([*SHORT, "--method", name, *options])
            if needs & has.keys():
                assert options[1] == str(settings.settings_of(asked)[options[0][2:]])
            else:
                with pytest.raises(ValueError, match=f"{options[0]}: got .* --method {name}"):
                    settings.settings_of(asked)


def test_images_that_are_not_square_train_lenet5_as_they_are(tmp_path, ask):
    """18 × 32 pixels are as many as 24 × 24."""
    rng = np.random.default_rng(0)
    images = {name: rng.integers(256, size=(n, 18, 32), dtype=np.uint8)
              for name, n in ((TRAIN_IMAGES, 5), (TEST_IMAGES, 2))}
    folder = folder_of(tmp_path / "idx", changed=images)
    asked = ask("--data", str(folder), "--net", "lenet5")
    assert asked["net"] == lenet5((18, 32, 1), 3)
    colour = {name: np.repeat(x[..., None], 3, axis=3) for name, x in images.items()}
    assert ask("--data", str(folder_of(tmp_path / "colour", changed=colour)),
               "--net", "lenet5")["net"] == lenet5((18, 32, 3), 3)


@pytest.mark.parametrize("lr, method, stops", [
    ("50", "dlrt", "--lr, or --tau, is too large"), ("50", "bug", "--lr is too large"),
    ("0.1", "dlrt", None)])
def test_a_loss_that_has_grown_is_an_error_and_the_run_is_written(
        lr, method, stops, tmp_path, capsys):
    options = [*QUICK, "--lr", lr, "--method", method, "--out", str(tmp_path / "run.json")]
    if stops:
        with pytest.raises(SystemExit, match=r"error: the loss has grown, from 2\.\d+ at the start "
                           rf"to \d+.*: {stops}$"):
            main(options)
    else:
        main(options)
    assert "compression" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "run.json").read_text())["records"]) == 2


@pytest.mark.parametrize("options, message", [
    (["--tau", "-1"], "--tau: got -1.0"), (["--tau", "nan"], "--tau: got nan"),
    (["--tau", "2"], "--tau: got 2.0, expected at least 0 and less than 1: from 1 on a step cuts"),
    (["--tau", "1", "--method", "adaptive_bug"], "--tau: got 1.0"),
    (["--seed", "-1"], "--seed: got -1, expected a numpy Generator or a seed, a whole number ≥ 0"),
    (["--out", ""], "--out: got an empty name, expected a file"),
    (["--tau", "0.1", "--method", "bug"],
     "--tau: got 0.1, expected none with --method bug, which does not use it"),
    (["--substeps", "euler"],
     "--substeps: got euler, expected none with --method dlrt, which does not use it"),
    (["--method", "dense"], "--rank: got 5, expected none with --method dense"),
    (["--net", "lenet5"], "--widths: got [20, 20], expected none with --net lenet5"),
    (["--rank", "0"], "rank: got 0"), (["--rank", "21"], "rank: got 21"),
    (["--lr", "0"], "lr: got"),
    (["--batch", "0"], "batch_size: got 0"), (["--epochs", "0"], "epochs: got 0"),
    (["--widths", "0"], "widths: got"), (["--data", "mnist6k"], "unknown data 'mnist6k'"),
    (["--out", "no/such/folder/run.json"], "no folder"), (["--out", "."], "is a folder"),
])
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(
        options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main([*QUICK, *options])
    assert str(exit_.value).startswith("error: ") and message in str(exit_.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [["--method", "sgd"], ["--widths", "20,x"], ["--lr", "fast"],
                                     ["--substeps", "magic"]])
def test_unknown_words_are_refused_with_usage(options, capsys):
    with pytest.raises(SystemExit):
        main([*QUICK, *options])
    assert "usage:" in capsys.readouterr().err


def test_an_interrupted_run_keeps_its_finished_epochs(tmp_path, monkeypatch):
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
    assert len(json.loads((tmp_path / "run.json").read_text())["records"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json", "run.npz"]


def test_a_run_interrupted_in_its_first_epoch_does_not_speak_of_an_older_file(
        tmp_path, monkeypatch):
    from lowrank_ode import training
    def interrupt(params):
        raise KeyboardInterrupt
    monkeypatch.setattr(training, "ranks", interrupt)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"^interrupted$"):
        main([*QUICK, "--out", str(tmp_path / "run.json"), "--overwrite"])


def test_help_teaches():
    text = subprocess.run([sys.executable, "-m", "lowrank_ode", "train", "--help"],
                          capture_output=True, text=True, check=True).stdout
    assert "examples:" in text and "how to choose:" in text and "--tau" in text
    assert np.all([name in text for name in BY_NAME])
