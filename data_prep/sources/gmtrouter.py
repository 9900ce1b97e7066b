"""Read the JSONL that GMTRouter released: one line per user, question and model, with embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from data_prep.read.cells import answer, label, needed, scale_text, scaled, text, whole
from data_prep.read.numbering import Numbering
from data_prep.read.parallel import parse_input
from data_prep.read.rated_input import group_rated
from data_prep.read.row import RatedRow, Rejected, Row, in_file_order
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate
from gmt.errors import DataError


@dataclass(frozen=True)
class _Line:
    """Hold one line: a model's rounds with one user, the first of them at `offset`, and the vectors it brings."""

    file: str
    line: int
    user: str
    question: str
    model: str
    turn: int
    name: str | None
    offset: int
    queries: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    vectors: dict[str, np.ndarray]
    model_vector: np.ndarray | None

    @property
    def key(self) -> tuple[object, ...]:
        return self.user, self.question, self.turn, self.name


_Round = tuple[str, tuple[Candidate, ...]]
"""Query and candidates of one round."""


@dataclass
class _Group:
    """Hold the lines of models that answered the same rounds."""

    lines: list[_Line]

    def rounds(self) -> dict[int, _Round]:
        """Return turn -> query and candidates."""
        first = self.lines[0]
        return {
            first.offset + at: (query, tuple(line.candidates[at] for line in self.lines))
            for at, query in enumerate(first.queries)
        }


@dataclass
class _Session:
    """Hold one conversation while its groups come in."""

    name: str
    models: frozenset[str]
    numbers: set[int] = field(default_factory=set)
    rounds: dict[int, _Round] = field(default_factory=dict)

    def takes(self, group: _Group, rounds: dict[int, _Round]) -> bool:
        """Tell whether the group carries this conversation on rather than being another with the same models."""
        first = group.lines[0]
        # Released lines name no conversation: the same round again, or other models, means another one.
        if first.name is None and (first.turn in self.numbers or {line.model for line in group.lines} != self.models):
            return False
        # Overlapping groups (rounds 1-2, then 1-3) go together only if they say the same of the rounds they share.
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
    lines, known = [], _KnownVectors()
    rejected: list[Rejected] = []
    # Vectors are checked here and not by the parser, which sees one line and knows no width of others.
    for found in parse_input(input, partial(_line, scale=options.rating_scale)):
        rejected += found.rejected
        for line in found.rows:
            try:
                known.add(line)
            except DataError as error:
                rejected.append(Rejected(line.file, line.line + found.before, str(error)))
            else:
                lines.append(line)
    # In two steps: lines to rounds of several models, then rounds to comparisons as for any other source.
    grouped = group_rated(_rated_rows(_groups(lines)), rejected)
    return RawData(
        grouped=grouped,
        rejected=in_file_order(rejected),
        rows=len(lines),
        rating_scale=scale_text(options.rating_scale),
        vectors=known.texts or None,
        # Model vectors alone are no use: without those of queries an encoder must give all of them.
        model_vectors=known.models if known.texts else None,
    )


class _KnownVectors:
    """Collect the vectors of texts and models; the first one of each stands."""

    def __init__(self) -> None:
        self.texts: dict[str, np.ndarray] = {}
        self.models: dict[str, np.ndarray] = {}

    def add(self, line: _Line) -> None:
        """Take a line's vectors, or none of them.

        Raises:
            DataError: They are not as wide as one another or as those before.
        """
        own = [line.model_vector] if line.model_vector is not None else []
        earlier = (self.texts or self.models).values()
        # One earlier vector stands for all, since every one before passed the same check.
        widths = {len(vector) for vector in [*islice(earlier, 1), *own, *line.vectors.values()]}
        if len(widths) > 1:
            raise DataError(f"embeddings have {' and '.join(map(str, sorted(widths)))} numbers; expected one width")
        for name, vector in line.vectors.items():
            self.texts.setdefault(name, vector)
        for vector in own:
            self.models.setdefault(line.model, vector)


def _line(file: str, number: int, row: Row, scale: tuple[float, float] | None) -> list[_Line]:
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
    model_vector = _vector(row, "model_emb")
    found = []
    for item, query, candidate in zip(rounds, queries, candidates, strict=True):
        found.append((query, _vector(item, "query_emb")))
        if candidate.response is not None:
            found.append((candidate.response, _vector(item, "response_emb")))
    # Two texts that are the same count once; the first vector stands, and one of another width is refused.
    vectors: dict[str, np.ndarray] = {}
    for name, vector in found:
        if vector is not None and len(vectors.setdefault(name, vector)) != len(vector):
            widths = sorted({len(vectors[name]), len(vector)})
            raise DataError(f"embeddings have {' and '.join(map(str, widths))} numbers; expected one width")
    name, offset = label(row.get("conversation_id"), "conversation_id"), max(turn - len(rounds), 0)
    line = _Line(
        file, number, user, question, model, turn, name, offset, queries, candidates, vectors, model_vector
    )  # fmt: skip
    return [line]


def _vector(row: Row, name: str) -> np.ndarray | None:
    if row.get(name) is None:
        return None
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            vector = np.asarray(row[name], dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
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


def _rated_rows(groups: Sequence[_Group]) -> Iterator[RatedRow]:
    """Put groups that continue one another into one conversation, and yield its rounds, in order of appearance."""
    names = Numbering()
    sessions: dict[tuple[str, str, str | None], list[_Session]] = {}
    ordered: list[tuple[_Line, _Session]] = []
    for group in groups:
        first, rounds = group.lines[0], group.rounds()
        known = sessions.setdefault((first.user, first.question, first.name), [])
        session = next((session for session in known if session.takes(group, rounds)), None)
        if session is None:
            name = names.unique(first.name or f"{first.user}/{first.question}")
            session = _Session(name, frozenset(line.model for line in group.lines))
            known.append(session)
            ordered.append((first, session))
        session.numbers.add(first.turn)
        session.rounds |= rounds
    for first, session in ordered:
        for turn, (query, candidates) in sorted(session.rounds.items()):
            yield RatedRow(
                first.file, first.line, first.user, query, candidates, session.name, turn, None, first.question
            )
