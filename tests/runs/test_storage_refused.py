"""Every file that is not whole, or not ours, is refused by name, and a save that fails leaves the
old file."""

import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from bits import SUFFIXES

from lowrank_ode import DirectSum, LowRank, load, results, save
from lowrank_ode.archives import write_arrays
from lowrank_ode.nets import mlp

NET = mlp([6, 5, 4], "tanh")


@pytest.fixture
def old(tmp_path):
    """A whole file from before, and nothing else; both are as they were after the test."""
    path = tmp_path / "net.npz"
    save(path, NET.init(0, 2), NET)
    before = path.read_bytes()
    yield path
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["net.npz"]


@pytest.mark.parametrize("params, net, about, error, words", [
    (NET.init(0), mlp([6, 3, 4]), {}, ValueError, "params: blocks of shapes"),
    (NET.init(0), NET.layers, {}, ValueError, "net: got tuple, expected a Network"),
    (np.full((2, 2), np.nan), None, {}, ValueError, "params: NaN or Inf"),
    (DirectSum([np.eye(2), np.full((2, 2), np.inf)]), None, {}, ValueError,
     r"params\.blocks\[1\]: NaN or Inf"),
    (LowRank(np.eye(3, 1), np.array([[np.nan]]), np.eye(2, 1)), None, {}, ValueError,
     r"params\.S: NaN or Inf"),
    (np.array([[object()]]), None, {}, ValueError, "params: got an array of object"),
    (np.eye(2, dtype=int), None, {}, ValueError, "params: got int64"),
    (np.eye(2, dtype=np.float16), None, {}, ValueError, "params: got float16"),
    (np.ma.array(np.eye(2)), None, {}, ValueError, "params: got a masked array"),
    (np.ones(3), None, {}, ValueError, r"params: shape \(3,\)"),
    ([np.eye(2)], None, {}, TypeError, "params: got list, expected a LowRank"),
    (np.eye(2), None, {"loss": np.nan}, ValueError, "not written: .*JSON"),
    (np.eye(2), None, {"loss": {1, 2}}, TypeError, "set cannot be written as JSON"),
])
def test_what_cannot_be_read_back_is_refused_and_the_old_file_stays(
        old, params, net, about, error, words):
    with pytest.raises(error, match=words):
        save(old, params, net, **about)


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")],
                         ids=["interrupt", "disk full"])
