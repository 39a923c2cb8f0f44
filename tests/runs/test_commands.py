"""What the commands do beside training: predict, export, a picture, and the first example of the
help."""

import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from idx_files import folder_of

from lowrank_ode import DirectSum, LowRank, __version__, load, save
from lowrank_ode.__main__ import main, parser
from lowrank_ode.commands import train as command
from lowrank_ode.commands.export import exported
from lowrank_ode.commands.settings import DEFAULTS, settings_of
from lowrank_ode.commands.settings import start as started
from lowrank_ode.data import load as load_data
from lowrank_ode.nets import Network, lenet5, mlp
from lowrank_ode.nets.groups import BlockDiagonal
from lowrank_ode.nets.layers import Dense
from lowrank_ode.results import read_json

NET = mlp([64, 20, 10])
DIGITS = load_data("digits")
QUICK = ["train", "--data", "digits", "--widths", "20,20", "--epochs", "2", "--lr", "0.1"]


@pytest.fixture
def file(tmp_path):
    save(tmp_path / "net.npz", NET.init(0, 3, np.float32), NET)
    return str(tmp_path / "net.npz")


def test_predict_tells_labels_and_accuracy(file, tmp_path, capsys):
    main(["predict", file, "--data", "digits", "--out", str(tmp_path / "labels.csv")])
    head, *lines = (tmp_path / "labels.csv").read_text().splitlines()
    rows, params = np.array([line.split(",") for line in lines], int), load(file)[1]
    accuracy = NET.accuracy(params, DIGITS.test_x, DIGITS.test_labels)
    assert head == "label,prediction" and np.array_equal(rows[:, 0], DIGITS.test_labels)
    assert np.array_equal(rows[:, 1], NET.outputs(params, DIGITS.test_x).argmax(axis=1))
    assert np.mean(rows[:, 0] == rows[:, 1]) == accuracy
    assert f"test accuracy  {100 * accuracy:.2f} % of 359 images" in capsys.readouterr().out


def test_a_trained_network_predicts_as_accurately_as_it_was_said(tmp_path, capsys):
    main([*QUICK, "--out", str(tmp_path / "run.json")])
    said = read_json(tmp_path / "run.json")["records"][-1]["accuracy"]
    capsys.readouterr()
    main(["predict", str(tmp_path / "run.npz"), "--data", "digits"])
    assert f"{100 * said:.2f} % of" in capsys.readouterr().out


def test_predict_refuses_other_data_a_file_without_network_and_a_file_that_is_there(
        file, tmp_path):
    folder_of(tmp_path / "idx")
    save(tmp_path / "alone.npz", NET.init(0))
    for options, words in (
            ([file, "--data", str(tmp_path / "idx")], "x: shape"),
            ([file, "--data", "nothing"], "unknown data 'nothing'"),
            ([str(tmp_path / "alone.npz"), "--data", "digits"], "alone.npz: without a network"),
            ([str(tmp_path / "gone.npz"), "--data", "digits"], "No such file"),
            ([file, "--data", "digits", "--out", file],
             "net.npz exists: take another name, or --")):
        with pytest.raises(SystemExit, match=f"error: .*{words}"):
            main(["predict", *options])


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_exported_weights_compute_what_the_network_does(file, suffix, tmp_path):
    """By a program that knows matrices only; the factors, too."""
    def read(path):
        if suffix == ".npz":
            return dict(np.load(path))
        return pytest.importorskip("safetensors.numpy").load_file(path)

    main(["export", file, "--to", str(tmp_path / f"plain{suffix}")])
    main(["export", file, "--to", str(tmp_path / f"two{suffix}"), "--factors"])
    plain, two = (read(tmp_path / f"{name}{suffix}") for name in ("plain", "two"))
    assert {*plain} == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert {*two} == {"0.weight.K", "0.weight.V", "0.bias", "1.weight", "1.bias"}
    assert two["0.weight.K"].shape == (20, 3) and plain["0.bias"].shape == (20,)
    params, x = load(file)[1], DIGITS.test_x
    expected = NET.outputs(params, x)
    for W in (plain["0.weight"], two["0.weight.K"] @ two["0.weight.V"].T):
        hidden = np.maximum(x @ W.T + plain["0.bias"], 0)
        found = hidden @ plain["1.weight"].T + plain["1.bias"]
        assert np.abs(found - expected).max() <= 64 * np.finfo(np.float32).eps * np.linalg.norm(
            hidden, axis=1).max() * np.linalg.norm(plain["1.weight"])
    assert plain["0.weight"].dtype == np.float32


def test_names_of_what_is_exported():
    net = Network((8,), (BlockDiagonal(4, 2, bias=False), BlockDiagonal(4, 2), Dense(3)))
    assert [*exported(net, net.init(0))] == [
        "0.weight.0", "0.weight.1", "1.weight.0", "1.weight.1", "1.bias", "2.weight", "2.bias"]
    Y = LowRank(1j * np.eye(3, 2), np.diag([1, 2j]), np.eye(4, 2))
    found = exported(None, Y, factors=True)
    assert [*found] == ["weight.K", "weight.V"]
    assert np.array_equal(found["weight.K"] @ found["weight.V"].conj().T, Y.dense())
    assert [*exported(None, DirectSum([Y, np.eye(2)]))] == ["0", "1"]


