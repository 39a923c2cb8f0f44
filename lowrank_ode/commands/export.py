"""export FILE: the weights as plain arrays, for other programs."""

import numpy as np

from ..archives import check_ending, write_arrays
from ..matrices import LowRank
from ..matrices.augmented import array_of
from ..nets.networks import count_of_weights
from ..storage import load
from .runs import check_new


def add_to(commands):
    p = commands.add_parser("export", help="weights as plain arrays, for other programs",
                            description="Write the weights of a file as plain arrays: matrices "
                            "(outputs, inputs) k.weight and vectors k.bias of layer k = 0, 1, …. "
                            "The inputs of a convolution are its window: row, column, channel.")
    p.set_defaults(run=run)
    p.add_argument("file", metavar="FILE", help="what train --out or lowrank_ode.save wrote")
    p.add_argument("--to", metavar="FILE.npz|.safetensors", required=True)
    p.add_argument("--factors", action="store_true",
                   help="weights of low rank as two factors, k.weight.K (outputs, rank) and "
                   "k.weight.V (inputs, rank), K Vᵀ; multiplied out, else")
    p.add_argument("--overwrite", action="store_true", help="even if that file exists")


def run(args):
    check_ending(args.to)
    check_new(args.to, args.overwrite)
    net, params, _ = load(args.file)
    arrays = exported(net, params, args.factors)
    write_arrays(args.to, arrays, {})
    print("\n".join(f"{name:20} {'×'.join(map(str, X.shape)):12} {X.dtype}"
                    for name, X in arrays.items()))


def exported(net, params, factors=False):
    """{name: array} of all blocks; those of a LowRank W = K Vᴴ are two if `factors`."""
    arrays = {}
    for name, X in named_blocks(net, params):
        if isinstance(X, LowRank) and factors:
            U, S, V = (array_of(Z, X.dtype) for Z in X)
            arrays |= {f"{name}.K": U @ S, f"{name}.V": V}
        else:
            W = X.dense() if isinstance(X, LowRank) else X
            arrays[name] = np.ravel(W) if name.endswith("bias") else W
    return arrays


def named_blocks(net, params):
    """(name, block): k.weight of layer k, or k.weight.0, … if it has several, then k.bias if that
    is all; other blocks by their place in the layer, and those of no network by theirs."""
    if net is None:
        blocks = getattr(params, "blocks", None)
        yield from [("weight", params)] if blocks is None else (
            (str(k), X) for k, X in enumerate(blocks))
        return
    for k, (layer, own) in enumerate(zip(net.layers, net.split(params), strict=True)):
        weights = count_of_weights(layer)
        for j, X in enumerate(own):
            name = str(j)
            if j < weights:
                name = "weight" if weights == 1 else f"weight.{j}"
            elif weights and len(own) == weights + 1:
                name = "bias"
            yield f"{k}.{name}", X
