"""Objects named on the command line: module:Class, and module:Class(tau=0.1, solve=rk4)."""

import ast
import importlib
import os
import sys

from ..integrators import method_of
from ..substeps import euler, heun, rk4

SUBSTEPS = {"euler": euler, "heun": heun, "rk4": rk4}


def class_named(target, argument="target"):
    """The class that module:Class names, importable from the current folder.

    Raises ValueError, naming the argument, if the module has none of this name, and ImportError.
    """
    module, _, name = target.partition(":")
    if not (module and name):
        raise ValueError(f"{argument}: got {target!r}, expected module:Class")
    if os.getcwd() not in sys.path:                 # as where it is run by python -m
        sys.path.append(os.getcwd())
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise ValueError(f"{argument}: {error}") from error


def method_named(text):
    """The method of module:Class or module:Class(…): arguments are numbers, words, lists of these,
    and the names of SUBSTEPS. Nothing else of the text is run.

    Raises ValueError for other arguments, those that the class refuses, and an object without step.
    """
    target, bracket, _ = text.partition("(")
    cls = class_named(target, "--method")
    try:
        call = ast.parse(f"f({text[len(target) + 1:]}" if bracket else "f()", mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise ValueError("more than one call")
        args = map(_value, call.args)
        return method_of(cls(*args, **{pair.arg: _value(pair.value) for pair in call.keywords}))
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"--method: got {text!r}, expected module:Class(…) with numbers, words, "
                         f"lists of these or {', '.join(SUBSTEPS)}: {error}") from error


def _value(node):
    if isinstance(node, ast.Name) and node.id in SUBSTEPS:
        return SUBSTEPS[node.id]
    return ast.literal_eval(node)
