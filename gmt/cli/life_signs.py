"""Show that long work goes on: a bar at a terminal, a line now and then in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

FIRST, LONGEST = 10.0, 60.0
"""Seconds to the first line in a log, and between two at most; what is done before says nothing."""


class Advance(Protocol):
    """Take note that work went on."""

    def __call__(self, steps: int = 1, note: str | None = None) -> None:
        """Count some more steps, and say something new beside them."""
        ...

    def over(self, total: int) -> Self:
        """Return itself once it is known how many steps there are."""
        ...


class Bar:
    """Move a bar on a terminal; made by `bar_on`."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress, self.task = progress, task

    def __call__(self, steps: int = 1, note: str | None = None) -> None:
        """Advance by some steps, and say something new beside the bar."""
        speed = next((task.speed for task in self.progress.tasks), None)
        fields = {"rate": f"{speed:,.1f}/s" if speed else ""} | ({} if note is None else {"note": note})
        self.progress.update(self.task, advance=steps, **fields)  # pyright: ignore[reportArgumentType]

    def over(self, total: int) -> Self:
        """Return itself once it knows how many steps there are."""
        self.progress.update(self.task, total=total)
        return self


@contextmanager
def bar_on(console: Console, what: str, total: int | None, count: bool) -> Iterator[Bar]:
    """Show a bar with rate and time left, gone when the work is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    columns = [TextColumn("{task.description}", markup=False), BarColumn(bar_width=20)]
    columns += [MofNCompleteColumn()] if count else []
    # On a narrow terminal the note gives way, not the counts.
    note = TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns += [TextColumn("{task.fields[rate]}"), note, TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, progress.add_task(what, total=total, note="", rate=""))


class LifeSigns:
    """Say in a line now and then how far work is; ever more seldom, so that a log of hours stays short.

    Args:
        what: What is being done.
        total: How many steps there are, where known.
        say: Takes a line.
        count: Say how many steps were done.
        clock: Returns seconds.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        say: Callable[[str], None],
        count: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what, self.total, self.say, self.count, self.clock = what, total, say, count, clock
        self.done, self.note, self.begun = 0, "", clock()

    def __call__(self, steps: int = 1, note: str | None = None) -> None:
        """Count some more steps, and keep what is new beside them."""
        self.done += steps
        self.note = self.note if note is None else note

    def over(self, total: int) -> Self:
        """Return itself once it knows how many steps there are."""
        self.total = total
        return self

    def line(self) -> str:
        """Return how far the work is."""
        passed = max(self.clock() - self.begun, 1e-9)
        parts = [f"{self.what}: {duration(passed)}"]
        if self.count and (self.total or self.done):
            parts.append(f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,} steps")
        if self.total and 0 < self.done < self.total:
            parts.append(f"about {duration(passed / self.done * (self.total - self.done))} to go")
        return ", ".join([*parts, *([self.note] if self.note else [])])

    def watch(self, ended: threading.Event) -> None:
        """Say a line after ever longer pauses until the work has ended."""
        pause = FIRST
        # A thread of its own, for a step that takes an hour calls nobody.
        while not ended.wait(pause):
            self.say(self.line())
            pause = min(2 * pause, LONGEST)


@contextmanager
def lines_of(signs: LifeSigns) -> Iterator[LifeSigns]:
    """Let life signs be said while work is done."""
    ended = threading.Event()
    watcher = threading.Thread(target=signs.watch, args=(ended,), daemon=True)
    watcher.start()
    try:
        yield signs
    finally:
        ended.set()
        watcher.join()


def duration(seconds: float) -> str:
    """Return a time in the units that people would say it in."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class TrainingBar:
    """Pass on what training reports: the step, its loss, and the latest validation.

    Args:
        advance: Of as many steps as training takes at most.
    """

    def __init__(self, advance: Advance) -> None:
        self.advance, self.step, self.validated = advance, 0, ""

    def __call__(self, line: Mapping[str, Any]) -> None:
        """Show one line of metrics.jsonl."""
        if "valid_auc" in line:
            self.validated = f", validation AUC {line['valid_auc']:.3f}"
        # Several networks are trained one after the other, each from its first step.
        self.step = 0 if line["step"] <= self.step else self.step
        self.advance(line["step"] - self.step, f"loss {line['loss']:.3f}{self.validated}")
        self.step = line["step"]
