"""Join the table with its text vectors and model cards, and cut it into visible history and questions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gmt.data.comparisons import Comparison, check_text
from gmt.data.encoders import EncoderCard
from gmt.data.folder_files import check_files
from gmt.data.growing_rows import LayeredVectors, Vectors
from gmt.data.interactions import InteractionTable
from gmt.data.store import EmbeddingStore
from gmt.data.stored_texts import StoredTexts
from gmt.errors import DataError, RunError, UserError
from gmt.files import read_json, restore_folder

REPAIR = "run gmt prep again"
CARD = {"description", "input_price", "output_price"}
"""The keys of every model in `models.json`; others of `NUMBERS` may stand beside them."""
GIVEN_VECTORS = "file:"
"""Begins the encoder id of a store whose vectors came with the data; zeros stand for a text that came without."""

NUMBERS = ("input_price", "output_price", "cached_input_price", "switch_cost")
"""What a model's card states in numbers, each of them 0 or more."""
FEW = 64
"""So many questions at most are looked up user by user."""


class VectorSource(Protocol):
    """Give the vectors of texts."""

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return (T, D) vectors."""
        ...


@dataclass(frozen=True)
class ModelInfo:
    """Describe a model on offer.

    Args:
        description: Text the encoder reads; the name where nothing better is known.
        input_price, output_price: $ per million tokens, None where unknown.
        cached_input_price: $ per million tokens that a prompt cache holds already, None where unknown.
        switch_cost: What changing to it within a conversation costs beside reading the conversation anew, in the unit
            of `gmt.routing.staying`; None where it declares nothing of its own.
    """

    description: str
    input_price: float | None = None
    output_price: float | None = None
    cached_input_price: float | None = None
    switch_cost: float | None = None

    def to_json(self) -> dict[str, Any]:
        prices = {"input_price": self.input_price, "output_price": self.output_price}
        # What few cards state is left out of all others, whose files stay as they were.
        rare = {"cached_input_price": self.cached_input_price, "switch_cost": self.switch_cost}
        stated = {name: value for name, value in rare.items() if value is not None}
        return {"description": self.description, **prices, **stated}


@dataclass(frozen=True, eq=False)
class Questions:
    """Hold what a router may see of C questions: everything but their outcome.

    There is no field for a rating, so a router cannot read it. The candidates' responses are there only in data that
    declare them visible, where answers and not models are ranked (`Dataset.answers_shown`).

    Args:
        comparison: (C,) comparison ids, for bookkeeping only.
        user: (C,) codes into `Dataset.table.users`; -1 for an unknown user.
        conversation, turn, question, task, query: (C,) codes as in the table.
        timestamp: (C,) UTC seconds or NaN.
        candidates: (C, K) model codes, -1 under padding.
        earlier: Earlier rounds of the questions' conversations. Of question i only rounds with the
            same conversation and a smaller turn may be read (`earlier_of`). Their ratings are
            blank unless they were revealed on purpose.
        responses: (C, K) codes of the candidates' texts, -1 where there is none; None where models are chosen, for
            then nobody has answered yet.
    """

    comparison: np.ndarray
    user: np.ndarray
    conversation: np.ndarray
    turn: np.ndarray
    question: np.ndarray
    task: np.ndarray
    query: np.ndarray
    timestamp: np.ndarray
    candidates: np.ndarray
    earlier: InteractionTable
    responses: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.comparison)

    @property
    def mask(self) -> np.ndarray:
        """(C, K) true where a candidate exists."""
        return self.candidates >= 0

    def earlier_of(self, index: int) -> np.ndarray:
        """Return the positions in `earlier` of the rounds before question `index`, by turn."""
        same = (self.earlier.conversation == self.conversation[index]) & (self.earlier.turn < self.turn[index])
        positions = np.flatnonzero(same)
        return positions[np.argsort(self.earlier.turn[positions], kind="stable")]

    def select(self, positions: np.ndarray) -> Questions:
        """Return the questions at `positions`."""
        names = ("comparison", "user", "conversation", "turn", "question", "task", "query", "timestamp", "candidates")
        responses = None if self.responses is None else self.responses[positions]
        return replace(self, responses=responses, **{name: getattr(self, name)[positions] for name in names})


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold a table with the vectors of its texts (T) and models (M).

    Args:
        table: The comparisons.
        vectors: (T, D) unit-length text vectors aligned with `table.texts`; of a loaded folder they are read-only and
            mapped from its file, so that what is not read takes no memory. Data that grew holds them in layers, which
            are read by index.
        model_vectors: (M, D) vectors of the model descriptions, aligned with `table.models`.
        models: Name -> description and prices, one entry for every name in `table.models`.
        encoder: Which encoder made the vectors.
        card: The data card, as read from `card.json`.
    """

    table: InteractionTable
    vectors: Vectors
    model_vectors: np.ndarray
    models: Mapping[str, ModelInfo]
    encoder: EncoderCard
    card: Mapping[str, Any]

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.table.texts) or len(self.model_vectors) != len(self.table.models):
            raise DataError(
                f"{len(self.vectors)} text and {len(self.model_vectors)} model vectors for {len(self.table.texts)} "
                f"texts and {len(self.table.models)} models; run gmt prep again"
            )

    @property
    def answers_shown(self) -> bool:
        """Whether the source compares answers and not models, so that what is ranked may be read (the card says so)."""
        return self.card.get("answers_shown") is True

    @property
    def rating_range(self) -> tuple[float, float]:
        """The numbers that ratings 0 and 1 stand for in the source, such as -1 and 1 for rewards."""
        low, dots, high = str(self.card.get("rating_scale", "")).partition("..")
        try:
            return (float(low), float(high)) if dots else (0.0, 1.0)
        except ValueError:
            return 0.0, 1.0  # a scale described in words

    def select(self, positions: np.ndarray) -> Dataset:
        """Return the same data with only the comparisons at `positions` (indices or mask)."""
        return replace(self, table=self.table.select(positions))

    def with_table(self, table: InteractionTable) -> Dataset:
        """Return the same data around a table that shares its vocabularies."""
        return replace(self, table=table)

    def without_vectors(self) -> Dataset:
        """Return the same data with every vector zero, as if no text had been read."""
        zero = np.float32(0)
        blank = np.broadcast_to(zero, self.vectors.shape), np.broadcast_to(zero, self.model_vectors.shape)
        return replace(self, vectors=blank[0], model_vectors=blank[1])

    def questions(self, positions: np.ndarray, reveal_earlier: bool = False) -> Questions:
        """Turn the comparisons at `positions` into questions; their ratings stay behind, and so do their responses.

        Where the card declares answers shown, responses come along: they are what is to be ranked.

        Args:
            positions: (C,) indices into the table.
            reveal_earlier: Show the ratings of earlier rounds of the same conversations too.
        """
        table = self.table
        targets = table.select(positions)
        earlier = table.select(_earlier_rounds(table, targets))
        return Questions(
            comparison=targets.comparison,
            user=targets.user,
            conversation=targets.conversation,
            turn=targets.turn,
            question=targets.question,
            task=targets.task,
            query=targets.query,
            timestamp=targets.timestamp,
            candidates=targets.candidates,
            earlier=earlier if reveal_earlier else earlier.without_ratings(),
            responses=_responses(targets) if self.answers_shown else None,
        )

    def append(
        self,
        comparisons: Iterable[Comparison],
        vectors: VectorSource,
        models: Mapping[str, ModelInfo],
        split: int = 0,
    ) -> Dataset:
        """Return this data plus `comparisons`, codes already given out unchanged, at the cost of the table's `append`.

        Args:
            comparisons: New comparisons; new users, models and texts join the vocabularies.
            vectors: Store that knows the new texts and the new models' descriptions.
            models: Cards of models that this data does not know; the name alone serves where
                there is none.
            split: Split code of the new comparisons.
        """
        table, models_before = self.table.append(comparisons, split), len(self.table.models)
        cards = self.models
        if len(table.models) > models_before:
            joined = table.models[models_before:]
            cards = {**cards, **{name: models.get(name, ModelInfo(name)) for name in joined if name not in cards}}
            described = vectors.vectors([cards[name].description for name in joined])
        else:
            described = self.model_vectors[:0]
        fresh = vectors.vectors(list(table.texts[len(self.table.texts) :]))
        return replace(
            self,
            table=table,
            vectors=LayeredVectors.of(self.vectors).grown(fresh),
            model_vectors=np.concatenate([self.model_vectors, described]) if len(described) else self.model_vectors,
            models=cards,
        )

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """Read a folder written by `gmt prep`.

        Raises:
            DataError: A file is missing or not what the card was written for, or a text has no vector.
        """
        folder = Path(folder)
        restore_folder(folder)  # where a prep was killed as it put a new folder in its place
        for name in ("interactions.parquet", "models.json", "card.json"):
            if not (folder / name).is_file():
                raise DataError(f"{folder} holds no {name}; make the folder with gmt prep --out {folder}")
        check_files(folder)
        models = read_cards(folder / "models.json")
        table = InteractionTable.read(folder / "interactions.parquet", list(models))
        store = EmbeddingStore.open(folder / "embeddings")
        return cls.from_store(table, models, store, read_card(folder / "card.json"))

    @classmethod
    def from_store(
        cls, table: InteractionTable, models: Mapping[str, ModelInfo], store: EmbeddingStore, card: Mapping[str, Any]
    ) -> Dataset:
        """Join a table with the vectors a store remembers."""
        cards = {name: models.get(name, ModelInfo(name)) for name in table.models}
        descriptions = [cards[name].description for name in table.models]
        vectors = store.vectors(table.texts if isinstance(table.texts, StoredTexts) else list(table.texts))
        if store.encoder.id.startswith(GIVEN_VECTORS):
            table = _without_unread(table, vectors)
        described = np.array(store.vectors(descriptions))  # few, and read as a whole: no view of the file
        return cls(table, vectors, described, cards, store.encoder, card)


