"""Talk to the terminal: results, remarks and tables, and where each of them goes."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.table import Table

from gmt.cli.life_signs import Advance, LifeSigns, bar_on, duration, lines_of
from gmt.cli.table_layout import Block, blocks_of
from gmt.errors import one_line, visible

REMARK = 1000
"""Characters of a remark on the side; a mistake has fewer, see `gmt.errors`."""
ENDLESS = 100_000
"""Characters of a line that ends nowhere."""


def json_line(value: Any) -> str:
    """Return a value as one line of JSON that standard output can carry; what is not finite becomes null."""
    tidy = _finite(value)
    text = json.dumps(tidy, ensure_ascii=False, allow_nan=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a terminal of few characters, or half a surrogate pair
        text = json.dumps(tidy, allow_nan=False, default=str)
    return text + "\n"


def _finite(value: Any) -> Any:
    """Return a JSON value with null for numbers that JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(of) for name, of in value.items()}
    return [_finite(of) for of in value] if isinstance(value, (list, tuple)) else value


class Terminal:
    """Print results to stdout and everything else to stderr.

    Texts that users wrote are shown as they are: no markup, no emoji by name, and control characters as escapes.

    Args:
        quiet: Print results only.
        as_json: Print one JSON object on stdout in place of tables.
    """

    def __init__(self, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet, self.as_json, self._begun = quiet, as_json, time.monotonic()
        stated = os.environ.get("COLUMNS", "")
        # A pipe has no width to wrap at, unless one is stated.
        self.width = None
        if sys.stdout.isatty() or (stated.isascii() and stated.isdigit() and int(stated)):
            self.width = Console().width
        plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
        self.out, self.err = Console(width=self.width or ENDLESS, **plain), Console(stderr=True, **plain)

    def note(self, text: str) -> None:
        """Say something on the side."""
        if not self.quiet:
            self.err.print(one_line(text, REMARK), soft_wrap=not self.err.is_terminal)

    def warn(self, text: str) -> None:
        """Say something that must be heard even with --quiet."""
        self.err.print(one_line(text, REMARK), soft_wrap=not self.err.is_terminal)

    def ended(self, what: str, then: str | None = None) -> None:
        """Say on the side, in one line, what long work made, how long it took, and what could come next.

        Args:
            what: What was made, and where it is.
            then: A command to go on with.
        """
        took = duration(time.monotonic() - self._begun)
        if not self.quiet and not self.as_json:
            self.err.print(one_line(f"{what} in {took}{f'; next: {then}' if then else ''}", REMARK), soft_wrap=True)

    def result(self, value: Mapping[str, Any]) -> None:
        """Print the JSON object that --json asks for."""
        if self.as_json:
            sys.stdout.write(json_line(value))

    def text(self, text: str, whole: bool = False) -> None:
        """Print a result as plain text, its lines broken between words where a terminal is narrow.

        Args:
            text: The result.
            whole: Leave lines whole, for they are to be copied.
        """
        if not self.as_json:
            self.out.print(visible(text, kept="\n\t"), soft_wrap=whole or self.width is None)

    def legend(self, text: str) -> None:
        """Say below a result what its columns mean; not where results alone are wanted."""
        if not self.quiet:
            self.text(text)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[str] = ()
    ) -> None:
        """Print a result as a table; where it is too wide, texts fold and columns go below each other.

        Args:
            title: A line above it, if any.
            columns: Heads; the columns after the first hold numbers.
            rows: The cells.
            texts: Heads of columns that hold running text instead.
        """
        if self.as_json:
            return
        if title:
            self.text(title)
        cells = [[visible(cell) for cell in row] for row in (columns, *rows)]
        running = frozenset(at for at, head in enumerate(columns) if head in texts)
        for number, block in enumerate(blocks_of(cells, running, self.width)):
            if number:
                self.text("")
            self._print(_table(cells, block, running))

    def _print(self, table: Table) -> None:
        """Print a table; in a pipe without the blanks that fill its last column."""
        if self.out.is_terminal:
            self.out.print(table)
            return
        with self.out.capture() as printed:
            self.out.print(table)
        lines = [line.rstrip() for line in printed.get().splitlines()]
        sys.stdout.write("".join(f"{line}\n" for line in lines))

    def bar(self, what: str, total: int | None, count: bool = True) -> AbstractContextManager[Advance]:
        """Show how far work is: a bar with rate and time left at a terminal, else a line on stderr now and then.

        Args:
            what: What is being done.
            total: How many steps there are, where known.
            count: Show steps done and to do.
        """
        if self.quiet:
            return nullcontext(LifeSigns(what, total, self.note))
        if self.err.is_terminal:
            return bar_on(self.err, what, total, count)
        return lines_of(LifeSigns(what, total, self.note, count))


def _table(cells: Sequence[Sequence[str]], block: Block, texts: frozenset[int]) -> Table:
    """Return some columns beside each other, the first row being the head."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, width in zip(block.columns, block.widths, strict=True):
        left = at == 0 or at in texts
        table.add_column(cells[0][at], justify="left" if left else "right", width=width, overflow="fold")
    for row in cells[1:]:
        table.add_row(*(row[at] for at in block.columns))
    return table
