"""Memory for activations, used again from step to step: the system hands out new memory page by
page, at a price.

A buffer is lent until neither the array nor any view of it is alive, so that nobody sees its
numbers change.
"""

import math
import weakref
from collections import OrderedDict

import numpy as np

SIZES = 64                      # buffers of so many sizes wait to be used again, the last ones used

_lent = {}                      # by the number of a weak reference to an array: that, its buffer
_free = OrderedDict()           # by bytes: buffers of that size that nobody uses


def buffer(shape, dtype):
    """An array of that shape, of whatever was in memory."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        memory = _free[size].pop()
    except (KeyError, IndexError):
        memory = memoryview(np.empty(size, np.uint8))
    array = np.frombuffer(memory, dtype)        # the base of all its views: its own is no array
    reference = weakref.ref(array, _give_back)
    _lent[id(reference)] = reference, memory
    return array.reshape(shape)


def _give_back(reference):
    _, memory = _lent.pop(id(reference))
    _free.setdefault(len(memory), []).append(memory)
    _free[len(memory)] = _free.pop(len(memory), [])     # to the end; meanwhile it may be dropped
    if len(_free) > SIZES:
        _free.popitem(last=False)
