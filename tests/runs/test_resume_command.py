"""`train --resume`: a command that was interrupted or killed goes on, to the bit as if it had not
been; with other settings, or from a file that is none of its own, it is refused."""

import json
import os
import signal

import pytest
from bits import same_bits
from shell import started

from lowrank_ode import load, save
from lowrank_ode.__main__ import main
from lowrank_ode.nets import lenet5
from lowrank_ode.results import read_json
from lowrank_ode.training import State, train

CLI = ["train", "--data", "digits", "--widths", "20,20", "--lr", "0.3,0.1", "--batch", "64",
       "--epochs", "4", "--drop", "0.1"]


def told(folder, name="run"):
    """The two files of a run, without seconds: (settings and records, params)."""
    result = read_json(folder / f"{name}.json")
    for record in result["records"]:
        del record["seconds"]
    return result, load(folder / f"{name}.npz")[1]


def stopped(monkeypatch, folder, after, *options):
    """`train --out run.json` interrupted in the epoch after so many."""
    from lowrank_ode import training
    real, calls = training.ranks, []

    def ranks(params):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return real(params)

    with monkeypatch.context() as patch:
        patch.setattr(training, "ranks", ranks)
        with pytest.raises(SystemExit, match="interrupted"):
            main([*CLI, *options, "--out", str(folder / "run.json")])


@pytest.mark.parametrize("options", [
    (), ("--method", "bug", "--rank", "7,5"), ("--method", "dense", "--validate", "0.25"),
    ("--method", "parallel_bug_2", "--every", "10"),
    ("--method", "lowrank_ode.integrators:DLRT(tau=0.2)", "--seed", "3")],
    ids=["dlrt", "bug", "dense", "every", "own"])
def test_an_interrupted_command_goes_on_as_if_it_had_not_been(options, tmp_path, monkeypatch):
    main([*CLI, *options, "--out", str(tmp_path / "whole.json")])
    whole, weights = told(tmp_path, "whole")
    stopped(monkeypatch, tmp_path, 3 if "--every" not in options else 8, *options)
    before = len(read_json(tmp_path / "run.json")["records"])
    main(["train", "--resume", str(tmp_path / "run.json"), "--epochs", "4"])
    found, same_weights = told(tmp_path)
    assert found == whole and same_bits(same_weights, weights) and 0 < before < len(
        whole["records"])


def test_a_killed_command_goes_on(tmp_path):
    """In the middle of an epoch, without a chance to tidy up."""
    out, endless = tmp_path / "run.json", [*CLI[:-4], "--epochs", "100000"]
    process = started("-m", "lowrank_ode", *endless, "--out", str(out))
    while process.stdout.readline()[:9] != b"epoch   3":
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    about = load(tmp_path / "run.npz")[2]
    assert about["state"]["epoch"] >= 3 and len(about["records"]) == about["state"]["epoch"]
    process = started("-m", "lowrank_ode", "train", "--resume", str(out))
    first = about["state"]["epoch"] + 1
    lines = [process.stdout.readline().decode() for _ in range(3)]
    process.kill()
    process.communicate()
    assert lines[-1].startswith(f"epoch {first:3d} ")


def test_the_weights_are_written_first_so_that_a_kill_between_the_files_loses_nothing(
        tmp_path, monkeypatch):
    from lowrank_ode.commands import runs
    main([*CLI, "--out", str(tmp_path / "whole.json")])
    real, calls = runs.write_json, []

    def killed(path, result):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(path, result)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(runs, "write_json", killed)
        main([*CLI, "--out", str(tmp_path / "run.json")])
    assert len(read_json(tmp_path / "run.json")["records"]) == 1
    assert len(load(tmp_path / "run.npz")[2]["records"]) == 2
    os.remove(tmp_path / "run.json")                    # it need not be there
    main(["train", "--resume", str(tmp_path / "run.json")])
    found, whole = told(tmp_path), told(tmp_path, "whole")
    assert found[0] == whole[0] and same_bits(found[1], whole[1])


