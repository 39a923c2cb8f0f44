"""python -m mutation [--jobs N] [FILE …]: break the core in each way that setup.cfg names, one at a time, and see whether the tests notice.

docs/mutation.json keeps, for each file, the outcome of its last run; docs/mutation-results.md shows it, beside the reasons why some mutants
cannot be noticed (mutation/equivalent.txt). Ends with an error if a mutant lives without a reason, or a reason belongs to no mutant alive.
"""

import argparse
import json
import multiprocessing
import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"        # before NumPy is loaded

from tqdm import tqdm

from .mutants import CONFIG, ROOT, mutants
from .report import reasons, report
from .trial import prepare, trial

OUTCOME, PAGE, HINTS = ROOT / "docs/mutation.json", ROOT / "docs/mutation-results.md", ROOT / "mutation/killers.json"
EQUIVALENT = ROOT / "mutation/equivalent.txt"


def main():
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__.partition(": ")[2])
    parser.add_argument("files", nargs="*", metavar="FILE", help="such as lowrank_ode/substeps.py (default: all that setup.cfg names)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default 1)")
    options = parser.parse_args()
    files = options.files or list(CONFIG["mutation:tests"])
    outcome, hints = load(OUTCOME), load(HINTS)
    with multiprocessing.Pool(options.jobs, prepare) as pool:
        for file in files:
            found = list(mutants(file))
            tasks = [(mutant, hints.get(file, {}).get(mutant.change)) for mutant in found]
            killers = list(tqdm(pool.imap(_trial, tasks), file, len(tasks)))
            alive = [mutant.change for mutant, killer in zip(found, killers, strict=True) if killer is None]
            outcome[file] = {"mutants": len(found), "killed": len(found) - len(alive), "alive": alive}
            hints[file] = {mutant.change: killer for mutant, killer in zip(found, killers, strict=True) if killer}
            save(OUTCOME, {name: outcome[name] for name in CONFIG["mutation:tests"] if name in outcome})
            save(HINTS, hints)
    page, complaints = report(json.loads(OUTCOME.read_text(encoding="utf-8")), reasons(EQUIVALENT.read_text(encoding="utf-8")))
    PAGE.write_text(page, encoding="utf-8")
    sys.exit("\n\n".join(complaints))


def _trial(task):
    return trial(*task)


def load(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save(path, data):
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
