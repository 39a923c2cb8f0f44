"""CIFAR-10 from an archive: small ones of the same format are made here, as Python 2 pickled the
real one, or in binary; read back exactly, or refused before anything in them is run."""

import hashlib
import tarfile

import numpy as np
import pytest
from cifar_files import NUMPY, archive, array, binary, images, listed, pickled, python, text
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from lowrank_ode.cifar import augmented, read_cifar10


@pytest.mark.parametrize("kind", ["py", "bin"])
def test_an_archive_is_read_back_exactly(tmp_path, kind):
    """Pixel by pixel: row, column, channel. Planted: channels first, as the archive has them."""
    found = read_cifar10(*archive(tmp_path / "a.tar.gz", kind))
    assert (found.x.shape, found.test_x.shape, found.classes) == ((10, 3072), (4, 3072), 10)
    assert found.x.dtype == np.float32 and found.labels.dtype == np.int64
    assert found.name.startswith("CIFAR-10 (10 train / 4 test images, from ")
    first, labels = images("data_batch_2")
    for row, column, channel in ((0, 0, 0), (0, 1, 2), (31, 5, 1), (17, 31, 2)):
        pixel = first[1].reshape(3, 32, 32)[channel, row, column]
        assert found.x.reshape(-1, 32, 32, 3)[4, row, column, channel] == np.float32(pixel / 255)
    assert found.labels.tolist()[3:5] == labels and not np.allclose(found.x[4], first[1] / 255)
    assert found.test_labels.tolist() == images("test_batch")[1]


