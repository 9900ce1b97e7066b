"""Check that imports only point down and that the command line starts without anything heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# From the ground up; what stands on one line does not know its neighbours, single modules of one line may.
LAYERS = [
    ("gmt.errors", "gmt.config", "gmt.files", "gmt.manifest", "gmt.artefacts", "gmt.runs"),
    ("gmt.data",),
    ("gmt.model", "data_prep"),
    ("gmt.routing",),
    ("gmt.posterior", "gmt.utility"),
    ("gmt.rivals",),
    ("gmt.hybrid", "gmt.state"),
    ("gmt.serving",),
    ("gmt.evaluation",),
    ("gmt.training",),
    ("gmt.report", "gmt.bench"),
    ("gmt.studies",),
    ("gmt.cli",),
    ("cli",),
]
SINGLE = ("gmt.errors", "gmt.config", "gmt.files", "gmt.manifest", "gmt.artefacts", "gmt.runs")
HEAVY = (
    "torch",
    "torch_geometric",
    "transformers",
    "datasets",
    "matplotlib",
    "sklearn",
    "scipy",
    "accelerate",
    "pyarrow",
    "sqlalchemy",
    "alembic",
)


def place_of(module):
    """Return (layer, package) of a dotted name, or None where it is not ours or a bare `gmt`."""
    for level, names in enumerate(LAYERS):
        for name in names:
            if module == name or module.startswith(name + "."):
                return level, name
    return None


def modules():
    """Yield (dotted name, path) of every module of the project."""
    yield "cli", ROOT / "cli.py"
    for package in ("gmt", "data_prep"):
        for path in sorted((ROOT / package).rglob("*.py")):
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if dotted != "gmt":
                yield dotted, path


def imported(path):
    """Yield the dotted names a module imports anywhere in its text."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; write the whole name"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("name", "path"), [pytest.param(*item, id=item[0]) for item in modules()])
def test_imports_only_point_down(name, path):
    own = place_of(name)
    assert own is not None, f"{name} has no layer; give it one in LAYERS"
    for target in imported(path):
        other = place_of(target)
        if other is None or other[1] == own[1]:
            continue
        together = own[0] == other[0] and own[1] in SINGLE and other[1] in SINGLE
        assert other[0] < own[0] or together, f"{name} imports {target}, which lies above or beside it"


def test_the_command_line_imports_nothing_heavy():
    code = f"import sys, gmt.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
