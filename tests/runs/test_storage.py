"""What `save` writes, `load` gives back bit by bit, and others read it. What is refused: in
test_storage_refused.py."""

import io
import json
import os
import sys
import zipfile
from dataclasses import dataclass, is_dataclass
from pathlib import Path

import numpy as np
import pytest
from bits import SUFFIXES, arrays_of, same_bits
from hypothesis import given
from hypothesis import strategies as st
from own_layers import BatchNorm, Skip
from residual_networks import residual
from strategies import random_basis, seeds

import lowrank_ode
from lowrank_ode import DirectSum, LowRank, load, save
from lowrank_ode.matrices import Identity, augment, outer
from lowrank_ode.matrices.augmented import array_of
from lowrank_ode.nets import Activation, Network, lenet5, mlp
from lowrank_ode.nets import text as network_text
from lowrank_ode.nets.groups import BlockDiagonal, Grouped
from lowrank_ode.nets.images import Flatten, MaxPool, Patches
from lowrank_ode.nets.layers import Dense

NET = mlp([6, 5, 4], "tanh")
DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def matrix(rng, dtype, kind):
    m, n, r = rng.integers(1, 7, 3)
    U, V = random_basis(rng, m, min(m, n, r)), random_basis(rng, n, min(m, n, r))
    S = np.diag(np.logspace(0, -16, U.shape[1]) * rng.choice([0, 1, -1], U.shape[1]))
    U, S, V = (np.asarray(X.astype(dtype), order=rng.choice([*"CF"])) for X in (U, S, V))
    return LowRank(U, S, V) if kind == "LowRank" else U @ S @ V.T


@given(seeds, st.sampled_from(DTYPES),
       st.lists(st.sampled_from(["LowRank", "ndarray"]), max_size=4))
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
                        BlockDiagonal(8, 2, "tanh", gain=np.float32(0.1), bias=False), Flatten(),
                        Grouped(6, 3), Dense(np.int64(3), "identity", bias=False))),
    Network((4, 4, 1), (MaxPool(3), Flatten(), Dense(2))), residual()]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("net", NETWORKS, ids=str)
def test_a_network_comes_back_and_computes_the_same(net, suffix, tmp_path):
    params = net.init(0, 1 if len(net.weight_shapes) > 1 else None, np.float32)
    save(tmp_path / f"net{suffix}", params, net, note="mine")
    found, weights, about = load(tmp_path / f"net{suffix}")
    assert found == net and about == {"note": "mine"} and hash(found) == hash(net)
    text = network_text.text_of(net)
    assert json.loads(json.dumps(text)) == text
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


def test_the_layers_there_are_are_looked_for_once(monkeypatch):
    """Not for each layer of each file."""
    asked, modules = [], network_text.pkgutil.iter_modules
    monkeypatch.setattr(network_text.pkgutil, "iter_modules",
                        lambda path: asked.append(path) or modules(path))
    network_text.layer_classes.cache_clear()
    for _ in range(2):
        assert network_text.network_from(network_text.text_of(NET)) == NET
    assert len(asked) == 1


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


def test_a_matrix_by_itself_is_called_W_or_its_letters(tmp_path):
    for X, letters in ((np.eye(3), "W"), (LowRank(np.eye(4, 2), np.eye(2), np.eye(3, 2)), "USV")):
        save(tmp_path / "X.npz", X)
        with np.load(tmp_path / "X.npz") as file:
            assert file.files == [*letters, "lowrank_ode"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_of_another_order_of_bytes_or_apart_in_memory_are_the_same_numbers(
        suffix, tmp_path):
    X = np.random.default_rng(0).standard_normal((6, 4))
    for Y in (X.astype(">f8"), X[::2, ::-1], np.asfortranarray(X)):
        save(tmp_path / f"X{suffix}", Y)
        assert np.array_equal(load(tmp_path / f"X{suffix}")[1], Y)


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
