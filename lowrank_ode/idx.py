"""Arrays in IDX files, the format of MNIST."""

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np


def find(folder, name):
    """The path of a file in a folder, raw, or else with .gz. FileNotFoundError: there is none."""
    for path in (Path(folder, name), Path(folder, name + ".gz")):
        if path.is_file():
            return path
    raise FileNotFoundError(f"no file {name} or {name}.gz in the folder {folder}"
                            if os.path.isdir(folder) else f"no folder {folder}")


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
