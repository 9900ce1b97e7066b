"""Check that imports only point down and in no circle, that names are unique, and that the command line is light."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SINGLE = (
    *("gmt.errors", "gmt.config", "gmt.files", "gmt.files_together", "gmt.threads"),
    *("gmt.manifest", "gmt.verified", "gmt.switch_build", "gmt.artefacts", "gmt.runs"),
)
# From the ground up; what stands on one line does not know its neighbours, single modules of one line may.
LAYERS = [
    SINGLE,
    ("gmt.data",),
    ("gmt.model", "data_prep.read"),
    ("data_prep.pool", "data_prep.recipes"),
    ("data_prep.sources",),
    ("data_prep.repeats",),
    ("data_prep.card", "data_prep.splits", "data_prep.published_parts"),
    ("data_prep.simulate",),
    ("data_prep.table_vectors",),
    ("data_prep.prepare",),
    ("gmt.routing",),
    ("gmt.posterior", "gmt.utility"),
    ("gmt.rivals",),
    ("gmt.hybrid", "gmt.state"),
    ("gmt.serving",),
    ("gmt.evaluation",),
    ("gmt.training",),
    ("gmt.gateway",),
    ("gmt.report", "gmt.bench"),
    ("gmt.studies",),
    ("gmt.reproduce",),
    ("gmt.cli",),
    ("cli", "gmt.__main__"),
]
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
    "fastapi",
    "uvicorn",
    "httpx",
    "prometheus_client",
    "jinja2",
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
            if dotted not in ("gmt", "data_prep"):
                yield dotted, path


def of_project(name, known):
    """Return the module of ours that an imported name stands for or stands in, None where it is not ours."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def imported_at_once(path):
    """Yield the dotted names a module imports while it is itself imported."""
    statements = list(ast.parse(path.read_text("utf-8")).body)
    while statements:
        node = statements.pop(0)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            statements = [*node.orelse, *statements]
        elif isinstance(node, ast.If | ast.Try | ast.With):
            inner = [part for name in ("body", "orelse", "finalbody") for part in getattr(node, name, ())]
            statements = [*inner, *(part for one in getattr(node, "handlers", ()) for part in one.body), *statements]


def circles(graph):
    """Return the sets of modules that import one another, directly or in a round (Tarjan's components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            part = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(part) > 1 or name in graph[name]:
                found.append(sorted(part))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return found


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


def test_no_modules_import_one_another():
    paths = dict(modules())
    graph = {
        name: {target for one in imported_at_once(path) if (target := of_project(one, paths)) is not None}
        for name, path in paths.items()
    }
    assert circles(graph) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_no_two_modules_share_a_file_name():
    names = Counter(path.name for name, path in modules() if name != "cli" and not path.name.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_command_line_imports_nothing_heavy():
    code = f"import sys, gmt.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
