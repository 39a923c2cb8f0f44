"""Results of a run beside the committed ones, and beside what is claimed."""

from ._made import apart, read
from ._places import paths

ROUNDING = 2.0**-26         # √ε: rounding has taken no more than half of the digits
SMALL = 1000 * ROUNDING     # of smaller numbers relative to this: by 1000 ε, as of a sum of ones
NOT_COMPARED = {"made", "data"}         # "data" says where on this machine they were found, too


def beside(mine, committed):
    """(verdict, how far apart, where), of results as they are read; committed may be None."""
    if committed is None:
        return "nothing committed", 0.0, ""
    those = ({key: value for key, value in apart(data)[0].items() if key not in NOT_COMPARED}
             for data in (mine, committed))
    worst, where = max(distances(*those), key=lambda found: found[0], default=(0.0, ""))
    if worst == 0:
        return "identical but for the clock", 0.0, ""
    return "within rounding" if worst <= ROUNDING else "different", worst, where


def distances(a, b, where=""):
    """(relative difference, where) of all numbers and words, inf for what is of another kind."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a | b:
            place = f"{where}.{key}" if where else str(key)
            yield from distances(a[key], b[key], place) if key in a and key in b else [
                (float("inf"), place)]
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for k, pair in enumerate(zip(a, b, strict=True)):
            yield from distances(*pair, f"{where}[{k}]")
    elif _is_number(a) and _is_number(b):
        yield abs(a - b) / max(abs(a), abs(b), SMALL), where
    else:
        yield 0.0 if a == b else float("inf"), where


def _is_number(x):
    return isinstance(x, int | float) and not isinstance(x, bool)


def failing(module, data):
    """Names of those of CLAIMS[scale], functions of the results, that do not hold; None if nothing
    is claimed of this scale."""
    claims = getattr(module, "CLAIMS", {}).get(data["scale"], ())
    return [claim.__name__ for claim in claims if not _holds(claim, data)] if claims else None


def _holds(claim, data):
    try:
        return claim(data)
    except (ArithmeticError, LookupError, StopIteration, ValueError):   # not even to be asked
        return False


def committed(name, scale):
    """The committed results, None if there are none."""
    path, _ = paths(name, scale)
    return read(path) if path.exists() else None


def line(name, found, fails):
    """Of the table, a figure: `beside`, and `failing`."""
    verdict, worst, where = found
    if worst:
        verdict += f", {worst:.1g} at {where}" if worst < float("inf") else f" at {where}"
    holds = "nothing claimed" if fails is None else "its claims hold"
    return f"{name:24}{verdict}; {'FAILS: ' + ', '.join(fails) if fails else holds}"
