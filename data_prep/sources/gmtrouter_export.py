"""Write a data set as the JSONL that GMTRouter released."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset
from gmt.errors import DataError
from gmt.files import replace_file


def write(data: Dataset, path: Path) -> None:
    """Write a data set in the released form; `gmtrouter.read` of it gives the same comparisons and vectors.

    The form has no place for tasks, costs, feedback and times, nor for two comparisons of one round;
    the vectors of responses go into the key `response_emb`.

    Raises:
        DataError: A conversation compares twice in the same round.
    """
    # A generator: one line with its vectors is in memory at a time.
    lines = _lines(data)

    def write_lines(part: Path) -> None:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    replace_file(Path(path), write_lines)


def _lines(data: Dataset) -> Iterator[dict[str, Any]]:
    """Yield one line for every model of every run of rounds."""
    vector_of = dict(zip(data.table.texts, np.asarray(data.vectors), strict=True))
    model_vector = dict(zip(data.table.models, data.model_vectors, strict=True))
    for rounds in _runs(data.table.to_comparisons()):
        for at, candidate in enumerate(rounds[0].candidates):
            yield {
                "judge": rounds[0].user,
                "model": candidate.model,
                "question_id": rounds[0].question,
                # The released files count rounds from 1 and name the last one that the line lists.
                "turn": rounds[-1].turn + 1,
                "conversation_id": rounds[0].conversation,
                "conversation": [_round(item.query, item.candidates[at], vector_of) for item in rounds],
                "model_emb": model_vector[candidate.model].tolist(),
                "encoder": data.encoder.id,
            }


def _round(query: str, candidate: Candidate, vector_of: dict[str, np.ndarray]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "query": query,
        "query_emb": vector_of[query].tolist(),
        "response": candidate.response,
        "rating": candidate.rating,
    }
    if candidate.response is not None:
        found["response_emb"] = vector_of[candidate.response].tolist()
    return found


def _runs(comparisons: list[Comparison]) -> list[list[Comparison]]:
    """Cut conversations into runs of rounds that follow one another with the same models and question."""
    conversations: dict[str, list[Comparison]] = {}
    for item in comparisons:
        conversations.setdefault(item.conversation, []).append(item)
    runs: list[list[Comparison]] = []
    for name, rounds in conversations.items():
        # Turns may stand in any order in the table; a run is of turns that follow one another.
        rounds.sort(key=lambda item: item.turn)
        for at, item in enumerate(rounds):
            before = rounds[at - 1] if at else None
            if before is not None and before.turn == item.turn:
                raise DataError(f"conversation {name} compares twice in turn {item.turn}; this form holds one a turn")
            if before is not None and _continues(before, item):
                runs[-1].append(item)
            else:
                runs.append([item])
    return runs


def _continues(before: Comparison, item: Comparison) -> bool:
    # A line lists the rounds of one model, so a run ends where the models or their order change.
    same_models = [found.model for found in before.candidates] == [found.model for found in item.candidates]
    return same_models and before.turn + 1 == item.turn and before.question == item.question
