"""How results are computed, resumed, and how a figure is made from them.

A figure module has SETTINGS[scale], compute(settings, run) → dict and draw(data) → Figure;
run(function, jobs) → results is `run_jobs`, with its folder NAME.jobs beside the JSON.
CLAIMS[scale] are functions data → bool, true of the results. All is written to the folder of
`writing_to`.
"""

import io
import textwrap

from lowrank_ode.results import check_writable, write_whole

from ._jobs import remove_jobs, run_jobs
from ._made import computed_at, made, read, write
from ._places import FOLDER, found, paths, places  # noqa: F401
from ._style import plt

FORMATS = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def name_of(module):
    return module.__name__.rpartition(".")[2]


def produce(module, scale, kind="png"):
    """Compute, resuming what an interrupted run left; write JSON and picture; returns the data."""
    name = name_of(module)
    json_path, _ = paths(name, scale, places()[0])
    json_path.parent.mkdir(parents=True, exist_ok=True)
    check_writable(json_path)
    folder, settings, keys = json_path.with_suffix(".jobs"), module.SETTINGS[scale], []
    about = {"figure": name, "scale": scale, "settings": settings,
             "made": {**made(), "earlier jobs": len(list(folder.glob("*.json")))}}

    def run(function, jobs):
        keys.extend(jobs)
        return run_jobs(function, jobs, folder)

    write(json_path, {**about, **module.compute(settings, run)})
    remove_jobs(keys, folder)
    return redraw(module, scale, kind)


def redraw(module, scale, kind="png"):
    """Draw a figure from its JSON, without computing; write its tables, if it has any, as NAME.md.

    Returns the data.
    """
    name, out = name_of(module), places()[0]
    data = read([*found(name, scale), paths(name, scale, out)[0]][0])
    figure, picture = module.draw(data), io.BytesIO()
    figure.savefig(picture, format=kind, metadata=FORMATS[kind])
    plt.close(figure)
    _, path = paths(name, scale, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path.with_suffix(f".{kind}"), picture.getvalue())
    for ending, text in tables(module, data).items():
        write_whole(path.with_name(f"{path.stem}{ending}.md"), text.encode())
    return data


def tables(module, data):
    """{ending: Markdown} of the tables of a figure: HEAD and table(data), or, where there are
    several, TABLES = {ending: (HEAD, table)}."""
    one = {"": (module.HEAD, module.table)} if hasattr(module, "HEAD") else {}
    source = f"Data: {data['data']}. " if "data" in data else ""
    about = textwrap.fill(source + computed_at(data), 100)

    def text(head, table):
        rule = "|---" * (head.count("|") - 1) + "|"
        return "\n".join([about, "", head, rule, *table(data)]) + "\n"

    return {ending: text(*pair) for ending, pair in getattr(module, "TABLES", one).items()}
