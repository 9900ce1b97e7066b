"""Let people nobody has met yet talk to a router, and see how fast it learns them by the answers it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.errors import DataError
from gmt.evaluation.intervals import Block, Share
from gmt.evaluation.top_choice import ask_all, choice_shares
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.routing.pairwise import win_probability

Proposal = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Chooses two different models for each of B people from (B, M) means, (B, M, M) covariances and a generator."""


def _best(scores: np.ndarray, other_than: np.ndarray | None = None) -> np.ndarray:
    if other_than is not None:
        scores = scores.copy()
        scores[np.arange(len(scores)), other_than] = -np.inf
    return scores.argmax(axis=1)


def _draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size, basis = np.linalg.eigh(covariance)
    noise = rng.normal(size=mean.shape) * np.sqrt(np.maximum(size, 0.0))
    return mean + (basis @ noise[:, :, None])[:, :, 0]


def best_two(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the two best by the mean: nothing is explored."""
    first = _best(mean)
    return first, _best(mean, first)


def one_draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the two best of one draw from the posterior, as `gmt route --explore` ranks them."""
    return best_two(_draw(mean, covariance, rng), covariance, rng)


def cautious_draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the two best of one draw with half the posterior's standard deviation."""
    return one_draw(mean, covariance / 4, rng)


def two_draws(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the best of one draw, and of another draw the best other one.

    Source: Wu and Liu (2016), "Double Thompson sampling for dueling bandits", without its pruning.
    """
    first = _best(_draw(mean, covariance, rng))
    return first, _best(_draw(mean, covariance, rng), first)


def best_and_draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the best by the mean, and of one draw the best other one."""
    first = _best(mean)
    return first, _best(_draw(mean, covariance, rng), first)


def best_and_widest(
    mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Take the best by the mean, and the one whose distance to it is least known."""
    first, own = _best(mean), np.diagonal(covariance, axis1=1, axis2=2)
    row = np.arange(len(first))
    return first, _best(own + own[row, first][:, None] - 2 * covariance[row, first], first)


def anything(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take two at random: nothing but exploring."""
    first = rng.random(mean.shape).argmax(axis=1)
    return first, _best(rng.random(mean.shape), first)


PROPOSALS: dict[str, Proposal] = {
    "best two": best_two,
    "one draw": one_draw,
    "cautious draw": cautious_draw,
    "two draws": two_draws,
    "best and a draw": best_and_draw,
    "best and widest": best_and_widest,
    "at random": anything,
}


@dataclass(frozen=True, eq=False)
class Meeting:
    """Hold what happens to B new people whatever the router does, so that ways of proposing are compared on equal luck.

    Args:
        questions: (Q) distinct queries of the history, with all M models as candidates.
        utilities: (B, Q, M) how much each person likes each answer, in logits.
        asked: (B, N) which question each person asks in each round.
        held: (B, H) questions that are never asked.
        luck: (B, N) uniform numbers that decide the votes.
        side: (B, N) whether the first proposal is shown left.
        pair, won: (B, H, 2) two models of every held-out question, and (B, H) whether the person prefers the first.
    """

    questions: Questions
    utilities: np.ndarray
    asked: np.ndarray
    held: np.ndarray
    luck: np.ndarray
    side: np.ndarray
    pair: np.ndarray
    won: np.ndarray

    @classmethod
    def draw(
        cls, questions: Questions, utilities: np.ndarray, rounds: int, held: int, rng: np.random.Generator
    ) -> Meeting:
        """Draw what is asked and the luck; a person never asks the same question twice.

        Raises:
            DataError: There are fewer questions than rounds and held-out questions together.
        """
        people, count, models = utilities.shape
        if rounds + held > count:
            raise DataError(f"{rounds} rounds and {held} held-out questions need as many questions; there are {count}")
        order = np.argsort(rng.random((people, count)), axis=1)
        out = order[:, rounds : rounds + held]
        pair = np.argsort(rng.random((people, held, models)), axis=2)[:, :, :2]
        liked = np.take_along_axis(utilities[np.arange(people)[:, None], out], pair, axis=2)
        won = rng.random((people, held)) < win_probability(liked[:, :, 0] - liked[:, :, 1])
        luck, side = rng.random((people, rounds)), rng.random((people, rounds)) < 0.5
        return cls(ask_all(questions, models), utilities, order[:, :rounds], out, luck, side, pair, won)

    def ask(self, which: np.ndarray) -> Questions:
        """Return (B · n) questions, those of a person side by side, given (B, n) numbers of questions."""
        people = np.repeat(np.arange(len(which)), which.shape[1])
        return replace(self.questions.select(which.reshape(-1)), user=people)

    def truth(self, which: np.ndarray) -> np.ndarray:
        """Return (B · n, M) utilities of (B, n) questions."""
        found = self.utilities[np.arange(len(which))[:, None], which]
        return found.reshape(-1, self.utilities.shape[2])


@dataclass(frozen=True, eq=False)
class Course:
    """Hold what came of one way of proposing.

    Args:
        after: (P,) numbers of votes after which the held-out questions were asked.
        order: (P, B) share of all pairs of models on held-out questions put in their true order.
        regret: (P, B) mean regret of the model chosen for held-out questions, in logits.
        difference: (P, B, H) score of the preferred model less that of the other, one vote a held-out question.
        first: (N, B) regret of the answer proposed first in each round.
        shown: (N, B) mean regret of the two answers shown.
    """

    after: tuple[int, ...]
    order: np.ndarray
    regret: np.ndarray
    difference: np.ndarray
    first: np.ndarray
    shown: np.ndarray

    def shares(self, prefix: str = "") -> dict[str, Share]:
        """Return every measure as a mean over people; those named `…@n` are taken after n votes.

        `first` and `shown` are summed over the rounds up to there.
        """
        people = np.array([f"{prefix}{person}" for person in range(self.order.shape[1])])
        out = {}
        for at, votes in enumerate(self.after):
            values = {
                "order": self.order[at],
                "regret": self.regret[at],
                "first": self.first[:votes].sum(axis=0),
                "shown": self.shown[:votes].sum(axis=0),
            }
            out |= {f"{name}@{votes}": Share(people, value, np.ones(len(people))) for name, value in values.items()}
        return out

    def block(self, at: int, prefix: str = "") -> Block:
        """Return the held-out votes after `after[at]` votes, for AUC and accuracy."""
        difference = self.difference[at]
        people = np.array([f"{prefix}{person}" for person in range(len(difference))])
        gap = difference.reshape(-1)
        ratings = np.tile([1.0, 0.0], (len(gap), 1))
        return Block(np.repeat(people, difference.shape[1]), np.stack([gap, np.zeros_like(gap)], axis=1), ratings)


def interact(
    posterior: ConditionedPosterior,
    data: Dataset,
    meeting: Meeting,
    propose: Proposal,
    after: Sequence[int],
    rng: np.random.Generator,
) -> Course:
    """Let the router propose two models a round, learn from the vote, and go on.

    A vote refits its person alone, to all of their votes; what everybody thinks (f) and how people differ (S)
    stay as the history taught. Doubts about f are not drawn, for no vote here could settle them.

    Args:
        posterior: What the history says; none of the new people is in it.
        data: Where the vectors of the questions are.
        meeting: The people and their luck.
        propose: How two models are chosen.
        after: Numbers of votes after which the held-out questions are asked.
        rng: For the proposals.
    """
    people, rounds = meeting.asked.shape
    shown, won = np.zeros((people, rounds, 2), np.int64), np.zeros((people, rounds))
    first, both, measured = np.zeros((rounds, people)), np.zeros((rounds, people)), {}
    row = np.arange(people)
    for step in range(rounds + 1):
        votes = meeting.ask(meeting.asked[:, :step])
        left, right = (shown[:, :step, side].reshape(-1) for side in (0, 1))
        known = posterior.with_votes(data, votes, left, right, won[:, :step].reshape(-1))
        if step in after:
            measured[step] = _measure(known, data, meeting)
        if step == rounds:
            break
        now = meeting.ask(meeting.asked[:, step : step + 1])
        mean, covariance = known.score(data, now), known.covariances(data, now, with_quality=False)
        one, other = propose(mean, covariance, rng)
        liked = meeting.truth(meeting.asked[:, step : step + 1])
        missed = liked.max(axis=1, keepdims=True) - liked
        first[step], both[step] = missed[row, one], (missed[row, one] + missed[row, other]) / 2
        a, b = (np.where(meeting.side[:, step] == here, one, other) for here in (True, False))
        # The luck belongs to the models and not to the sides, so that equal pairs get equal votes.
        low, high = np.minimum(a, b), np.maximum(a, b)
        lower = meeting.luck[:, step] < win_probability(liked[row, low] - liked[row, high])
        shown[:, step], won[:, step] = np.stack([a, b], axis=1), lower == (a == low)
    kept = tuple(step for step in range(rounds + 1) if step in measured)
    order, regret, difference = (np.stack([measured[step][part] for step in kept]) for part in range(3))
    return Course(kept, order, regret, difference, first, both)


def _measure(known: ConditionedPosterior, data: Dataset, meeting: Meeting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (B,) share of pairs in true order, (B,) regret and (B, H) differences of held-out votes."""
    people, held = meeting.held.shape
    scores, truth = known.score(data, meeting.ask(meeting.held)), meeting.truth(meeting.held)
    a, b = np.triu_indices(truth.shape[1], 1)
    agree = np.sign(scores[:, a] - scores[:, b]) * np.sign(truth[:, a] - truth[:, b])
    order = ((1 + agree) / 2).mean(axis=1).reshape(people, held).mean(axis=1)
    users = np.repeat(np.arange(people), held)
    regret = choice_shares(users, scores, truth)["regret"].above.reshape(people, held).mean(axis=1)
    pair = meeting.pair.reshape(-1, 2)
    voted = np.take_along_axis(scores, pair, axis=1).reshape(people, held, 2)
    gap = voted[:, :, 0] - voted[:, :, 1]
    return order, regret, np.where(meeting.won, gap, -gap)


def meet(
    posterior: ConditionedPosterior,
    data: Dataset,
    meeting: Meeting,
    after: Sequence[int],
    seed: int = 0,
    proposals: Mapping[str, Proposal] = PROPOSALS,
) -> dict[str, Course]:
    """Try every way of proposing on the same people with the same luck."""
    return {
        name: interact(posterior, data, meeting, propose, after, np.random.default_rng([seed, number]))
        for number, (name, propose) in enumerate(proposals.items())
    }
