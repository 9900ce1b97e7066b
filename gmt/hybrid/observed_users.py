"""Keep what is believed of users observed since, beside what is believed of everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.routing.protocol import Conditioned, Explained

Belief = TypeVar("Belief", bound=Conditioned)


@dataclass(frozen=True, eq=False)
class ObservedUsers(Generic[Belief]):
    """Answer for users observed since a history was conditioned on; for all others as that history says.

    Nothing in it ever changes: with more rounds it is another one, so that threads may ask an older one meanwhile.

    Args:
        everybody: What was believed after the history.
        theirs: User code -> what is believed of this user alone, with all rounds that came since.
    """

    everybody: Belief
    theirs: Mapping[int, Belief] = field(default_factory=dict)

    @classmethod
    def of(cls, belief: Conditioned) -> ObservedUsers:
        """Return a belief in this form."""
        return belief if isinstance(belief, ObservedUsers) else ObservedUsers(belief)

    @property
    def quality_weights(self) -> np.ndarray | None:
        """(U + 1,) weight of quality against cost of every user, last of an unknown one; None without a utility."""
        weights = self.everybody.quality_weights
        if weights is None:
            return None
        # Users who joined since have the unknown user's weight until it is inferred.
        count = max([len(weights) - 1, *(user + 1 for user in self.theirs)])
        weights = np.concatenate([weights[:-1], np.repeat(weights[-1:], count + 2 - len(weights))])
        for user, belief in self.theirs.items():
            own = belief.quality_weights
            # A belief about one user alone has that user in its first row.
            weights[user] = weights[user] if own is None else own[0]
        return weights

    def score(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K) scores as `Conditioned.score` says."""
        return self._joined(questions, lambda belief, part: belief.score(data, part))

    def covariances(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, K) posterior covariances of the scores; what stands under padding means nothing."""
        return self._joined(questions, lambda belief, part: belief.covariances(data, part))

    def explain(self, data: Dataset, questions: Questions, index: int) -> Explained:
        """Take the scores of question `index` apart into what each past vote of its user adds."""
        return self.theirs.get(int(questions.user[index]), self.everybody).explain(data, questions, index)

    def of_user(self, user: int) -> Belief:
        """Return what is believed of one user alone."""
        return self.theirs[user] if user in self.theirs else self.everybody.of_user(user)

    def with_observed(self, history: Dataset, positions: np.ndarray) -> Self | None:
        """Return what is believed once some more rounds are observed, at a cost of their users' rounds alone.

        Args:
            history: The history with the new rounds; what was observed before has kept its positions.
            positions: (C,) where the new rounds stand.

        Returns:
            None where the new rounds can only be read by conditioning on the whole history again.
        """
        user, theirs = history.table.user[positions], dict(self.theirs)
        for code in np.unique(user).tolist():
            found = self.of_user(code).with_observed(history, positions[user == code])
            if found is None:
                return None
            # `theirs` is a copy: whoever asks the older belief meanwhile sees it whole.
            theirs[code] = found
        return type(self)(self.everybody, theirs)

    def _joined(self, questions: Questions, ask: Callable[[Belief, Questions], np.ndarray]) -> np.ndarray:
        """Ask for each question the belief that answers for its user, and put the answers together."""
        own = [user for user in np.unique(questions.user).tolist() if user in self.theirs]
        if not own:
            return ask(self.everybody, questions)
        # A belief about one user takes all others for unknown ones, so it also answers for those.
        if len(own) == 1 and set(questions.user.tolist()) <= {own[0], -1}:
            return ask(self.theirs[own[0]], questions)
        rest = np.flatnonzero(~np.isin(questions.user, own))
        parts = [(rest, self.everybody)] if len(rest) else []
        parts += [(np.flatnonzero(questions.user == user), self.theirs[user]) for user in own]
        answers = [(at, ask(belief, questions.select(at))) for at, belief in parts]
        # Shape and type come from the first answer, for scores and covariances differ in both.
        out = np.empty((len(questions), *answers[0][1].shape[1:]), answers[0][1].dtype)
        for at, answer in answers:
            out[at] = answer
        return out
