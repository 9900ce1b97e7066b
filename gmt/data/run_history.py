"""Read the history that a run was trained on, with the vectors of its texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from gmt.data.dataset import Dataset, ModelInfo, read_run_models
from gmt.data.interactions import InteractionTable
from gmt.data.store import EmbeddingStore
from gmt.errors import RunError
from gmt.runs import RunFolder


@dataclass(frozen=True, eq=False)
class RunHistory:
    """Hold what lies in a run's folder.

    Args:
        data: The rounds it was trained on.
        models: The models it offers, in the order of models.json.
        store: Vectors of all texts it was trained with.
    """

    data: Dataset
    models: Mapping[str, ModelInfo]
    store: EmbeddingStore

    @classmethod
    def read(cls, folder: RunFolder, card: Mapping[str, Any]) -> Self:
        """Read a run's history.

        Raises:
            RunError: A file is missing, damaged, or made by another encoder.
        """
        models = read_run_models(folder.models)
        # What was learned of tasks is known by their codes, and the rows that are left may begin with other ones.
        table = InteractionTable.read(folder.history, list(models)).with_tasks_first(card.get("tasks", ()))
        store = EmbeddingStore.open(folder.embeddings)
        if store.encoder.id != card["encoder"]["id"] or store.encoder.revision != card["encoder"]["revision"]:
            raise RunError(
                f"{folder.embeddings} was made by {store.encoder.id} and the run by {card['encoder']['id']}; restore "
                "the embeddings written with this run"
            )
        return cls(Dataset.from_store(table, models, store, card), models, store)
