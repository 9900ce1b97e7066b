"""Read PRISM: conversations in which people score several answers a round, with what a survey says of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.read.cells import answer, label, needed, scaled, text, timestamp, whole
from data_prep.read.parsing import parse_rows
from data_prep.read.rated_input import group_rated
from data_prep.read.row import RatedRow, Rejected, Row, in_file_order
from data_prep.read.row_files import read_input, refuse_missing_fields
from data_prep.sources.anonymous_votes import slot_cards
from data_prep.sources.export_files import file_in
from data_prep.sources.source import RawData, SourceOptions
from data_prep.sources.user_attributes import attributes_text
from gmt.data.answer_slots import slot_name
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

SCALE = (1.0, 100.0)
STEP = 1 / (SCALE[1] - SCALE[0])
"""A point of the scale, in units of ratings."""
EMPTY = "EMPTY STRING"
FIELDS = ("user_id", "conversation_id")
MEANT = "utterances with user_id, interaction_id, model_name, score, … or conversations with conversation_history"


@dataclass(frozen=True)
class _Utterance:
    """Hold one answer of a round, with where the row stands."""

    file: str
    line: int
    user: str
    conversation: str
    turn: int
    place: int
    query: str
    model: str
    response: str | None
    score: float | None
    chosen: bool
    task: str | None
    time: float | None


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read `utterances.jsonl` or `conversations.jsonl`; `survey.jsonl` beside it becomes `users.json`.

    Answers of a round are one comparison, rated by their scores; among equal scores the chosen answer stands half a
    point above the others. Later rounds show one model twice, so there identity decides nothing: the answers are named
    by their places (`gmt.data.answer_slots`), and only what they look like and say tells them apart.

    Source: Kirk et al. 2024 (arXiv 2404.16019), the codebook of `HannahRoseKirk/prism-alignment`.

    Args:
        input: One of the two files, or the folder that holds one.
        options: None of them is used.
    """
    return read_prism(input)


def read_prism(input: str | Path | None, by_place: bool = False) -> RawData:
    """Read as `read` says.

    Args:
        input: One of the two files, or the folder that holds one.
        by_place: Name all answers by their places and show them where they are ranked, as reward models see them.
    """
    rejected: list[Rejected] = []
    file = _file(input)
    utterances, bad = parse_rows(read_input(file, rejected), _utterances)
    rejected += bad
    if not utterances and rejected:
        refuse_missing_fields(file, FIELDS, MEANT)
    rounds, bad_rounds = _rounds(utterances, by_place)
    rejected += bad_rounds
    grouped = group_rated(rounds, rejected)
    survey = file_in(Path(str(file)).parent, "survey")
    known = set(grouped.names["user"])
    return RawData(
        grouped=grouped,
        rejected=in_file_order(rejected),
        rows=len(utterances),
        rating_scale="1..100",
        extras={} if survey is None else {"users.json": attributes_text(survey, "user_id", known, rejected)},
        models=slot_cards(grouped.names["model"]),
        answers_shown=by_place,
        notes=[] if by_place else _notes(rounds),
    )


def _file(input: str | Path | None) -> str | Path | None:
    if input is None or not Path(input).is_dir():
        return input
    found = file_in(Path(input), "utterances") or file_in(Path(input), "conversations")
    if found is None:
        raise DataError(f"{input} holds neither utterances.jsonl nor conversations.jsonl; name the file")
    return found


def _utterances(file: str, line: int, row: Row) -> list[_Utterance]:
    user, talk = (needed(label(row.get(name), name), name) for name in FIELDS)
    task = label(row.get("conversation_type"), "conversation_type")
    time = timestamp(row.get("generated_datetime"), "generated_datetime")
    if "conversation_history" not in row:
        query = needed(text(row.get("user_prompt"), "user_prompt"), "user_prompt")
        return [_said(file, line, (user, talk, task, time), query, row, row.get("model_response"))]
    history = row["conversation_history"]
    if not isinstance(history, list) or not all(isinstance(said, Mapping) for said in history):
        raise DataError("conversation_history is no list of messages; expected role, content, turn, …")
    queries: dict[Any, str] = {}
    found = []
    for said in history:
        if said.get("role") == "user":
            queries[said.get("turn")] = needed(text(said.get("content"), "a question"), "a question")
        elif said.get("turn") not in queries:
            raise DataError(f"an answer stands in turn {said.get('turn')!r}, which has no question")
        else:
            shared = (user, talk, task, time)
            found.append(_said(file, line, shared, queries[said["turn"]], said, said.get("content")))
    return found


