"""Results as files, JSON above all: written whole or not at all, whatever interrupts it."""
import json
import os
import re
import secrets
from pathlib import Path

import numpy as np


def write_json(path, data):
    """Write data as JSON at path, as `write_whole` does.

    NumPy arrays become lists and NumPy scalars numbers. ValueError: a NaN or an infinity, which
    JSON cannot say. TypeError: an object that is none of JSON's. The old file is then as it was.
    """
    text = json_text(path, data, indent=1)
    # lists of numbers on one line; a newline is never inside a string
    text = re.sub(r'\[(\n[^\[\]{}"]*)\]', lambda found: f"[{' '.join(found[1].split())}]", text)
    write_whole(path, text.encode() + b"\n")


def json_text(name, data, indent=None):
    """data as JSON; ValueError and TypeError as of `write_json`."""
    try:
        return json.dumps(data, indent=indent, allow_nan=False, default=_plain)
    except ValueError as error:
        raise ValueError(f"{name}: not written: {error}") from error


def write_whole(path, content):
    """Write bytes at path in one step: whoever opens it, at any moment, finds the old or the new.

    OSError, naming path: it cannot be written, a full disk for instance; the old file stays.
    """
    target, part = _target_and_part(path)
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        raise OSError(error.errno, f"not written ({error.strerror})", str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def read_json(path):
    """What the JSON file at path says. ValueError: cut short or not JSON; or FileNotFoundError."""
    try:
        return json.loads(Path(path).read_bytes(), parse_constant=_refuse)
    except ValueError as error:
        raise ValueError(f"{path}: not JSON, or cut short: {error}") from error


def check_writable(path):
    """Raise now, leaving nothing behind, the OSError that `write_json` would after a long run."""
    _, part = _target_and_part(path)
    try:
        open(part, "xb").close()
        part.unlink()
    except OSError as error:
        raise OSError(error.errno, f"cannot write a file there ({error.strerror})",
                      str(path)) from error


def _target_and_part(path):
    """The file meant by path, links followed, and a new name in the same folder to write to before
    it takes the file's place."""
    if not os.fspath(path):
        raise FileNotFoundError("path: got an empty name, expected that of a file")
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file to write")
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is not a regular file")
    if not target.parent.is_dir():
        kind = NotADirectoryError if target.parent.exists() else FileNotFoundError
        raise kind(f"{path}: there is no folder {target.parent}")
    return target, target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")


def _plain(value):
    for kind, plain in ((np.ndarray, np.ndarray.tolist),
                        (np.bool_, bool), (np.integer, int), (np.floating, float)):
        if isinstance(value, kind):
            return plain(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _refuse(constant):
    raise ValueError(f"{constant} is not JSON")
