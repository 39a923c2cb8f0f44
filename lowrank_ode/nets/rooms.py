"""Memory for activations, used again from step to step, for the system hands out new memory page by page, at a price.

A room is lent until neither the array nor any view of it is alive, so that nobody sees its numbers change.
"""

import math
import weakref
from collections import defaultdict

import numpy as np

KEEP = 2                        # rooms that so many passes have not used go back to the system
PAGE, LINE = 4096, 64           # bytes: what lies a multiple of PAGE apart has the same few places in the cache, of LINE bytes each

_passes = 0
_lent = {}                      # by the number of a weak reference: that reference, to an array, and the bytes and buffer of its room
_free = defaultdict(list)       # bytes: [(pass, buffer)] of that size that nobody uses, and when it came back, the oldest first


def begin_pass():
    """To be called before a network asks for its rooms: those of another network, or of another batch, are kept for a while only."""
    global _passes
    _passes += 1
    for rooms in list(_free.values()):
        while (oldest := rooms[:1]) and oldest[0][0] < _passes - KEEP:      # another thread may take one meanwhile
            del rooms[:1]


def room(shape, dtype):
    """An array of that shape, of whatever was in memory.

    Rows of a matrix that would lie a multiple of PAGE apart lie a LINE further, for products that fill them.
    """
    *rows, n = shape
    item = np.dtype(dtype).itemsize
    apart = n + (LINE // item if len(rows) == 1 and n * item % PAGE == 0 else 0)
    size = math.prod(rows) * apart * item
    try:
        _, buffer = _free[size].pop()
    except IndexError:
        buffer = memoryview(np.empty(size, np.uint8))
    array = np.frombuffer(buffer, dtype)                        # the base of all its views, for its own base is no array
    reference = weakref.ref(array, _give_back)
    _lent[id(reference)] = reference, size, buffer
    return array.reshape(*rows, apart)[..., :n]


def _give_back(reference):
    _, size, buffer = _lent.pop(id(reference))
    _free[size].append((_passes, buffer))