def _said(
    file: str, line: int, shared: tuple[Any, ...], query: str, row: Mapping[str, Any], response: Any
) -> _Utterance:
    user, talk, task, time = shared
    turn, place = whole(row.get("turn"), "turn"), whole(row.get("within_turn_id"), "within_turn_id")
    if turn is None or place is None:
        raise DataError("turn or within_turn_id is empty; expected whole numbers from 0")
    said = answer(response, "model_response")
    return _Utterance(
        *(file, line, user, talk, turn, place, query),
        model=needed(label(row.get("model_name"), "model_name"), "model_name"),
        response="" if said == EMPTY else said,
        score=scaled(row.get("score"), "score", SCALE),
        chosen=row.get("if_chosen") in (True, 1, "True", "true"),
        task=task,
        time=time,
    )


def _rounds(utterances: Iterable[_Utterance], by_place: bool) -> tuple[list[RatedRow], list[Rejected]]:
    """Return a row for each round, and the rounds that hold a place twice."""
    together: dict[tuple[str, int], list[_Utterance]] = defaultdict(list)
    for one in utterances:
        together[one.conversation, one.turn].append(one)
    rows, bad = [], []
    for said in together.values():
        said.sort(key=lambda one: one.place)
        first = said[0]
        if len({one.place for one in said}) < len(said):
            bad.append(Rejected(first.file, first.line, f"turn {first.turn} has a within_turn_id twice; expected once"))
            continue
        names = [one.model for one in said]
        # One model twice: votes name an answer by its model, and here the model says nothing.
        if by_place or len(set(names)) < len(names):
            names = [slot_name(place) for place in range(len(said))]
        candidates = [
            Candidate(name, one.response, rating) for name, one, rating in zip(names, said, _ratings(said), strict=True)
        ]
        rows.append(
            RatedRow(
                *(first.file, first.line, first.user, first.query, candidates, first.conversation, first.turn),
                task=first.task,
                timestamp=first.time,
            )
        )
    return rows, bad


def _ratings(said: Sequence[_Utterance]) -> list[float | None]:
    """Return ratings of a round's answers: the scores, and half a point for the chosen one where they tie."""
    chosen = [one.chosen for one in said]
    scores = [one.score for one in said]
    # A choice without any score is still a vote.
    if all(score is None for score in scores) and sum(chosen) == 1:
        return [float(flag) for flag in chosen]
    best = [score for score, flag in zip(scores, chosen, strict=True) if flag]
    if len(best) != 1 or best[0] is None:
        return scores
    # At the lower end there is no room below, so the chosen one is raised in place of the others lowered.
    if best[0] == 0.0:
        tied = any(score == 0.0 and not flag for score, flag in zip(scores, chosen, strict=True))
        return [STEP / 2 if flag and tied else score for score, flag in zip(scores, chosen, strict=True)]
    return [
        score - STEP / 2 if score == best[0] and not flag else score  # type: ignore[operator]
        for score, flag in zip(scores, chosen, strict=True)
    ]


def _notes(rounds: Sequence[RatedRow]) -> list[str]:
    placed = sum(any(name == slot_name(0) for name in _models(row)) for row in rounds)
    if not placed:
        return []
    return [
        f"{placed:,} rounds show one model several times; their answers are named by their places, and only what they "
        "look like and say tells them apart"
    ]


def _models(row: RatedRow) -> Iterator[str]:
    return (candidate.model for candidate in row.candidates)
