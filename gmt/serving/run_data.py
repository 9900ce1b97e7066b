"""Keep what a run remembers: the rounds it learned from, those users added, the models on offer, and all texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from gmt.data.comparisons import Comparison
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.interactions import InteractionTable
from gmt.data.store import EmbeddingStore
from gmt.errors import RunError, UserError
from gmt.files import write_json
from gmt.runs import RunFolder, read_run_json
from gmt.serving.text_vectors import TextVectors
from gmt.state.user_files import UserFiles, fresh


class RunData:
    """Hold the data of a loaded run, and change it in memory and on the disk together.

    Args:
        folder: The run.
        card: Its card.
        data: All rounds, with vectors of their texts and models.
        texts: Vectors of all texts.
    """

    def __init__(self, folder: RunFolder, card: Mapping[str, Any], data: Dataset, texts: TextVectors) -> None:
        self.folder, self.card, self.data, self.texts = folder, card, data, texts
        self.user_files = UserFiles(folder.users)
        self._offered: list[str] | None = None

    @classmethod
    def load(cls, folder: RunFolder, card: Mapping[str, Any]) -> Self:
        """Read a run's history and what users added to it.

        Raises:
            RunError: A file is missing, damaged, or made by another encoder.
        """
        models = {name: ModelInfo(**info) for name, info in read_run_json(folder.models).items()}
        table = InteractionTable.read(folder.history, list(models))
        store = EmbeddingStore.open(folder.embeddings)
        if store.encoder.id != card["encoder"]["id"] or store.encoder.revision != card["encoder"]["revision"]:
            raise RunError(
                f"{folder.embeddings} was made by {store.encoder.id} and the run by {card['encoder']['id']}; restore "
                "the embeddings written with this run"
            )
        data = Dataset.from_store(table, models, store, card)
        data = data.append(UserFiles(folder.users).read_all(), store, models)
        return cls(folder, card, data, TextVectors(store))

    @property
    def offered(self) -> list[str]:
        """Names of the models on offer, in the order of models.json."""
        if self._offered is None:
            self._offered = list(read_run_json(self.folder.models))
        return list(self._offered)

    def of_user(self, user: str) -> np.ndarray:
        """Return (C,) which rounds are this user's."""
        table = self.data.table
        return table.user == (table.users.index(user) if user in table.users else -1)

    def history(self, user: str) -> list[Comparison]:
        """Return all rounds of a user; none if nothing of them is known."""
        return self.data.select(self.of_user(user)).table.to_comparisons()

    def append(self, user: str, rounds: Sequence[Comparison]) -> tuple[list[Comparison], int]:
        """Add rounds to a user's history; return those added, and how many were exact repeats."""
        added, repeats = fresh(self.history(user), rounds, user)
        models = {candidate.model for item in added for candidate in item.candidates}
        self.texts.remember(
            [text for item in added for text in texts_of(item)] + sorted(models - set(self.data.models))
        )
        self.data = self.data.append(added, self.texts.store, self.data.models)
        self.user_files.write(user, [*self.user_files.read(user), *added])
        return added, repeats

    def forget(self, user: str) -> int:
        """Remove a user's rows and files; return how many rounds went."""
        own = self.of_user(user)
        # 1. The rows the run was trained on, on the disk; the split of all others stays.
        trained = InteractionTable.read(self.folder.history, self.offered)
        if user in trained.users:
            kept = [item for item in trained.to_comparisons() if item.user != user]
            split = trained.split[trained.user != trained.users.index(user)].tolist()
            InteractionTable.from_comparisons(kept, split, trained.models).write(self.folder.history)
        self.user_files.forget(user)
        # 2. The rows in memory, and with them the vectors of texts that nobody else wrote or read.
        kept = [item for item, mine in zip(self.data.table.to_comparisons(), own, strict=True) if not mine]
        table = InteractionTable.from_comparisons(kept, models=self.data.table.models)
        descriptions = [info.description for info in self.data.models.values()]
        self.texts.keep_only([*table.texts, *descriptions], self.folder.embeddings)
        self.data = Dataset.from_store(table, self.data.models, self.texts.store, self.card)
        return int(own.sum())

    def offer(self, name: str, info: ModelInfo) -> None:
        """Put a model on offer; one that so far only stood in somebody's history gets its description.

        Raises:
            UserError: It is on offer already, under another description.
        """
        models = read_run_json(self.folder.models)
        if name in models and models[name]["description"] != info.description:
            raise UserError(f"model {name} is already on offer with another description; choose another name")
        self.texts.remember([info.description])
        write_json(self.folder.models, models | {name: info.to_json()})
        self._offered = None
        vector = self.texts.store.vectors([info.description])
        table, vectors = self.data.table, self.data.model_vectors
        if name in table.models:
            vectors = vectors.copy()
            vectors[table.models.index(name)] = vector[0]
        else:
            table = replace(table, models=(*table.models, name))
            vectors = np.concatenate([vectors, vector])
        self.data = replace(self.data, table=table, model_vectors=vectors, models={**self.data.models, name: info})


def texts_of(item: Comparison) -> list[str]:
    """Return every text of a round: its query, then answers and feedback."""
    found = [item.query]
    for candidate in item.candidates:
        found += [text for text in (candidate.response, candidate.feedback) if text is not None]
    return found
