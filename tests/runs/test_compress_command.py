"""python -m lowrank_ode compress: arrays of a file in, fewer numbers out, or a line that says why
not."""

import json

import numpy as np
import pytest

from lowrank_ode.__main__ import main
from lowrank_ode.commands import plot

RNG = np.random.default_rng(0)
ARRAYS = {"conv.weight": RNG.standard_normal((16, 8, 3, 3)).astype(np.float32),
          "conv.bias": np.ones(16, np.float32),
          "fc.weight": RNG.standard_normal((30, 64)).astype(np.float32), "steps": np.array(3)}


def run(folder, *options, arrays=ARRAYS, budget="0.5"):
    np.savez(folder / "in.npz", **arrays)
    main(["compress", "--weights", str(folder / "in.npz"), "--budget", budget, "--out",
          str(folder / "out.npz"), *options])
    with np.load(folder / "out.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("method", ["alds", "svd", "energy", "svd_error", "l_rank"])
def test_the_same_names_and_shapes_with_errors_as_reported(tmp_path, capsys, method):
    """Planted: an error of another weight."""
    found = run(tmp_path, "--method", method, "--report", str(tmp_path / "r.json"))
    assert {name: (X.shape, X.dtype) for name, X in found.items()} == {
        name: (X.shape, X.dtype) for name, X in ARRAYS.items()}
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    errors = []
    for row in rows:
        X, Y = (Z[row["layer"]].reshape(len(Z[row["layer"]]), -1) for Z in (ARRAYS, found))
        errors.append(np.linalg.norm(X - Y, 2) / np.linalg.norm(X, 2))
        assert abs(errors[-1] - row["error"]) <= 1e-5
    assert abs(errors[0] - rows[1]["error"]) > 1e-4 and "conv.weight" in capsys.readouterr().out
    assert np.array_equal(found["conv.bias"], ARRAYS["conv.bias"])


def test_factors_are_within_the_budget_and_their_products_the_weights(tmp_path):
    whole = run(tmp_path, "--method", "svd")
    found = run(tmp_path, "--method", "svd", "--factors", "--overwrite")
    assert sum(X.size for X in found.values()) <= sum(X.size for X in ARRAYS.values()) / 2
    W = found["conv.weight.K"] @ found["conv.weight.V"].T
    W = W.reshape(16, 3, 3, 8).transpose(0, 3, 1, 2)
    assert np.abs(W - whole["conv.weight"]).max() <= 1e-4
    assert np.abs(found["fc.weight.K"] @ found["fc.weight.V"].T - whole["fc.weight"]).max() <= 1e-4


def drawn(folder, monkeypatch, budget="0.5"):
    """(labels, lengths) of the bars of a picture: largest ranks, ranks, errors."""
    kept, write = [], plot._write
    monkeypatch.setattr(plot, "_write", lambda path, figure: kept.append((path, figure)))
    run(folder, "--plot", str(folder / "run.png"), "--report", str(folder / "r.json"),
        budget=budget)
    write(*kept[0])
    ranks, errors = kept[0][1].axes
    return ([label.get_text() for label in ranks.get_yticklabels()],
            *([bar.get_width() for bar in bars] for axes in (ranks, errors)
              for bars in axes.containers))


def test_a_picture_shows_the_rank_and_the_error_of_each_weight(tmp_path, monkeypatch):
    """Planted: the numbers of another weight."""
    names, full, kept, errors = drawn(tmp_path, monkeypatch)
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert names == [row["layer"] for row in rows] == ["conv.weight", "fc.weight"]
    assert kept == [row["rank"] for row in rows] != kept[::-1]
    assert full == [min(16, 72 // rows[0]["groups"]), min(30, 64 // rows[1]["groups"])]
    assert errors == [row["error"] for row in rows] != errors[::-1]


def test_a_weight_that_stays_dense_has_its_full_rank_and_no_error(tmp_path, monkeypatch):
    _, full, kept, errors = drawn(tmp_path, monkeypatch, "1")
    assert full == kept == [16, 30] and errors == [0, 0]


@pytest.mark.parametrize("options, arrays, words", [
    (["--plot", "x.jpg"], ARRAYS, "--plot: got 'x.jpg', expected a name ending in"),
    ([], {"b": np.ones(3)}, "expected matrices or kernels"),
    ([], ARRAYS | {"w": np.eye(3) * np.nan}, "w: NaN"),
    (["--out", "x.txt"], ARRAYS, "expected a name ending in .npz"),
    (["--budget", "0"], ARRAYS, "budget: got 0"), (["--budget", "2.5"], ARRAYS, "budget: got 2.5"),
    (["--budget", "9999999"], ARRAYS, "budget: got 9999999"),
    (["--budget", "10"], ARRAYS, "budget: got 10 numbers, expected at least"),
    (["--weights", "nowhere.npz"], ARRAYS, "nowhere.npz")])
def test_what_cannot_be_done_is_said_in_a_line(
        tmp_path, capsys, monkeypatch, options, arrays, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        run(tmp_path, *options, arrays=arrays)
    said = f"{caught.value.code} {capsys.readouterr().err}"
    assert words in said and "Traceback" not in said
    assert not (tmp_path / "out.npz").exists()


def test_a_file_that_is_there_is_kept(tmp_path):
    run(tmp_path)
    before = (tmp_path / "out.npz").read_bytes()
    with pytest.raises(SystemExit):
        run(tmp_path)
    assert (tmp_path / "out.npz").read_bytes() == before
    assert run(tmp_path, "--overwrite", budget="1")["steps"] == 3
