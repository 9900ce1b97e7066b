"""Let pages of the site show figures that lie outside docs/, and name other files there without a link."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

FIGURES = "figures"
PICTURES = (".png", ".svg")
OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./[^)\s]+\)")


def inside(text: str) -> str:
    """Return a page whose pictures lie in the site, and whose links to files of the checkout are their words alone."""
    return OUTSIDE.sub(r"\1", text.replace(f"](../{FIGURES}/", f"]({FIGURES}/"))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the figures of the checkout into the site; a hook of MkDocs."""
    from mkdocs.structure.files import File

    root = Path(config.docs_dir).parent
    for path in sorted((root / FIGURES).rglob("*")):
        if path.suffix in PICTURES:
            name = path.relative_to(root).as_posix()
            files.append(File(name, str(root), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page as the site has it; a hook of MkDocs."""
    return inside(markdown)
