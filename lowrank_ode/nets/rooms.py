"""Memory for activations, used again from step to step, for the system hands out new memory page by page, at a price.

A room is lent until neither the array nor any view of it is alive, so that nobody sees its numbers change.
"""

import math
import weakref
from collections import defaultdict

import numpy as np

_free = defaultdict(list)       # bytes: buffers of that size that nobody uses


def room(shape, dtype):
    """An array of that shape, of whatever was in memory."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        buffer = _free[size].pop()
    except IndexError:
        _free.clear()                                           # another network, or another batch: keep no more than is in use
        buffer = memoryview(np.empty(size, np.uint8))
    array = np.frombuffer(buffer, dtype)                        # the base of all its views, for its own base is no array
    weakref.finalize(array, _give_back, size, buffer).atexit = False
    return array.reshape(shape)


def _give_back(size, buffer):
    _free[size].append(buffer)
