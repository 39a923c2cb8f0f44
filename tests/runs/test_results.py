import json
import math
import os
import stat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowrank_ode.results import check_writable, read_json, write_json

JSON = st.recursive(st.none() | st.booleans() | st.integers()
                    | st.floats(allow_nan=False, allow_infinity=False) | st.text()
                    | st.sampled_from(["[ 1,  2 ]", "[\n 1\n]", "{"]),
                    lambda inner: st.lists(inner, max_size=4)
                    | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20)


@given(JSON)
def test_what_is_written_is_read_back_exactly(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.json"
    write_json(path, data)
    assert read_json(path) == json.loads(path.read_text()) == data
    assert path.read_bytes().endswith(b"\n") and path.read_bytes().isascii()


def test_the_layout_is_a_line_a_key_and_a_line_a_list_of_numbers(tmp_path):
    write_json(tmp_path / "a", {"method": "dlrt", "rows": [[1, 2.5], []], "names": ["[ 1,  2 ]"],
                                "one": {"h": 0.1}})
    assert (tmp_path / "a").read_text() == """{
 "method": "dlrt",
 "rows": [
  [1, 2.5],
  []
 ],
 "names": [
  "[ 1,  2 ]"
 ],
 "one": {
  "h": 0.1
 }
}
"""


def test_numpy_arrays_become_lists_and_numpy_scalars_numbers(tmp_path):
    write_json(tmp_path / "a", {"f": [np.float64(0.1), np.float32(0.5)], "i": np.int64(2**62 + 1),
                                "u": np.uint8(255), "b": np.bool_(True), "zero_d": np.array(3),
                                "array": np.arange(6).reshape(2, 3),
                                "mixed": [np.array([0.5, 1]), (1, 2)],
                                "objects": np.array([None, np.float32(2)], dtype=object),
                                "long": np.longdouble(0.25)})
    assert read_json(tmp_path / "a") == {"f": [0.1, 0.5], "i": 2**62 + 1, "u": 255, "b": True,
                                         "zero_d": 3, "array": [[0, 1, 2], [3, 4, 5]],
                                         "mixed": [[0.5, 1], [1, 2]],
                                         "objects": [None, 2], "long": 0.25}
    assert read_json(tmp_path / "a")["b"] is True


@pytest.fixture
def old(tmp_path):
    """A results file from before, in a folder with nothing else;
    after the test both must be as they were."""
    path = tmp_path / "run.json"
    path.write_text('"old"\n')
    yield path
    assert path.read_text() == '"old"\n' and os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"),
                                   np.array([1, np.inf]), [{"a": np.nan}]], ids=repr)
def test_nan_and_infinity_are_refused_and_the_old_file_stays(old, value):
    with pytest.raises(ValueError, match=r"run\.json: not written: .*not JSON compliant"):
        write_json(old, {"loss": [1.0, value]})


@pytest.mark.parametrize("value", [object(), 1j, np.array([1j]), b"bytes", {1, 2}, {(1, 2): 3}],
                         ids=lambda X: type(X).__name__)
def test_what_json_cannot_say_is_refused_and_the_old_file_stays(old, value):
    with pytest.raises(TypeError):
        write_json(old, ["first", value])


class Interrupted(dict):
    def items(self):
        yield "a", 1
        raise KeyboardInterrupt


def test_an_interrupt_while_converting_leaves_the_old_file(old):
    with pytest.raises(KeyboardInterrupt):
        write_json(old, [1, Interrupted(a=1, b=2)])


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")],
                         ids=["interrupt", "disk full"])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_failure_while_writing_leaves_the_old_file_and_no_other(old, monkeypatch, where, error):
    def fail(*args):
        assert len(os.listdir(old.parent)) == 2
        raise error

    monkeypatch.setattr(os, where, fail)
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else OSError) as raised:
        write_json(old, ["new"])
    assert (error is KeyboardInterrupt
            or str(raised.value) == f"[Errno 28] not written (No space left on device): '{old}'")


