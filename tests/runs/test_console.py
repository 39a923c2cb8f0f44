"""The commands in a shell: consoles that cannot show every character, logs of killed runs, a reader
that goes away, the backend of a notebook."""

import io
import signal
import time
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest
from idx_files import folder_of
from shell import ended, started

from figures import __main__ as figures
from lowrank_ode import BUG
from lowrank_ode import __main__ as lowrank_ode
from lowrank_ode.results import read_json

ROOT = Path(__file__).parent.parent.parent
TRAIN = ["train", "--data", "digits", "--widths", "20,20", "--rank", "5"]
CONSOLES = {"Windows pipe": {"PYTHONIOENCODING": "cp1252"},
            "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
            "C, coerced": {"LC_ALL": "C"}}


class Halved(BUG):
    """Half of a step."""

    def step(self, Y, t, h, F):
        return super().step(Y, t, h / 2, F)


@contextmanager
def console(encoding):
    """Standard output as a stream of bytes that refuses what it cannot encode."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    with redirect_stdout(stream):
        yield stream
        stream.flush()


encodings = pytest.mark.parametrize("encoding", ["cp1252", "ascii"])


@encodings
def test_a_console_that_refuses_a_character_is_planted(encoding):
    with pytest.raises(UnicodeEncodeError), console(encoding):
        print("h ‖gradient‖ > τ ‖W‖")


@encodings
def test_help_has_question_marks_for_what_a_console_does_not_have(encoding):
    for main, words in ((lowrank_ode.main, "of the paper"), (figures.main, "interrupted run")):
        for command in (["--help"], ["train", "--help"]):
            with pytest.raises(SystemExit) as ended, console(encoding) as shown:
                main(command)
            assert ended.value.code == 0 and b"usage:" in shown.buffer.getvalue()
        assert words.encode() in shown.buffer.getvalue()
        if main is lowrank_ode.main:
            assert b"h ?gradient? > ? ?W?" in shown.buffer.getvalue()
            assert "8×8".encode(encoding, "replace") in shown.buffer.getvalue()


@encodings
def test_a_folder_is_named_and_a_report_of_what_fails_is_shown(encoding, tmp_path):
    folder = folder_of(tmp_path / "größe → ∞")
    with console(encoding) as shown:
        lowrank_ode.main(["train", "--data", str(folder), "--widths", "6", "--epochs", "1",
                          "--out", str(tmp_path / "∞.json")])
    assert "größe ? ?".encode(encoding, "replace") in shown.buffer.getvalue()
    assert "größe → ∞" in read_json(tmp_path / "∞.json")["data"]
    with pytest.raises(SystemExit) as ended, console(encoding) as shown:
        lowrank_ode.main(["check", "test_console:Halved", "--seeds", "1"])
    assert ended.value.code == 1 and b"fails" in shown.buffer.getvalue()


@pytest.mark.parametrize("env", CONSOLES.values(), ids=CONSOLES)
def test_help_is_shown_in_every_shell(env):
    code, out, error = ended("-m", "lowrank_ode", "train", "--help", env=env)
    assert code == 0 and b"how to choose:" in out and not error


def test_in_a_shell_without_unicode_a_run_names_its_folder_and_an_error_is_one_line(tmp_path):
    folder = folder_of(tmp_path / "größe → ∞")
    run = ["-m", "lowrank_ode", "train", "--data", str(folder), "--widths", "6", "--epochs", "1"]
    code, out, error = ended(*run, "--out", str(tmp_path / "∞.json"), env=CONSOLES["C"])
    assert code == 0 and b"IDX files (5 train / 2 test images, from " in out and not error
    assert len(read_json(tmp_path / "∞.json")["records"]) == 1
    code, _, error = ended(*run, "--out", str(tmp_path / "∞" / "run.json"), env=CONSOLES["C"])
    assert code == 1 and error.startswith(b"error: ") and error.count(b"\n") == 1


def test_a_killed_run_in_the_background_leaves_its_log(tmp_path):
    """To a file lines go by blocks, else; the run would print for minutes before the first."""
    with open(tmp_path / "log", "wb") as log:
        run = started("-m", "lowrank_ode", *TRAIN, "--epochs", "100000", stdout=log)
    while b"epoch   2" not in (tmp_path / "log").read_bytes():
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert (tmp_path / "log").read_bytes().startswith(b"data: digits")


def test_a_reader_that_goes_away_costs_no_finished_epoch(tmp_path):
    """As `| head -2` does. An epoch is in the file before it is printed; one line tells the end."""
    run = started("-m", "lowrank_ode", *TRAIN, "--epochs", "3", "--out", str(tmp_path / "run.json"))
    assert [run.stdout.readline()[:5] for _ in range(2)] == [b"data:", b"netwo"]
    run.stdout.close()
    error = run.stderr.read()
    assert run.wait(timeout=60) == 1 and error == b"error: [Errno 32] Broken pipe\n"
    assert [record["epoch"] for record in read_json(tmp_path / "run.json")["records"]] == [1]


REDRAWN = """
import sys
from pathlib import Path
from figures import __main__, _run
source = _run.paths("orders", "default")[0]
_run.paths, _run.render = lambda *_: (source, Path(sys.argv[1])), lambda: None
__main__.main(["orders", "--redraw"])
"""


def test_figures_are_drawn_whatever_backend_a_notebook_has_left_in_the_environment(tmp_path):
    env = {"MPLBACKEND": "nowhere"}
    code, out, error = ended("-c", REDRAWN, str(tmp_path / "a.png"), env=env)
    assert code == 0 and out.startswith(b"orders: "), error
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert ended("-c", "import matplotlib", env=env)[0] == 1                # planted


def test_what_only_some_runs_need_is_imported_by_them():
    """The integrators of SciPy are slow to import. Planted: `from scipy.integrate import …`."""
    seen = """import sys, numpy, lowrank_ode
loaded = {*sys.modules}
lowrank_ode.substeps.exact(lambda t, y: -y, 0.0, numpy.ones(1), 1.0)
print(*loaded, "|", *{*sys.modules} - loaded)"""
    code, out, _ = ended("-c", seen)
    first, later = (part.split() for part in out.decode().split("|"))
    assert code == 0 and "scipy.linalg" in first and "scipy.integrate" in later
    assert not {"scipy.integrate", "matplotlib", "joblib", "tqdm", "pooch"} & {*first}
