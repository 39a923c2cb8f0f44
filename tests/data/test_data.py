"""Data and IDX files: read back exactly, or refused with what was expected and found."""

import gzip
import hashlib
import re
from contextlib import suppress
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from idx_files import (
    FOUR,
    IMAGES,
    LABELS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    folder_of,
    idx,
    written,
    zipped_or_not,
)

from lowrank_ode.data import Data, hold_out, load, read_idx


@zipped_or_not
@pytest.mark.parametrize("shape", [(3,), (0,), (0, 4, 4), (2, 3), (5, 28, 28), (2, 3, 1, 4)])
def test_an_idx_file_is_read_back_exactly(tmp_path, zipped, shape):
    array = np.random.default_rng(1).integers(256, size=shape, dtype=np.uint8)
    path = written(tmp_path / "any name", idx(array), zipped)
    found = read_idx(path, hashlib.sha256(idx(array)).hexdigest())
    assert found.dtype == np.uint8 and found.shape == shape and (found == array).all()


@pytest.mark.parametrize("spoil", [lambda z: z[:-9], lambda z: z + b"more",
                                   lambda z: z[:12] + bytes(8) + z[20:],
                                   lambda z: z[:-8] + bytes(8)],
                         ids=["cut short", "trailing bytes", "overwritten", "wrong checksum"])
def test_corrupt_gzip_is_refused(tmp_path, spoil):
    with pytest.raises(ValueError, match=r"f\.gz: corrupt gzip: "):
        read_idx(written(tmp_path / "f.gz", spoil(gzip.compress(idx(LABELS)))))


@zipped_or_not
@pytest.mark.parametrize("content, words", [
    (b"", "wrong magic number: expected 00 00 08 .*, found ''"),
    (b"\0\0\x08\0x", "wrong magic number: .*at least one dimension, found '00 00 08 00'"),
    (b"\0\0\x0d\1\0\0\0\0", "wrong magic number: .*, found '00 00 0d 01'"),
    (b"<html>404</html>", "wrong magic number: .*, found '3c 68 74 6d'"),
    (idx(LABELS)[:7], "truncated: expected a header of 8 bytes, found 7"),
    (idx(LABELS)[:-1], r"truncated: expected 13 bytes for the shape \(5,\), found 12"),
    (idx(LABELS) + b"x", r"too long: expected 13 bytes for the shape \(5,\), found 14"),
    (b"\0\0\x08\3" + b"\xff" * 12, f"truncated: expected {16 + (2**32 - 1)**3} bytes .*, found 16"),
    (idx(LABELS),
     f"wrong SHA-256 .*: expected {'0' * 64}, found {hashlib.sha256(idx(LABELS)).hexdigest()}"),
])
def test_each_fault_in_an_idx_file_is_refused_with_what_was_expected_and_found(
        tmp_path, zipped, content, words):
    with pytest.raises(ValueError, match=r"f\.gz: " + words):
        read_idx(written(tmp_path / "f.gz", content, zipped), sha256="0" * 64)


def test_a_missing_idx_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


@given(st.binary(max_size=80),
       st.sampled_from([b"", b"\0\0\x08", b"\0\0\x08\1\0\0\0", b"\x1f\x8b\x08"]))
def test_any_bytes_are_an_array_or_a_value_error(tmp_path_factory, content, prefix):
    with suppress(ValueError):
        assert (idx(read_idx(written(tmp_path_factory.getbasetemp() / "any", prefix + content)))
                == prefix + content)


VALID = dict(name="mine", x=np.ones((4, 3)), labels=np.array([0, 1, 2, 0]), test_x=np.ones((2, 3)),
             test_labels=np.array([2, 1]), classes=3)


def test_valid_data_is_kept_as_it_is_and_cannot_be_changed():
    made = Data(**VALID)
    assert all(getattr(made, name) is value for name, value in VALID.items())
    assert made.shape == (3,) and Data(**VALID, shape=(1, 3, 1)).shape == (1, 3, 1)
    with pytest.raises(FrozenInstanceError):
        made.classes = 4