def test_all_is_written_to_disk_in_the_same_folder_before_it_takes_the_place_of_the_old_file(
        tmp_path, monkeypatch):
    path, events = tmp_path / "run.json", []
    write_json(path, "old")
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync",
                        lambda fd: (events.append(("fsync", os.fstat(fd).st_size)), fsync(fd)))
    def replaced(a, b):
        events.append(("replace", os.path.dirname(a), read_json(path)))
        replace(a, b)
    monkeypatch.setattr(os, "replace", replaced)
    write_json(path, "new")
    assert events == [("fsync", len('"new"\n')), ("replace", str(tmp_path), "old")]
    assert read_json(path) == "new" and os.listdir(tmp_path) == ["run.json"]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    write_json(tmp_path / "run.json", 1)
    (tmp_path / "other").touch()
    assert (stat.S_IMODE(os.stat(tmp_path / "run.json").st_mode)
            == stat.S_IMODE(os.stat(tmp_path / "other").st_mode))


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "there" / "run.json")
    check_writable(tmp_path / "link.json")
    write_json(tmp_path / "link.json", 1)
    assert (tmp_path / "link.json").is_symlink() and os.listdir(tmp_path / "there") == ["run.json"]


def test_a_relative_path_is_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("run.json")
    write_json("run.json", 1)
    assert os.listdir(tmp_path) == ["run.json"] and read_json("run.json") == 1


@pytest.mark.parametrize("content", [b"", b'{"loss": [1.0, 2', b'{"a": 1}{"b": 2}', b"\x93NUMPY",
                                     b"\xff\xfe", b"[1, NaN]", b"-Infinity"])
def test_what_is_cut_short_or_not_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.json: not JSON, or cut short: "):
        read_json(tmp_path / "run.json")


def test_every_beginning_of_a_file_is_refused(tmp_path):
    write_json(tmp_path / "run.json", {"loss": [1.5, 2], "done": True})
    content = (tmp_path / "run.json").read_bytes()
    for n in range(len(content) - 1):      # without the newline it is whole
        (tmp_path / "run.json").write_bytes(content[:n])
        with pytest.raises(ValueError, match="cut short"):
            read_json(tmp_path / "run.json")


def test_reading_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json"):
        read_json(tmp_path / "run.json")


@pytest.mark.parametrize("exists", [False, True])
def test_a_writable_path_passes_and_nothing_is_left_behind(tmp_path, exists):
    if exists:
        (tmp_path / "run.json").write_text("old")
    check_writable(str(tmp_path / "run.json"))
    assert os.listdir(tmp_path) == ["run.json"] * exists
    assert not exists or (tmp_path / "run.json").read_text() == "old"


@pytest.mark.parametrize("name, error, words", [
    ("missing/run.json", FileNotFoundError, "missing/run.json: there is no folder .*missing"),
    ("file/run.json", NotADirectoryError, "file/run.json: there is no folder .*file"),
    ("folder", IsADirectoryError, "folder is a folder, not a file"),
    ("pipe", OSError, "pipe is not a regular file"),
])
def test_a_path_that_cannot_be_written_is_refused_before_and_at_writing_and_nothing_is_left(
        tmp_path, name, error, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for attempt in (check_writable, lambda path: write_json(path, 1)):
        with pytest.raises(error, match=words):
            attempt(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "pipe"]


def test_a_device_is_not_replaced_by_a_file():
    for attempt in (check_writable, lambda path: write_json(path, 1)):
        with pytest.raises(OSError, match="/dev/null is not a regular file"):
            attempt("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_folder_that_takes_no_file_is_refused_with_the_reason_and_the_path(tmp_path):
    # a name ends at 255 bytes, the unfinished file's a few before
    path = tmp_path / ("n" * 240 + ".json")
    with pytest.raises(OSError,
                       match=r"cannot write a file there \(File name too long\): '.*n\.json'"):
        check_writable(path)
    assert not os.listdir(tmp_path)


def test_an_empty_name_is_not_the_current_folder(tmp_path, monkeypatch):
    """As of a variable that is not set."""
    monkeypatch.chdir(tmp_path)
    for attempt in (check_writable, lambda path: write_json(path, 1)):
        with pytest.raises(FileNotFoundError, match="path: got an empty name, expected that of a"):
            attempt("")
    assert not os.listdir(tmp_path)
