"""Independent jobs, each finished one a file: a restart computes only what is missing, and any
number of processes share the work."""

import json
import traceback
from contextlib import suppress
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from urllib.parse import quote

from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from lowrank_ode.results import check_writable, read_json, write_json

from ._places import places, writing_to

FORMAT = 1


def processes(number):
    """with processes(number): jobs run in so many processes, each with one BLAS thread; with 1 in
    this process, with the threads it has.

    Ctrl-C is left to this process, which stops the others.
    """
    return parallel_config("loky", n_jobs=number, inner_max_num_threads=1, initializer=signal,
                           initargs=(SIGINT, SIG_IGN))


def run_jobs(function, jobs, folder):
    """{key: function(**arguments)} for jobs = {key: arguments}, in their order; finished jobs are
    read from folder, the others are run.

    function is one of a module, known by its name; arguments and results are what JSON can say, and
    the results are as JSON says them. The process that runs a job writes folder/KEY.json at once:
    the result, and the question that it answers. Jobs run here and in turn, or where a
    `joblib.parallel_config` around the call, such as `processes`, sends them. After an OSError (a
    full disk) no further job is handed out (several processes have their next ones already); after
    any other error in a job, or an exit, the rest is run.

    Before any job is run, ValueError: two keys have the same name, function is local, JSON cannot
    say the arguments, or a file there is not the answer to its question; OSError: folder takes no
    such file. Then RuntimeError: jobs failed, or a process died; the others' results are kept.
    """
    folder = Path(folder).absolute()
    folder.mkdir(exist_ok=True)
    paths = {key: _path(folder, key) for key in jobs}
    if len(set(paths.values())) < len(paths):
        raise ValueError(f"jobs: got keys {list(jobs)}, "
                         "expected a name of its own for each, as text")
    questions = {key: _question(function, arguments) for key, arguments in jobs.items()}
    results = {key: _read(path, questions[key]) for key, path in paths.items() if path.exists()}
    missing, failures = [key for key in jobs if key not in results], {}
    here = places()                             # tasks are taken in other threads, too
    for key in missing:
        check_writable(paths[key])

    def tasks():
        for key in missing:
            if not any(failures.values()):
                yield delayed(_answer)(key, function, questions[key], paths[key], here)

    # batch_size: no long job waits behind others of a batch
    outcomes = Parallel(return_as="generator_unordered", batch_size=1)(tasks())
    for key, result, failure, stops in tqdm(outcomes, folder.stem, len(jobs), initial=len(results),
                                            unit="job", smoothing=0, disable=None):
        if failure:
            failures[failure] = stops
        else:
            results[key] = result
    if failures:
        raise RuntimeError(_complaint(len(jobs), len(results), failures, folder))
    return {key: results[key] for key in jobs}


def _complaint(number, kept, failures, folder):
    return (f"of {number} jobs {len(failures)} failed and {number - len(failures) - kept} were not "
            f"started; {kept} are kept in {folder}, from where the same command goes on:\n"
            + "\n".join(failures))


def remove_jobs(keys, folder):
    """Remove the files of these jobs, with those that a killed process left half-written; and the
    folder, if nothing else is in it."""
    for key in keys:
        for path in (_path(folder, key), *folder.glob(f".{_path(folder, key).name}.*.part")):
            path.unlink(missing_ok=True)
    with suppress(OSError):                     # not there, or something else in it
        folder.rmdir()


def _path(folder, key):
    return folder / f"{quote(str(key), safe=' =,()')}.json"


def _question(function, arguments):
    """What the file of a finished job says beside its result."""
    name = f"{function.__module__}.{function.__qualname__}"
    if "<" in name:
        raise ValueError(f"function: got {name}, expected a function of a module, "
                         "whose name and arguments tell what it computes")
    try:
        question = {"lowrank_ode job": FORMAT, "function": name, "arguments": arguments}
        return json.loads(json.dumps(question, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"jobs: got arguments {arguments}, expected what JSON can say: "
                         f"{error}") from error


def _answer(key, function, question, path, here):
    """(key, result, None, False), the result being written; or (key, None, what went wrong, whether
    other jobs would meet it too)."""
    try:
        with writing_to(*here):                 # in a process of its own, too
            write_json(path, {**question, "result": function(**question["arguments"])})
        return key, read_json(path)["result"], None, False
    except KeyboardInterrupt:
        raise
    except BaseException as error:              # SystemExit, too: it would end the other jobs
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}"
        failure = f"{key}: {type(error).__name__}: {error} ({place})"
        return key, None, failure, isinstance(error, OSError)


def _read(path, question):
    """The result in the file at path. ValueError: it is cut short, or does not answer question."""
    try:
        found = read_json(path)
        if not isinstance(found, dict) or not {"lowrank_ode job", "result"} <= found.keys():
            raise ValueError(f"{path}: not a finished job of this package")
        result = found.pop("result")
        if found != question:
            raise ValueError(f"{path}: another job's: found {_beyond(found, question)}, "
                             f"expected {_beyond(question, found)}")
        return result
    except ValueError as error:
        raise ValueError(f"{error}; delete this file, and the job is run again, "
                         "or its folder, and all are") from error


def _beyond(a, b):
    """What a says that b does not."""
    if isinstance(a, dict) and isinstance(b, dict):
        return {key: _beyond(a[key], b.get(key)) for key in a if key not in b or a[key] != b[key]}
    return a
