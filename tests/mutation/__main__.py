"""python -m tests.mutation [--jobs N] [--alive] [FILE …]: do the tests notice a broken core?

It is broken in each way that mutation.cfg names, one by one. docs/mutation.json keeps, for each
file, the outcome of its last run; docs/mutation-results.md shows it, beside the reasons why some
mutants cannot be noticed (equivalent.txt). Ends with an error if a mutant lives without a reason,
or a reason belongs to no mutant alive.
"""

import argparse
import json
import multiprocessing
import os
import sys
from hashlib import sha256
from itertools import groupby, repeat

os.environ["OPENBLAS_NUM_THREADS"] = "1"        # before NumPy is loaded

from tqdm import tqdm

from .mutants import CONFIG, ROOT, mutants
from .report import reasons, report
from .trial import prepare, trial

OUTCOME, PAGE = ROOT / "docs/mutation.json", ROOT / "docs/mutation-results.md"
EQUIVALENT, KILLERS = ROOT / "tests/mutation/equivalent.txt", ROOT / "tests/mutation/killers.json"


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.mutation",
                                     description=__doc__.partition(": ")[2])
    parser.add_argument("files", nargs="*", metavar="FILE", help="such as lowrank_ode/substeps.py "
                        "(default: all that mutation.cfg names)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default 1)")
    parser.add_argument("--alive", action="store_true", help="only mutants that no test has "
                        "killed yet, and that have no reason to live: they meet all tests")
    options = parser.parse_args()
    found = [mutant for file in options.files or CONFIG["mutation:tests"]
             for mutant in mutants(file)]
    outcome, killers = load(OUTCOME), load(KILLERS)
    why = reasons(EQUIVALENT.read_text(encoding="utf-8"))
    known = [killers.get(mutant.file, {}).get(mutant.change) for mutant in found]
    settled = [options.alive and (bool(killer) or mutant[:2] in why)
               for mutant, killer in zip(found, known, strict=True)]
    with multiprocessing.Pool(options.jobs, prepare) as pool:
        verdicts = pool.imap(verdict, zip(found, known, settled, repeat(options.alive)))
        pairs = zip(found, tqdm(verdicts, total=len(found)), strict=True)
        for file, group in groupby(pairs, lambda pair: pair[0].file):
            told = {mutant.change: killer for mutant, killer in group}
            alive = [change for change, killer in told.items() if killer is None]
            outcome[file] = {"source": sha256((ROOT / file).read_bytes()).hexdigest()[:8],
                             "mutants": len(told), "killed": len(told) - len(alive), "alive": alive}
            killers[file] = {change: killer for change, killer in told.items() if killer}
            named = [name for name in CONFIG["mutation:tests"] if name in outcome]
            save(OUTCOME, {name: outcome[name] for name in named})
            save(KILLERS, killers)
    page, complaints = report(load(OUTCOME), why)
    PAGE.write_text(page, encoding="utf-8")
    sys.exit("\n\n".join(complaints) or 0)


def verdict(task):
    mutant, known, settled, others = task
    return known if settled else trial(mutant, known, others)


def load(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save(path, data):
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
