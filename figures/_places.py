"""Where results lie: those of a run in the folder that it writes to, the committed ones here.

A figure is NAME.json, NAME.png, and its tables NAME….md; scale is "small" (seconds, for a check
that all is well; in the folder small/), "default" (minutes) or "full" (paper scale; NAME_full).
"""

from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

FOLDER = Path(__file__).parent
SCALES = ("small", "default", "full")
_places = ContextVar("places", default=None)


@contextmanager
def writing_to(out, *others):
    """with writing_to(out, …): what is computed goes to out, where what is there already, or in the
    others, need not be computed again. Without, out is the folder of what is committed."""
    token = _places.set(tuple(Path(folder).absolute() for folder in (out, *others)))
    try:
        yield
    finally:
        _places.reset(token)


def places():
    """(out, …) of `writing_to`."""
    return _places.get() or (FOLDER,)


def paths(name, scale, folder=None):
    """(JSON, PNG) of a figure, of a folder, by default the committed ones."""
    folder = (folder or FOLDER) / ("small" if scale == "small" else "")
    stem = f"{name}_full" if scale == "full" else name
    return folder / f"{stem}.json", folder / f"{stem}.png"


def found(name, scale):
    """The JSONs of a figure that there are, of `places` and the committed one, in this order."""
    those = (paths(name, scale, folder)[0] for folder in dict.fromkeys((*places(), FOLDER)))
    return [path for path in those if path.exists()]


def is_checkout():
    return (FOLDER.parent / ".git").exists()
