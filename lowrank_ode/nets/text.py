"""A network as JSON can tell it, and back: layers by the name of their class and its fields.

The layers are those of this package: frozen dataclasses, made of numbers, words, and other layers.
"""

import importlib
import pkgutil
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Integral, Real

from .losses import LOSSES
from .networks import Network

OWN = "what is your own no file can hold: save the parameters without net, and build it again"


@cache
def layer_classes():
    """{name: class} of all layers in this folder."""
    package = __name__.rpartition(".")[0]
    folder = importlib.import_module(package).__path__
    modules = [importlib.import_module(f"{package}.{module.name}")
               for module in pkgutil.iter_modules(folder)]
    return {name: found for module in modules for name, found in vars(module).items()
            if isinstance(found, type) and is_dataclass(found) and hasattr(found, "forward")}


def text_of(net):
    """The network as a dict for JSON: shape, layers and loss.

    Raises ValueError for layers that are not of this package, and for activations and losses that
    are given as functions.
    """
    if not isinstance(net, Network):
        raise ValueError(f"net: got {type(net).__name__}, expected a Network")
    if not isinstance(net.loss, str):
        raise ValueError(f"net.loss: got {net.loss}, expected one of {', '.join(LOSSES)}: {OWN}")
    return {"shape": _told("net.shape", net.shape), "layers": _told("net.layers", net.layers),
            "loss": net.loss}


def network_from(text):
    """The Network of such a dict. Raises ValueError for a layer or a field unknown here, and what
    the constructors refuse."""
    return Network(*(_built(text[name]) for name in ("shape", "layers", "loss")))


def _told(name, value):
    """A field of a layer."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if type(value) in (tuple, list):
        return [_told(f"{name}[{k}]", item) for k, item in enumerate(value)]
    if layer_classes().get(type(value).__name__) is type(value):
        own = {field.name: _told(f"{name}.{field.name}", getattr(value, field.name))
               for field in fields(value)}
        return {type(value).__name__: own}
    raise ValueError(f"{name}: got {value!r}, expected a layer of lowrank_ode, with names for its "
                     f"functions: {OWN}")


def _built(value):
    if isinstance(value, list):
        return tuple(map(_built, value))
    if not isinstance(value, dict):
        return value
    ((name, own),) = value.items()
    if name not in layer_classes():
        raise ValueError(f"network: a layer {name}, expected one of {', '.join(layer_classes())}")
    try:
        return layer_classes()[name](**{key: _built(item) for key, item in own.items()})
    except TypeError as error:
        raise ValueError(f"network: {name}: {error}") from error