def test_a_save_that_fails_leaves_the_old_file_and_no_other(old, monkeypatch, where, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(os, where, fail)
    with pytest.raises((KeyboardInterrupt, OSError)):
        save(old, NET.init(1, 2), NET)


KILLED = """
import os, signal, sys
from lowrank_ode import save
from lowrank_ode.nets import mlp
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)        # all is written, none is named
save(sys.argv[1], mlp([6, 5, 4]).init(1), mlp([6, 5, 4]))
"""


def test_a_killed_save_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "net.npz"
    save(path, NET.init(0, 2), NET)
    before = path.read_bytes()
    assert subprocess.run([sys.executable, "-c", KILLED, path]).returncode == -signal.SIGKILL
    assert path.read_bytes() == before and load(path)[0] == NET
    (part,) = {*os.listdir(tmp_path)} - {"net.npz"}                 # planted: a write in place
    path.write_bytes((tmp_path / part).read_bytes()[:-40])
    with pytest.raises(ValueError, match="cut short"):
        load(path)


def test_a_folder_that_is_not_there_or_takes_no_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        save(tmp_path / "gone" / "net.npz", np.eye(2))
    with pytest.raises(OSError, match="File name too long"):
        save(tmp_path / ("n" * 240 + ".npz"), np.eye(2))
    with pytest.raises(FileNotFoundError, match=r"net\.npz"):
        load(tmp_path / "net.npz")


def test_a_read_only_folder_is_named(tmp_path, monkeypatch):
    """Root may write everywhere, so that it is played here."""
    def refused(path, mode):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(results, "open", refused, raising=False)
    with pytest.raises(PermissionError, match=r"not written \(Permission denied\): '.*net\.npz'"):
        save(tmp_path / "net.npz", np.eye(2))


@pytest.mark.parametrize("name", ["net", "net.npy", "net.pt", ""])
def test_another_ending_is_refused(name, tmp_path):
    for attempt in (lambda path: save(path, np.eye(2)), load):
        with pytest.raises(ValueError, match=r"path: got .*, expected a name ending in \.npz or"):
            attempt(tmp_path / name if name else name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_beginning_of_a_file_is_refused(suffix, tmp_path):
    path = tmp_path / f"net{suffix}"
    save(path, NET.init(0, 2), NET)
    content = path.read_bytes()
    for n in [*range(0, len(content), 37), len(content) - 1]:
        path.write_bytes(content[:n])
        with pytest.raises(ValueError, match=rf"net\{suffix}: cut short, damaged, or no \{suffix}"):
            load(path)


def test_a_changed_bit_of_any_array_is_noticed(tmp_path):
    """By the checksums of the zip: weights do not change in silence."""
    path = tmp_path / "net.npz"
    save(path, NET.init(0, 2), NET)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        ends = [info.header_offset + 30 + len(info.filename) + 20 + info.file_size
                for info in file.infolist()]
    for end in ends:
        damaged = bytearray(content)
        damaged[end - 9] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"net\.npz: cut short, damaged"):
            load(path)


class Bomb:
    """Opened as a pickle it tells so."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was opened",)


def test_a_pickle_and_an_array_of_objects_are_refused_unopened(tmp_path):
    path = tmp_path / "net.npz"
    with pytest.raises(pytest.fail.Exception):
        pickle.loads(pickle.dumps(Bomb()))                          # planted
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"net\.npz: .*not a zip file"):
        load(path)
    bombs = np.empty((1, 1), object)
    bombs[0, 0] = Bomb()
    np.savez(path, W=bombs, lowrank_ode=np.array("{}"))
    with pytest.raises(ValueError, match=r"net\.npz: .*Object arrays cannot be loaded"):
        load(path)
    with pytest.raises(ValueError, match="X: got an array of objects"):
        write_arrays(path, {"X": bombs}, {})
    np.save(path.with_suffix(".npy"), np.eye(2))
    path.with_suffix(".npy").rename(path)
    with pytest.raises(ValueError, match="not a zip file"):
        load(path)


def written(path, change=lambda header: None, **arrays):
    """A file of NET whose header or arrays somebody has changed; None removes an array."""
    save(path, NET.init(0, 2), NET)
    with np.load(path) as file:
        entries = dict(file)
    header = json.loads(str(entries["lowrank_ode"]))
    changed = change(header)
    header = changed if isinstance(changed, list) else header
    entries |= {"lowrank_ode": np.array(json.dumps(header)), **arrays}
    np.savez(path, **{name: X for name, X in entries.items() if X is not None})
    return path


@pytest.mark.parametrize("change, arrays, words", [
    (lambda header: header.update(format=2),
     {}, "format 2, expected 1: it is of another version"),
    (lambda header: header.pop("format"), {}, "not as lowrank_ode.save writes it: .*'format'"),
    (lambda header: [1], {}, "not as lowrank_ode.save writes it"),
    (lambda header: header.update(blocks=3), {}, "blocks of kind 3, expected LowRank or ndarray"),
    (lambda header: header.update(blocks=["LowRank", "ndarray", "Tucker", "ndarray"]), {},
     "blocks of kind Tucker"),
    (lambda header: header["blocks"].pop(), {}, "an array 3, expected 0.U, 0.S"),
    (lambda header: header["network"].update(layers=[{"Tensor": {}}]),
     {}, "network: a layer Tensor, expected one of .*Dense"),
    (lambda header: header["network"].update(layers=[{"Dense": {"m": 3}}]),
     {}, "network: Dense: .*unexpected keyword argument 'm'"),
    (lambda header: header["network"].update(shape=[7]), {}, "params: blocks of shapes"),
    (None, {"lowrank_ode": None}, "no text lowrank_ode, expected a file of lowrank_ode.save"),
    (None, {"0.S": None}, "no array 0.S, expected 0.U, 0.S, 0.V, 1, 2, 3"),
    (None, {"W": np.eye(2)}, "an array W, expected"),
    (None, {"note": np.array(["a", "b"])}, "an array note, expected"),
    (None, {"0.S": np.full((2, 2), np.nan)}, "0.S: NaN or Inf, expected finite numbers"),
    (None, {"1": np.full((5, 1), np.inf)}, "1: NaN or Inf"),
    (None, {"1": np.ones((5, 1), int)}, "1: got int64"),
    (None, {"1": np.array("text")}, "no array 1"),
    (None, {"0.S": np.eye(3)}, "U, S, V: shapes"),
    (None, {"1": np.ones((4, 1))}, "params: blocks of shapes"),
    (None, {"1": np.ones(5)}, "1: shape"),
])
def test_a_file_of_others_or_of_another_version_is_refused_by_name(
        change, arrays, words, tmp_path):
    assert load(written(tmp_path / "net.npz"))[0] == NET            # unchanged it is whole
    path = written(tmp_path / "net.npz", change or (lambda header: None), **arrays)
    with pytest.raises(ValueError, match=rf"net\.npz: .*{words}"):
        load(path)


def test_a_member_that_is_no_array_is_refused_by_name(tmp_path):
    path = written(tmp_path / "net.npz")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("note.txt", "text")
    with pytest.raises(ValueError, match=r"net\.npz: .*note\.txt is not an array"):
        load(path)
