"""Choose the model that answers: the best for this user, the one that the conversation has, or a drawn challenger."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmt.gateway.chat_request import ChatRequest, text_of
from gmt.gateway.pool_settings import Pool, RouterVariant, UpstreamModel
from gmt.serving.decision import Choice
from gmt.serving.decision import Decision as Ranking

CHARACTERS_PER_TOKEN = 4.0
"""Of English under the usual vocabularies, roughly; only what a lost prompt cache costs is computed with it."""
MILLION = 1e6


@dataclass(frozen=True)
class ModelChoice:
    """Hold what was chosen and why.

    Args:
        model: Who answers.
        best: Who would have answered had nothing been drawn.
        order: All candidates: the chosen one, then the others, best first.
        reason: One sentence.
        logits: Candidate -> preference in logits, costs taken off.
        propensities: Candidate -> chance with which it was chosen here.
        explored: A challenger was drawn.
        stayed: The conversation kept its model though another one scores higher.
    """

    model: str
    best: str
    order: tuple[str, ...]
    reason: str
    logits: Mapping[str, float]
    propensities: Mapping[str, float]
    explored: bool = False
    stayed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the log."""
        return {
            "best": self.best,
            "reason": self.reason,
            "logits": dict(self.logits),
            "propensities": dict(self.propensities),
            "explored": self.explored,
            "stayed": self.stayed,
        }


def choose(
    ranking: Ranking,
    temperature: float,
    request: ChatRequest,
    pool: Pool,
    variant: RouterVariant,
    current: str | None,
    user: str | None,
    draw: np.random.Generator,
) -> ModelChoice:
    """Choose one of the ranked candidates.

    Args:
        ranking: The candidates with their scores.
        temperature: What score differences are divided by to be logits.
        request: What is asked.
        pool: Prices and settings.
        variant: How the request wants the choice made.
        current: The model that the conversation has; None at its first question.
        user: Who asks, by which a share of people explores.
        draw: Draws challengers.
    """
    # 1. Preference in logits, less what answers cost where this variant weighs it by the pool's prices.
    names = [choice.model for choice in ranking.ranking]
    shares = price_shares_of(pool.models, names) if variant.cost_weight else None
    logits = {
        choice.model: choice.score / temperature - (variant.cost_weight * shares[choice.model] if shares else 0.0)
        for choice in ranking.ranking
    }
    order = sorted(names, key=lambda name: (-logits[name], name))
    best, certain = order[0], {name: float(name == order[0]) for name in order}
    # 2. A conversation keeps its model unless the gain is worth what changing costs.
    if current in logits:
        if request.is_in_tool_loop:
            return _kept(current, order, logits, "stayed because a tool's result goes to the model that called it")
        gain, cost = logits[best] - logits[current], switch_cost(request, pool, current, best)
        if current != best and gain <= cost:
            why = f"stayed because {best} gains {gain:.2f} logits and changing costs {cost:.2f}"
            return _kept(current, order, logits, why)
        if current == best:
            return ModelChoice(
                best, best, tuple(order), f"still the best here; {_why(ranking, order)}", logits, certain
            )
    # 3. Only first questions explore: a challenger in the middle would cost the conversation its model.
    rate = 0.0 if current is not None else explore_rate(pool, user)
    if rate and len(order) > 1:
        chance = {choice.model: choice.win_probability for choice in ranking.ranking}
        challengers, weight = order[1:], np.array([chance[name] for name in order[1:]])
        weight = weight / weight.sum()
        chances = {best: 1.0 - rate} | {name: rate * float(w) for name, w in zip(challengers, weight, strict=True)}
        if draw.random() < rate:
            drawn = challengers[int(draw.choice(len(challengers), p=weight))]
            rest = tuple(name for name in order if name != drawn)
            why = f"explored: {drawn} was drawn with chance {chances[drawn]:.3f}; the best is {best}"
            return ModelChoice(drawn, best, (drawn, *rest), why, logits, chances, explored=True)
        return ModelChoice(best, best, tuple(order), _why(ranking, order), logits, chances)
    return ModelChoice(best, best, tuple(order), _why(ranking, order), logits, certain)


def price_shares_of(models: Mapping[str, UpstreamModel], names: Sequence[str]) -> dict[str, float] | None:
    """Return name -> price of an answer as a share of the dearest, None where one states no price."""
    prices = {name: models[name].output_price for name in names if name in models}
    known = {name: price for name, price in prices.items() if price is not None}
    if len(known) < len(names):
        return None
    dearest = max(known.values())
    return {name: price / dearest if dearest > 0 else 0.0 for name, price in known.items()}


def switch_cost(request: ChatRequest, pool: Pool, current: str, other: str) -> float:
    """Return the logits that it costs a conversation to change its model.

    The new model reads the whole conversation at its full price, the current one has it in its prompt cache.
    """
    ours, theirs = pool.models[current], pool.models[other]
    cached = ours.cached_price if ours.cached_price is not None else ours.input_price
    cost = pool.gateway.stay_logits
    if cached is not None and theirs.input_price is not None:
        tokens = sum(len(text_of(message)) for message in request.messages) / CHARACTERS_PER_TOKEN
        dollars = max(theirs.input_price - cached, 0.0) * tokens / MILLION
        cost += pool.gateway.logits_per_dollar * dollars
    return cost


def explore_rate(pool: Pool, user: str | None) -> float:
    """Return how likely a first question of a user is answered by a challenger."""
    settings = pool.gateway
    if settings.explore_by == "request":
        return settings.explore_share
    # A hash places each person in or out for good, in every process alike.
    digest = hashlib.sha256(f"explore {user}".encode("utf-8", "surrogatepass")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return settings.explore_rate if user is not None and place < settings.explore_share else 0.0


def _kept(current: str, order: Sequence[str], logits: Mapping[str, float], why: str) -> ModelChoice:
    certain = {name: float(name == current) for name in order}
    rest = tuple(name for name in order if name != current)
    return ModelChoice(current, current, (current, *rest), why, logits, certain, stayed=current != order[0])


def _why(ranking: Ranking, order: Sequence[str]) -> str:
    best: Choice = next(choice for choice in ranking.ranking if choice.model == order[0])
    whom = "an unknown user" if ranking.user is None else f"this user, after {ranking.votes} rated rounds"
    moved = f"; their history moves it by {best.margin:+.2f}" if ranking.user is not None else ""
    return f"best for {whom}: preferred to another with chance {best.win_probability:.2f}{moved}"
