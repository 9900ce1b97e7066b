"""Say what a router decided: every candidate with its score, its chance to win, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from gmt.errors import UserError
from gmt.routing.pairwise import win_probability
from gmt.routing.staying import Staying
from gmt.serving.explain import Reason


@dataclass(frozen=True)
class Choice:
    """Hold one candidate of a decision.

    Args:
        model: Its name.
        score: Unbounded, higher is preferred.
        win_probability: Mean chance to be preferred to each of the other candidates.
        margin: What this user's history adds: the score less an unknown user's, both centred
            over the candidates.
        uncertainty: Posterior standard deviation of the score against the candidates' mean; None
            where the run has no posterior.
        cost: What its answer is expected to cost, as a share of the dearest; None where nothing is known of costs.
    """

    model: str
    score: float
    win_probability: float
    margin: float
    uncertainty: float | None = None
    cost: float | None = None


@dataclass(frozen=True)
class Stay:
    """Hold what a decision says of staying with the model that answered last in the conversation.

    Args:
        current: That model.
        best: The model whose score was highest before a switch was weighed.
        chosen: The model that was decided on.
        cost: What changing to `best` costs, in the unit of the scores.
        gain: How much higher `best` scores than `current`, likewise.
    """

    current: str
    best: str
    chosen: str
    cost: float
    gain: float

    @classmethod
    def of(
        cls, staying: Staying, names: Sequence[str], scores: np.ndarray, temperature: float, chosen: str
    ) -> Self | None:
        """Say it of (K,) scores before the switch was weighed; None where the current model is no candidate."""
        if staying.current not in names:
            return None
        lost = temperature * staying.penalties(names)
        # As `rank` tells equal scores apart.
        best = min(range(len(names)), key=lambda k: (-scores[k], names[k]))
        gain = float(scores[best] - scores[names.index(staying.current)])
        return cls(staying.current, names[best], chosen, float(lost[best]), gain)

    def __str__(self) -> str:
        if self.best == self.chosen == self.current:
            return f"stayed with {self.current}: no model scores higher"
        weighed = f"the switch to {self.best} costs {self.cost:.2f}, the gain is {self.gain:.2f}"
        if self.chosen == self.current:
            return f"stayed with {self.current}: {weighed}"
        # A third model may be cheaper to change to than the best one.
        return f"left {self.current} for {self.chosen}: {weighed}"


@dataclass(frozen=True)
class Decision:
    """Hold the ranking of the candidates for a user and a query, best first.

    Args:
        user: Who asked; None for an unknown user.
        query: The query.
        ranking: The candidates, best first.
        votes: How many rated rounds of this user were visible.
        reasons: Past rounds that moved the winner, strongest first; empty unless asked for. Their effects add up to
            the winner's margin but for what a network's rounds do together.
        stay: What staying with the conversation's model weighed; None where nothing was to be weighed.
    """

    user: str | None
    query: str
    ranking: tuple[Choice, ...]
    votes: int
    reasons: tuple[Reason, ...] = ()
    stay: Stay | None = None

    @property
    def model(self) -> str:
        """Return the name of the winner."""
        return self.ranking[0].model

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {
            "user": self.user,
            "query": self.query,
            "model": self.model,
            "votes": self.votes,
            "ranking": [vars(choice) for choice in self.ranking],
            "reasons": [reason.to_json() for reason in self.reasons],
            **({} if self.stay is None else {"stay": {**vars(self.stay), "reason": str(self.stay)}}),
        }


def rank(
    models: list[str],
    scores: np.ndarray,
    unknown: np.ndarray,
    temperature: float,
    covariance: np.ndarray | None = None,
    draw: np.random.Generator | None = None,
    cost: np.ndarray | None = None,
    cost_weight: float = 0.0,
    staying: Staying | None = None,
) -> tuple[Choice, ...]:
    """Order candidates by score, or by a draw from what they may be.

    Args:
        models: K names.
        scores: (K,) scores for the user.
        unknown: (K,) scores for an unknown user.
        temperature: What score differences are divided by before the logistic function.
        covariance: (K, K) posterior covariance of the scores, where there is one.
        draw: Order by one draw from the posterior instead of its mean (Thompson sampling): models
            that may be the best are tried as often as they may be.
        cost: (K,) expected costs as shares of the dearest, where they are known.
        cost_weight: How many logits of preference the dearest answer's cost takes away, others their share.
        staying: What a change of model within the conversation takes away, where that is to count.

    Raises:
        UserError: A draw is asked for where there is no covariance, or costs are to count and are not known.
    """
    # A weight below 0 would reward what is dear, and NaN rank nothing.
    if not 0 <= cost_weight < np.inf:
        raise UserError(f"the weight of cost is {cost_weight}; expected a finite number of logits from 0 on")
    if cost_weight and cost is None:
        raise UserError(
            "nothing is known of what some candidates cost; state prices with gmt models add --output-price, or leave "
            "--cost-weight out"
        )
    if draw is not None and covariance is None:
        raise UserError("this run has no posterior to draw from; train with posterior.enabled=true to explore")
    # 1. Costs weigh alike for everybody, so the margin over an unknown user stays.
    if cost is not None:
        scores = scores - cost_weight * temperature * cost
        unknown = unknown - cost_weight * temperature * cost
    if staying is not None:
        lost = temperature * staying.penalties(models)
        scores, unknown = scores - lost, unknown - lost
    # 2. Each candidate's chance against each other; half a win against itself comes off.
    count = len(models)
    against = win_probability(scores[:, None] - scores[None, :], temperature)
    chance = (against.sum(axis=1) - 0.5) / (count - 1) if count > 1 else np.ones(1)
    margin = (scores - scores.mean()) - (unknown - unknown.mean())
    # 3. What is common to all candidates is no uncertainty of the choice: centre the covariance over them.
    deviation: list[float | None] = [None] * count
    place = scores
    if covariance is not None:
        centre = np.eye(count) - 1 / count
        centred = centre @ covariance @ centre
        deviation = np.sqrt(np.maximum(np.diag(centred), 0.0)).tolist()
        if draw is not None:
            place = draw.multivariate_normal(scores - scores.mean(), centred, method="eigh")
    # 4. Ties in score are told apart by name, so that equal runs rank alike.
    order = sorted(range(count), key=lambda k: (-place[k], models[k]))
    paid = [None if cost is None else float(value) for value in (scores if cost is None else cost)]
    return tuple(
        Choice(models[k], float(scores[k]), float(chance[k]), float(margin[k]), deviation[k], paid[k]) for k in order
    )
