"""Objects named on the command line: module:Class, path/to/file.py:Class, and either with options,
module:Class(tau=0.1, solve=rk4)."""

import ast
import importlib.util
import os
import re
import sys

from ..substeps import euler, heun, rk4

SUBSTEPS = {"euler": euler, "heun": heun, "rk4": rk4}


def made_of(text, argument="target"):
    """The instance that the text names, importable from the current folder. Options are numbers,
    words, lists of these, and the names of SUBSTEPS; nothing else of the text is run.

    Raises ValueError, naming the argument, for text of another form, if the module has no such
    class, and for options that it refuses; ImportError.
    """
    match = re.fullmatch(r"(.+?):([^\W\d]\w*)(\(.*\))?", text, re.S)
    if not match:
        raise ValueError(f"{argument}: got {text!r}, expected module:Class, path/to/file.py:Class, "
                         "or module:Class(option=value)")
    module, name, call = match.groups()
    args, options = _options(text, argument, f"f{call or '()'}")
    try:
        found = _in_file(module) if module.endswith(".py") else _imported(module)
        return getattr(found, name)(*args, **options)
    except (AttributeError, TypeError, SyntaxError, ValueError) as error:
        raise ValueError(f"{argument}: got {text!r}: {error}") from error


def _options(text, argument, call):
    """The values in f(…), and those with a name."""
    try:
        call = ast.parse(call, mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise ValueError("more than one call")
        return [*map(_value, call.args)], {pair.arg: _value(pair.value) for pair in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{argument}: got {text!r}, expected numbers, words, lists of these or "
                         f"{', '.join(SUBSTEPS)} as options: {error}") from error


def _value(node):
    if isinstance(node, ast.Name) and node.id in SUBSTEPS:
        return SUBSTEPS[node.id]
    return ast.literal_eval(node)


def _imported(module):
    if os.getcwd() not in sys.path:                 # as where it is run by python -m
        sys.path.append(os.getcwd())
    return importlib.import_module(module)


def _in_file(path):
    """The module in that file; as in a script, its neighbours can be imported."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location("checked", path)
    module = sys.modules["checked"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
