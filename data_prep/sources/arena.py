"""Read arena battles of all releases: one conversation with two models, one vote at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.read.cells import label, number, timestamp
from data_prep.read.chat_messages import ChatRound, message_rounds
from data_prep.read.json_text import parse_json
from data_prep.read.labels import BOTH_BAD, SIDES, Labels
from data_prep.read.rated_input import Grouping, read_rated
from data_prep.read.row import RatedRow, Row
from data_prep.read.row_files import refuse_missing_fields
from data_prep.sources.battle_rounds import Battle, common_rounds, two_models
from data_prep.sources.sittings import judge_of, notes_on_sittings
from data_prep.sources.source import RawData, SourceOptions
from gmt.errors import DataError

FIELDS = ("model_a", "model_b")
MEANT = "battles with judge, judge_hash or evaluation_session_id, model_a, model_b, winner, conversation_a, …"
WORDS = Labels({**SIDES, "both_bad": BOTH_BAD, "bothbad": BOTH_BAD})
"""Verdicts of all releases; the one of 2025 writes `both_bad`."""
PEOPLE, SITTINGS = ("judge", "judge_hash"), ("evaluation_session_id",)
TEXTS = (("conversation_a", "conversation_b"), ("messages_a", "messages_b"))
TEXT_FIELDS = ("conversation_a", "messages_a", "prompt")
"""One of them stands in every release; without any a file is no arena file."""


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read rows of `chatbot_arena_conversations`, `arena-human-preference-{55k,100k,140k}`, `search-arena-24k` and kin.

    A battle is one conversation and each of its rounds one comparison. The vote judges the battle
    as a whole and is known only after the last round, so it stands there; earlier rounds are
    unrated. Rounds that only one side has are left out. Where no person is named a sitting
    stands for one, else the battle, and `notes` say so. A battle with pictures is a bad row.

    Source: the releases' cards and loaders, `lmsys` and `lmarena-ai` on the hub.
    """
    found = read_rated(input, _battle, options.mapper, Grouping(line_is_conversation=True))
    if not found.grouped.rows and found.rejected:
        refuse_missing_fields(input, FIELDS, MEANT, TEXT_FIELDS)
    scale = "winner of a battle: 1 and 0, tie 0.5, on its last round"
    return RawData.of_input(found, scale, conversations=True, notes=notes_on_sittings(found.grouped))


def _battle(file: str, line: int, row: Row) -> list[RatedRow]:
    models = two_models(row, FIELDS)
    # The id numbers battles, so it serves as the name of the conversation too.
    question = label(row.get("question_id"), "question_id") or label(row.get("id"), "id")
    user = judge_of(row, PEOPLE, SITTINGS, question)
    *ratings, feedback = _verdict(row, models)
    when = timestamp(row.get("tstamp"), "tstamp")
    when = timestamp(row.get("timestamp")) if when is None else when
    rounds = common_rounds(*_sides(row))
    # The name is replaced by the line's own; a row without an id only needs some name here.
    talk = question or f"{file}/{line}"
    battle = Battle(models, (ratings[0], ratings[1]), (feedback, feedback), user, talk, question, _task(row), when)
    return list(battle.rows(file, line, rounds))


def _verdict(row: Row, models: tuple[str, str]) -> tuple[float, float, str | None]:
    """Read the winner from a word, or from the three columns of the 55k release of which one is 1."""
    columns = {"winner_model_a": "model_a", "winner_model_b": "model_b", "winner_tie": "tie"}
    if "winner" in row or not any(name in row for name in columns):
        return WORDS.verdict(row.get("winner"), "winner", models)
    said = [word for name, word in columns.items() if number(row.get(name), name) == 1]
    if len(said) != 1:
        raise DataError(f"{len(said)} of {', '.join(columns)} are 1; expected exactly one")
    return WORDS.verdict(said[0], "winner", ("", ""))


def _sides(row: Row) -> tuple[Sequence[ChatRound], Sequence[ChatRound]]:
    """Read both conversations: lists of messages, or lists of turns as JSON texts."""
    if "prompt" in row and not any(name in row for pair in TEXTS for name in pair):
        asked, a, b = (_turns(row.get(name), name) for name in ("prompt", "response_a", "response_b"))
        # An unanswered turn is null in that release: no answer, and no round.
        return tuple(
            [ChatRound(str(query), answer) for query, answer in zip(asked, side, strict=False) if answer is not None]
            for side in (a, b)
        )  # type: ignore[return-value]
    names = next((pair for pair in TEXTS if any(name in row for name in pair)), TEXTS[0])
    return message_rounds(row.get(names[0]), names[0]), message_rounds(row.get(names[1]), names[1])


def _turns(value: Any, name: str) -> list[Any]:
    try:
        found = parse_json(value) if isinstance(value, str) else value
    except ValueError as error:
        raise DataError(f"{name} is not JSON ({error}); expected a list of turns") from error
    if not isinstance(found, list) or not all(isinstance(turn, str | None) for turn in found):
        raise DataError(f"{name} is a {type(found).__name__}; expected a list of turns")
    if name == "prompt" and not all(turn and turn.strip() for turn in found):
        raise DataError("a question in prompt is empty; expected text")
    return found


def _task(row: Row) -> str | None:
    named = label(row.get("task"), "task") or label(row.get("category"), "category")
    return named or ("code" if row.get("is_code") is True else None)
