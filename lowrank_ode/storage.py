"""Matrices and networks as files: `save` and `load`, .npz or .safetensors.

A file holds arrays and one text, and no pickle: to open it runs no code of it. The blocks of a
DirectSum are the arrays 0, 1, …, those of a LowRank 0.U, 0.S, 0.V; a matrix by itself is W, or U,
S, V. The text, `lowrank_ode`, is JSON: the format, the kinds of the blocks, the network, and what
was given beside them.
"""

import json
import os
from itertools import chain

import numpy as np

from .archives import read_arrays, write_arrays
from .matrices import DirectSum, LowRank
from .matrices.augmented import array_of
from .matrices.validation import check_finite, check_matrix
from .nets import Network
from .nets.text import network_from, text_of
from .results import json_text

FORMAT = 1
ENTRY = "lowrank_ode"


def save(path: str | os.PathLike, params: DirectSum | LowRank | np.ndarray,
         net: Network | None = None, **about) -> None:
    """Write params, the network if given, and what is to be known about them, as JSON can tell it,
    to path in one step: whoever opens it, even after a crash, finds the old file or the new one.

    `load` gives back the same bits in the same precision; tuples in `about` become lists. path ends
    in .npz, or in .safetensors, which others read, too.

    Raises ValueError for another ending, for a matrix that is not of finite floats, single or
    double, for params that do not fit the network, for a network with a layer, an activation or a
    loss of one's own, whose code no file can hold, for NaN in `about`, and for complex numbers in a
    .safetensors; TypeError for what is no matrix, and for what JSON does not have; ImportError
    where the library safetensors is needed and missing; OSError if the file cannot be written.
    """
    if net is not None:
        text = text_of(net)
        net.split(params)
    blocks = params.blocks if isinstance(params, DirectSum) else [params]
    kinds = ["LowRank" if isinstance(X, LowRank) else "ndarray" for X in blocks]
    is_sum, arrays = isinstance(params, DirectSum), {}
    for k, X in enumerate(blocks):
        arrays.update(_arrays(X, f"params.blocks[{k}]" if is_sum else "params",
                              names(str(k) if is_sum else "", kinds[k])))
    header = {"format": FORMAT, "blocks": kinds if is_sum else kinds[0],
              "network": None if net is None else text, "about": about}
    write_arrays(path, arrays, {ENTRY: json_text(path, header)})


def load(path: str | os.PathLike) -> tuple[Network | None, DirectSum | LowRank | np.ndarray, dict]:
    """(net, params, about), as they were given to `save`; net is None where there was none.

    Raises ValueError, naming path, for a file that is cut short, damaged, of another kind or
    another format, with arrays that it should not have or lacks, of objects (a pickle), or not
    finite; OSError if it cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save(f"{folder}/Y.npz", LowRank(np.eye(4, 1), np.eye(1), np.eye(3, 1)), h=0.1)
    ...     load(f"{folder}/Y.npz")
    (None, <4×3 LowRank matrix of rank 1, float64>, {'h': 0.1})
    """
    arrays, texts = read_arrays(path)
    try:
        header = _header(texts)
        params = _params(header["blocks"], arrays)
        net = None if header["network"] is None else network_from(header["network"])
        if net is not None:
            net.split(params)
        return net, params, header["about"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not as lowrank_ode.save writes it: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def names(place, kind):
    """Those of the arrays of a block: at a place among others, or "" for a matrix by itself."""
    if kind == "LowRank":
        return [f"{place}.{letter}".lstrip(".") for letter in "USV"]
    return [place or "W"]


def _arrays(X, name, keys):
    """{key: array} of a matrix; ValueError or TypeError if it is none of finite floats."""
    if not isinstance(X, LowRank):
        if not isinstance(X, np.ndarray):
            raise TypeError(f"{name}: got {type(X).__name__}, expected a LowRank, "
                            "a two-dimensional ndarray, or a DirectSum of these")
        check_finite(name, check_matrix(name, X))
        return {keys[0]: np.asarray(X)}
    found = {}
    for key, letter, factor in zip(keys, "USV", X.factors, strict=True):
        found[key] = array_of(factor, X.dtype)
        check_finite(f"{name}.{letter}", found[key])
    return found


def _header(texts):
    if ENTRY not in texts:
        raise ValueError("it has no text lowrank_ode, expected a file of lowrank_ode.save")
    header = json.loads(texts[ENTRY])
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']}, expected {FORMAT}: it is of another version "
                         "of lowrank_ode")
    return header


def _params(kinds, arrays):
    """The matrix of these kinds of blocks; ValueError unless the arrays are its own."""
    is_sum = isinstance(kinds, list)
    kinds = kinds if is_sum else [kinds]
    if unknown := [kind for kind in kinds if kind not in ("LowRank", "ndarray")]:
        raise ValueError(f"blocks of kind {unknown[0]}, expected LowRank or ndarray")
    keys = [names(str(k) if is_sum else "", kind) for k, kind in enumerate(kinds)]
    expected = [*chain(*keys)]
    if wrong := sorted(set(expected) ^ set(arrays)):
        raise ValueError(f"{'an' if wrong[0] in arrays else 'no'} array {wrong[0]}, "
                         f"expected {', '.join(expected)}")
    for name, X in arrays.items():
        check_finite(name, X)
    blocks = [LowRank(*(arrays[name] for name in own)) if len(own) == 3
              else check_matrix(own[0], arrays[own[0]]) for own in keys]
    return DirectSum(blocks) if is_sum else blocks[0]
