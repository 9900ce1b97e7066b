"""Rank the models on offer for a user and a query, from a run as it is at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np

from gmt.config import RunConfig
from gmt.data.comparisons import Comparison, check_text
from gmt.data.dataset import Dataset, Questions
from gmt.errors import UserError
from gmt.routing.costs import price_shares
from gmt.routing.staying import Staying, switch_costs, tokens_of
from gmt.serving.answer_ranking import offered_models
from gmt.serving.conversation_question import conversation_question
from gmt.serving.decision import Decision, Stay, rank
from gmt.serving.explain import reasons_of
from gmt.serving.messages import UNNAMED, chat_rounds, last_answer, taken_answer
from gmt.serving.run_data import RunData


class RankOptions(TypedDict, total=False):
    """Name the options of `Router.rank` that are given by name, for type checkers; `Router.rank` says what they are."""

    explain: bool
    explore: np.random.Generator | None
    cost_weight: float
    task: str | None
    with_uncertainty: bool
    stay: float | None


@dataclass(frozen=True, eq=False)
class Wanted:
    """Hold how models are to be ranked; `Router.rank` says what its arguments are."""

    candidates: Sequence[str] | None = None
    conversation: Sequence[Mapping[str, Any]] | None = None
    explain: bool = False
    explore: np.random.Generator | None = None
    cost_weight: float = 0.0
    task: str | None = None
    with_uncertainty: bool = False
    stay: float | None = None


def asked_of(
    user: str | None | Sequence[str | None], query: Any, conversation: Sequence[Mapping[str, Any]] | None
) -> tuple[list[str | None], list[str]]:
    """Return who asks and what, one of each for every question.

    Raises:
        UserError: A query is no text, users and queries are of different number, or a conversation is to come before
            several questions.
    """
    if isinstance(query, str):
        queries = [query]
    elif isinstance(query, Iterable) and not isinstance(query, bytes | Mapping) and not hasattr(query, "columns"):
        queries = list(query)
        if conversation is not None:
            raise UserError(
                f"a conversation comes before one question and {len(queries)} were asked; ask them one by one"
            )
    else:
        raise UserError(
            f"query is a {type(query).__name__}; expected a text or a list of texts, e.g. list(frame['query'])"
        )
    for number, one in enumerate(queries):
        if not isinstance(one, str):
            raise UserError(f"query {number} is {repr(one)[:60]}, no text; expected a list of texts")
    if user is None or isinstance(user, str):
        return [user] * len(queries), queries
    users: list[Any] = list(user) if isinstance(user, Iterable) and not isinstance(user, bytes | Mapping) else [user]
    wrong = next((one for one in users if one is not None and not isinstance(one, str)), None)
    if wrong is not None:
        raise UserError(f"user is {repr(wrong)[:60]}; expected a name, None, or a list of these")
    if isinstance(query, str) or len(users) != len(queries):
        raise UserError(f"{len(users)} users ask {len(queries)} queries; expected one user, or one for each query")
    return users, queries


def rank_models(
    now: RunData, config: RunConfig, card: Mapping[str, Any], user: str | None, query: str, wanted: Wanted
) -> Decision:
    """Rank models as `Router.rank` says.

    Args:
        now: The run.
        config, card: Its settings and its card.
        user, query, wanted: Who asks what, and how.
    """
    # 1. Who asks for which models; a user without rounds is asked for as an unknown one.
    names, builder = _candidates(now, query, wanted.candidates), now.builder
    code = builder.users.code(user) if user is not None else -1
    known = user if code >= 0 and builder.rounds(code) else None
    code = code if known is not None else -1
    # 2. The question twice: from the user, and from an unknown one, whose scores the margin is taken from.
    rounds = chat_rounds(wanted.conversation, user or UNNAMED) if wanted.conversation else []
    if rounds:
        data, questions = conversation_question(now, user, query, names, rounds, wanted.task)
        questions = replace(questions, user=np.array([code, -1]))
    else:
        vector, codes = now.texts.encode([query])[0], [builder.models.code(name) for name in names]
        data, questions = builder.build([code, -1], query, vector, codes, wanted.task)
    first, shows = questions.select(np.array([0])), questions.earlier.says_anything
    scores, unknown_scores = _scores(now, data, questions, known is not None)
    # 3. Uncertainty costs a solve of its own, so only where it is shown or drawn from.
    covariance = now.router.covariance(data, first) if wanted.with_uncertainty or wanted.explore is not None else None
    temperature = float(card.get("temperature") or 1.0)
    cost = _costs(now, data, first, names)
    staying = _staying(config, data, names, rounds, wanted.stay)
    ranking = rank(
        names, scores, unknown_scores, temperature, covariance, wanted.explore, cost, wanted.cost_weight, staying
    )
    # 4. What moved the winner: each past round's effect, the strongest first.
    best = names.index(ranking[0].model)
    reasons = reasons_of(now.router, data, first, best) if wanted.explain and (known is not None or shows) else ()
    kept = None
    if staying is not None:
        paid = scores - wanted.cost_weight * temperature * cost if cost is not None else scores
        kept = Stay.of(staying, names, paid, temperature, ranking[0].model)
    return Decision(known, query, ranking, 0 if known is None else builder.votes(code), reasons, kept)


def _staying(
    config: RunConfig, data: Dataset, names: Sequence[str], rounds: Sequence[Comparison], stay: float | None
) -> Staying | None:
    """Return what a change of model within these rounds costs, None where nothing is to be weighed."""
    routing, last = config.routing, last_answer(rounds)
    weight = routing.stay if stay is None else stay
    if last is None or not weight:
        return None
    said = [text for one in rounds for text in (one.query, getattr(taken_answer(one), "response", None))]
    return Staying(last.model, weight, switch_costs(data.models, names, tokens_of(said), routing.switch_cost))


def _candidates(now: RunData, query: str, candidates: Sequence[str] | None) -> list[str]:
    """Return the names of the models to choose from, each once."""
    if not query.strip():
        raise UserError("the query is empty; pass the question to route with --query")
    check_text(query, "query")  # before an encoder reads it
    names = list(dict.fromkeys(candidates)) if candidates is not None else offered_models(now)
    unknown = [name for name in names if name not in now.builder.models]
    if not names and now.offered and candidates is None:
        raise UserError("this run ranks answers and names no models; hand it the answers, gmt route --answer TEXT …")
    gone = [name for name in names if name in now.removed]
    if gone:
        raise UserError(f"model {', '.join(gone)} was removed from this run; gmt models add offers it again")
    if unknown or not names:
        offered = ", ".join(now.offered)
        raise UserError(f"there is no model {', '.join(unknown) or 'to choose from'}; the run offers {offered}")
    return names


def _scores(now: RunData, data: Dataset, questions: Questions, known: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (K,) scores of the first question, for the user, and those of the second, for an unknown one."""
    if questions.earlier.says_anything:
        # What was rated in the conversation is of who asks; an unknown user has only read it.
        unrated = replace(questions.select(np.array([1])), earlier=questions.earlier.without_ratings())
        return now.router.score(data, questions.select(np.array([0])))[0], now.router.score(data, unrated)[0]
    scores = now.router.score(data, questions)
    # Rounding may differ between equal rows of a batch; an unknown user has a margin of exactly 0.
    return scores[0], scores[1] if known else scores[0]


def _costs(now: RunData, data: Dataset, question: Questions, names: list[str]) -> np.ndarray | None:
    """Return (K,) what the candidates cost as shares of the dearest, from past costs, else from prices."""
    learned = now.builder.costs
    if learned is None:
        return price_shares(data.models, names)
    cost = np.maximum(learned.of_answers(data, question.query, question.task, question.candidates)[0], 0.0)
    return cost / max(float(cost.max()), 1e-12)
