"""The files of a training run: FILE.json to read, FILE.npz to go on from.

The .npz holds the parameters and all else that the run knows, and is written first: what goes on
from it needs no other file.
"""

import zlib
from pathlib import Path

import numpy as np

from ..results import check_writable, read_json, write_json
from ..storage import load, save
from ..training import State
from .settings import given


def weights_of(out, option="--out"):
    """The .npz beside a file; ValueError if that is the file itself."""
    if Path(out).suffix == ".npz":
        raise ValueError(f"{option}: got {out}, expected FILE.json: the weights are in FILE.npz")
    return Path(out).with_suffix(".npz")


def check_new(path, overwrite, advice="take another name"):
    """ValueError if there is such a file, unless it may be overwritten; the OSError that writing it
    would raise."""
    check_writable(path)
    if Path(path).exists() and not overwrite:
        raise ValueError(f"{path} exists: {advice}, or --overwrite")


def check_out(out, overwrite):
    """Raise if FILE.json and FILE.npz cannot be written, or must not be."""
    if not out:
        raise ValueError("--out: got an empty name, expected a file")
    advice = f"go on with --resume {out}, take another name"
    check_new(out, overwrite, advice)
    check_new(weights_of(out), overwrite, advice)


def fingerprint(data):
    """A checksum of all images and labels."""
    return zlib.crc32(b"".join(zlib.crc32(np.ascontiguousarray(X)).to_bytes(4, "big") for X in (
        data.x, data.labels, data.test_x, data.test_labels)))


def write(out, result, net, state):
    """Both files; without a state, between the ends of epochs, the first alone."""
    if state is not None:
        save(weights_of(out), state.params, net, state=state.summary(), **result)
    write_json(out, result)


def read(args):
    """(result, net, state) of the run to resume.

    Raises ValueError if it is finished, for a file that is none of a run, and for options given
    that are others than those recorded; FileNotFoundError.
    """
    path = weights_of(args.resume, "--resume")
    net, params, about = load(path)
    try:
        state, settings = State(params, **about.pop("state")), about["settings"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: not of a training, expected what train --out writes: "
                         f"{error}") from error
    if net is None or not {"data", "fingerprint", "records"} <= about.keys():
        raise ValueError(f"{path}: not of a training, expected what train --out writes")
    for name, value in given(args).items():
        if settings.get(name) != value:
            raise ValueError(f"--{name}: got {value}, expected none or {settings.get(name)}, with "
                             f"which {args.resume} was made")
    if Path(args.resume).exists() and read_json(args.resume).get("settings") != settings:
        raise ValueError(f"{args.resume}: other settings than in {path}: one of them is of another "
                         "run")
    if state.epoch >= settings["epochs"]:
        raise ValueError(f"--resume: {args.resume} is finished, all of its {state.epoch} epochs")
    return about, net, state


def check_same(about, net, data, found):
    """ValueError unless data and network are those that the run was made with."""
    for name, then, now in (("data", about["data"], data.name),
                            ("data", about["fingerprint"], fingerprint(data)),
                            ("network", net, found)):
        if then != now:
            raise ValueError(f"--resume: {name}: got {now}, expected {then}, with which the run "
                             "was made")