@pytest.fixture
def half(tmp_path, monkeypatch):
    """The folder of an interrupted run; what is there stays as it is."""
    stopped(monkeypatch, tmp_path, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {*before} == {"run.json", "run.npz"}
    yield tmp_path
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("options, words", [
    (["--lr", "0.3"], r"--lr: got \[0\.3\], expected none or \[0\.3, 0\.1\], with which"),
    (["--epochs", "5"], "--epochs: got 5, expected none or 4"),
    (["--method", "bug"], "--method: got bug, expected none or dlrt"),
    (["--seed", "1"], "--seed: got 1"), (["--data", "mnist5k"], "--data: got mnist5k"),
    (["--widths", "20"], "--widths: got"), (["--tau", "0.2"], "--tau: got 0.2"),
    (["--validate", "0.2"], "--validate: got 0.2, expected none or None"),
    (["--out", "other.json"], "--out: expected none with --resume"),
    (["--overwrite"], "--overwrite: expected none with --resume"),
])
def test_other_settings_than_those_recorded_are_refused_by_name(options, words, half):
    with pytest.raises(SystemExit, match=words):
        main(["train", "--resume", str(half / "run.json"), *options])


def test_a_run_is_not_written_over_unless_it_is_said(half):
    for name in ("run.json", "run.other"):
        with pytest.raises(SystemExit, match=rf"run\.(json|npz) exists: .*--resume .*{name}.*, "
                           "take another name, or --overwrite"):
            main([*CLI, "--out", str(half / name)])


def changed(path, change):
    net, params, about = load(path)
    net, params, about = change(net, params, about) or (net, params, about)
    save(path, params, net, **about)


@pytest.mark.parametrize("change, words", [
    (lambda net, params, about: about.update(fingerprint=3),
     r"--resume: data: got \d+, expected 3, with which"),
    (lambda net, params, about: about.update(data="others"),
     "--resume: data: got digits .*, expected others"),
    (lambda net, params, about: about.pop("state"), "not of a training"),
    (lambda net, params, about: about["settings"].update(seed=2), "other settings than in"),
    (lambda net, params, about: about["state"].update(epoch=4), "is finished, all of its 4 epochs"),
    (lambda net, params, about: about["state"].pop("step"), "not of a training"),
    (lambda net, params, about: (None, params, about), "not of a training"),
    (lambda net, params, about: (lenet5(), lenet5().init(0), about), "--resume: network: got"),
], ids=["images", "data", "state", "settings", "finished", "step", "no net", "net"])
def test_a_foreign_or_finished_file_is_refused(change, words, tmp_path, monkeypatch):
    stopped(monkeypatch, tmp_path, 2)
    changed(tmp_path / "run.npz",
            lambda *was: found if isinstance(found := change(*was), tuple) else None)
    with pytest.raises(SystemExit, match=words):
        main(["train", "--resume", str(tmp_path / "run.json")])


@pytest.mark.parametrize("content", [b"", b"PK", b"{}"])
def test_a_file_that_is_cut_short_is_refused(content, tmp_path, monkeypatch):
    stopped(monkeypatch, tmp_path, 2)
    (tmp_path / "run.npz").write_bytes(content)
    with pytest.raises(SystemExit, match=r"run\.npz: cut short, damaged, or no \.npz"):
        main(["train", "--resume", str(tmp_path / "run.json")])
    with pytest.raises(SystemExit,
                       match=r"--resume: got .*run\.npz, expected FILE\.json: the weigh"):
        main(["train", "--resume", str(tmp_path / "run.npz")])
    with pytest.raises(SystemExit, match=r"No such file or directory: .*none\.npz"):
        main(["train", "--resume", str(tmp_path / "none.json")])


def test_the_file_is_json_and_python_goes_on_where_the_command_stopped(tmp_path, monkeypatch):
    """What docs/10-runs.md says, in reverse."""
    from lowrank_ode.data import load as load_data
    main([*CLI, "--out", str(tmp_path / "whole.json")])
    stopped(monkeypatch, tmp_path, 2)
    net, params, about = load(tmp_path / "run.npz")
    state = State(params, **about["state"])
    *_, last = train(net, None, load_data("digits"), "dlrt", (0.3, 0.1), 64, 4, drop=0.1,
                     start=state)
    assert same_bits(last.params, told(tmp_path, "whole")[1])
    assert json.loads(json.dumps(about)) == about
