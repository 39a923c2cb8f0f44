"""Data of one's own in files: arrays in .npz, tables in .csv."""

import re

import numpy as np
import pytest
from own_data import X, Y, rows_of

from lowrank_ode.data import load

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("names", [("x", "y", "test_x", "test_y"),
                                   ("x_train", "y_train", "x_test", "y_test")])
def test_an_npz_file_has_the_arrays_and_perhaps_a_test_set(tmp_path, names):
    images = RNG.integers(0, 256, (20, 3, 4)).astype(np.uint8)
    np.savez(tmp_path / "d.npz", **dict(zip(names, (images, Y, images[:5], Y[:5]), strict=True)))
    data = load(tmp_path / "d.npz")
    assert data.shape == (3, 4, 1) and data.name.startswith("d.npz (20 train / 5 test images")
    assert np.array_equal(data.x, images.reshape(20, -1) / np.float32(255))
    np.savez(tmp_path / "d.npz", **dict(zip(names[:2], (images, Y), strict=True)))
    assert len(load(str(tmp_path / "d.npz"), rng=1).test_x) == 4


@pytest.mark.parametrize("arrays, words", [
    ({"x": X, "labels": Y}, r"d.npz: got arrays x, labels, expected x, y, test_x, test_y \(or"),
    ({"x": X, "y": Y, "test_x": X}, "got arrays x, y, test_x, expected"), ({}, "got arrays none"),
    ({"x": X, "y": np.array([None] * 20)}, r"d.npz: .*Object arrays cannot be loaded"),
])
def test_other_arrays_in_a_file_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(ValueError, match=words):
        load(tmp_path / "d.npz")


def test_half_a_file_and_another_file_are_refused(tmp_path):
    path = tmp_path / "d.npz"
    np.savez_compressed(path, x=X, y=Y)
    whole = path.read_bytes()
    np.save(tmp_path / "e.npy", X)
    for content in (whole[:100], whole[:-30], b"", b"x,y\n1,2\n", (tmp_path / "e.npy").read_bytes(),
                    whole[:150] + bytes(40) + whole[190:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(str(path))):
            load(path)


CSV = "a,label,b\n" + "".join(f"{k}.5,{k % 2},{-k}\n" for k in range(10))


def written(folder, text):
    (folder / "d.csv").write_text(text, encoding="utf-8")
    return folder / "d.csv"


def test_a_csv_file_has_a_column_of_labels_or_of_targets(tmp_path):
    truth = sorted(((k + 0.5, float(-k)), k % 2) for k in range(10))
    assert rows_of(load(written(tmp_path, CSV))) == truth
    assert rows_of(load(written(tmp_path, "\ufeff" + CSV.replace("\n", "\r\n") + "\n"))) == truth
    text = CSV.replace(",0,", ",no,").replace(",1,", ",yes,")
    assert load(written(tmp_path, text)).names == ("no", "yes")
    data = load(written(tmp_path, CSV.replace("label", "target speed")))
    assert data.names is None and data.labels.shape == (8, 1)


@pytest.mark.parametrize("text, words", [
    (CSV.replace("label", "kind"),
     "d.csv: got 3 columns a, kind, b, …, expected a first line of names"),
    (CSV.split("\n", 1)[1], "d.csv: got 3 columns 0.5, 0, 0"), ("", "got 0 columns"),
    ("a,label,target\n1,2,3\n", "expected a first line"), ("label\n1\n", "expected a first line"),
    ("a,label\n", "d.csv: expected lines behind"),
    (CSV + "1,2\n", "d.csv: line 12: got 2 columns, exp"),
    (CSV.replace("3.5", "x"), "d.csv: line 5, column 'a': got 'x', expected a number"),
    (CSV.replace("3.5", ""), "d.csv: line 5, column 'a': got '', expected a number"),
    (CSV.replace("3.5", "nan"), "expected finite values, found nan"),
    (CSV.replace("3.5,1", "3.5,"), "d.csv: line 5, column 'label': got nothing, expected a label"),
    (CSV.replace("3.5,1", "3.5,nan"), "y: got nan in row 3"),
])
def test_a_table_with_a_fault_is_refused_and_line_and_column_named(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        load(written(tmp_path, text))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "d.txt").write_text("a")
    with pytest.raises(ValueError, match=r"or of a file \.npz, \.csv or \.tar\.gz"):
        load(tmp_path / "d.txt")
