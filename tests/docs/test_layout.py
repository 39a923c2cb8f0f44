"""Who may import whom, by which names; how wide a line may be, how long a function and a file, of
the package and of its tests."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "lowrank_ode"
FIGURES, DOCS, TESTS = (ROOT.parent / name for name in ("figures", "docs", "tests"))
WIDEST, LONGEST, LINES = 100, 35, 250
A_STEP_SAYS = {"DirectSum", "H", "LowRank", "augment", "blockwise", "leading", "orth",
               "outer", "restrict", "retract", "truncate"}
MAY_IMPORT = {
    "matrices": set(), "options": set(), "generators": set(), "idx": set(),
    "results": set(), "console": set(),
    "archives": {"results"}, "storage": {"archives", "matrices", "nets", "results"},
    "arrays": {"archives"}, "dataset": {"arrays", "generators"},
    "data": {"arrays", "cifar", "dataset", "idx"}, "cifar": {"dataset", "generators"},
    "substeps": {"matrices"}, "nets": {"generators", "matrices"}, "fields": {"matrices"},
    "integrators": {"matrices", "substeps", "fields"},
    "problems": {"matrices", "substeps", "generators"},
    "flow": {"matrices", "substeps", "fields", "integrators"},
    "training": {"matrices", "nets", "integrators", "flow", "substeps", "generators"},
    "steps": {"matrices", "nets", "integrators", "training", "results"},
    "testing": {"matrices", "substeps", "integrators", "problems", "flow", "nets", "generators"},
    "estimator": {"data", "generators", "integrators", "matrices", "nets", "training"},
    "__init__": {"matrices", "integrators", "flow", "estimator", "storage"},
    "compression": {"matrices", "fields", "nets", "generators"},
    "commands": {"matrices", "compression", "substeps", "integrators", "nets", "training", "data",
                 "results", "archives", "storage", "testing", "generators"},
    "__main__": {"commands", "console", "__version__"},
}


def imported(node):
    return ([node.module] if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names])


def imported_rooms(source, depth):
    """Rooms of the package that a file imports, itself `depth` folders below lowrank_ode/; any
    import of figures, tests, docs or shared."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level == depth + 1:
                names = [alias.name for alias in node.names]
                yield from [node.module.split(".")[0]] if node.module else names
        elif isinstance(node, ast.ImportFrom | ast.Import):
            for name in imported(node):
                if name.split(".")[0] in {"lowrank_ode", "figures", "tests", "docs", "shared"}:
                    yield name.removeprefix("lowrank_ode.").split(".")[0]


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_the_rooms_below_it(path):
    """What an option may be, everybody asks."""
    depth = len(path.relative_to(ROOT).parts) - 1
    allowed = {room_of(path), "options"} | MAY_IMPORT[room_of(path)]
    foreign = set(imported_rooms(path.read_text(), depth)) - allowed
    assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


def test_the_rule_sees_a_forbidden_import():
    for line, depth, rooms in (("from ..nets import mlp", 1, ["nets"]),
                               ("import figures.x", 0, ["figures"]),
                               ("from .. import training", 1, ["training"]),
                               ("from .nets import x", 1, [])):
        assert list(imported_rooms(line, depth)) == rooms


def names_from_matrices(source):
    """What a file of the integrators imports from `matrices`."""
    return {alias.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)
            if node.module and node.module.startswith("matrices") for alias in node.names}


def test_a_step_is_written_in_the_names_of_the_paper():
    """`dense` is for the yardstick alone. Planted: an inner name."""
    for path in (ROOT / "integrators").glob("*.py"):
        allowed = A_STEP_SAYS | ({"dense"} if path.stem == "dense" else set())
        assert names_from_matrices(path.read_text()) <= allowed, path.name
    assert names_from_matrices("from ..matrices.dominant import dominant") == {"dominant"}


def too_wide(path):
    """Lines that do not fit, but for tables, and for what cannot be broken: a test, a link."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > WIDEST
            and not (path.suffix == ".md" and (line.startswith("|") or len(line.split()) == 1))]


def too_long(path):
    return len(path.read_text(encoding="utf-8").splitlines()) > LINES


def other_tests(source):
    """The test files that a test imports from: what two of them need is a module of tests/."""
    return [name for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.ImportFrom | ast.Import)
            for name in imported(node) if name and name.split(".")[-1].startswith("test_")]


def functions(source):
    """(name, lines) of all functions and methods, docstrings not counted."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            yield node.name, node.end_lineno - first.lineno + 1


@pytest.mark.parametrize("path", [*sorted(ROOT.rglob("*.py")), *sorted(FIGURES.glob("*.py")),
                                  *sorted(TESTS.rglob("*.py")), *sorted(DOCS.rglob("*.md")),
                                  ROOT.parent / "README.md"], ids=lambda p: p.name)
def test_lines_fit_beside_each_other_and_functions_on_a_screen(path):
    """What is written by tests/mutation is as wide as the code that it quotes."""
    assert path.name == "mutation-results.md" or not too_wide(path)
    if path.is_relative_to(ROOT):
        assert [name for name, lines in functions(path.read_text()) if lines > LONGEST] == []
    if path.is_relative_to(ROOT) or path.is_relative_to(TESTS):
        assert not too_long(path)


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda p: p.name)
def test_no_test_imports_from_another(path):
    assert other_tests(path.read_text(encoding="utf-8")) == []


def test_a_wide_line_a_long_function_a_long_file_and_a_test_in_another_are_seen(tmp_path):
    (tmp_path / "a.md").write_text("| " + "x " * 60 + "\n" + "x" * 101 + "\n" + "x " * 60)
    (tmp_path / "a.py").write_text("x" * 101)
    assert len(too_wide(tmp_path / "a.md")) == len(too_wide(tmp_path / "a.py")) == 1
    body = '    """Of it."""\n' + "    x = 1\n" * 36
    assert list(functions(f"def f():\n{body}")) == [("f", 36)]
    (tmp_path / "b.py").write_text("x\n" * LINES)
    assert not too_long(tmp_path / "b.py")
    (tmp_path / "b.py").write_text("x\n" * (LINES + 1))
    assert too_long(tmp_path / "b.py")
    assert other_tests("import lowrank_ode.testing\nfrom . import test_a") == []
    for line in ("from test_a import x", "import test_a as a", "def f():\n    import tests.test_a"):
        assert len(other_tests(line)) == 1
