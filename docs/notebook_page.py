"""Turn notebooks of docs/ into pages of the site: text as it stands, code with what it printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import File, Files
    from mkdocs.structure.pages import Page


def page_of(notebook: dict[str, Any]) -> str:
    """Return a notebook as Markdown.

    Args:
        notebook: The notebook's JSON, form 4.
    """
    parts: list[str] = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else _fenced("python", text))
        if said := printed(cell):
            parts.append(_fenced("text", said))
    return "\n\n".join(parts) + "\n"


def printed(cell: dict[str, Any]) -> str:
    """Return the text that a cell printed, and the value of its last line."""
    found: list[str] = []
    for output in cell.get("outputs", ()):
        found += output.get("text", ()) or output.get("data", {}).get("text/plain", ())
    return "".join(found)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Make a page of every notebook, under its own name; a hook of MkDocs."""
    from mkdocs.structure.files import File

    class NotebookFile(File):
        """Be a page, though the name ends in no `.md`."""

        def is_documentation_page(self) -> bool:
            return True

        is_page = is_documentation_page

    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(file)
        files.append(NotebookFile(file.src_uri, config.docs_dir, config.site_dir, config.use_directory_urls))
    return files


def on_page_read_source(page: Page, config: MkDocsConfig) -> str | None:
    """Return the page that a notebook makes; a hook of MkDocs."""
    file: File = page.file
    if not file.src_uri.endswith(".ipynb") or file.abs_src_path is None:
        return None
    return page_of(json.loads(Path(file.abs_src_path).read_text("utf-8")))
