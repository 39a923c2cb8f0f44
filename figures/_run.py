"""Where results go, how they are resumed, and how a figure is made from them.

A figure module has SETTINGS[scale], compute(settings, run) → dict and draw(data) → Figure; run(function, jobs) → results is `run_jobs`,
with its folder NAME.jobs beside the JSON. scale is "small" (seconds, for a check that all is well; written to figures/small/), "default"
(minutes) or "full" (paper scale; NAME_full.json, NAME_full.png, NAME_full.jobs).
"""

import io
from pathlib import Path

from lowrank_ode.results import read_json, write_json, write_whole

from ._jobs import remove_jobs, run_jobs
from ._pages import render

FOLDER = Path(__file__).parent
SCALES = ("small", "default", "full")


def paths(name, scale):
    """(JSON, PNG) of a figure."""
    folder, suffix = (FOLDER / "small", "") if scale == "small" else (FOLDER, "_full" if scale == "full" else "")
    return folder / f"{name}{suffix}.json", folder / f"{name}{suffix}.png"


def produce(module, scale):
    """Compute (resuming what an interrupted run left), write the JSON, draw it, write the PNG; returns the data."""
    name = module.__name__.rpartition(".")[2]
    json_path, _ = paths(name, scale)
    json_path.parent.mkdir(exist_ok=True)
    folder, settings, keys = json_path.with_suffix(".jobs"), module.SETTINGS[scale], []

    def run(function, jobs):
        keys.extend(jobs)
        return run_jobs(function, jobs, folder)

    data = {"figure": name, "scale": scale, "settings": settings, **module.compute(settings, run)}
    write_json(json_path, data)
    remove_jobs(keys, folder)
    redraw(module, scale)
    return data


def redraw(module, scale):
    """Draw a figure from its JSON, without computing; and, if it has a HEAD, write its table as NAME.md and into the pages that show it."""
    json_path, png_path = paths(module.__name__.rpartition(".")[2], scale)
    data = read_json(json_path)
    figure = module.draw(data)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    figure.clear()
    write_whole(png_path, picture.getvalue())
    if hasattr(module, "HEAD"):
        write_whole(png_path.with_suffix(".md"), markdown(module, data).encode())
        render()
    return png_path


def markdown(module, data):
    """The table of a figure, with where it comes from."""
    rows = "\n".join(module.table(data))
    return f"Data: {data['data']}.\n\n{module.HEAD}\n{'|---' * (module.HEAD.count('|') - 1)}|\n{rows}\n"
