"""Gather rated answers and votes, read row by row, into comparisons and conversations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from data_prep.fields import Numbering
from data_prep.sources import Rejected
from gmt.data.interactions import Candidate, Comparison, text_id
from gmt.errors import DataError


@dataclass
class Answers:
    """Hold what one row says: a vote on two answers, or one rated answer.

    Args:
        file, line: Where the row stands.
        user, query: Who asked what.
        candidates: Two for a vote, one for a rated answer.
        conversation, turn, comparison: The row's own grouping, None where it states none.
        question, task, timestamp: As in `Comparison`.
        split: Split code, where the row states one.
    """

    file: str
    line: int
    user: str
    query: str
    candidates: list[Candidate]
    conversation: str | None = None
    turn: int | None = None
    comparison: str | None = None
    question: str | None = None
    task: str | None = None
    timestamp: float | None = None
    split: int | None = None

    @property
    def models(self) -> set[str]:
        return {candidate.model for candidate in self.candidates}


@dataclass
class _Group:
    """Hold the rows of one comparison; the first speaks for all."""

    first: Answers
    candidates: list[Candidate] = field(default_factory=list)


def assemble(
    rows: Iterable[Answers],
    rejected: list[Rejected],
    *,
    same_query: bool = False,
    renumber: bool = False,
    splits: list[int | None] | None = None,
) -> list[Comparison]:
    """Return the comparisons of the rows, in the order their first rows appear.

    A vote is a comparison. Rated answers with the same `comparison`, or with the same
    conversation, turn and query, form one; a repeated model starts the next. Names of
    conversations that several users share are told apart by the user.

    Args:
        rows: The rows in file order.
        rejected: Receives rows that contradict the comparison they name.
        same_query: Join rated answers of one user to one query where no conversation is named.
        renumber: Turns of a conversation are known by their order only; count them from 0.
        splits: Receives the split that each comparison states.
    """
    groups = _group(rows, rejected, same_query)
    if splits is not None:
        splits += [group.first.split for group in groups]
    owners: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        if group.first.conversation is not None:
            owners[group.first.conversation].add(group.first.user)
    names = Numbering()
    named: list[str] = []
    for group in groups:
        user, conversation = group.first.user, group.first.conversation
        if conversation is None:
            named.append(names.unique(f"{user}/{_content(group)}"))
        else:
            named.append(conversation if len(owners[conversation]) == 1 else f"{user}/{conversation}")
    turns = _turns(groups, named, renumber)
    return [
        Comparison(
            group.first.user,
            conversation,
            turn,
            group.first.query,
            tuple(group.candidates),
            group.first.question,
            group.first.task,
            group.first.timestamp,
        )
        for group, conversation, turn in zip(groups, named, turns, strict=True)
    ]


def _group(rows: Iterable[Answers], rejected: list[Rejected], same_query: bool) -> list[_Group]:
    groups: list[_Group] = []
    opened: dict[tuple[object, ...], _Group] = {}
    for row in rows:
        key = _key(row, same_query)
        group = opened.get(key) if key is not None else None
        if group is not None and row.comparison is not None:
            problem = _contradiction(group, row)
            if problem:
                rejected.append(Rejected(row.file, row.line, problem))
                continue
        elif group is not None and row.models & {candidate.model for candidate in group.candidates}:
            group = None
        if group is None:
            group = _Group(row)
            groups.append(group)
            if key is not None:
                opened[key] = group
        group.candidates += row.candidates
    return groups


def _key(row: Answers, same_query: bool) -> tuple[object, ...] | None:
    """Return what rows of one comparison share, None for a row that stands alone."""
    if row.comparison is not None:
        return ("comparison", row.user, row.comparison)
    if len(row.candidates) > 1:
        return None
    if row.conversation is not None:
        return ("turn", row.user, row.conversation, row.turn, row.query)
    return ("query", row.user, row.query) if same_query else None


def _contradiction(group: _Group, row: Answers) -> str | None:
    first = group.first
    for name in ("query", "conversation", "turn", "split"):
        if getattr(first, name) != getattr(row, name):
            return f"{name} differs from that of comparison {row.comparison} on line {first.line}; expected the same"
    twice = row.models & {candidate.model for candidate in group.candidates}
    if twice:
        return f"{min(twice)} stands twice in comparison {row.comparison}; expected each model once"
    return None


def _content(group: _Group) -> str:
    """Name a conversation of one round by what it holds, so that it keeps its name in another file."""
    first = group.first
    answers = [(candidate.model, candidate.response, candidate.rating) for candidate in group.candidates]
    return text_id(repr((first.comparison, first.query, first.timestamp, answers)))


def _turns(groups: list[_Group], conversations: list[str], renumber: bool) -> list[int]:
    """Return the turn of every comparison; those that state none follow one another."""
    counted: dict[str, int] = defaultdict(int)
    turns: list[int] = []
    for group, conversation in zip(groups, conversations, strict=True):
        turn = group.first.turn
        turns.append(counted[conversation] if turn is None else turn)
        counted[conversation] = max(counted[conversation], turns[-1] + 1)
    if not renumber:
        return turns
    known: dict[str, set[int]] = defaultdict(set)
    for conversation, turn in zip(conversations, turns, strict=True):
        known[conversation].add(turn)
    ranks = {name: {turn: rank for rank, turn in enumerate(sorted(found))} for name, found in known.items()}
    return [ranks[conversation][turn] for conversation, turn in zip(conversations, turns, strict=True)]


def vote(
    models: tuple[str, str],
    responses: tuple[str | None, str | None],
    ratings: tuple[float, float] | None,
    feedback: str | None = None,
    costs: tuple[float | None, float | None] = (None, None),
) -> list[Candidate]:
    """Return the two candidates of a vote; without ratings the round was shown and not judged.

    Raises:
        DataError: A model was set against itself.
    """
    if models[0] == models[1]:
        raise DataError(f"{models[0]} was set against itself; expected two different models")
    return [
        Candidate(model, response, rating, feedback, cost)
        for model, response, rating, cost in zip(models, responses, ratings or (None, None), costs, strict=True)
    ]
