"""Build a question that comes within a conversation: its earlier rounds become rounds of the table for once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset, Questions
from gmt.serving.messages import chat_rounds
from gmt.serving.run_data import RunData, texts_of

VOCABULARIES = ("users", "models", "texts", "conversations", "questions", "tasks")
UNNAMED = "somebody"
"""Stands in the rounds of a user who is not named."""


def conversation_question(
    run: RunData,
    user: str | None,
    query: str,
    candidates: Sequence[str],
    messages: Sequence[Mapping[str, Any]],
    task: str | None = None,
) -> tuple[Dataset, Questions]:
    """Return the data with the texts of a conversation, and its question put twice.

    Args:
        run: What the run remembers; it stays as it is.
        user: Who asks.
        query: The text of the question.
        candidates: (K,) names of models.
        messages: The rounds before, as OpenAI-style chat messages.
        task: Name of the question's task, if it has one.

    Raises:
        UserError: A message has another role, or answers nothing.
    """
    # 1. Encode what the run has not met: the rounds' texts, and models that it does not offer.
    rounds = chat_rounds(messages, user or UNNAMED)
    texts = [query, *(text for item in rounds for text in texts_of(item))]
    unmet = {c.model for item in rounds for c in item.candidates} - set(run.data.models)
    store = run.texts.beside([*texts, *sorted(unmet)], run.folder.embeddings)
    # 2. Append the rounds and the question, so that the table's own code finds what came before.
    data = run.data
    here = rounds[0].conversation if rounds else "the question asked"
    asked = Comparison(user or UNNAMED, here, len(rounds), query, tuple(map(Candidate, candidates)), task=task)
    grown = data.append([*rounds, asked], store, data.models)
    questions = grown.questions(np.full(2, len(grown.table) - 1))
    # 3. Give back the old rows under the grown vocabularies: the conversation is no history.
    vocabularies = {name: getattr(grown.table, name) for name in VOCABULARIES}
    return grown.with_table(replace(data.table, **vocabularies)), questions
