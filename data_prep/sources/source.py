"""Say what a source of conversations is given and what it hands over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from data_prep.read.grouped_rows import GroupedRows
from data_prep.read.mapper import mapper_of
from data_prep.read.parallel import Mapper
from data_prep.read.rated_input import RatedInput, group_rated
from data_prep.read.row import RatedRow, Rejected, in_file_order
from gmt.data.comparisons import Comparison
from gmt.data.dataset import ModelInfo
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError

if TYPE_CHECKING:
    from data_prep.read.ray_texts import DistantTexts

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class SourceOptions:
    """Hold every option of `gmt prep` that a source may read; most name a column.

    Args:
        user, query: Columns of the user's name and of the query.
        winner, model_a, model_b: Columns of a pairwise vote.
        labels: What the winner column says for A, for B, for a tie and, where there is a fourth,
            for "both bad". None stands for `model_a,model_b,tie`.
        response_a, response_b: Columns of the two answers.
        model, rating, response: Columns of a single rated answer.
        rating_scale: The worst and the best rating the source can give; None stands for 0 to 1.
        comparison: Column of what rated answers that were judged together have in common.
        question, conversation, turn, task, timestamp, feedback, cost: Optional columns.
        delimiter, encoding: How a CSV file is written.
        time_format: How times are written, as `strptime` names it.
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
    comparison: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    time_format: str | None = None
    join: tuple[str, ...] = ()
    seed: int = 0
    workers: int = 1
    engine: str = "local"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise DataError(f"workers is {self.workers}; expected at least 1")
        # Options come from Python too, not only from the command line, which checks its choices itself.
        if self.engine not in ENGINES:
            raise DataError(f"engine is {self.engine!r}; expected one of {', '.join(ENGINES)}")
        if self.labels is not None and (
            # Two labels where nothing ties, four where "both bad" has a word of its own.
            not 2 <= len(self.labels) <= 4 or len(set(self.labels)) < len(self.labels) or not all(self.labels)
        ):
            given = ",".join(self.labels)
            raise DataError(f"labels are {given!r}; expected different words for A,B,TIE, of ratings for GOOD,BAD")
        if self.rating_scale is not None:
            low, high = self.rating_scale
            # An infinite end would scale every rating to 0 or NaN.
            if not (np.isfinite(low) and np.isfinite(high) and low != high):
                raise DataError(
                    f"the rating scale is {low:g},{high:g}; expected WORST,BEST, e.g. 1,5, or 3,1 for places of three"
                )

    @property
    def mapper(self) -> Mapper:
        """Who parses what is read row by row."""
        return mapper_of(self.engine, self.workers)


@dataclass
class RawData:
    """Hold what a source read, before it is split and encoded.

    Args:
        grouped: The comparisons as numbers, from sources that read row by row.
        table: The comparisons as a table, from sources that fill columns or make their data; one of the two is given.
        models: What the source knows of its models; names without an entry describe themselves.
        rejected: Rows that could not be read.
        rows: How many rows were read well; None where each is one comparison.
        rating_scale: How the source's ratings became numbers in [0, 1], in words.
        vectors: Text -> (D,) vector, where the source brings its own embeddings.
        model_vectors: Model name -> (D,) vector of its description, likewise.
        extras: Path within the data folder -> text of a file that ships with the data, e.g. the
            true preferences of simulated users or the history of a user to adapt to.
        distant: Where the texts are, if those of `grouped` are only keys of them.
        splits: (C,) split codes, where the source itself says what is train and what is test.
        notes: What whoever preps the data should hear.
        answers_shown: Whether answers and not models are ranked: the texts of a question's candidates may be read.
    """

    grouped: GroupedRows | None = None
    table: InteractionTable | None = None
    models: dict[str, ModelInfo] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    rows: int | None = None
    rating_scale: str = "0..1"
    vectors: dict[str, np.ndarray] | None = None
    model_vectors: dict[str, np.ndarray] | None = None
    extras: dict[str, str] = field(default_factory=dict)
    distant: DistantTexts | None = None
    splits: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    answers_shown: bool = False

    @classmethod
    def of_input(cls, found: RatedInput, rating_scale: str, conversations: bool = False, **more: Any) -> Self:
        """Hand over an input that was read row by row.

        Args:
            found: What it says.
            rating_scale: As in `RawData`.
            conversations: Whether each row is a conversation of several rounds, and they are what is counted.
            more: Other fields of `RawData`.
        """
        grouped = found.grouped
        rows = len(grouped.names["conversation"]) if conversations else grouped.rows
        held = {"rejected": found.rejected, "rows": rows, "distant": found.distant}
        return cls(grouped, rating_scale=rating_scale, **held, **more)

    @classmethod
    def of_rows(
        cls, rows: Iterable[RatedRow], rejected: list[Rejected], rating_scale: str, count: int, **more: Any
    ) -> Self:
        """Hand over rows that are in memory.

        Args:
            rows: The rows.
            rejected: Those that could not be read; rows that contradict their comparison join them.
            rating_scale: As in `RawData`.
            count: How many rows were read well.
            more: Other fields of `RawData`.
        """
        # Grouping rejects rows too, so they are sorted after it.
        grouped = group_rated(rows, rejected)
        return cls(grouped, rejected=in_file_order(rejected), rows=count, rating_scale=rating_scale, **more)

    def __len__(self) -> int:
        held = self.grouped if self.table is None else self.table
        return 0 if held is None else len(held)

    @property
    def comparisons(self) -> list[Comparison]:
        """The comparisons one by one; a small history is read so, a log of millions is not."""
        if self.grouped is not None:
            return self.grouped.comparisons()
        return [] if self.table is None else self.table.to_comparisons()

    def as_table(self) -> InteractionTable:
        """Return the comparisons as one table, split as the source says or not at all."""
        found = self.table
        if found is None:
            found = InteractionTable.from_comparisons([]) if self.grouped is None else self.grouped.table()
        return found if self.splits is None else found.with_split(self.splits)


class Source(Protocol):
    """Read one published or private shape of conversations; a module with such a function is a source."""

    def read(self, input: str | Path | None, options: SourceOptions) -> RawData:
        """Read a file, a folder or `hub:<dataset id>`.

        Raises:
            DataError: The input as a whole cannot be read; single bad rows are collected instead.
        """
        ...
