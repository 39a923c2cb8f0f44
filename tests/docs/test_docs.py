"""The pages in docs/ agree with the package: code quoted word for word, keys that resolve,
tests and files that exist."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCS = sorted(ROOT.glob("docs/**/*.md"))
PAGES = [*DOCS, *ROOT.glob("README.md")]
SOURCES = sorted(ROOT.glob("lowrank_ode/**/*.py"))
QUOTED = [*SOURCES, ROOT / "tests/figures/test_runs.py"]
KEY = r"[A-Z]{2,}[0-9]{2}"


def read(path):
    return path.read_text(encoding="utf-8")


def misquoted(page, sources):
    """The ```python blocks of a page, those with >>> apart,
    that occur in no source up to common indentation."""
    blocks = [block for block in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
              if ">>>" not in block]
    return [block for block in blocks
            if not any("\n" + textwrap.indent(textwrap.dedent(block), " " * k) in "\n" + text
                       for text in sources for k in (0, 4, 8, 12))]


def keys(text):
    """The keys in square brackets, such as those of [LO14, CL22]."""
    return {key for inside in re.findall(r"\[([^\]]*)\]", text)
            for key in re.findall(rf"\b{KEY}\b", inside)}


def unresolved(references, texts):
    """(keys used in no entry of the references, entries that no text uses)."""
    entries = re.findall(rf"^- \*\*\[({KEY})\]\*\*", references, re.M)
    used = set().union(*map(keys, texts))
    assert len(entries) == len(set(entries))
    return used - set(entries), set(entries) - used


def unknown_tests(page, root):
    """The tests/x.py::test_y of a page for which there is no such function in that file."""
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", page)
    return [f"{file}::{name}" for file, name in named if not (root / file).exists()
            or name not in {node.name for node in ast.walk(ast.parse(read(root / file)))
                            if isinstance(node, ast.FunctionDef)}]


def untested(page, root):
    """The tests in the table of theorems that are no file: "local" in tests/theorems, ".trp"
    anywhere."""
    rows = [line.split("|")[4] for line in page.splitlines() if re.match(r"\| \[\w+\]\(#", line)]
    return [name for row in rows for name in re.findall(r"[.\w]+", row)
            if not any(root.glob(f"tests/*/test_{name[1:]}.py" if name[0] == "."
                                 else f"tests/theorems/test_theorems_{name}.py"))]


def unfound(page, root):
    """The modules that commands of a page import, but not from a folder of their PYTHONPATH."""
    commands = re.findall(r'PYTHONPATH=(\S+) python -c "\s+from (\w+) import', page)
    return [module for folders, module in commands
            if not any((root / folder / f"{module}.py").exists() for folder in folders.split(":"))]


def slug(heading):
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(page, folder, own=""):
    """The relative targets of links and images that do not exist,
    or whose #anchor is no heading of that page."""
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", page)
               if not re.match(r"https?:", target)]
    def is_broken(target):
        file, _, anchor = target.partition("#")
        path = folder / (file or own)
        return (not path.exists()
                or (anchor and anchor not in map(slug, re.findall(r"^#+ (.*)", read(path), re.M))))
    return [target for target in targets if is_broken(target)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_code_is_quoted_word_for_word_and_what_a_page_names_exists(path):
    page = read(path)
    assert misquoted(page, list(map(read, QUOTED))) == []
    assert unknown_tests(page, ROOT) == [] and unfound(page, ROOT) == []
    assert broken_links(page, path.parent, path.name) == []


def test_every_key_resolves_and_every_reference_is_used():
    references = ROOT / "docs/references.md"
    texts = {*SOURCES, *PAGES, *ROOT.glob("tests/t*/test_t*.py")} - {references}
    assert unresolved(read(references), map(read, texts)) == (set(), set())


def test_every_theorem_has_a_file_of_tests():
    """Planted: one of another name, and one in another folder."""
    page = read(ROOT / "docs/theorems.md")
    assert page.count("| [") >= 26 and untested(page, ROOT) == []
    assert untested("| [1](#x) | y | z | local, gone, .gone, .alds, alds | |", ROOT) == [
        "gone", ".gone", "alds"]


def test_a_changed_quotation_is_rejected():
    source = "class A:\n    def f(x):\n        return x + 1\n"
    for quoted, wrong in (("def f(x):\n    return x + 1\n", 0), ("        return x + 1\n", 0),
                          (">>> f(2)\n4\n\n", 0), ("return x + 2\n", 1),
                          ("def f(x):\n  return x + 1\n", 1), ("x + 1\n", 1)):
        assert len(misquoted(f"Text\n```python\n{quoted}```\n", [source])) == wrong


def test_a_key_without_entry_and_an_entry_without_use_are_rejected():
    references = "- **[AB01]** A. Bee.\n- **[CD02]** C. Dee, with AB99 and [0, 1].\n"
    assert unresolved(references, ["see [AB01], [CD02, §3]"]) == (set(), set())
    texts = ["see [AB01, EF03]", "CD02 without brackets, x[A1]"]
    assert unresolved(references, texts) == ({"EF03"}, {"CD02"})


def test_a_test_that_does_not_exist_and_a_broken_link_are_rejected():
    here = f"tests/docs/{Path(__file__).name}"
    missing = ["tests/docs/test_docs.py::test_of_nothing", "tests/gone.py::test_x"]
    assert unknown_tests(f"`{here}::test_a_changed_quotation_is_rejected`, {', '.join(missing)}",
                         ROOT) == missing
    command = 'PYTHONPATH=.:tests{} python -c "\n  from test_docs import *'
    assert unfound(command.format(":tests/docs"), ROOT) == []
    assert unfound(command.format(""), ROOT) == ["test_docs"]
    good = ["docs/test_docs.py", "../setup.cfg", "https://example.org"]
    bad = ["gone.md", "../figures/gone.png", "../docs/references.md#gone"]
    page = " ".join(f"![text]({target})" for target in good + bad)
    assert broken_links(page + "[up](../docs/references.md#references)", ROOT / "tests") == bad
    assert slug("## 10. One step, and σ_r".lstrip("# ")) == "10-one-step-and-σ_r"