def test_both_forms_are_the_same_data(tmp_path):
    one, other = (read_cifar10(*archive(tmp_path / kind, kind)) for kind in ("py", "bin"))
    for name in ("x", "labels", "test_x", "test_labels"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_an_array_by_columns_is_read_as_it_is(tmp_path):
    changed = {"test_batch": pickled(array(images("test_batch")[0], order="F"),
                                     listed(images("test_batch")[1]))}
    one, other = (read_cifar10(*archive(tmp_path / "a", changed=new)) for new in ({}, changed))
    assert np.array_equal(one.test_x, other.test_x)


def test_the_hash_comes_first(tmp_path, monkeypatch):
    """Of another archive nothing is opened, nor of the right one cut short."""
    path, sha256 = archive(tmp_path / "a.tar.gz")
    monkeypatch.setattr(tarfile, "open", None)
    with pytest.raises(ValueError, match=r"a\.tar\.gz: wrong SHA-256: expected 6d958be0.* or c4a3"):
        read_cifar10(path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match=f"expected {sha256}, found "):
        read_cifar10(path, sha256)
    with pytest.raises(FileNotFoundError):
        read_cifar10(tmp_path / "none.tar.gz", sha256)


class Ran(Exception):
    pass


def harmful(module, name):
    """A pickle that calls a function."""
    return b"\x80\x02c" + module + b"\n" + name + b"\n(" + text(b"x") + b"tR."


X, L = images("data_batch_1")


@pytest.mark.parametrize("content, message", [
    (None, "no file cifar-10-batches-py/data_batch_1, expected one"),
    (b"", "no batch of images"), (b"hello", "no batch of images"),
    (python("data_batch_1")[:-100], "no batch of images"),
    (harmful(b"os", b"system"), r"no batch of images: os\.system, expected arrays of bytes alone"),
    (harmful(b"builtins", b"eval"), r"builtins\.eval, expected arrays"),
    (harmful(b"numpy", b"load"), r"numpy\.load, expected arrays"),
    (b"\x80\x02](e.", "list, expected a dictionary with data and labels"),
    (b"\x80\x02}(" + text(b"data") + array(X) + b"u.", "dict, expected a dictionary with data"),
    (pickled(array(X, b"i1"), listed(L)), "an array of b'i1', expected unsigned bytes"),
    (pickled(array(X, b"O8"), listed(L)), "an array of b'O8', expected unsigned bytes"),
    (pickled(array(X[:, 1:]), listed(L)), r"data: expected an array of bytes \(N, 3072\)"),
    (pickled(array(X[0]), listed(L)), "data: expected an array of bytes"),
    (pickled(text(b"abc"), listed(L)), "data: expected an array of bytes"),
    (pickled(NUMPY, listed(L)), "data: expected an array of bytes"),
    (pickled(array(X), text(b"abc")), "labels: expected a list of whole numbers"),
    (pickled(array(X), b"](" + text(b"a") + b"e"), "labels: expected a list of whole numbers"),
    (pickled(array(X), listed(L[1:])), "3 images and 2 labels, expected one for each"),
    (pickled(array(X[:0]), listed([])), "0 images and 0 labels"),
    (pickled(array(X), listed([1, 10, 0])), "labels 0 to 10, expected 0 to 9"),
    (pickled(array(X), listed([1, -1, 0])), "labels -1 to 1")])
def test_what_is_no_batch_is_refused_and_nothing_is_run(tmp_path, monkeypatch, content, message):
    def ran(*_):
        raise Ran
    monkeypatch.setattr("os.system", ran)
    with pytest.raises(ValueError, match=message):
        read_cifar10(*archive(tmp_path / "a", changed={"data_batch_1": content}))


@pytest.mark.parametrize("content, message", [
    (binary("data_batch_1")[:-1], "9218 bytes, expected a multiple of 3073"),
    (b"", "0 images and 0 labels"), (b"\x0a" + bytes(3072), "labels 10 to 10, expected 0 to 9")])
def test_what_is_no_binary_batch_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_cifar10(*archive(tmp_path / "a", "bin", {"data_batch_1": content}))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 neither", None])
def test_what_is_no_archive_or_cut_short_is_refused(tmp_path, content):
    path = tmp_path / "a"
    archive(path)
    path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(ValueError, match="a: no archive, or cut short"):
        read_cifar10(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_batch_that_is_no_file_or_too_large_is_refused(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "a", "w:gz") as tar:
        link = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    with pytest.raises(ValueError, match="no file cifar-10-batches-py/data_batch_1"):
        read_cifar10(tmp_path / "a", hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest())
    monkeypatch.setattr("lowrank_ode.cifar.MOST", 1000)
    with pytest.raises(ValueError, match="bytes, expected at most 1000"):
        read_cifar10(*archive(tmp_path / "b"))


@given(seeds, st.integers(0, 4))
def test_augmented_images_are_crops_of_the_padded_ones_and_every_other_is_flipped(seed, padding):
    """Each is one of the 2 (2p + 1)² that there are; the same rng gives the same."""
    rng, shape = np.random.default_rng(seed), (5, 6, 2)
    x = rng.random((8, 60), np.float32)
    found = augmented(x, np.random.default_rng(seed), shape, padding)
    assert np.array_equal(found, augmented(x, np.random.default_rng(seed), shape, padding))
    assert found.shape == x.shape and found.dtype == x.dtype
    p = padding
    for image, row in zip(x.reshape(8, *shape), found, strict=True):
        padded = np.pad(image, ((p, p), (p, p), (0, 0)))
        crops = [padded[i:i + 5, j:j + 6] for i in range(2 * p + 1) for j in range(2 * p + 1)]
        assert any(np.array_equal(row, crop[:, ::step].ravel())
                   for crop in crops for step in (1, -1))


def test_all_shifts_occur_and_half_of_the_images_are_flipped():
    """2000 images: each of 81 shifts, and 1000 flips up to four deviations of √500."""
    image = np.zeros((32, 32, 3))
    image[15, 16] = 1, 2, 3
    image[15, 15, 0] = -1                                   # to the left of it
    found = augmented(np.tile(image.ravel(), (2000, 1)), np.random.default_rng(0))
    found = found.reshape(-1, 32, 32, 3)
    places = [tuple(np.argwhere(one[..., 2])[0]) for one in found]
    assert {i for i, _ in places} == set(range(11, 20))
    flipped = [one[i, j - 1, 0] != -1 for one, (i, j) in zip(found, places, strict=True)]
    assert abs(sum(flipped) - 1000) <= 4 * 500**0.5
    assert len({(i, j, f) for (i, j), f in zip(places, flipped, strict=True)}) == 2 * 81


def test_rows_that_are_no_such_images_are_refused():
    with pytest.raises(ValueError, match=r"x: shape \(2, 3071\), expected \(batch, 3072\)"):
        augmented(np.ones((2, 3071)), np.random.default_rng(0))
