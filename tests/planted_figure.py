"""A planted figure, which is this file: a few numbers of its settings and of one job; and the
command `python -m figures` with it alone."""

import sys

import joblib
import pytest
from matplotlib.figure import Figure

from figures import __main__, _made, _places

SETTINGS = {scale: {"scale": scale} for scale in ("small", "default", "full")}
HEAD = "| x |"
VALUES = [1.0, 1 / 3, 1e-14]


def job(factor):
    return {"values": [factor * x for x in VALUES], "seconds": 0.5}


def compute(settings, run):
    return {"runs": [run(job, {"job": {"factor": 1}})["job"]], "cores": None,
            "processes": joblib.effective_n_jobs(None)}


def draw(data):
    return Figure()


def table(data):
    yield f"| {data['runs'][0]['values'][0]} s: {data['runs'][0]['seconds']} |"


def starts_at_one(data):
    return data["runs"][0]["values"][0] == 1.0


def starts_at_two(data):
    return data["runs"][0]["values"][0] == 2.0


def cannot_be_asked(data):
    return data["runs"][1] is None


CLAIMS = {"default": (starts_at_one,)}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """The command in an empty folder, which is returned, with this figure alone, and its results of
    every scale committed in source/figures, a checkout with one page."""
    source = tmp_path / "source/figures"
    for folder in (source, tmp_path / "source/.git", tmp_path / "here"):
        folder.mkdir(parents=True)
    (tmp_path / "page.md").write_text("<!-- table planted_figure -->\nold\n<!-- end -->\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setitem(sys.modules, "figures.planted_figure", sys.modules[__name__])
    monkeypatch.setattr(__main__, "NAMES", ["planted_figure"])
    for module in (__main__, _made, _places):
        monkeypatch.setattr(module, "FOLDER", source)
    monkeypatch.setattr("figures._pages.PAGES", [tmp_path / "page.md"])
    monkeypatch.setattr("figures._pages.FOLDER", source)
    main("--commit")
    main("--commit", "--full")
    return tmp_path


def main(*options):
    __main__.main(["planted_figure", *options])