def _without_unread(table: InteractionTable, vectors: np.ndarray) -> InteractionTable:
    """Blank the answers and feedback that came without a vector among some that had one: nobody can read them."""
    unread = ~vectors.any(axis=1)
    if not unread.any():
        return table
    unread = np.append(unread, True)  # so that -1, no text at all, stays what it is
    response, feedback = (np.where(unread[codes], -1, codes) for codes in (table.response, table.feedback))
    return replace(table, response=response, feedback=feedback)


def _responses(targets: InteractionTable) -> np.ndarray:
    """Return (C, K) codes of the candidates' texts, -1 under padding and where there is none."""
    rows = targets.padded_rows
    return np.where(targets.mask, targets.response[rows], -1) if rows.size else rows


def _earlier_rounds(table: InteractionTable, targets: InteractionTable) -> np.ndarray:
    """Return positions of rounds before the last target of their conversation, in time linear in the table."""
    talks, talk = np.unique(targets.conversation, return_inverse=True)
    if not len(talks) or not targets.turn.any():
        return np.zeros(0, np.int64)
    last_turn = np.zeros(len(talks), np.int64)
    np.maximum.at(last_turn, talk.reshape(-1), targets.turn)
    # A conversation belongs to one user; a table that grew finds the rounds of few of them without a walk.
    few = table.growth is not None and len(targets) <= FEW
    near = np.arange(len(table)) if not few else _rounds_of(table, np.unique(targets.user))
    talked, turn = (table.conversation, table.turn) if not few else (table.conversation[near], table.turn[near])
    place = np.minimum(np.searchsorted(talks, talked), len(talks) - 1)
    return near[(talks[place] == talked) & (turn < last_turn[place])]


