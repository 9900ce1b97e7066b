"""Check that versions agree wherever one is stated, and that the pins fit what the package allows."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gmt

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins(name: str) -> dict[str, str]:
    """Return package -> version of a file of constraints."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(package): version for package, version in pairs}


def test_the_version_stands_in_one_place_and_is_repeated_truly():
    assert PROJECT["dynamic"] == ["version"] and re.fullmatch(r"\d+\.\d+\.\d+", gmt.__version__)
    assert f"\nversion: {gmt.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert first and first[1] == gmt.__version__


def test_every_pin_is_a_version_that_is_allowed():
    known = pins("constraints.txt")
    ours = [
        Requirement(line) for line in (*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra))
    ]
    asked = [one for one in ours if canonicalize_name(one.name) != "gmt-router"]
    assert len(asked) > 30
    assert [one.name for one in asked if canonicalize_name(one.name) not in known] == []
    assert [str(one) for one in asked if not one.specifier.contains(known[canonicalize_name(one.name)])] == []


def test_the_lowest_versions_are_those_of_the_package():
    lowest = {}
    for line in PROJECT["dependencies"]:
        one = Requirement(line)
        (bound,) = [part.version for part in one.specifier if part.operator == ">="]
        lowest[canonicalize_name(one.name)] = bound
    found = pins("constraints-lowest.txt")
    assert list(found) == list(lowest)
    for name, version in found.items():
        assert Requirement(f"{name}=={lowest[name]}").specifier.contains(version), name


@pytest.fixture
def check_release(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "release"))
    found = importlib.util.spec_from_file_location("check_release", ROOT / "release/check_release.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    yield module
    sys.modules.pop("clean_environment", None)


def test_a_release_is_refused_where_versions_differ_or_the_log_is_not_cut(check_release, tmp_path, monkeypatch):
    (tmp_path / "gmt").mkdir()
    (tmp_path / "gmt/__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CITATION.cff").write_text("title: x\nversion: 1.2.3\nlicense: MIT\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 — 2026-01-31\n\n## 1.2.2 — unreleased\n")
    monkeypatch.setattr(check_release, "ROOT", tmp_path)
    assert check_release.version() == "1.2.3"
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 — unreleased\n")
    with pytest.raises(check_release.ReleaseError, match="expected '## 1.2.3 — DATE'"):
        check_release.version()
    (tmp_path / "CITATION.cff").write_text("title: x\nversion: 1.2.2\nlicense: MIT\n")
    with pytest.raises(check_release.ReleaseError, match="CITATION.cff"):
        check_release.version()


def test_torch_is_pinned_free_or_named(check_release, tmp_path):
    assert check_release.torch_of("pinned", True) == [f"torch=={pins('constraints.txt')['torch']}"]
    assert check_release.torch_of("allowed", True) == [] and check_release.torch_of("2.4.0", False) == ["torch==2.4.0"]
    file, torch = check_release.lowest_constraints(tmp_path, "pinned")
    assert "torch==" not in file.read_text() and "numpy==" in file.read_text() and torch.startswith("torch==")
    (file,) = check_release.lowest_constraints(tmp_path, "allowed")
    assert "torch==2.4" in file.read_text()


def test_a_program_that_fails_keeps_the_release_back(check_release):
    with pytest.raises(check_release.ReleaseError, match="ended with 3:\nno"):
        check_release.called([sys.executable, "-c", "import sys; print('no', file=sys.stderr); sys.exit(3)"])
    assert check_release.called([sys.executable, "-c", "print(1)"]) == "1\n"


def test_an_audit_that_could_not_ask_does_not_say_that_all_is_well(check_release, monkeypatch):
    clean, skipped = {"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}
    ours = {"name": "gmt-router", "skip_reason": "not found"}
    faulty = {"name": "c", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
    assert check_release.judged([clean, ours]) == "no known fault among 2 packages"
    assert "1 could not be asked for: b" in check_release.judged([clean, skipped, ours])
    with pytest.raises(check_release.ReleaseError, match="c 2: CVE-1"):
        check_release.judged([clean, faulty])
    monkeypatch.setitem(check_release.EXPLAINED, "CVE-1", "c is not called with strangers' files")
    assert check_release.judged([clean, faulty]).endswith("; c is not called with strangers' files")
