"""Read and write the JSONL that GMTRouter released: one line per user, question and model, with embeddings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.read.cells import Numbering, ScaleUnknown, answer, label, needed, scale_text, scaled, text, whole
from data_prep.read.row_files import Row, read_input
from data_prep.sources.registry import RawData, Rejected, SourceOptions
from gmt.data.dataset import Dataset
from gmt.data.interactions import Candidate, Comparison
from gmt.errors import DataError


@dataclass(frozen=True)
class _Line:
    """Hold one line: a model's rounds with one user, the first of them at `offset`."""

    user: str
    question: str
    model: str
    turn: int
    name: str | None
    offset: int
    queries: tuple[str, ...]
    candidates: tuple[Candidate, ...]

    @property
    def key(self) -> tuple[object, ...]:
        return self.user, self.question, self.turn, self.name


@dataclass
class _Group:
    """Hold the lines of models that answered the same rounds."""

    lines: list[_Line]

    def rounds(self) -> Iterator[tuple[int, str, tuple[Candidate, ...]]]:
        first = self.lines[0]
        for at, query in enumerate(first.queries):
            yield first.offset + at, query, tuple(line.candidates[at] for line in self.lines)


@dataclass
class _Session:
    """Hold one conversation while its groups come in."""

    name: str
    models: frozenset[str]
    numbers: set[int] = field(default_factory=set)
    rounds: dict[int, Comparison] = field(default_factory=dict)

    def takes(self, group: _Group, rounds: dict[int, Comparison]) -> bool:
        """Tell whether the group carries this conversation on rather than being another with the same models."""
        first = group.lines[0]
        if first.name is None and (first.turn in self.numbers or {line.model for line in group.lines} != self.models):
            return False
        return all(turn not in self.rounds or self.rounds[turn] == found for turn, found in rounds.items())


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read `judge, model, question_id, turn, conversation[{query, query_emb, response, rating}], model_emb`.

    Lines with the same judge, question and turn that follow one another are the candidates of the
    same rounds; a repeated model starts the next comparison. `turn` is the number of the last
    round listed, from 1, or 1 throughout. A null rating leaves the round unrated.

    Two more keys, which `write` adds and the released files lack, are read where they stand:
    `response_emb` in a round, and `conversation_id`, which tells conversations on the same question
    apart.

    Args:
        input: A JSONL file or a folder of them, e.g. training, validation and test set.
        options: Only `rating_scale` is used.

    Raises:
        DataError: A rating is outside 0..1 and no scale was stated.
    """
    data = RawData(rating_scale=scale_text(options.rating_scale), vectors={}, model_vectors={})
    lines: list[_Line] = []
    for file, number, row in read_input(input, data.rejected):
        try:
            lines.append(_line(row, options.rating_scale, data))
        except ScaleUnknown as error:
            raise DataError(f"{file} line {number}: {error}") from error
        except DataError as error:
            data.rejected.append(Rejected(file, number, str(error)))
    data.rows = len(lines)
    data.rounds = _conversations(_groups(lines))
    if not data.vectors:
        data.vectors = data.model_vectors = None
    return data


def _line(row: Row, scale: tuple[float, float] | None, data: RawData) -> _Line:
    user, question, model = (needed(label(row.get(key), key), key) for key in ("judge", "question_id", "model"))
    turn = whole(row.get("turn"), "turn") or 1
    rounds = row.get("conversation")
    if not isinstance(rounds, list) or not rounds or not all(isinstance(item, dict) for item in rounds):
        raise DataError("conversation is not a list of rounds; expected [{query, response, rating}]")
    queries = tuple(needed(text(item.get("query"), "query"), "query") for item in rounds)
    candidates = tuple(
        Candidate(model, answer(item.get("response"), "response"), scaled(item.get("rating"), "rating", scale))
        for item in rounds
    )
    found = [(model, _vector(row, "model_emb"), data.model_vectors)]
    for item, query, candidate in zip(rounds, queries, candidates, strict=True):
        found.append((query, _vector(item, "query_emb"), data.vectors))
        if candidate.response is not None:
            found.append((candidate.response, _vector(item, "response_emb"), data.vectors))
    earlier = (data.vectors or data.model_vectors or {}).values()
    widths = {
        len(vector) for vector in [*islice(earlier, 1), *(vector for _, vector, _ in found)] if vector is not None
    }
    if len(widths) > 1:
        raise DataError(f"embeddings have {' and '.join(map(str, sorted(widths)))} numbers; expected one width")
    for name, vector, known in found:
        if vector is not None and known is not None:
            known.setdefault(name, vector)
    conversation = label(row.get("conversation_id"), "conversation_id")
    return _Line(user, question, model, turn, conversation, max(turn - len(rounds), 0), queries, candidates)


def _vector(row: Row, name: str) -> np.ndarray | None:
    if row.get(name) is None:
        return None
    try:
        vector = np.asarray(row[name], dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is not a list of numbers; expected an embedding") from error
    if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
        raise DataError(f"{name} has shape {vector.shape} or is not finite; expected a list of finite numbers")
    return vector


def _groups(lines: list[_Line]) -> list[_Group]:
    """Gather the lines of the same rounds; lines of one user and question need not be neighbours."""
    groups: list[_Group] = []
    opened: dict[tuple[object, ...], _Group] = {}
    for line in lines:
        group = opened.get(line.key)
        same = group is not None and group.lines[0].queries == line.queries
        if group is None or not same or line.model in {other.model for other in group.lines}:
            group = opened[line.key] = _Group([])
            groups.append(group)
        group.lines.append(line)
    return groups


def _conversations(groups: list[_Group]) -> list[Comparison]:
    """Put groups that continue one another into one conversation, in order of appearance."""
    names = Numbering()
    sessions: dict[tuple[str, str, str | None], list[_Session]] = {}
    ordered: list[_Session] = []
    for group in groups:
        first = group.lines[0]
        known = sessions.setdefault((first.user, first.question, first.name), [])
        plain = {
            turn: Comparison(first.user, "-", turn, query, candidates, first.question)
            for turn, query, candidates in group.rounds()
        }
        session = next((session for session in known if session.takes(group, plain)), None)
        if session is None:
            name = names.unique(first.name or f"{first.user}/{first.question}")
            session = _Session(name, frozenset(line.model for line in group.lines))
            known.append(session)
            ordered.append(session)
        session.numbers.add(first.turn)
        session.rounds |= plain
    return [
        Comparison(found.user, session.name, turn, found.query, found.candidates, found.question)
        for session in ordered
        for turn, found in sorted(session.rounds.items())
    ]


def write(data: Dataset, path: Path) -> None:
    """Write a data set in the released form; `read` of it gives the same comparisons and vectors.

    The form has no place for tasks, costs, feedback and times, nor for two comparisons of one round;
    the vectors of responses go into the key `response_emb`.

    Raises:
        DataError: A conversation compares twice in the same round.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    vector_of = dict(zip(data.table.texts, data.vectors, strict=True))
    model_vector = dict(zip(data.table.models, data.model_vectors, strict=True))
    with temporary.open("w", encoding="utf-8") as file:
        for rounds in _runs(data.table.to_comparisons()):
            for at, candidate in enumerate(rounds[0].candidates):
                line = {
                    "judge": rounds[0].user,
                    "model": candidate.model,
                    "question_id": rounds[0].question,
                    "turn": rounds[-1].turn + 1,
                    "conversation_id": rounds[0].conversation,
                    "conversation": [_round(item.query, item.candidates[at], vector_of) for item in rounds],
                    "model_emb": model_vector[candidate.model].tolist(),
                    "encoder": data.encoder.id,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    os.replace(temporary, path)


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
    same_models = [found.model for found in before.candidates] == [found.model for found in item.candidates]
    return same_models and before.turn + 1 == item.turn and before.question == item.question
