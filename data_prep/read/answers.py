"""Say what one row tells: a vote on two answers, or one rated answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gmt.data.interactions import Candidate, text_id
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


def content_name(
    comparison: str | None,
    query: str,
    timestamp: float | None,
    candidates: Sequence[Candidate],
    name: Callable[[str], str] = text_id,
) -> str:
    """Name a conversation of one round by what it holds, so that it keeps its name in another file.

    Args:
        comparison, timestamp: As the row states them.
        query: The query, or what stands for it.
        candidates: Their responses stand for texts as `query` does.
        name: Returns the `text_id` of the text that something stands for.
    """
    answers = [(one.model, None if one.response is None else name(one.response), one.rating) for one in candidates]
    return text_id(repr((comparison, name(query), timestamp, answers)))
