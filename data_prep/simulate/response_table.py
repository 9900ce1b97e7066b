"""Hold real answers of many models to the same questions, with what is known of their quality."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from gmt.data.dataset import ModelInfo
from gmt.data.interactions import InteractionTable

SHRINK = 4.0  # prior ratings at the model's mean, for answers that were rated seldom


@dataclass(frozen=True)
class Answer:
    """Hold one model's answer, with its quality in [0, 1] where that is known."""

    text: str
    quality: float | None = None


@dataclass(frozen=True)
class Round:
    """Hold one round of a question: its query, and every model's answer by name."""

    query: str
    answers: dict[str, Answer]


@dataclass
class ResponseTable:
    """Hold questions of one or more rounds and the models that answered them.

    Args:
        rounds: Question id -> its rounds in order.
        tasks: Question id -> task, where there is one.
        models: Name -> description and prices, one entry for every model.
        notes: What is missing, in words.
    """

    rounds: dict[str, list[Round]]
    tasks: dict[str, str]
    models: dict[str, ModelInfo]
    notes: list[str] = field(default_factory=list)

    def complete(self, question: str) -> list[str]:
        """Return the models that answered all rounds of a question, in the order of `models`."""
        rounds = self.rounds[question]
        # All rounds, for a model that stays for a whole conversation needs an answer to each of them.
        return [name for name in self.models if all(name in item.answers for item in rounds)]


def of_table(table: InteractionTable, models: dict[str, ModelInfo]) -> ResponseTable:
    """Gather the answers of a table of interactions; the first one stands where a model answered twice.

    The quality of an answer is the mean rating it was given, drawn towards the model's mean
    rating as if that had been given four times more.
    """
    given: dict[tuple[int, int], list[float]] = defaultdict(list)
    texts: dict[tuple[int, int], str] = {}
    order: dict[tuple[int, int], dict[int, None]] = defaultdict(dict)
    tasks: dict[str, str] = {}
    for c in range(len(table)):
        question, query = int(table.question[c]), int(table.query[c])
        if table.task[c] >= 0:
            tasks.setdefault(table.questions[question], table.tasks[table.task[c]])
        order[question, int(table.turn[c])].setdefault(query)
        for r in range(table.start[c], table.start[c + 1]):
            # By query and not by question: in another conversation the second round's query may be another text.
            cell = query, int(table.model[r])
            if table.response[r] >= 0:
                texts.setdefault(cell, table.texts[table.response[r]])
            if not np.isnan(table.rating[r]):
                given[cell].append(float(table.rating[r]))
    quality = shrunk(given)
    rounds: dict[str, list[Round]] = defaultdict(list)
    for question, turn in sorted(order):
        if len(rounds[table.questions[question]]) != turn:
            continue  # a round before it has no text; what follows cannot be shown without it
        # The first wording in the table stands for the round, for one round needs one text.
        query = next(iter(order[question, turn]))
        answers = {
            name: Answer(texts[query, m], quality.get((query, m)))
            for m, name in enumerate(table.models)
            if (query, m) in texts
        }
        rounds[table.questions[question]].append(Round(table.texts[query], answers))
    return ResponseTable(dict(rounds), tasks, models)


def shrunk(given: dict[tuple[int, int], list[float]]) -> dict[tuple[int, int], float]:
    """Return (question, model) -> mean rating, drawn towards the mean of the model's ratings."""
    of_model: dict[int, list[float]] = defaultdict(list)
    for (_, model), ratings in given.items():
        of_model[model] += ratings
    means = {model: float(np.mean(ratings)) for model, ratings in of_model.items()}
    return {cell: (sum(ratings) + SHRINK * means[cell[1]]) / (len(ratings) + SHRINK) for cell, ratings in given.items()}


def cells(table: ResponseTable) -> Iterable[tuple[str, int, str, Answer]]:
    """Yield (question, turn, model, answer) of every answer."""
    for question, rounds in table.rounds.items():
        for turn, item in enumerate(rounds):
            for name, found in item.answers.items():
                yield question, turn, name, found
