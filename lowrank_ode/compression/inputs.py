"""The inputs of each layer of a network, for methods that look at data."""

import numpy as np

from ..matrices.validation import check_finite

CHUNK = 1 << 22         # numbers of inputs of a layer, at most, that are looked at in one piece


def inputs_of(net, params, weights, x):
    """(weight, A) for parts of the examples, A (batch, …, m) the inputs of the layer of a weight,
    in double precision.

    Raises ValueError unless x is an array (samples ≥ 1, inputs) of finite floats.
    """
    x = _checked(net, x)
    largest = max(weight.positions * weight.shape[1] for weight in weights) if weights else 1
    at, batch = {weight.place: weight for weight in weights}, max(1, CHUNK // largest)
    blocks = net.split(params)
    for k in range(0, len(x), batch):
        part = x[k:k + batch].astype(params.blocks[0].dtype, copy=False)
        A = part.reshape(-1, *net.shape)
        for place, (layer, own) in enumerate(zip(net.layers, blocks, strict=True)):
            if place in at:
                yield at[place], A.astype(np.float64)
            A, _ = layer.forward(A, *own)


def _checked(net, x):
    if x is None:
        raise ValueError(f"x: got None, expected inputs of the training set, (samples, "
                         f"{net.inputs})")
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != net.inputs:
        raise ValueError(f"x: shape {x.shape}, expected (samples ≥ 1, {net.inputs})")
    check_finite("x", x)
    return x
