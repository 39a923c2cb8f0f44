"""Where results go, how they are resumed, and how a figure is made from them.

A figure module has SETTINGS[scale], compute(settings, run) → dict and draw(data) → Figure;
run(function, jobs) → results is `run_jobs`, with its folder NAME.jobs beside the JSON. scale is
"small" (seconds, for a check that all is well; written to figures/small/), "default" (minutes) or
"full" (paper scale; NAME_full.json, NAME_full.png, NAME_full.jobs).
"""

import io
from pathlib import Path

from lowrank_ode.results import read_json, write_json, write_whole

from ._jobs import remove_jobs, run_jobs
from ._pages import render
from ._style import plt

FOLDER = Path(__file__).parent
SCALES = ("small", "default", "full")


def paths(name, scale):
    """(JSON, PNG) of a figure."""
    folder = FOLDER / "small" if scale == "small" else FOLDER
    suffix = "_full" if scale == "full" else ""
    return folder / f"{name}{suffix}.json", folder / f"{name}{suffix}.png"


def produce(module, scale):
    """Compute, resuming what an interrupted run left; write JSON and PNG; returns the data."""
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
    return redraw(module, scale)


def redraw(module, scale):
    """Draw a figure from its JSON, without computing; write its tables, if it has any, as NAME.md,
    and into the pages that show them.

    Returns the data.
    """
    json_path, png_path = paths(module.__name__.rpartition(".")[2], scale)
    data = read_json(json_path)
    figure = module.draw(data)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    plt.close(figure)
    write_whole(png_path, picture.getvalue())
    for ending, text in tables(module, data).items():
        write_whole(png_path.with_name(f"{png_path.stem}{ending}.md"), text.encode())
    render()
    return data


def tables(module, data):
    """{ending: Markdown} of the tables of a figure: HEAD and table(data), or, where there are
    several, TABLES = {ending: (HEAD, table)}."""
    one = {"": (module.HEAD, module.table)} if hasattr(module, "HEAD") else {}
    source = f"Data: {data['data']}.\n\n" if "data" in data else ""

    def text(head, table):
        rule = "|---" * (head.count("|") - 1) + "|"
        return source + "\n".join([head, rule, *table(data)]) + "\n"

    return {ending: text(*pair) for ending, pair in getattr(module, "TABLES", one).items()}
