"""Write the report of runs: one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from gmt import __version__
from gmt.errors import UserError
from gmt.files import write_text
from gmt.report.page_results import joint_results, minus
from gmt.report.page_section import PageOptions, PageSection
from gmt.report.run_facts import RunFacts

__all__ = ["PageOptions", "write_report"]

FOLDER = Path(__file__).parent / "page"
MEGABYTE = 1_000_000


def write_report(
    runs: Sequence[Path],
    out: Path,
    options: PageOptions | None = None,
    command: Sequence[str] = ("gmt", "report"),
    made: datetime | None = None,
    progress: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Write the page of some runs.

    Args:
        runs: Their folders, a section each.
        out: The HTML file.
        options: What is shown.
        command: What the receipt says the page was made by.
        made: When; now by default.
        progress: Called with what is being done.

    Returns:
        `page`, `bytes`, and `users`: run -> how many of how many users are shown.

    Raises:
        UserError: There is no run, one of them is unfinished or damaged, or a named user is in none of them.
    """
    if not runs:
        raise UserError("no run was named; pass the folders of one run or more")
    options = PageOptions() if options is None else options
    every = [RunFacts.read(run) for run in runs]
    pages = _environment()
    sections, left = [], options.megabytes * MEGABYTE
    for number, facts in enumerate(every, 1):
        tell = (lambda what, name=facts.name: progress(f"{name}: {what}")) if progress is not None else None
        # A share each of what is left, so that the first run does not take all.
        share = left / (len(every) - number + 1)
        section = PageSection(facts, f"run-{number}", options, pages, tell).fill(share, command)
        left -= section.pop("size")
        sections.append(section)
    lost = [name for name in options.named if not any(name in section["known"] for section in sections)]
    if lost:
        raise UserError(f"there is no user {lost[0]!r} in {', '.join(map(str, runs))}; gmt users list shows them")
    style, script = ((FOLDER / name).read_text("utf-8") for name in ("report.css", "report.js"))
    title = f"gmt report: {sections[0]['name']}" if len(sections) == 1 else f"gmt report: {len(sections)} runs"
    text = pages.get_template("report.html").render(
        title=title,
        made=(datetime.now(UTC) if made is None else made).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        sections=sections,
        together=joint_results(every),
        across=[row for section in sections for row in section["across"]],
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    write_text(out, text)
    shown = {str(section["root"]): {"shown": len(section["users"]), "all": section["all"]} for section in sections}
    return {"page": str(out), "bytes": len(text.encode()), "users": shown}


def _environment() -> jinja2.Environment:
    """Return the templates, which escape whatever they are given and stop at a name that they are not."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["signed"] = lambda value: minus(f"{value:+.2f}")
    return pages


def _hash(text: str) -> str:
    """Return the hash by which the page's policy knows its own style and script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
