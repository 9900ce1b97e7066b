"""Hold conversations and ratings as one checked, columnar table: the only shape the rest of gmt reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.frames import table_rows, to_dataset, to_pandas
from gmt.data.signals import SIGNALS
from gmt.data.stored_texts import StoredTexts
from gmt.data.table_arrow import SCHEMA, arrow_of, arrow_parts, columns_of
from gmt.data.table_blocks import columns_in_blocks, is_large
from gmt.data.table_builder import TableBuilder
from gmt.data.table_columns import PER_COMPARISON, PER_ROW, SPLITS, TEST, TRAIN, VALID, TableColumns
from gmt.data.table_growth import TableGrowth
from gmt.data.text_keys import stand_in
from gmt.data.vocabulary import Names, Vocabulary
from gmt.errors import DataError
from gmt.files import replace_file

if TYPE_CHECKING:
    import datasets
    import pandas

__all__ = ["SPLITS", "TEST", "TRAIN", "VALID", "InteractionTable"]

WRITTEN_AT_ONCE = 100_000  # comparisons


@dataclass(frozen=True, eq=False)
class InteractionTable(TableColumns):
    """Select, grow, read and write the comparisons of `TableColumns`, which names the fields."""

    def select(self, positions: np.ndarray) -> InteractionTable:
        """Return the comparisons at `positions` (indices or a mask), vocabularies unchanged."""
        positions = np.asarray(positions)
        if positions.dtype == bool:
            positions = np.flatnonzero(positions)
        positions = (
            np.where(positions < 0, positions + len(self), positions) if len(positions) else positions.astype(int)
        )
        sizes = self.start[positions + 1] - self.start[positions]  # of these alone, however long the table is
        start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        within = np.arange(start[-1]) - np.repeat(start[:-1], sizes)
        rows = np.repeat(self.start[:-1][positions], sizes) + within
        per_comparison = {name: getattr(self, name)[positions] for name in PER_COMPARISON}
        per_row = {name: getattr(self, name)[rows] for name in PER_ROW}
        return replace(self, start=start, **per_comparison, **per_row)

    def with_split(self, split: np.ndarray) -> InteractionTable:
        """Return the same table with (C,) split codes."""
        return replace(self, split=np.asarray(split, dtype=np.int8))

    def grown(self, **vocabularies: Names) -> InteractionTable:
        """Return the same rows with vocabularies that hold more names behind the old ones.

        Codes and rows stay what they were, so only the vocabularies are checked, which takes no time.

        Raises:
            DataError: A vocabulary is shorter than it was.
        """
        for name, values in vocabularies.items():
            if len(values) < len(getattr(self, name)):
                raise DataError(
                    f"{name} hold {len(values)} names instead of {len(getattr(self, name))} or more; add new names "
                    "behind the old ones"
                )
        longer: dict[str, Any] = {
            # As they are, for both may be long.
            name: values if isinstance(values, (Vocabulary, StoredTexts)) else tuple(values)
            for name, values in vocabularies.items()
        }
        return replace(self, rows_of=self, **longer)

    def with_tasks_first(self, tasks: Sequence[str]) -> InteractionTable:
        """Return the same rows with these tasks first among the task codes, whether rows name them or not."""
        if tuple(self.tasks[: len(tasks)]) == tuple(tasks):
            return self
        named = Vocabulary.of(tasks).grown(self.tasks)
        # One more for rows without a task: code -1 reads the last.
        codes = np.array([*map(named.code, self.tasks), -1], np.int64)
        return replace(self, tasks=tuple(named), task=codes[self.task])

    def of_user(self, user: int) -> np.ndarray:
        """Return the (N,) ascending positions of a user's rounds; a table that was grown does not search for them."""
        if self.growth is None:
            return np.flatnonzero(self.user == user)
        return self.growth.rounds_of(user, len(self))

    def owned(self) -> InteractionTable:
        """Return the table itself.

        Raises:
            DataError: Two users share a conversation; each would see the other's earlier rounds.
        """
        # Whichever user is written last owns the conversation; any other one in it then differs.
        owner = np.full(len(self.conversations), -1, dtype=np.int64)
        owner[self.conversation] = self.user
        shared = np.flatnonzero(owner[self.conversation] != self.user)
        if len(shared):
            talk, user = self.conversation[shared[0]], self.user[shared[0]]
            raise DataError(
                f"conversation {self.conversations[talk]} belongs to {self.users[user]} and {self.users[owner[talk]]}; "
                "give every user's conversations names of their own"
            )
        return self

    @property
    def text_order(self) -> np.ndarray:
        """(T,) codes of the texts in the order in which `read` will number them: queries, responses, feedback."""
        codes = np.concatenate([self.query, self.response, self.feedback])
        values, first = np.unique(codes, return_index=True)
        # By first appearance, as `read` gives codes.
        values = values[np.argsort(first)]
        return values[values >= 0]

    @property
    def says_anything(self) -> bool:
        """Tell whether there is a rating, a remark or a signal."""
        return bool(self.rated.any() or (self.feedback >= 0).any() or (self.signal >= 0).any())

    def without_ratings(self) -> InteractionTable:
        """Return the same table with ratings, feedback and signals blanked."""
        # Feedback and signals too, for they give the rating away.
        none = {name: np.full_like(getattr(self, name), -1) for name in ("feedback", "signal")}
        return replace(self, rating=np.full_like(self.rating, np.nan), **none)

    def without_texts(self) -> InteractionTable:
        """Return the same table with a stand-in for every text, by which its vector and its form are still found."""
        return replace(self, texts=tuple(map(stand_in, self.texts)))

    def to_comparisons(self) -> list[Comparison]:
        """Return the rows as plain `Comparison` objects, in table order."""
        out = []
        for c in range(len(self)):
            candidates = tuple(
                Candidate(
                    self.models[self.model[r]],
                    self.texts[self.response[r]] if self.response[r] >= 0 else None,
                    None if np.isnan(self.rating[r]) else float(self.rating[r]),
                    self.texts[self.feedback[r]] if self.feedback[r] >= 0 else None,
                    None if np.isnan(self.cost[r]) else float(self.cost[r]),
                    SIGNALS[self.signal[r]] if self.signal[r] >= 0 else None,
                )
                for r in range(self.start[c], self.start[c + 1])
            )
            out.append(
                Comparison(
                    self.users[self.user[c]],
                    self.conversations[self.conversation[c]],
                    int(self.turn[c]),
                    self.texts[self.query[c]],
                    candidates,
                    self.questions[self.question[c]],
                    self.tasks[self.task[c]] if self.task[c] >= 0 else None,
                    None if np.isnan(self.timestamp[c]) else float(self.timestamp[c]),
                )
            )
        return out

    @classmethod
    def from_comparisons(
        cls, comparisons: Iterable[Comparison], split: Sequence[int] | None = None, models: Sequence[str] = ()
    ) -> InteractionTable:
        """Build a table; vocabularies follow first appearance.

        Args:
            comparisons: The comparisons, in any order.
            split: (C,) split codes; all TRAIN when left out.
            models: Names that must be in the vocabulary, first and in this order.
        """
        return cls(**TableBuilder(models).extend(comparisons, split).finished()).owned()

    def append(self, comparisons: Iterable[Comparison], split: int = TRAIN) -> InteractionTable:
        """Return this table plus `comparisons`; codes already given out keep their meaning.

        The first time copies the table; after that one more comparison costs the same however many there are, as long
        as it is the newest table that grows.

        Raises:
            DataError: A conversation would belong to two users or stand in two splits.
        """
        items, growth = list(comparisons), self.growth
        with contextlib.ExitStack() as held:
            if growth is not None:
                # Two threads would otherwise write behind one table at the same place.
                held.enter_context(growth.lock)
            if growth is None or not growth.is_newest(self):
                growth = TableGrowth(self.owned())
            return InteractionTable(**growth.append(self, items, split), grown_by=growth)

    def to_arrow(self) -> pa.Table:
        """Return one Arrow row per candidate, columns as in the data contract."""
        return arrow_of(self, 0, len(self))

    @classmethod
    def from_arrow(cls, table: pa.Table, models: Sequence[str] = ()) -> InteractionTable:
        """Read rows written by `to_arrow`; `models` fixes the first model codes.

        Raises:
            DataError: A column is missing, or rows of one comparison disagree on user, turn or query.
        """
        return cls(**columns_of(table, models)).owned()

    def to_pandas(self) -> pandas.DataFrame:
        """Return one row per candidate as a data frame, columns as in the data contract."""
        return to_pandas(self.to_arrow())

    def to_dataset(self) -> datasets.Dataset:
        """Return one row per candidate as a `datasets.Dataset`, columns as in the data contract."""
        return to_dataset(self.to_arrow())

    @classmethod
    def from_frame(cls, frame: Any, models: Sequence[str] = ()) -> InteractionTable:
        """Read what `to_pandas`, `to_arrow` and `to_dataset` return, or any table with these columns, checked.

        Args:
            frame: A data frame of pandas or polars, an Arrow table, or a `datasets.Dataset`.
            models: Names that take the first model codes, in this order.

        Raises:
            DataError: A column is missing, holds what it cannot, or rows of one comparison disagree.
        """
        return cls.from_arrow(table_rows(frame), models)

    from_pandas = from_frame
    from_dataset = from_frame

    def write(self, path: Path) -> None:
        """Write Parquet whole or not at all."""

        def write_rows(part: Path) -> None:
            with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
                for part_of_rows in arrow_parts(self, WRITTEN_AT_ONCE):  # so that texts are never all held as Arrow
                    writer.write_table(part_of_rows)

        replace_file(path, write_rows)

    @classmethod
    def read(cls, path: Path, models: Sequence[str] = ()) -> InteractionTable:
        """Read Parquet written by `write`.

        Raises:
            DataError: There is no such file, or it is no such table.
        """
        if not path.is_file():
            raise DataError(f"{path} does not exist; make it with gmt prep")
        try:
            if is_large(path) and (columns := columns_in_blocks(path, models)) is not None:
                return cls(**columns).owned()
            # A file by itself: `read_table` loads pandas for it, which takes a third of a second.
            return cls.from_arrow(pq.ParquetFile(path).read(), models)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            # Errors of Arrow run over several lines, and ours are one.
            reason = " ".join(str(error).split())[:160]
            raise DataError(
                f"{path} is not a readable interaction table ({reason}); make it anew with gmt prep"
            ) from error
