"""Small archives of the format of CIFAR-10, as Python 2 pickled the real one, or in binary."""

import hashlib
import io
import tarfile

import numpy as np

from lowrank_ode.cifar import BATCHES

COUNTS = dict(zip(BATCHES, (3, 2, 1, 2, 2, 4), strict=True))
NUMPY, KIND = b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"


def images(name):
    """uint8 (N, 3072), channel by channel, and labels."""
    rng = np.random.default_rng(BATCHES.index(name))
    return (rng.integers(256, size=(COUNTS[name], 3072), dtype=np.uint8),
            rng.integers(10, size=COUNTS[name]).tolist())


def text(s):
    return b"T" + len(s).to_bytes(4, "little") + s


def number(k):
    return b"J" + k.to_bytes(4, "little", signed=True)


def array(A, kind=b"u1", order="C"):
    """As Python 2 pickled a NumPy array by protocol 2."""
    start = (b"cnumpy.core.multiarray\n_reconstruct\n(" + NUMPY
             + b"(" + number(0) + b"t" + text(b"b") + b"tR")
    dtype = (KIND + b"(" + text(kind) + number(0) + number(1) + b"tR(" + number(3) + text(b"|")
             + b"NNN" + number(-1) + number(-1) + number(0) + b"tb")
    shape = b"(" + b"".join(map(number, A.shape)) + b"t"
    return start + b"(" + number(1) + shape + dtype + b"I%02d\n" % (order == "F") + text(
        A.tobytes(order)) + b"tb"


def pickled(data, labels):
    return (b"\x80\x02}(" + text(b"batch_label") + text(b"some batch") + text(b"labels") + labels
            + text(b"data") + data + b"u.")


def listed(labels):
    return b"](" + b"".join(map(number, labels)) + b"e"


def python(name):
    data, labels = images(name)
    return pickled(array(data), listed(labels))


def binary(name):
    data, labels = images(name)
    return np.hstack([np.array(labels, np.uint8)[:, None], data]).tobytes()


def archive(path, kind="py", changed=()):
    """(path, its SHA-256), with other contents for some batches, None for no file."""
    make, ending = {"py": (python, ""), "bin": (binary, ".bin")}[kind]
    with tarfile.open(path, "w:gz") as tar:
        for name in BATCHES:
            content = dict(changed).get(name, make(name))
            if content is not None:
                member = tarfile.TarInfo(f"cifar-10-batches-{kind}/{name}{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()
