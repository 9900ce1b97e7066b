"""Gather what a page shows of a user: history, liking of models, and questions answered with the reasons for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.text_keys import form_of, stated_key
from gmt.errors import visible
from gmt.report.held_out import HeldOutRounds
from gmt.report.shown_user import (
    ShownAnswer,
    ShownQuestion,
    ShownReason,
    ShownReasons,
    ShownRound,
    ShownText,
    UserCard,
)
from gmt.serving.decision import Decision, Reason
from gmt.serving.pretrained import Router

ROUNDS = 12
"""Latest rounds of a user that are shown."""
QUESTIONS = 3
"""Questions of a user that are asked anew."""
FOR, AGAINST = 4, 3
"""Strongest past rounds for and against the chosen model that are shown; the others are summed."""
MODELS = 12
"""Models that are shown in a ranking, those that were judged beside the first ones."""
CHARACTERS, BRIEF = 400, 140
"""Characters of a text that are shown; of the query of a round that is named as a reason."""


class UserCards:
    """Make the cards of users of one run.

    Args:
        router: The run.
        held_out: The run's data, for test questions; None where it is gone.
        with_texts: Show texts. Where the run keeps none, there are none to show.
    """

    def __init__(self, router: Router, held_out: HeldOutRounds | None, with_texts: bool) -> None:
        self.router, self.held_out = router, held_out
        self.with_texts = with_texts and router.config.state.texts
        self._unknown = router.preferences(None)

    def of(self, user: str, shown_as: str | None = None) -> UserCard:
        """Make the card of a user under their own or another name.

        Raises:
            UserError: Nothing of this user is known.
        """
        rounds = self.router.history(user)
        liked = self.router.preferences(user)
        questions, note = self._questions(user, rounds)
        return UserCard(
            visible(user) if shown_as is None else shown_as,
            len(rounds),
            self.router.votes(user),
            tuple(self._round(one) for one in rounds[: -ROUNDS - 1 : -1]),
            tuple((model, score, self._unknown[model]) for model, score in liked.items()),
            questions,
            note,
        )

    def _questions(self, user: str, rounds: Sequence[Comparison]) -> tuple[tuple[ShownQuestion, ...], str]:
        """Ask the run some questions for a user; say what they are."""
        if not self.router.models:
            return (), "This run ranks answers by what they look like and say, so there are no models to rank."
        held_out = self.held_out.of_user(user, QUESTIONS) if self.held_out is not None else []
        if held_out:
            for one, vector in held_out:
                self.router.run_data.texts.remember([one.query], vector[None])
            asked = tuple(self._asked(user, one.query, one) for one, _ in held_out)
            return asked, "Test questions: training never saw what was said of them."
        # Questions of the user's own history would be explained by themselves.
        data, own = self.router.data, {one.query for one in rounds}
        table = data.table
        others = [code for code in dict.fromkeys(table.query.tolist()) if table.texts[code] not in own]
        chosen = others[:: max(len(others) // QUESTIONS, 1)][:QUESTIONS]
        for code in chosen:
            # What stands in for a text that is not kept must not be encoded as if it were one.
            self.router.run_data.texts.remember([table.texts[code]], data.vectors[[code]])
        asked = tuple(self._asked(user, table.texts[code], None) for code in chosen)
        if not asked:
            return (), "There is no question here that this user has not judged."
        return asked, "Questions of other users: no test question of this user is at hand."

    def _asked(self, user: str, query: str, said: Comparison | None) -> ShownQuestion:
        task = said.task if said is not None else None
        decision = self.router.rank(user, query, explain=True, task=task, with_uncertainty=False)
        judged = {one.model for one in said.candidates} if said is not None else set()
        places = list(enumerate(decision.ranking, 1))
        shown = [(place, choice) for place, choice in places if place <= MODELS or choice.model in judged]
        return ShownQuestion(
            self._text(query),
            None if said is None else self._round(said),
            tuple(shown),
            len(places),
            self._reasons([one for one in decision.reasons if one.effect > 0], FOR),
            self._reasons([one for one in decision.reasons if one.effect < 0], AGAINST),
            decision.ranking[0].margin,
            None if said is None else _agrees(decision, said),
        )

    def _reasons(self, reasons: Sequence[Reason], shown: int) -> ShownReasons:
        ordered = sorted(reasons, key=lambda one: -abs(one.effect))
        rest = ordered[shown:]
        strongest = tuple(self._reason(one) for one in ordered[:shown])
        return ShownReasons(strongest, len(rest), math.fsum(one.effect for one in rest))

    def _reason(self, reason: Reason) -> ShownReason:
        ratings = zip(reason.models, reason.ratings, strict=True)
        said = ", ".join(f"{visible(model)} {_rating(rating)}" for model, rating in ratings)
        return ShownReason(self._text(reason.query, BRIEF), said, reason.effect)

    def _round(self, one: Comparison) -> ShownRound:
        day = None if one.timestamp is None else day_of(one.timestamp)
        return ShownRound(self._text(one.query), one.turn, day, tuple(map(self._answer, one.candidates)))

    def _answer(self, one: Candidate) -> ShownAnswer:
        response = None if one.response is None else self._text(one.response)
        feedback = None if one.feedback is None else self._text(one.feedback)
        return ShownAnswer(visible(one.model), response, one.rating, feedback, one.signal)

    def _text(self, text: str, limit: int = CHARACTERS) -> ShownText:
        # A stand-in shows that this text is not kept, whatever the settings of the run say today.
        if not self.with_texts or stated_key(text) is not None:
            return ShownText(None, form_of(text).characters, False)
        return ShownText(visible(text[:limit], kept="\n\t"), len(text), len(text) > limit)


def day_of(seconds: float) -> str | None:
    """Return a day as ISO 8601 in UTC; None for a time that no calendar holds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return None


def _rating(rating: float | None) -> str:
    return "not rated" if rating is None else f"{rating:.3g}"


def _agrees(decision: Decision, said: Comparison) -> bool | None:
    """Tell whether the best rated of the judged answers is of the model that is ranked first among them."""
    rated = [one for one in said.candidates if one.rating is not None]
    best = max(one.rating for one in rated if one.rating is not None)
    judged = {one.model for one in rated}
    first = next((choice.model for choice in decision.ranking if choice.model in judged), None)
    return None if first is None else any(one.model == first and one.rating == best for one in rated)
