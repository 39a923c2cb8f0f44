"""What `save` writes, `load` gives back bit by bit; every file that is not whole, or not ours, is
refused by name, and a save that fails leaves the old file."""

import importlib.util
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass, is_dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_layers import BatchNorm, Skip
from strategies import random_basis, seeds

import lowrank_ode
from lowrank_ode import DirectSum, LowRank, load, results, save
from lowrank_ode.archives import write_arrays
from lowrank_ode.matrices import Identity, augment, outer
from lowrank_ode.matrices.augmented import array_of
from lowrank_ode.nets import Activation, Network, lenet5, mlp
from lowrank_ode.nets import text as network_text
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense

NET = mlp([6, 5, 4], "tanh")
DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
SUFFIXES = [".npz", pytest.param(".safetensors", marks=pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is None, reason="an optional extra"))]


def arrays_of(X):
    """All arrays of a matrix, in order."""
    if isinstance(X, DirectSum):
        return [array for block in X.blocks for array in arrays_of(block)]
    return [*X] if isinstance(X, LowRank) else [X]


def same_bits(X, Z):
    """Kinds, precision, layout and bits."""
    return type(X) is type(Z) and all(
        type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
        and a.tobytes() == b.tobytes() and a.flags.f_contiguous == b.flags.f_contiguous
        for a, b in zip(arrays_of(X), arrays_of(Z), strict=True))


def matrix(rng, dtype, kind):
    m, n, r = rng.integers(1, 7, 3)
    U, V = random_basis(rng, m, min(m, n, r)), random_basis(rng, n, min(m, n, r))
    S = np.diag(np.logspace(0, -16, U.shape[1]) * rng.choice([0, 1, -1], U.shape[1]))
    U, S, V = (np.asarray(X.astype(dtype), order=rng.choice([*"CF"])) for X in (U, S, V))
    return LowRank(U, S, V) if kind == "LowRank" else U @ S @ V.T


@given(seeds, st.sampled_from(DTYPES), st.lists(st.sampled_from(["LowRank", "ndarray"]), max_size=4))
def test_any_matrix_comes_back_bit_by_bit(tmp_path_factory, seed, dtype, kinds):
    """A single one where there is one; zeros with sign, and numbers near the smallest, too."""
    rng, path = np.random.default_rng(seed), tmp_path_factory.getbasetemp() / "any.npz"
    blocks = [matrix(rng, dtype, kind) for kind in kinds]
    tiny = np.array([[-0.0, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max]], dtype)
    for X in (DirectSum([*blocks, tiny]), matrix(rng, dtype, "LowRank"), tiny):
        save(path, X, h=0.1, name="größe", list=(1, [2]), none=None)
        net, found, about = load(path)
        assert same_bits(found, X) and net is None
        assert about == {"h": 0.1, "name": "größe", "list": [1, [2]], "none": None}


def test_the_smallest_change_is_seen():
    """Planted: the last bit, the sign of 0, the precision, the layout, the kind."""
    X = np.array([[1.0, 0.0], [3.0, 4.0]])
    assert same_bits(X, X.copy())
    for other in (np.nextafter(X, 2), X * [[1, -1]], X.astype(np.float32), np.asfortranarray(X),
                  DirectSum([X])):
        assert not same_bits(X, other)


def test_sums_identities_and_bases_in_factors_are_written_as_arrays(tmp_path):
    rng = np.random.default_rng(0)
    U, V = random_basis(rng, 6, 2), random_basis(rng, 5, 2)
    wide = augment(U, rng.standard_normal((6, 2)))
    for X in (LowRank(U, np.eye(2), V) + outer(rng.standard_normal((6, 3)),
                                               rng.standard_normal((5, 3))),
              LowRank(U, Identity(2), V), LowRank(wide, rng.standard_normal((4, 2)), V)):
        save(tmp_path / "X.npz", X)
        for written, factor in zip(load(tmp_path / "X.npz")[1], X.factors, strict=True):
            assert type(written) is np.ndarray
            assert np.array_equal(written, array_of(factor))


NETWORKS = [
    NET, lenet5(), lenet5((18, 32, 3), 4, "softplus", "mean_squares"),
    Network((6, 6, 4), (Patches((3, 2), stride=2, padding=(1, 0), groups=2),
                        BlockDiagonal(8, 2, "tanh", gain=np.float64(0.1), bias=False), Flatten(),
                        Grouped(6, 3), Dense(np.int64(3), "identity", bias=False))),
    Network((4, 4, 1), (MaxPool(3), Flatten(), Dense(2)))]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("net", NETWORKS, ids=str)
