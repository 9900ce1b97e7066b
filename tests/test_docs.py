"""Check the pages: links lead somewhere, notebooks print what they show, pictures are as drawn, the site builds."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.notebooks import printed, shown, unequal

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "figures/README.md"]
NOTEBOOKS = sorted((ROOT / "docs").glob("*.ipynb"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def plain(text: str) -> str:
    """Return a page without its code."""
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.M | re.S)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as code hosts and MkDocs name them."""
    found = re.findall(r"^#+ +(.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    slugs = [re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title)).strip().lower().replace(" ", "-") for title in found]
    return {*slugs, *(re.sub(r"-+", "-", slug) for slug in slugs)}


def links() -> list[tuple[Path, str]]:
    """Return every link of the pages and notebooks that stays within the project."""
    texts = [(page, plain(page.read_text("utf-8"))) for page in PAGES]
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts.append((path, plain("\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown"))))
    return [(page, link) for page, text in texts for link in LINK.findall(text) if "://" not in link]


def test_every_link_leads_somewhere():
    found = links()
    assert len(found) > 100
    broken = []
    for page, link in found:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []


def test_every_page_stands_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text("utf-8")

    def leaves(node: object) -> list[str]:
        if isinstance(node, str):
            return [node]
        children = node if isinstance(node, list) else list(node.values()) if isinstance(node, dict) else []
        return [leaf for child in children for leaf in leaves(child)]

    named = leaves(yaml.safe_load(text)["nav"])
    there = [path.name for kind in ("*.md", "*.ipynb") for path in (ROOT / "docs").glob(kind)]
    assert sorted(named) == sorted(name for name in there if not name.startswith("_"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_it_shows(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    notebook = json.loads(path.read_text("utf-8"))
    assert any(shown(notebook)) and all(c["execution_count"] for c in notebook["cells"] if c["cell_type"] == "code")
    assert unequal(notebook, printed(notebook)) == []


def script(name: str):
    found = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


def test_the_pictures_are_as_their_script_draws_them(tmp_path):
    pictures = script("pictures")
    pictures.draw_graph(tmp_path / "graph.svg")
    pictures.draw_model(tmp_path / "model.svg")
    for name in ("graph.svg", "model.svg"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text(), (
            f"run python docs/pictures.py: {name}"
        )


def test_figures_are_taken_along_and_other_files_named():
    inside = script("outside_files").inside
    assert (
        inside("![a](../figures/a.png), [b `c`](../tests/b.py) [d](e.md#f)") == "![a](figures/a.png), b `c` [d](e.md#f)"
    )


def test_a_notebook_becomes_a_page():
    page = script("notebook_page").page_of(json.loads(NOTEBOOKS[0].read_text("utf-8")))
    assert page.startswith("# Tutorial") and "```python\nfrom gmt import Router" in page and "```text\n" in page
    assert page.count("```") % 2 == 0


class Fetched(HTMLParser):
    """Collect what a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "link"):
            self.found += [value for name in ("src", "href") if (value := values.get(name))]


def there(page: Path, link: str) -> bool:
    """Tell whether what a page fetches lies in the site; the page of unknown addresses names it from the root."""
    name = link.partition("#")[0].partition("?")[0]
    return not name or page.name == "404.html" or (page.parent / name).exists()


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="needs the docs extra; make docs installs it")
def test_the_site_builds_strictly_and_fetches_nothing_from_elsewhere(tmp_path):
    for name in ("docs", "gmt", "data_prep", "figures"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr[-3000:]
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 20 and (tmp_path / "site/tutorial.html") in pages
    for page in pages:
        parser = Fetched()
        parser.feed(page.read_text("utf-8"))
        assert parser.found and [value for value in parser.found if "//" in value] == [], page.name
        assert [value for value in parser.found if not there(page, value)] == []
    api = (tmp_path / "site/api.html").read_text("utf-8")
    assert "Rank models for a user and a query" in api and not list((tmp_path / "site").rglob("*.py"))
