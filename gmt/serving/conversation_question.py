"""Build a question that comes within a conversation: its earlier rounds are shown for once and become no history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset, ModelInfo, Questions
from gmt.data.growing_rows import LayeredVectors
from gmt.data.interactions import InteractionTable
from gmt.data.vocabulary import Vocabulary
from gmt.serving.messages import UNNAMED
from gmt.serving.question_builder import known_as
from gmt.serving.run_data import RunData

VOCABULARIES = {
    "users": ("user",),
    "models": ("model",),
    "texts": ("query", "response", "feedback"),
    "conversations": ("conversation",),
    "questions": ("question",),
    "tasks": ("task",),
}
"""The vocabularies of a table, and the columns that hold codes of each."""


def conversation_question(
    run: RunData,
    user: str | None,
    query: str,
    candidates: Sequence[str],
    rounds: Sequence[Comparison],
    task: str | None = None,
) -> tuple[Dataset, Questions]:
    """Return the data with the texts of a conversation, and its question put twice.

    Args:
        run: What the run remembers; it stays as it is.
        user: Who asks.
        query: The text of the question.
        candidates: (K,) names of models.
        rounds: The rounds before, numbered from 0; their ratings are shown with the question.
        task: Name of the question's task, if it has one.
    """
    # 1. A table of the rounds and the question alone, so that the table's own code finds what came before.
    here = rounds[0].conversation if rounds else "the question asked"
    asked = Comparison(user or UNNAMED, here, len(rounds), query, tuple(map(Candidate, candidates)), task=task)
    few, table = InteractionTable.from_comparisons([*rounds, asked]), run.data.table
    known = Vocabulary.of(table.texts)
    few = replace(few, texts=tuple(known_as(text, known) for text in few.texts))
    # 2. Its names join those of the history, for this question alone.
    grown = {name: Vocabulary.of(getattr(table, name)).beside(getattr(few, name)) for name in VOCABULARIES}
    data = _with_names(run, grown)
    columns: dict[str, Any] = {}
    for name, named in VOCABULARIES.items():
        codes = np.array([*(grown[name].code(value) for value in getattr(few, name)), -1], np.int64)
        columns |= {column: codes[getattr(few, column)] for column in named}  # -1 picks the last, which is -1
    # 3. Questions are read from that table, and the old rows go with them: the conversation is no history.
    alone = replace(data, table=replace(few, **grown, **columns))
    return data, alone.questions(np.full(2, len(few) - 1), reveal_earlier=True)


def _with_names(run: RunData, grown: Mapping[str, Vocabulary]) -> Dataset:
    """Return the data under longer vocabularies, with vectors of the texts and models that it had not met."""
    data, table = run.data, run.data.table
    texts, models = (list(grown[name][len(getattr(table, name)) :]) for name in ("texts", "models"))
    vectors, model_vectors, cards = LayeredVectors.of(data.vectors), data.model_vectors, data.models
    if texts:
        vectors = vectors.beside(run.texts.encode(texts))
    if models:
        model_vectors = np.concatenate([model_vectors, run.texts.encode(models)])
        cards = {**cards, **{name: ModelInfo(name) for name in models}}
    longer = table.grown(**grown)
    return replace(data, table=longer, vectors=vectors, model_vectors=model_vectors, models=cards)
