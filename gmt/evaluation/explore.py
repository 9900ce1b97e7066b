"""Let new users vote on what a router proposes, and see how fast it learns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gmt.data.dataset import Dataset
from gmt.evaluation.new_users import LearningCurve, NewUsers
from gmt.evaluation.proposals import PROPOSALS, Proposal
from gmt.evaluation.top_choice import choice_shares
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.routing.pairwise import win_probability


def interact(
    posterior: ConditionedPosterior,
    data: Dataset,
    new: NewUsers,
    propose: Proposal,
    after: Sequence[int],
    rng: np.random.Generator,
) -> LearningCurve:
    """Let the router propose two models a round, learn from the vote, and go on.

    A vote refits its user alone, to all of their votes; answer quality f and the covariance S of user effects
    stay as the history taught. Uncertainty about f is not drawn, for no vote here could reduce it.

    Args:
        posterior: What the history says; none of the new users is in it.
        data: Where the vectors of the questions are.
        new: The users and their luck.
        propose: How two models are chosen.
        after: Numbers of votes after which the held-out questions are scored.
        rng: For the proposals.
    """
    users, rounds = new.queries.shape
    shown, won = np.zeros((users, rounds, 2), np.int64), np.zeros((users, rounds))
    first, both, measured = np.zeros((rounds, users)), np.zeros((rounds, users)), {}
    row = np.arange(users)
    for step in range(rounds + 1):
        # 1. Condition on every vote so far, and measure where it is wanted.
        votes = new.questions_of(new.queries[:, :step])
        a, b = (shown[:, :step, place].reshape(-1) for place in (0, 1))
        known = posterior.with_votes(data, votes, a, b, won[:, :step].reshape(-1))
        if step in after:
            measured[step] = _measure(known, data, new)
        if step == rounds:
            break
        # 2. Propose two models for the next question.
        now = new.questions_of(new.queries[:, step : step + 1])
        mean, covariance = known.score(data, now), known.covariances(data, now, with_quality=False)
        one, other = propose(mean, covariance, rng)
        utility = new.truth(new.queries[:, step : step + 1])
        missed = utility.max(axis=1, keepdims=True) - utility
        first[step], both[step] = missed[row, one], (missed[row, one] + missed[row, other]) / 2
        # 3. Let the user vote; the luck belongs to the models and not to their places, so that equal pairs get
        #    equal votes.
        a, b = (np.where(new.left[:, step] == here, one, other) for here in (True, False))
        low, high = np.minimum(a, b), np.maximum(a, b)
        lower = new.luck[:, step] < win_probability(utility[row, low] - utility[row, high])
        shown[:, step], won[:, step] = np.stack([a, b], axis=1), lower == (a == low)
    kept = tuple(step for step in range(rounds + 1) if step in measured)
    order, regret, difference = (np.stack([measured[step][part] for step in kept]) for part in range(3))
    return LearningCurve(kept, order, regret, difference, first, both)


def _measure(known: ConditionedPosterior, data: Dataset, new: NewUsers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (B,) share of pairs in true order, (B,) regret and (B, H) differences of held-out votes."""
    users, held = new.held.shape
    scores, truth = known.score(data, new.questions_of(new.held)), new.truth(new.held)
    # A pair whose scores are equal counts half, as a tie does in AUC.
    a, b = np.triu_indices(truth.shape[1], 1)
    agree = np.sign(scores[:, a] - scores[:, b]) * np.sign(truth[:, a] - truth[:, b])
    order = ((1 + agree) / 2).mean(axis=1).reshape(users, held).mean(axis=1)
    who = np.repeat(np.arange(users), held)
    regret = choice_shares(who, scores, truth)["regret"].above.reshape(users, held).mean(axis=1)
    pair = new.pair.reshape(-1, 2)
    voted = np.take_along_axis(scores, pair, axis=1).reshape(users, held, 2)
    gap = voted[:, :, 0] - voted[:, :, 1]
    return order, regret, np.where(new.won, gap, -gap)


def compare_proposals(
    posterior: ConditionedPosterior,
    data: Dataset,
    new: NewUsers,
    after: Sequence[int],
    seed: int = 0,
    proposals: Mapping[str, Proposal] = PROPOSALS,
) -> dict[str, LearningCurve]:
    """Try every way of proposing on the same users with the same luck."""
    return {
        name: interact(posterior, data, new, propose, after, np.random.default_rng([seed, number]))
        for number, (name, propose) in enumerate(proposals.items())
    }