def test_export_refuses_before_it_writes(file, tmp_path):
    for to, words in ((file, "net.npz exists: take another name, or --overwrite"),
                      (tmp_path / "plain.pt", "expected a name ending in .npz"),
                      (tmp_path / "gone" / "plain.npz", "there is no folder")):
        with pytest.raises(SystemExit, match=f"error: .*{words}"):
            main(["export", file, "--to", str(to)])
    assert os.listdir(tmp_path) == ["net.npz"]
    main(["export", file, "--to", file, "--overwrite"])
    with pytest.raises(SystemExit, match="no text lowrank_ode, expected a file of lowrank_ode"):
        main(["export", file, "--to", file, "--overwrite"])


@pytest.mark.parametrize("given, ranks", [("5", [5, 5, None]), ("7,3", [7, 3, None]),
                                          ("7,dense,3", [7, None, 3]),
                                          ("dense,4", [None, 4, None])])
def test_ranks_are_those_of_the_layers(given, ranks):
    options = settings_of(parser().parse_args([*QUICK, "--rank", given]))
    _, params = started(options, DIGITS, np.random.default_rng(0))
    assert [getattr(X, "rank", None) for X in params.blocks[::2]] == ranks


@pytest.mark.parametrize("options, words", [
    (["--rank", "7"] * 2 + ["--rank", "1,2,3,4"],
     "rank: got 4 entries, expected one for each of 3"),
    (["--rank", "21,3"], "rank: got 21"), (["--rank", "dense"], "rank: got 1 entries"),
    (["--validate", "1"], "--validate: got 1.0, expected a part of the training images"),
    (["--every", "0"], "every: got 0"),
    (["--plot", "x.jpg"], "--plot: got 'x.jpg', expected a nam"),
    (["--plot", "gone/x.png"], "there is no folder"), (["--out", "x.npz"], "expected FILE.json"),
])
def test_bad_options_are_one_line(options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=re.escape(words)):
        main([*QUICK, *options])
    assert not os.listdir(tmp_path)


def test_lenet5_says_which_images_are_too_small_and_what_to_do():
    with pytest.raises(SystemExit, match="error: --net lenet5: got images of 8×8 pixels, expected "
                       r"16×16 at least: .* --net mlp takes images of any size"):
        main(["train", "--data", "digits", "--net", "lenet5"])


def test_validation_leaves_the_test_images_alone_and_says_so(tmp_path, monkeypatch, capsys):
    seen, real = [], command.train
    monkeypatch.setattr(command, "train", lambda *args: seen.append(args[2]) or real(*args))
    main([*QUICK, "--validate", "0.25", "--out", str(tmp_path / "run.json")])
    held = {row.tobytes() for row in seen[0].test_x}
    assert len(seen[0].test_x) == 359 and held <= {row.tobytes() for row in DIGITS.x}
    said = capsys.readouterr().out
    assert said.count("validation accuracy") == 3 and "test accuracy" not in said


def test_records_between_epochs_are_told_with_their_step(tmp_path, capsys):
    main([*QUICK, "--every", "5", "--out", str(tmp_path / "run.json")])
    assert [r["step"] for r in read_json(tmp_path / "run.json")["records"]] == [5, 10, 12, 15, 20,
                                                                                24]
    assert re.findall(r"step (\d+)", capsys.readouterr().out) == ["5", "10", "15", "20"]


@pytest.mark.parametrize("suffix, begins", [(".png", b"\x89PNG"), (".pdf", b"%PDF"),
                                            (".svg", b"<?xml")])
def test_a_picture_of_loss_accuracy_and_ranks(suffix, begins, tmp_path):
    for method in (["--every", "9"], ["--method", "dense"]):
        main([*QUICK, *method, "--plot", str(tmp_path / f"run{suffix}")])
        assert (tmp_path / f"run{suffix}").read_bytes().startswith(begins)


def test_without_a_package_for_it_there_is_no_bar_and_a_picture_is_refused_at_once(monkeypatch):
    for package in ("tqdm", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, package, None)
    main(QUICK)
    with pytest.raises(SystemExit, match=r'matplotlib is missing: pip install "lowrank_ode\[fig'):
        main([*QUICK, "--plot", "run.png"])


def test_the_first_example_of_the_help_reaches_nine_in_ten(tmp_path):
    line = next(line for line in command.EXAMPLES.splitlines() if "--data" in line)
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "lowrank_ode"]
    main([*words[3:], "--out", str(tmp_path / "run.json")])
    assert read_json(tmp_path / "run.json")["records"][-1]["accuracy"] >= 0.9


def test_what_the_help_says_of_defaults_is_so():
    told = subprocess.run([sys.executable, "-m", "lowrank_ode", "train", "--help"],
                          capture_output=True, text=True, check=True,
                          env={**os.environ, "COLUMNS": "1000"}).stdout
    told = re.sub(r"\n {9,}", " ", told.partition("examples:")[0])
    for name, default in DEFAULTS.items():
        words = ",".join(map(str, default)) if isinstance(default, list) else f"{default}"
        (line,) = re.findall(rf"^  --{name} .*", told, re.M)
        if default is not None:
            assert re.sub(r"\.0$", "", words) in re.search(r"\(default (.*)\)$", line)[1]


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"lowrank_ode {__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_lenet5_is_exported_with_its_windows_unfolded():
    net = lenet5((16, 16, 1), 4)
    found = exported(net, net.init(0, 2), factors=True)
    assert found["1.weight.K"].shape == (20, 2) and found["1.weight.V"].shape == (25, 2)
    assert {name.partition(".")[0] for name in found} == {"1", "4", "7", "8"}
