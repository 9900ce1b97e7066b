"""Load a prepared data folder from Python."""

from __future__ import annotations

from pathlib import Path

from gmt.data.dataset import Dataset
from gmt.errors import DataError


def load_dataset(folder: str | Path) -> Dataset:
    """Load a folder that `gmt prep` wrote.

    `dataset.table` holds the rounds (`to_pandas()`, `to_arrow()`, `to_dataset()`), `dataset.vectors` the vectors of its
    texts, `dataset.models` the cards of its models.

    Args:
        folder: The data folder.

    Raises:
        DataError: The folder is missing or damaged, or what was given is no folder at all.
    """
    if not isinstance(folder, str | Path):
        raise DataError(
            f"{type(folder).__name__} is no folder; rows in memory are read by gmt.read_rounds, or, with the columns "
            "of to_pandas(), by InteractionTable.from_frame"
        )
    return Dataset.load(Path(folder))
