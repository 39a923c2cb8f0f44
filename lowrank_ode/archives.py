"""Named arrays and texts in one file, .npz or .safetensors; no pickle, neither way.

An .npz is a zip of NumPy's own files, with a checksum of each. A .safetensors is read by PyTorch,
JAX and others; it has neither checksums nor complex numbers, and its library is an extra.
"""

import io
import json
import lzma
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .results import write_whole

DAMAGED = (ValueError, EOFError, NotImplementedError, RuntimeError, MemoryError, OverflowError,
           SyntaxError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def write_arrays(path, arrays, texts):
    """Write the dicts {name: array}, {name: text} to path, as `write_whole` does.

    Raises ValueError for another ending than .npz and .safetensors, for an array of objects, and
    for one of complex numbers in a .safetensors, ImportError where its library is not installed.
    """
    check_ending(path)
    for name, X in arrays.items():
        if X.dtype.hasobject:
            raise ValueError(f"{path}: {name}: got an array of objects, expected one of numbers")
    if Path(path).suffix == ".npz":
        file = io.BytesIO()
        np.savez(file, **arrays, **{name: np.array(text) for name, text in texts.items()})
        return write_whole(path, file.getvalue())
    if wrong := [name for name, X in arrays.items() if X.dtype.kind == "c"]:
        raise ValueError(f"{path}: {wrong[0]}: got complex numbers, which .safetensors does not "
                         "have, expected real ones, or a name ending in .npz")
    whole = {name: np.ascontiguousarray(X) for name, X in arrays.items()}
    write_whole(path, safetensors(path).save(whole, texts))


def read_arrays(path):
    """({name: array}, {name: text}) of the file at path. Raises ValueError, naming path, if it is
    cut short, damaged, no such file, or has arrays of objects, that is pickles."""
    check_ending(path)
    content = Path(path).read_bytes()           # once: what changes later is not read
    try:
        if Path(path).suffix == ".npz":
            return _unzipped(content)
        arrays = safetensors(path).load(content)
        size = int.from_bytes(content[:8], "little")
        return arrays, json.loads(content[8:8 + size]).get("__metadata__", {})
    except ImportError:
        raise
    except Exception as error:
        if isinstance(error, DAMAGED) or type(error).__name__ == "SafetensorError":
            raise ValueError(f"{path}: cut short, damaged, or no {Path(path).suffix}: "
                             f"{error}") from error
        raise


def check_ending(path):
    """ValueError unless path ends in .npz or .safetensors; ImportError where the library of the
    latter is not installed."""
    if Path(path).suffix not in (".npz", ".safetensors"):
        raise ValueError(f"path: got {str(path)!r}, expected a name ending in .npz or .safetensors")
    if Path(path).suffix == ".safetensors":
        safetensors(path)


def safetensors(path):
    """The library, for arrays of NumPy's."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(f"{path}: safetensors is missing: pip install "
                          '"lowrank_ode[safetensors]", or take a name ending in .npz') from error
    return safetensors.numpy


def _unzipped(content):
    if content[:2] != b"PK":
        raise ValueError("it is not a zip file")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if wrong := [name for name, X in arrays.items() if not isinstance(X, np.ndarray)]:
        raise ValueError(f"{wrong[0]} is not an array")
    texts = {name: str(arrays.pop(name)) for name in [*arrays]
             if arrays[name].dtype.kind == "U" and not arrays[name].ndim}
    return arrays, texts