@pytest.mark.parametrize("changed, words", [
    (dict(x=np.where(np.arange(12).reshape(4, 3) == 5, np.nan, 1)),
     r"x: expected finite values, found nan at \[1, 2\]"),
    (dict(test_x=np.full((2, 3), -np.inf)),
     r"test_x: expected finite values, found -inf at \[0, 0\]"),
    (dict(x=np.ones((4, 3), dtype=np.uint8)),
     r"x: expected .* floats, found shape \(4, 3\) of uint8"),
    (dict(x=[[0.5]] * 4), "x: expected an array .*, found list"),
    (dict(test_x=np.ones(3)),
     r"test_x: expected an array \(N, inputs\) of floats, found shape \(3,\)"),
    (dict(x=np.ones((0, 3)), labels=np.array([], int)),
     r"x: expected at least one row, found shape \(0, 3\)"),
    (dict(labels=np.array([0, 1, 2])),
     "labels: expected one label for each of the 4 rows of x, found 3"),
    (dict(test_labels=np.array([0, 1, 2])),
     "test_labels: expected one label for each of the 2 rows of test_x, found 3"),
    (dict(labels=np.array([0, 1, 2, 0.0])),
     r"labels: expected an array \(N,\) of integers, or targets .* of floats, "
     r"found shape \(4,\) of float64"),
    (dict(labels=np.array([[0, 1, 2, 0]])),
     r"labels: expected an array \(N,\) of integers, or targets .* of floats, "
     r"found shape \(1, 4\)"),
    (dict(labels=np.array([0, 1, 3, 0])), r"labels: expected integers in \[0, 3\), found 0 to 3"),
    (dict(labels=np.array([0, 1, -1, 0])), r"labels: expected integers in \[0, 3\), found -1 to 1"),
    (dict(test_labels=np.array([1, 3])),
     r"test_labels: expected integers in \[0, 3\), found 1 to 3"),
    (dict(test_x=np.ones((2, 4))), "test_x: expected 3 columns, as in x, found 4"),
    *((dict([(name, np.ma.masked_equal(VALID[name], 1))]),
       rf"{name}: expected an array .*, found a MaskedArray of shape .* of (float|int)64")
      for name in ("x", "labels", "test_x", "test_labels")),
    (dict(x=np.ones((4, 3)).view(np.matrix)), "x: expected .*, found a matrix of shape"),
    *((dict(classes=wrong), f"classes: expected a whole number ≥ 1, found {wrong}")
      for wrong in (0, -3, 3.0, "3", None)),
    *((dict(shape=wrong), r"shape: expected \(height, width, channels\) or \(inputs,\) of 3 "
       f"numbers, found {re.escape(str(wrong))}")
      for wrong in ((4,), (3, 1), (1, 1, 1), (-1, -3, 1), (1.0, 3, 1), [1, 3, 1], 3, "abc")),
])
def test_each_fault_in_data_is_refused_with_argument_and_value(changed, words):
    with pytest.raises(ValueError, match="^Data 'mine': " + words):
        Data(**(VALID | changed))


@zipped_or_not
def test_a_folder_of_idx_files_is_data_with_pixels_0_to_255_scaled_to_one(tmp_path, zipped):
    for source in (folder_of(tmp_path, zipped), str(tmp_path)):
        found = load(source)
        assert found.name == f"IDX files (5 train / 2 test images, from {tmp_path})"
        assert found.classes == 3
        assert found.x.dtype == found.test_x.dtype == np.float32
        assert found.labels.dtype == found.test_labels.dtype == np.int64
        assert (found.x == IMAGES / np.float32(255)).all()
        assert (found.test_x == IMAGES[1:3] / np.float32(255)).all()
        assert (found.labels == LABELS).all() and (found.test_labels == LABELS[1:3]).all()
        assert found.x.min() == 0 and found.x.max() == 1


@zipped_or_not
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_the_shape_of_an_image_is_that_of_its_file_rows_columns_and_channels(
        tmp_path, zipped, channels):
    """Row after row in x, so that it is found again; held out images keep it."""
    rng, tail = np.random.default_rng(0), () if channels is None else (channels,)
    images = {name: rng.integers(256, size=(n, 18, 32, *tail), dtype=np.uint8)
              for name, n in ((TRAIN_IMAGES, 5), (TEST_IMAGES, 2))}
    found = load(folder_of(tmp_path, zipped, images))
    assert found.shape == hold_out(found, 0.4).shape == (18, 32, channels or 1)
    for x, name in ((found.x, TRAIN_IMAGES), (found.test_x, TEST_IMAGES)):
        again = np.rint(255 * x.reshape(-1, *found.shape)).reshape(images[name].shape)
        assert (again == images[name]).all()


