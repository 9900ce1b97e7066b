"""Hold the rankings of many questions, and turn them into tables of pandas, Arrow and `datasets`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from gmt.data.frames import to_dataset, to_pandas
from gmt.serving.decision import Decision

if TYPE_CHECKING:
    import datasets
    import pandas

COLUMNS = pa.schema(
    [
        ("question", pa.int64()),
        ("user", pa.string()),
        ("query", pa.string()),
        ("place", pa.int64()),
        ("model", pa.string()),
        ("score", pa.float64()),
        ("win_probability", pa.float64()),
        ("margin", pa.float64()),
        ("uncertainty", pa.float64()),
        ("cost", pa.float64()),
    ]
)
"""One row per candidate: its question by number from 0, its place from 1, and the fields of `Choice`."""


class Rankings(list[Decision]):
    """Hold one `Decision` for each question, in their order."""

    def to_arrow(self) -> pa.Table:
        """Return one row per candidate, best first within each question, in the columns `COLUMNS`."""
        rows = [
            {"question": number, "user": decision.user, "query": decision.query, "place": place, **vars(choice)}
            for number, decision in enumerate(self)
            for place, choice in enumerate(decision.ranking, start=1)
        ]
        return pa.Table.from_pylist(rows, schema=COLUMNS)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the rows of `to_arrow` as a data frame."""
        return to_pandas(self.to_arrow())

    def to_dataset(self) -> datasets.Dataset:
        """Return the rows of `to_arrow` as a `datasets.Dataset`."""
        return to_dataset(self.to_arrow())
