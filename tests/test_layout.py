"""Who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "lowrank_ode"
MAY_IMPORT = {
    "matrices": set(), "data": set(), "results": set(), "substeps": {"matrices"}, "nets": {"matrices"},
    "integrators": {"matrices", "substeps"}, "problems": {"matrices", "substeps"}, "flow": {"matrices", "substeps"},
    "training": {"matrices", "nets", "integrators", "flow", "substeps"},
    "testing": {"matrices", "substeps", "integrators", "problems", "flow", "nets"},
    "__init__": {"matrices", "integrators", "flow"},
    "compression": {"matrices"},
    "__main__": {"matrices", "compression", "substeps", "integrators", "nets", "training", "data", "results", "flow", "testing"},
}


def imported_rooms(source, depth):
    """Rooms of the package that a file imports, itself `depth` folders below lowrank_ode/; any import of figures, tests, docs or shared."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level == depth + 1:
                yield from [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for name in names:
                if name.split(".")[0] in {"lowrank_ode", "figures", "tests", "docs", "shared"}:
                    yield name.removeprefix("lowrank_ode.").split(".")[0]


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_the_rooms_below_it(path):
    depth = len(path.relative_to(ROOT).parts) - 1
    foreign = set(imported_rooms(path.read_text(), depth)) - {room_of(path)} - MAY_IMPORT[room_of(path)]
    assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"
    assert len(path.read_text().splitlines()) <= 250


def test_the_rule_sees_a_forbidden_import():
    assert set(imported_rooms("from ..nets import mlp", 1)) == {"nets"} and set(imported_rooms("import figures.x", 0)) == {"figures"}
    assert set(imported_rooms("from .. import training", 1)) == {"training"} and not set(imported_rooms("from .nets import x", 1))
