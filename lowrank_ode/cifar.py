"""CIFAR-10 from an archive of one's own, and the usual random shifts and flips [KRI09].

Nothing is downloaded, and nothing in an archive is run: its hash is compared first, and its pickled
batches are read by an unpickler that knows nothing but numbers, strings, lists, dictionaries and
arrays of bytes.
"""

import hashlib
import io
import math
import pickle
import tarfile
import zlib
from pathlib import Path

import numpy as np

from .dataset import Data

SHAPE = (32, 32, 3)
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASSES = len(NAMES)
ROW = math.prod(SHAPE)
SHA256 = {
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce": "batches-py",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd": "batches-bin",
}
BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
ARCHIVES = "cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"
MOST = 2**26                            # bytes of a batch; 31 million there


def read_cifar10(path, sha256=None):
    """`Data` of the archive cifar-10-python.tar.gz or cifar-10-binary.tar.gz at path: 50,000 and
    10,000 images (32, 32, 3), a row each, channels fastest, float32 in [0, 1].

    sha256: of the archive, if it is none of these two, such as a part of them. Raises
    FileNotFoundError if there is no file, and ValueError for another hash, for what is no archive
    of this form or is cut short, for objects that are no batch, and for labels beyond 9.
    """
    content = Path(path).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    expected = [*SHA256] if sha256 is None else [sha256]
    if found not in expected:
        raise ValueError(f"{path}: wrong SHA-256: expected {' or '.join(expected)}, found {found}")
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            kind = "bin" if _named(archive, "batches-bin/test_batch.bin") else "py"
            batches = [_batch(path, archive, name, kind) for name in BATCHES]
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ValueError(f"{path}: no archive, or cut short: {error}") from error
    images, labels = zip(*batches, strict=True)
    name = (f"CIFAR-10 ({sum(map(len, images[:-1]))} train / {len(images[-1])} test images, "
            f"from {path})")
    return Data(name, _rows(images[:-1]), np.concatenate(labels[:-1]), _rows(images[-1:]),
                labels[-1], CLASSES, SHAPE, NAMES)


def cifar10(folder):
    """`Data` of the archive in a folder, the first of ARCHIVES that is there. FileNotFoundError:
    there is none, or no folder is given; it is not downloaded."""
    paths = [Path(folder, name) for name in ARCHIVES if folder and Path(folder, name).is_file()]
    if not paths:
        where = f"the folder in LOWRANK_ODE_DATA, {folder!r}" if folder else "no LOWRANK_ODE_DATA"
        raise FileNotFoundError(
            f"cifar10: {where}: expected the environment variable LOWRANK_ODE_DATA to name a "
            f"folder with {' or '.join(ARCHIVES)}; it is not downloaded")
    return read_cifar10(paths[0])


def augmented(x, rng, shape=SHAPE, padding=4):
    """Rows of images, each shifted by up to `padding` pixels, zeros moving in, and every other one
    left for right: a crop of the padded image at random. rng is a numpy Generator.

    Raises ValueError for rows that are no images of that shape.
    """
    height, width, _ = shape
    if x.ndim != 2 or x.shape[1] != math.prod(shape):
        raise ValueError(f"x: shape {x.shape}, expected (batch, {math.prod(shape)}) for images of "
                         f"shape {tuple(shape)}")
    p = padding
    padded = np.pad(x.reshape(-1, *shape), ((0, 0), (p, p), (p, p), (0, 0)))
    down, right = rng.integers(0, 2 * p + 1, (2, len(x), 1))
    columns = right + np.arange(width)
    flipped = rng.random((len(x), 1)) < 0.5
    columns = np.where(flipped, columns[:, ::-1], columns)
    images = padded[np.arange(len(x))[:, None, None], (down + np.arange(height))[:, :, None],
                    columns[:, None, :]]
    return images.reshape(len(x), -1)


def _named(archive, name):
    """The member whose path ends like this, None if there is none."""
    return next((member for member in archive.getmembers()
                 if member.name.endswith("cifar-10-" + name)), None)


def _batch(path, archive, name, kind):
    """(images, labels) of a batch: uint8 (N, 3072), channel by channel, and int64 (N,)."""
    wanted = f"batches-{kind}/{name}" + ".bin" * (kind == "bin")
    member = _named(archive, wanted)
    if member is None or not member.isfile():
        raise ValueError(f"{path}: no file cifar-10-{wanted}, expected one")
    if member.size > MOST:
        raise ValueError(f"{path}: {member.name}: {member.size} bytes, expected at most {MOST}")
    content = archive.extractfile(member).read()
    where = f"{path}: {member.name}"
    images, labels = (_binary if kind == "bin" else _pickled)(where, content)
    if len(images) == 0 or len(labels) != len(images):
        raise ValueError(f"{where}: {len(images)} images and {len(labels)} labels, expected one "
                         "for each, and at least one")
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise ValueError(f"{where}: labels {labels.min()} to {labels.max()}, expected 0 to 9")
    return images, labels


def _binary(where, content):
    """A byte for the label and 3072 for the image, again and again."""
    if len(content) % (ROW + 1):
        raise ValueError(f"{where}: {len(content)} bytes, expected a multiple of {ROW + 1}")
    rows = np.frombuffer(content, np.uint8).reshape(-1, ROW + 1)
    return rows[:, 1:], rows[:, 0].astype(np.int64)


def _pickled(where, content):
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:          # a pickle that is none may raise anything
        raise ValueError(f"{where}: no batch of images: {error}") from error
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= batch.keys():
        raise ValueError(f"{where}: {type(batch).__name__}, expected a dictionary with data and "
                         "labels")
    images, labels = getattr(batch[b"data"], "array", None), batch[b"labels"]
    if images is None or images.ndim != 2 or images.shape[1] != ROW:
        raise ValueError(f"{where}: data: expected an array of bytes (N, {ROW})")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise ValueError(f"{where}: labels: expected a list of whole numbers")
    return images, np.array(labels, np.int64)


class _Bytes:
    """What stands for a NumPy array: unsigned bytes, in C order or Fortran's."""

    def __init__(self, *_):
        self.array = None

    def __setstate__(self, state):
        _, shape, kind, fortran, content = state
        if kind.code != b"u1":
            raise pickle.UnpicklingError(f"an array of {kind.code}, expected unsigned bytes")
        self.array = np.frombuffer(content, np.uint8).reshape(shape, order="FC"[not fortran])


class _Kind:
    """What stands for a NumPy dtype."""

    def __init__(self, code, *_):
        self.code = code

    def __setstate__(self, state):
        pass


KNOWN = {("numpy", "ndarray"): _Bytes, ("numpy", "dtype"): _Kind,
         ("numpy.core.multiarray", "_reconstruct"): lambda kind, *_: kind()}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name}, expected arrays of bytes alone")
        return KNOWN[module, name]


def _rows(batches):
    """Images as rows, row, column, channel, float32 in [0, 1]."""
    height, width, channels = SHAPE
    images = np.concatenate(batches).reshape(-1, channels, height, width)
    return np.divide(images.transpose(0, 2, 3, 1).reshape(len(images), ROW), 255, dtype=np.float32)
