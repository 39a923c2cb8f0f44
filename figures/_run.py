"""Where results go, how they are resumed, and how a figure is made from them.

A figure module has compute(scale, piece, progress) → dict and draw(data) → Figure. scale is "small" (seconds, for a check that all is
well; written to figures/small/), "default" (minutes) or "full" (paper scale; NAME_full.json, NAME_full.png).
"""

from pathlib import Path

from lowrank_ode.results import read_json, write_json

FOLDER = Path(__file__).parent
SCALES = ("small", "default", "full")


def paths(name, scale):
    """(JSON, PNG) of a figure."""
    folder, suffix = (FOLDER / "small", "") if scale == "small" else (FOLDER, "_full" if scale == "full" else "")
    return folder / f"{name}{suffix}.json", folder / f"{name}{suffix}.png"


class Pieces:
    """Finished pieces of a long computation, each written at once; a restart with the same settings computes only what is missing."""

    def __init__(self, path, settings):
        self.path, self.settings, self.done = path, settings, {}
        if path.exists():
            found = read_json(path)
            if found["settings"] == settings:
                self.done = found["pieces"]

    def __call__(self, key, compute):
        """compute() → JSON-able, unless the piece is there already."""
        if key not in self.done:
            self.done[key] = compute()
            write_json(self.path, {"settings": self.settings, "pieces": self.done})
        return self.done[key]


def produce(module, scale, progress):
    """Compute (resuming what an interrupted run left), write the JSON, draw it, write the PNG; returns the data."""
    name = module.__name__.rpartition(".")[2]
    json_path, _ = paths(name, scale)
    json_path.parent.mkdir(exist_ok=True)
    settings = module.SETTINGS[scale]
    piece = Pieces(json_path.with_suffix(".partial"), settings)
    data = {"figure": name, "scale": scale, "settings": settings, **module.compute(settings, piece, progress)}
    write_json(json_path, data)
    piece.path.unlink(missing_ok=True)
    redraw(module, scale)
    return data


def redraw(module, scale):
    """Draw a figure from its JSON, without computing."""
    json_path, png_path = paths(module.__name__.rpartition(".")[2], scale)
    figure = module.draw(read_json(json_path))
    figure.savefig(png_path, metadata={"Software": None})
    figure.clear()
    return png_path
