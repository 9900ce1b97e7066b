"""Read PersonalRewardBench: pairs of a chosen and a rejected answer, split within each person, without models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.read.cells import answer, label, needed, shown
from data_prep.read.chat_messages import ChatRound, message_rounds
from data_prep.read.parsing import parse_rows
from data_prep.read.rated_input import group_rated
from data_prep.read.row import RatedRow, Rejected, Row, in_file_order
from data_prep.read.row_files import is_hub, read_input, refuse_missing_fields
from data_prep.sources.anonymous_votes import slot_cards, vote_on_places
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.answer_slots import slot_name
from gmt.data.comparisons import Candidate, text_id
from gmt.data.interactions import SPLITS
from gmt.errors import DataError

FIELDS = ("user_id", "context", "chosen", "rejected", "split")
NAMES = {"train": "train", "val": "valid", "valid": "valid", "validation": "valid", "dev": "valid", "test": "test"}


@dataclass(frozen=True)
class _Pair:
    """Hold one row: a question with the rounds before it, and its answers, the chosen one first."""

    file: str
    line: int
    user: str
    conversation: str
    earlier: tuple[ChatRound, ...]
    query: str
    responses: tuple[str, str]
    split: int


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read rows of `MichaelR207/prism_personalized_0125` or `…/chatbot_arena_personalized_0125`.

    `context` is a text or chat messages that end in a question, `chosen` and `rejected` are texts or messages. Answers
    to one question are called by places, each text by its own, in the order of their hashes: neither the verdict nor
    the order of the rows tells who stands first. The split is the source's own and lies within each person.

    Source: Ryan et al. 2025, SynthesizeMe (arXiv 2506.05598).
    """
    rejected: list[Rejected] = []
    pairs, bad = parse_rows(_all_splits(input, rejected), _pair)
    rejected += bad
    if not pairs and rejected:
        refuse_missing_fields(input, FIELDS, "pairs with " + ", ".join(FIELDS))
    grouped = group_rated(_rows(pairs), rejected)
    return RawData(
        grouped=grouped,
        rejected=in_file_order(rejected),
        rows=len(pairs),
        models=slot_cards(grouped.names["model"]),
        rating_scale="chosen 1, rejected 0",
        splits=grouped.splits.astype(np.int8),
        answers_shown=True,
    )


def _all_splits(input: str | Path | None, rejected: list[Rejected]) -> Iterable[tuple[str, int, Row]]:
    """Yield the rows of all parts: those of the hub hold different people, and the column `split` counts."""
    if not is_hub(input):
        yield from read_input(input, rejected)
        return
    met: set[str] = set()
    for part in ("train", "val", "validation", "test"):
        for file, line, row in read_input(input, rejected, part):
            # A part that is not there is answered with the first one, which must not be read twice.
            if line == 1 and (key := repr(sorted(row.items(), key=lambda item: item[0]))) in met:
                break
            if line == 1:
                met.add(key)
            yield f"{file}/{part}", line, row


def _pair(file: str, line: int, row: Row) -> list[_Pair]:
    user = needed(label(row.get("user_id"), "user_id"), "user_id")
    named = needed(label(row.get("split"), "split"), "split")
    if named not in NAMES:
        raise DataError(f"split is {named!r}; expected train, val or test")
    earlier, query = _context(row.get("context"))
    chosen, rejected = (needed(_said(row.get(name), name), name) for name in ("chosen", "rejected"))
    # A conversation whose rows were split is one on either side, for a conversation is never cut.
    talk = f"{label(row.get('conversation_id'), 'conversation_id') or f'{file}/{line}'}/{named}"
    if chosen == rejected:
        raise DataError("chosen and rejected are the same text; expected two answers")
    return [_Pair(file, line, user, talk, earlier, query, (chosen, rejected), SPLITS.index(NAMES[named]))]


def _context(value: Any) -> tuple[tuple[ChatRound, ...], str]:
    """Return the rounds before, and the question."""
    if not isinstance(value, list | Mapping):
        return (), needed(label(value, "context"), "context")
    messages = value["messages"] if isinstance(value, Mapping) and "messages" in value else value
    rounds = message_rounds([*messages, {"role": "assistant", "content": ""}], "context")
    if not rounds or not messages or messages[-1].get("role") != "user":
        raise DataError("context does not end in a question; expected messages, the user's last")
    return tuple(rounds[:-1]), rounds[-1].query


def _said(value: Any, name: str) -> str | None:
    if isinstance(value, list) and value and isinstance(value[-1], Mapping) and "content" in value[-1]:
        value = value[-1]
    if isinstance(value, Mapping):
        if "content" not in value:
            raise DataError(f"{name} is {shown(value)}; expected a text or a message with content")
        value = value["content"]
    return answer(value, name)


def _rows(pairs: list[_Pair]) -> Iterable[RatedRow]:
    """Yield the rounds of every conversation; earlier ones that no pair judges come along unrated, once."""
    met = {(pair.conversation, len(pair.earlier)) for pair in pairs}
    places = _places(pairs)
    for pair in pairs:
        for turn, said in enumerate(pair.earlier):
            if (pair.conversation, turn) not in met:
                met.add((pair.conversation, turn))
                yield _row(pair, said.query, [Candidate(slot_name(0), said.answer)], turn)
        at = places[_question(pair)]
        candidates = vote_on_places((at[pair.responses[0]], at[pair.responses[1]]), pair.responses, (1.0, 0.0))
        yield _row(pair, pair.query, candidates, len(pair.earlier))


def _question(pair: _Pair) -> tuple[str, str]:
    """Return what tells questions apart: an opening is its text, a later one belongs to its conversation."""
    return ("", pair.query) if not pair.earlier else (f"{pair.conversation}/{len(pair.earlier)}", pair.query)


def _places(pairs: list[_Pair]) -> dict[tuple[str, str], dict[str, int]]:
    """Return question -> answer -> its place."""
    texts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for pair in pairs:
        texts[_question(pair)] |= set(pair.responses)
    return {
        question: {said: place for place, said in enumerate(sorted(found, key=text_id))}
        for question, found in texts.items()
    }


def _row(pair: _Pair, query: str, candidates: list[Candidate], turn: int) -> RatedRow:
    found = RatedRow(pair.file, pair.line, pair.user, query, candidates, pair.conversation, turn)
    found.split = pair.split
    return found
