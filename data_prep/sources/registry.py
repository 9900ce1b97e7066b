"""Name the sources of conversations and say what each of them hands over."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gmt.data.dataset import ModelInfo
from gmt.data.interactions import Comparison, InteractionTable
from gmt.errors import DataError

if TYPE_CHECKING:
    from data_prep.read.gathered import Gathered
    from data_prep.read.on_ray import DistantTexts

SOURCES = {
    "demo": "data_prep.sources.demo",
    "arena": "data_prep.sources.arena",
    "mt-bench": "data_prep.sources.mt_bench",
    "votes": "data_prep.sources.votes",
    "gmtrouter": "data_prep.sources.gmtrouter",
    "scores": "data_prep.sources.scores",
    "jsonl": "data_prep.sources.jsonl",
}
ON_RAY = ("votes", "jsonl", "arena")
"""Sources that read row by row, and so on several machines."""
ENGINES = ("local", "ray")


@dataclass(frozen=True)
class SourceOptions:
    """Hold every option of `gmt prep` that a source may read; most name a column.

    Args:
        user, query: Columns of the person's name and of what was asked.
        winner, model_a, model_b: Columns of a pairwise vote.
        labels: What the winner column says for A, for B, for a tie and, where there is a fourth,
            for "both bad". None stands for `model_a,model_b,tie`.
        response_a, response_b: Columns of the two answers.
        model, rating, response: Columns of a single rated answer.
        rating_scale: Lowest and highest rating the source can give; None stands for 0 to 1.
        question, conversation, turn, task, timestamp, feedback, cost: Optional columns.
        join: `[PREFIX=]FILE:its_key=our_key[,its_key2=our_key2]`, one for each joined file.
        seed: Seed of sources that make their data.
        workers: Processes that read rows, and that encode texts.
        engine: `local`, or `ray` to read and encode on Ray, of the sources in `ON_RAY`.
    """

    user: str | None = None
    query: str | None = None
    winner: str | None = None
    model_a: str | None = None
    model_b: str | None = None
    labels: tuple[str, ...] | None = None
    response_a: str | None = None
    response_b: str | None = None
    model: str | None = None
    rating: str | None = None
    rating_scale: tuple[float, float] | None = None
    response: str | None = None
    question: str | None = None
    conversation: str | None = None
    turn: str | None = None
    task: str | None = None
    timestamp: str | None = None
    feedback: str | None = None
    cost: str | None = None
    join: tuple[str, ...] = ()
    seed: int = 0
    workers: int = 1
    engine: str = "local"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise DataError(f"workers is {self.workers}; expected at least 1")
        if self.engine not in ENGINES:
            raise DataError(f"engine is {self.engine!r}; expected one of {', '.join(ENGINES)}")
        if self.labels is not None and (
            not 2 <= len(self.labels) <= 4 or len(set(self.labels)) < len(self.labels) or not all(self.labels)
        ):
            raise DataError(f"labels are {','.join(self.labels)!r}; expected different words for A,B,TIE")
        if self.rating_scale is not None:
            low, high = self.rating_scale
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise DataError(f"the rating scale is {low:g},{high:g}; expected LO,HI with LO below HI, e.g. 1,5")


@dataclass(frozen=True)
class Rejected:
    """Name a row that could not be read: its file, its line (from 1) and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.reason}"


@dataclass
class RawData:
    """Hold what a source read, before it becomes a table.

    Args:
        rounds: The rounds in file order, from sources that make them one by one.
        models: What the source knows of its models; names without an entry describe themselves.
        rejected: Rows that could not be read.
        rows: How many rows were read well; None where each is one comparison.
        rating_scale: How the source's ratings became numbers in [0, 1], in words.
        vectors: Text -> (D,) vector, where the source brings its own embeddings.
        model_vectors: Model name -> (D,) vector of its description, likewise.
        extras: Path within the data folder -> text of a file that ships with the data, e.g. a
            person's true tastes or the history of somebody to adapt to.
        gathered: The rounds as numbers, from sources that read row by row; `rounds` is empty then.
        distant: Where the texts are, if those of `gathered` only stand for them.
        table: The rounds as a table, from sources that fill columns; `rounds` is empty then.
        splits: (C,) split codes, where the source itself says what is train and what is test.
        notes: What the person who preps the data should hear.
    """

    rounds: list[Comparison] = field(default_factory=list)
    models: dict[str, ModelInfo] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    rows: int | None = None
    rating_scale: str = "0..1"
    vectors: dict[str, np.ndarray] | None = None
    model_vectors: dict[str, np.ndarray] | None = None
    extras: dict[str, str] = field(default_factory=dict)
    gathered: Gathered | None = None
    distant: DistantTexts | None = None
    table: InteractionTable | None = None
    splits: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        held = self.table if self.table is not None else self.gathered
        return len(self.rounds) if held is None else len(held)

    @property
    def comparisons(self) -> list[Comparison]:
        """The rounds one by one; a small history is read so, a log of millions is not."""
        if self.gathered is not None:
            return self.gathered.comparisons()
        return self.rounds if self.table is None else self.table.to_comparisons()

    def as_table(self) -> InteractionTable:
        """Return the rounds as one table, split as the source says or not at all."""
        found = self.table
        if found is None:
            found = self.gathered.table() if self.gathered else InteractionTable.from_comparisons(self.rounds)
        return found if self.splits is None else found.with_split(self.splits)


class Source(Protocol):
    """Read one published or private shape of conversations; a module with such a function is a source."""

    def read(self, input: str | Path | None, options: SourceOptions) -> RawData:
        """Read a file, a folder or `hub:<dataset id>`.

        Raises:
            DataError: The input as a whole cannot be read; single bad rows are collected instead.
        """
        ...


def load_source(name: str) -> Source:
    """Return the source called `name`, importing it only now.

    Raises:
        DataError: There is no such source.
    """
    if name not in SOURCES:
        close = get_close_matches(name, SOURCES, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Expected one of {', '.join(SOURCES)}."
        raise DataError(f"there is no source {name!r}. {hint}")
    return importlib.import_module(SOURCES[name])  # type: ignore[return-value]