def _rounds_of(table: InteractionTable, users: np.ndarray) -> np.ndarray:
    return np.sort(np.concatenate([table.of_user(user) for user in users.tolist()]))


def read_cards(path: Path, kind: type[UserError] = DataError, repair: str = REPAIR) -> dict[str, ModelInfo]:
    """Read `models.json`.

    Args:
        path: The file.
        kind, repair: What is raised, and what the message advises.

    Raises:
        UserError: Of that kind: it holds something else.
    """
    return cards_of(_read_object(path, kind, repair), path, kind, repair)


def read_run_models(path: Path) -> dict[str, ModelInfo]:
    """Read `models.json` of a run.

    Raises:
        RunError: It holds something else.
    """
    return read_cards(path, RunError, "restore it or train the run again")


def cards_of(
    found: Mapping[str, Any], path: Path, kind: type[UserError] = DataError, repair: str = REPAIR
) -> dict[str, ModelInfo]:
    """Return the models of a JSON object; parameters as of `read_cards`.

    Raises:
        UserError: Of that kind: a card lacks description, input_price or output_price, states what is none of
            `NUMBERS`, or has a price that is none.
    """
    cards = {}
    for name, info in found.items():
        keys = set(info) if isinstance(info, dict) else set()
        if (
            not name.strip()
            or not CARD <= keys <= {"description", *NUMBERS}
            or not isinstance(info["description"], str)
        ):
            raise kind(
                f"{path}: the card of {name[:80]!r} is not description, input_price, output_price and perhaps "
                f"cached_input_price, switch_cost; {repair}"
            )
        for key in NUMBERS:
            if info.get(key) is not None and not _is_price(info[key]):
                raise kind(
                    f"{path}: {key} of {name[:80]!r} is {str(info[key])[:60]}; expected a price or null; {repair}"
                )
        try:
            check_text(name, "the name of a model")
            check_text(info["description"], "a description")
        except DataError as error:
            raise kind(f"{path}: {error}") from None
        cards[name] = ModelInfo(**info)
    return cards


def _is_price(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def read_card(path: Path) -> dict[str, Any]:
    """Read what the other commands look up in `card.json`.

    Raises:
        DataError: A key is missing or of another type.
    """
    card = _read_object(path)
    for key, kind in (("protocol", str), ("seed", int), ("fractions", list), ("rating_scale", str), ("encoder", dict)):
        if key in card and not isinstance(card[key], kind):
            raise DataError(f"{path}: {key} is {str(card[key])[:60]!r}; expected a {kind.__name__}; {REPAIR}")
    return card


def _read_object(path: Path, kind: type[UserError] = DataError, repair: str = REPAIR) -> dict[str, Any]:
    found = read_json(path, kind, repair)
    if not isinstance(found, dict):
        raise kind(f"{path} holds no JSON object; {repair}")
    return found
