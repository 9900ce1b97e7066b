"""Talk to the terminal: progress bars, tables, and where each kind of output goes."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from gmt.errors import one_line, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


REMARK = 1000
"""Characters of a remark on the side; a mistake has fewer, see `gmt.errors`."""


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
        self.quiet, self.as_json = quiet, as_json
        width = None if sys.stdout.isatty() else 160  # a pipe has no width to wrap at
        plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
        self.out, self.err = Console(width=width, **plain), Console(stderr=True, **plain)

    def note(self, text: str) -> None:
        """Say something on the side."""
        if not self.quiet:
            self.err.print(one_line(text, REMARK), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Say something that must be heard even with --quiet."""
        self.err.print(one_line(text, REMARK), soft_wrap=True)

    def result(self, value: Mapping[str, Any]) -> None:
        """Print the JSON object that --json asks for."""
        if self.as_json:
            sys.stdout.write(json_line(value))

    def text(self, text: str) -> None:
        """Print a result as plain text."""
        if not self.as_json:
            self.out.print(visible(text, kept="\n\t"), soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a result as a table; columns after the first are numbers."""
        if self.as_json:
            return
        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            table.add_column(visible(column), justify="left" if number == 0 else "right", no_wrap=True)
        for row in rows:
            table.add_row(*map(visible, row))
        self.out.print(table)

    @contextmanager
    def bar(self, what: str, total: int | None, count: bool = True) -> Iterator[Bar]:
        """Show a progress bar with rate and time left; nothing unless stderr is a terminal.

        Args:
            what: What is being done.
            total: How many steps there are, where known.
            count: Show steps done and to do.
        """
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        quiet = self.quiet or not self.err.is_terminal
        columns = [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *([MofNCompleteColumn()] if count else []),
        ]
        columns += [
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
        ]
        with Progress(*columns, console=self.err, disable=quiet, transient=True) as progress:
            yield Bar(progress, progress.add_task(what, total=total, note="", rate=""))


class Bar:
    """Move a progress bar; made by `Terminal.bar`."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress, self.task = progress, task

    def __call__(self, steps: int = 1, note: str | None = None) -> None:
        """Advance by some steps, and say something new beside the bar."""
        speed = next((task.speed for task in self.progress.tasks), None)
        fields = {"rate": f"{speed:,.1f}/s" if speed else ""} | ({} if note is None else {"note": note})
        self.progress.update(self.task, advance=steps, **fields)  # pyright: ignore[reportArgumentType]

    def over(self, total: int) -> Bar:
        """Return itself once it knows how many steps there are."""
        self.progress.update(self.task, total=total)
        return self


class TrainingBar:
    """Move a progress bar by what training reports: the step, its loss, and the latest validation.

    Args:
        bar: The bar, of as many steps as training takes at most.
    """

    def __init__(self, bar: Bar) -> None:
        self.bar, self.step, self.validated = bar, 0, ""

    def __call__(self, line: Mapping[str, Any]) -> None:
        """Show one line of metrics.jsonl."""
        if "valid_auc" in line:
            self.validated = f", validation AUC {line['valid_auc']:.3f}"
        # Several networks are trained one after the other, each from its first step.
        self.step = 0 if line["step"] <= self.step else self.step
        self.bar(line["step"] - self.step, f"loss {line['loss']:.3f}{self.validated}")
        self.step = line["step"]
