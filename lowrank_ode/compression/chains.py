"""Networks in which each layer's outputs are the next one's inputs and nobody else's: there an
output can be left out, and the layers are smaller."""

from dataclasses import dataclass, replace

import numpy as np

from ..matrices import DirectSum
from ..nets.images import Flatten, MaxPool, Patches
from ..nets.layers import Dense
from .report import Report, Row
from .weights import plain, total_numbers, weights_of


@dataclass(frozen=True, eq=False)
class Chain:
    """The weights of a network, each of whose outputs are the channels that the next one sees:
    column q of a weight belongs to channel q mod channels, of which the one below has so many."""

    net: object
    params: DirectSum
    weights: list

    def numbers(self, counts):
        """Numbers of the network with so many outputs of each weight but the last."""
        total, below = 0, self.weights[0].channels
        for weight, width, n in zip(self.weights, self.widths, [*counts, None], strict=True):
            n = weight.shape[0] if n is None else n
            total += n * (weight.shape[1] // width * below + bool(weight.rest))
            below = n
        return total

    @property
    def widths(self):
        """Channels that the columns of each weight belong to."""
        return [self.weights[0].channels, *(weight.shape[0] for weight in self.weights[:-1])]

    def smaller(self, kept):
        """(net, params, report) with these outputs, an index array for each weight but the last."""
        layers, blocks, rows = list(self.net.layers), self.net.split(self.params), []
        inputs = np.arange(self.widths[0])
        for weight, width, outputs in zip(self.weights, self.widths, [*kept, None], strict=True):
            place, dtype = weight.place, blocks[weight.place][0].dtype
            outputs = np.arange(weight.shape[0]) if outputs is None else np.sort(outputs)
            columns = np.isin(np.arange(weight.shape[1]) % width, inputs)
            layers[place] = replace(layers[place], n=len(outputs))
            W = weight.W[outputs][:, columns]
            blocks[place] = [X.astype(dtype) for X in (W, *(b[outputs] for b in weight.rest))]
            rows.append(Row(place, W.shape, "dense", 1, None, None, None,
                            sum(X.size for X in blocks[place]), 2 * W.size * weight.positions))
            inputs = outputs
        flops = sum(2 * weight.W.size * weight.positions for weight in self.weights)
        return (replace(self.net, layers=tuple(layers)),
                DirectSum([X for own in blocks for X in own]),
                Report(tuple(rows), 0, total_numbers(self.params), flops))


def chain_of(net, params):
    """The network, made plain, as a `Chain`; ValueError if it has a layer of another kind than
    `Dense`, `Patches` without groups, `MaxPool` and `Flatten`, whose channels may be coupled."""
    net, params = plain(net, params)
    for place, layer in enumerate(net.layers):
        if type(layer) not in (Dense, Patches, MaxPool, Flatten) or getattr(layer, "groups", 1) > 1:
            raise ValueError(f"net: got {layer} as layer {place}, expected a chain of Dense, "
                             "Patches without groups, MaxPool and Flatten: outputs of other layers "
                             "may not be left out one by one")
    return Chain(net, params, weights_of(net, params))
