"""Let ratings that are shown with questions, those of earlier rounds of their conversations, count for them alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import InteractionTable
from gmt.posterior.vote_history import VoteHistory

if TYPE_CHECKING:
    from gmt.posterior.conditioned_posterior import ConditionedPosterior


@dataclass(frozen=True, eq=False)
class Askers:
    """Hold who asks C questions once ratings are shown with them: each user and conversation up to a turn is one asker.

    Args:
        number: (C,) the asker of each question.
        user: (N,) codes of their users, -1 for unknown ones.
        conversation, turn: (N,) what is shown to each: rounds of this conversation before this turn; -1 for nothing.
    """

    number: np.ndarray
    user: np.ndarray
    conversation: np.ndarray
    turn: np.ndarray

    @classmethod
    def of(cls, questions: Questions) -> Askers:
        """Tell the askers apart."""
        shows = np.isin(questions.conversation, questions.earlier.conversation) & (questions.turn > 0)
        columns = np.stack(
            [questions.user, np.where(shows, questions.conversation, -1), np.where(shows, questions.turn, -1)]
        )
        found, number = np.unique(columns, axis=1, return_inverse=True)
        return cls(number.reshape(-1), *found)


def with_revealed(
    posterior: ConditionedPosterior, data: Dataset, questions: Questions
) -> tuple[ConditionedPosterior, Questions]:
    """Return beliefs in which each question's asker has also voted as was shown with it, and the questions by asker.

    Of each question only earlier rounds of its own conversation count. Answer quality and S stay as they are: nobody
    else learns from what one question shows. Where no question shows feedback, both come back as they are.

    Args:
        posterior: What is believed without them.
        data: Where the texts of the questions and of their earlier rounds are.
        questions: The questions. An explanation of the answer names the votes shown by -1 less their comparison's
            position in `questions.earlier`.
    """
    earlier = questions.earlier
    if not earlier.says_anything:
        return posterior, questions
    seen = posterior.reading.observations(data.with_table(earlier))
    # 1. The rounds shown become votes, read as rounds observed later are; one with a model new to S, or feedback
    #    of a form that has no thresholds yet, says nothing.
    strange = np.zeros(len(earlier), bool)
    strange[earlier.row_comparison[earlier.model >= posterior.votes.models]] = True
    strange[seen.comparison[~posterior.reads(seen)]] = True
    observed, offset = posterior.observed_votes(data.with_table(earlier), np.flatnonzero(~strange))
    # 2. Each asker has the votes of their user and those shown to them.
    askers, own = Askers.of(questions), posterior.votes
    parts: list[VoteHistory] = []
    offsets: list[np.ndarray] = []
    since = _rated_after(earlier)
    for asker, (user, talk, turn) in enumerate(zip(askers.user, askers.conversation, askers.turn, strict=True)):
        past = own.of_user(int(user)) if user >= 0 else slice(0, 0)
        shown = np.flatnonzero(
            (observed.conversation == talk) & (earlier.turn[observed.comparison] < turn) & (talk >= 0)
        )
        rounds = np.unique(observed.comparison[shown])
        # As `rated_since` counts: words and signals age nothing, and are as new as can be.
        rounds = rounds[earlier.rated[rounds]]
        known = own.select(np.arange(past.start, past.stop))
        # What was rated before is older by the rounds shown, and these by those shown after them.
        known = replace(known, user=np.full(len(known), asker), since=known.since + len(rounds))
        new = observed.select(shown)
        places = -1 - new.comparison
        after = since[new.comparison] - (since[rounds].min() if len(rounds) else 0)
        after = np.where(earlier.rated[new.comparison], after, 0)
        parts += [known, replace(new, user=np.full(len(new), asker), since=after, comparison=places)]
        offsets += [posterior.effects.offset[past], offset[shown]]
    effects = replace(posterior.effects, votes=observed.joined(parts), offset=np.concatenate(offsets), solved=None)
    asked = replace(questions, user=askers.number, earlier=earlier.without_ratings())
    return replace(posterior, effects=effects), asked


def _rated_after(earlier: InteractionTable) -> np.ndarray:
    """Return (C,) how many rated rounds of the same conversation come after each round."""
    order = np.lexsort((earlier.turn, earlier.conversation))
    so_far, talk = np.cumsum(earlier.rated[order]), earlier.conversation[order]
    out = np.zeros(len(earlier), np.int64)
    # What is rated up to the conversation's last round, less what is up to this one.
    out[order] = so_far[np.searchsorted(talk, talk, side="right") - 1] - so_far
    return out