def test_data_print_a_line():
    assert repr(Data(**VALID)) == ("<Data mine: x (4, 3) of float64, examples of shape (3,), "
                                   "3 classes>")


def test_a_raw_file_is_read_before_a_gzipped_one(tmp_path):
    folder_of(tmp_path, zipped=True, changed={TRAIN_LABELS: LABELS[::-1]})
    np.testing.assert_array_equal(load(folder_of(tmp_path)).labels, LABELS)


@zipped_or_not
@pytest.mark.parametrize("name, array, error, words", [
    (TEST_LABELS, None, FileNotFoundError,
     rf"no file {TEST_LABELS} or {TEST_LABELS}\.gz in the folder"),
    (TRAIN_IMAGES, IMAGES, ValueError,
     rf"{TRAIN_IMAGES} from .*: expected images \(N, rows, columns\[, channels\]\).*\(5, 6\)"),
    (TRAIN_LABELS, IMAGES, ValueError,
     rf"{TRAIN_LABELS} from .*: expected labels \(N,\).*\(5, 6\)"),
    (TEST_IMAGES, FOUR[TEST_IMAGES][:0], ValueError,
     rf"{TEST_IMAGES} from .*: expected .* N > 0, found shape \(0, 3, 2\)"),
    (TEST_LABELS, LABELS[:0], ValueError,
     rf"{TEST_LABELS} from .*: expected .* N > 0, found shape \(0,\)"),
    (TRAIN_LABELS, LABELS[:4], ValueError,
     "labels: expected one label for each of the 5 rows of x, found 4"),
    (TEST_LABELS, LABELS, ValueError,
     "test_labels: expected one label for each of the 2 rows of test_x, found 5"),
    (TEST_LABELS, LABELS[:2] + 2, ValueError,
     r"test_labels: expected integers in \[0, 3\), found 2 to 3"),
    *((TEST_IMAGES, other, ValueError,
       rf"{TEST_IMAGES} from .*: expected images of shape \(3, 2\), as in {TRAIN_IMAGES}, "
       rf"found {re.escape(str(other.shape[1:]))}")
      for other in (FOUR[TEST_IMAGES][:, 1:], FOUR[TEST_IMAGES].reshape(2, 2, 3),
                    FOUR[TEST_IMAGES][..., None])),
    (TRAIN_LABELS, LABELS[:, None], ValueError,
     rf"{TRAIN_LABELS} from .*: expected labels \(N,\).*\(5, 1\)"),
])
def test_each_fault_in_a_folder_is_refused_and_the_folder_named(
        tmp_path, zipped, name, array, error, words):
    with pytest.raises(error, match=words) as caught:
        load(folder_of(tmp_path, zipped, {name: array}))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("source", ["mnits", "", "no/such/folder", "MNIST", __file__, None, 5])
def test_an_unknown_name_is_refused_with_the_known_ones(source):
    with pytest.raises(ValueError, match=f"'{re.escape(str(source))}': expected 'mnist', "
                       "'mnist5k', 'digits', 'cifar10' or the path of a folder"):
        load(source)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.9])
def test_images_held_out_are_training_images_as_many_of_each_class_and_in_no_other_part(fraction):
    data = load("digits")
    part = hold_out(data, fraction, 3)
    rows = sorted(map(bytes, [*part.x, *part.test_x]))
    # each training image once, no test image
    assert rows == sorted(map(bytes, data.x)) and part.classes == data.classes
    for c in range(10):
        assert sum(part.test_labels == c) == round(fraction * sum(data.labels == c))
    assert not np.array_equal(part.test_x, hold_out(data, fraction, 4).test_x)
    assert "validation" in part.name
    few = replace(data, labels=data.labels % 2)
    assert hold_out(few, fraction).classes == 10      # the network keeps its outputs
    for wrong in (0, 1, -0.5, np.nan, None, "0.5", [0.5]):
        with pytest.raises(ValueError, match="fraction: got"):
            hold_out(data, wrong)
    with pytest.raises(ValueError, match="data: got digits, expected Data, as of load"):
        hold_out("digits", fraction)
