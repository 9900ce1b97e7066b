"""Keep what a figure draws in one small results file, draw it from there, and write the drawing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmt.errors import DataError
from gmt.files import read_json, replace_file, write_json
from gmt.report.figure_kinds import KINDS, drawing
from gmt.report.look import NARROW, STYLE, WIDE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = {"two": ("", WIDE), "one": ("-one-column", NARROW)}
"""Columns -> what stands behind the name of the file, and the width in inches."""


@dataclass(frozen=True)
class FigureFile:
    """Hold the numbers of one figure, and what a reader needs to trust them.

    Args:
        kind: Which drawing, a key of `gmt.report.figure_kinds.KINDS`.
        name: Stem of the files.
        data: The arguments of the drawing, plain JSON.
        caption: What the figure shows, for somebody who knows the paper and not the code.
        made_by: The commands that made the numbers.
        paper: Which table or figure of a paper it answers, such as "PersonalizedRouter, Figure 2"; empty for none.

    Raises:
        DataError: The kind is unknown, or the data is not what it draws.
    """

    kind: str
    name: str
    data: Mapping[str, Any]
    caption: str = ""
    made_by: str = ""
    paper: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"there is no figure {self.kind!r}; expected one of {', '.join(KINDS)}")
        # Checked here and not by a TypeError of the drawing, which would name no file.
        known = inspect.signature(drawing(self.kind)).parameters
        unknown = [key for key in self.data if key not in known or key == "width"]
        missing = [key for key, one in known.items() if one.default is one.empty and key not in self.data]
        if unknown or missing:
            wrong = f"has an unknown {unknown[0]}" if unknown else f"lacks {missing[0]}"
            raise DataError(f"the data of figure {self.name} {wrong}; {self.kind} draws {', '.join(known)}")

    @classmethod
    def read(cls, path: Path) -> FigureFile:
        """Read a figure's results file.

        Raises:
            DataError: It is no such file.
        """
        path = Path(path)
        found = read_json(path, DataError, "name a folder of results files of figures", "draw it again from its run")
        if not isinstance(found, dict) or not isinstance(found.get("data"), dict) or "figure" not in found:
            raise DataError(f"{path} holds no figure and data; expected a file that gmt figures --save wrote")
        texts = {key: str(found.get(key, "")) for key in ("caption", "made_by", "paper")}
        return cls(str(found["figure"]), path.stem, found["data"], **texts)

    def save(self, folder: Path) -> Path:
        """Write the results file into a folder; return its path."""
        path = Path(folder) / f"{self.name}.json"
        head = {"figure": self.kind, "caption": self.caption, "made_by": self.made_by}
        write_json(path, {**head, **({"paper": self.paper} if self.paper else {}), "data": dict(self.data)})
        return path

    def draw(self, width: float = WIDE) -> Figure:
        """Draw it at a width in inches."""
        return drawing(self.kind)(**self.data, width=width)

    def in_papers(self) -> FigureFile | None:
        """Return it under the name of what it answers in a paper; None where it answers nothing there."""
        stem = re.sub(r"[^a-z0-9]+", "-", self.paper.lower()).strip("-")
        return replace(self, name=stem) if stem else None

    def write(
        self, out: Path, columns: tuple[str, ...] = ("two",), formats: tuple[str, ...] = ("png", "pdf")
    ) -> list[Path]:
        """Draw it into a folder for the columns asked for; return the files written."""
        import matplotlib

        written: list[Path] = []
        # In a context, around drawing and saving: a notebook keeps its look, and some settings are read on saving only.
        with matplotlib.rc_context(STYLE):
            for suffix, width in (WIDTHS[one] for one in columns):
                written += save_figure(self.draw(width), Path(out) / f"{self.name}{suffix}", formats)
        return written


def save_figure(figure: Figure, stem: Path, formats: tuple[str, ...] = ("png", "pdf")) -> list[Path]:
    """Write a figure as PNG, PDF or SVG beside each other; equal figures give equal files."""
    # Versions and dates are left out, so that a figure changes only where its numbers do.
    blank: dict[str, dict[str, None]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None},
        "svg": {"Date": None},
    }
    written = []
    for kind in formats:
        path = stem.with_name(f"{stem.name}.{kind}")
        replace_file(path, lambda part, kind=kind: figure.savefig(part, format=kind, dpi=200, metadata=blank[kind]))
        written.append(path)
    return written
