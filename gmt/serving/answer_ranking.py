"""Rank answers themselves, where a run learned from answers and not from models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmt.data.answer_slots import is_slot, slot_name
from gmt.errors import UserError
from gmt.serving.decision import Decision, rank
from gmt.serving.run_data import RunData


def offered_models(now: RunData) -> list[str]:
    """Return the models on offer; the place of an answer is none and cannot be asked."""
    return [name for name in now.offered if not is_slot(name)]


def rank_answers(
    now: RunData, user: str | None, query: str, answers: Sequence[str], task: str | None, temperature: float
) -> Decision:
    """Rank answers as `Router.rank_answers` says.

    Raises:
        UserError: The run chooses models, there are fewer than two answers, or a text is empty.
    """
    if not now.data.answers_shown:
        raise UserError("this run chooses among models and does not rank answers; ask it without answers")
    if len(answers) < 2 or not query.strip() or not all(said.strip() for said in answers):
        raise UserError(f"{len(answers)} answers were given; expected a query and two answers or more, none empty")
    builder = now.builder
    code = builder.users.code(user) if user is not None else -1
    known = user if code >= 0 and builder.rounds(code) else None
    code = code if known is not None else -1
    vectors = now.texts.encode([query, *answers])
    # As for models: once for the user and once for somebody unknown, whose scores the margin is taken from.
    data, questions = builder.build_answers([code, -1], query, answers, vectors, task)
    scores = now.router.score(data, questions)
    covariance = now.router.covariance(data, questions.select(np.array([0])))
    names = [slot_name(place) for place in range(len(answers))]
    unknown = scores[1] if known is not None else scores[0]
    ranking = rank(names, scores[0], unknown, temperature, covariance, None, None, 0.0)
    return Decision(known, query, ranking, 0 if known is None else builder.votes(code), ())