def test_a_network_comes_back_and_computes_the_same(net, suffix, tmp_path):
    params = net.init(0, 1 if len(net.weight_shapes) > 1 else None, np.float32)
    save(tmp_path / f"net{suffix}", params, net, note="mine")
    found, weights, about = load(tmp_path / f"net{suffix}")
    assert found == net and about == {"note": "mine"} and hash(found) == hash(net)
    x = np.random.default_rng(1).standard_normal((3, net.inputs))
    assert np.array_equal(found.outputs(weights, x), net.outputs(params, x))
    assert [X.dtype for X in arrays_of(weights)] == [X.dtype for X in arrays_of(params)]


def test_every_layer_of_the_package_can_be_written():
    """Found by its folder: a layer that is added is known."""
    here = {name: value for module in Path(lowrank_ode.__file__).parent.glob("nets/*.py")
            for name, value in vars(__import__(f"lowrank_ode.nets.{module.stem}", fromlist=["x"])
                                    if module.stem != "__init__" else network_text).items()
            if isinstance(value, type) and is_dataclass(value) and hasattr(value, "forward")}
    assert network_text.layer_classes() == here
    assert {"Dense", "Patches", "MaxPool", "Flatten", "Grouped", "BlockDiagonal"} <= here.keys()


@dataclass(frozen=True)
class Own(Dense):
    """A layer of somebody's."""


Foreign = type("Dense", (Own,), {})             # with the name of one of ours


@pytest.mark.parametrize("net, words", [
    (Network((6,), (Own(3),)), r"net\.layers\[0\]: got Own\("),
    (Network((6,), (Foreign(3),)), r"net\.layers\[0\]: got Dense\("),
    (Network((6,), (BatchNorm(), Dense(3))), r"net\.layers\[0\]: got <own_layers\.BatchNorm"),
    (Network((6,), (Dense(6), Skip((Dense(6),)))), r"net\.layers\[1\]: got Skip\("),
    (mlp([6, 3, 2], Activation(np.tanh, lambda z: 1 - z * z)),
     r"net\.layers\[0\]\.activation: got Activation\("),
    (mlp([6, 3, 2], loss=lambda outputs, labels: (0.0, outputs)), r"net\.loss: got <function"),
], ids=["layer", "name", "class", "skip", "activation", "loss"])
def test_what_is_ones_own_no_file_can_hold_and_that_is_said(net, words, tmp_path):
    with pytest.raises(ValueError, match=words + ".*: what is your own .* save the parameters "
                       "without net, and build it again"):
        save(tmp_path / "net.npz", net.init(0), net)
    assert not os.listdir(tmp_path)
    save(tmp_path / "net.npz", net.init(0))             # as the message says
    assert load(tmp_path / "net.npz")[0] is None


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


def test_safetensors_are_read_by_others_by_the_same_names(tmp_path):
    tensors_of, params = pytest.importorskip("safetensors.numpy"), NET.init(0, 2, np.float32)
    save(tmp_path / "net.safetensors", params, NET)
    save(tmp_path / "net.npz", params, NET)
    tensors = tensors_of.load_file(tmp_path / "net.safetensors")
    with np.load(tmp_path / "net.npz") as file:
        assert {*file.files} - {*tensors} == {"lowrank_ode"} and len(tensors) == 6
        assert all(np.array_equal(file[name], X) for name, X in tensors.items())
    with pytest.raises(ValueError, match=r"W: got complex numbers, which \.safetensors"):
        save(tmp_path / "C.safetensors", np.eye(2) * 1j)
    tensors_of.save_file({"W": np.eye(2)}, tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match=r"plain\.safetensors: .*no text lowrank_ode"):
        load(tmp_path / "plain.safetensors")


def test_without_safetensors_the_extra_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for attempt in (lambda path: save(path, np.eye(2)), load):
        with pytest.raises(ImportError, match=r'pip install "lowrank_ode\[safetensors\]", or take'):
            attempt(tmp_path / "X.safetensors")
    assert not os.listdir(tmp_path)


def test_the_same_matrix_gives_the_same_file(tmp_path):
    for name in ("a.npz", "b.npz"):
        save(tmp_path / name, NET.init(0, 2), NET)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert zipfile.ZipFile(io.BytesIO((tmp_path / "a.npz").read_bytes())).testzip() is None
