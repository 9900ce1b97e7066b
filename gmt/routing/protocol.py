"""State what every router offers, and what a closed form adds: it is conditioned on a history and answers from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from gmt.data.dataset import Dataset, Questions


@runtime_checkable
class RoutingMethod(Protocol):
    """Score the models on offer for a user and a query.

    The graph router and every rival stand behind this one protocol; none gets a path that
    another lacks.
    """

    name: str

    def fit(self, data: Dataset) -> Self:
        """Learn from the TRAIN comparisons of `data`; VALID ones serve to choose settings.

        `data` never holds a TEST comparison.
        """
        ...

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score every candidate of every question.

        Args:
            history: The comparisons that are visible, ratings included. Its vocabularies begin with
                those of the fitted data; users and models beyond them are new.
            questions: The targets, coded in the vocabularies of `history`.

        Returns:
            (C, K) finite scores, higher is preferred; -inf under padding.
        """
        ...


ANY_QUERY, NEAR_QUERY, CONVERSATION, STYLE, TRAITS = "any query", "near query", "conversation", "style", "traits"
QUALITY_WEIGHT, NETWORK = "quality weight", "network"
"""Ways in which a past vote speaks about a question: the user likes the model, or one that S relates to it, whatever is
asked; on queries near this one; in this conversation; answers written like this; answers with such learned traits; the
weight of quality against cost; the graph network."""


@dataclass(frozen=True, eq=False)
class Explained:
    """Hold one question's scores, taken apart.

    Args:
        shared: (K,) what a user without votes would get.
        parts: Way -> (T, K) what each past vote adds by it; `shared` plus all of it is the score, or nearly so where
            votes do not add up.
        comparison: (T,) positions of these votes in the history's table.
    """

    shared: np.ndarray
    parts: Mapping[str, np.ndarray]
    comparison: np.ndarray

    @property
    def votes(self) -> np.ndarray:
        """(T, K) what each past vote adds."""
        nothing = np.zeros((len(self.comparison), len(self.shared)))
        return nothing + sum(self.parts.values())


class Conditioned(Protocol):
    """Answer questions from one history, which was conditioned on once."""

    @property
    def quality_weights(self) -> np.ndarray | None:
        """(U + 1,) weight of quality against cost of every user, last of an unknown one; None without a utility."""
        ...

    def score(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K) scores, -inf under padding.

        Args:
            data: Where the text vectors of the questions are; its codes begin with the history's.
            questions: The targets.
        """
        ...

    def covariances(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, K) posterior covariances of the scores; what stands under padding means nothing."""
        ...

    def explain(self, data: Dataset, questions: Questions, index: int) -> Explained:
        """Take the scores of question `index` apart into what each past vote of its user adds."""
        ...

    def of_user(self, user: int) -> Self:
        """Return the same beliefs about one user alone; all others are unknown users to it."""
        ...

    def with_observed(self, history: Dataset, positions: np.ndarray) -> Self | None:
        """Return what is believed once some more rounds are observed, solving for their users alone.

        Args:
            history: The history with the new rounds; what was observed before has kept its positions.
            positions: (C,) where the new rounds stand.

        Returns:
            None where the new rounds can only be read by conditioning on the whole history again.
        """
        ...


class ClosedForm(Protocol):
    """Score without a network: fit once, condition on a history in closed form, and answer from that.

    Attributes:
        logits: Whether score differences are log odds of a win by construction; else a temperature is fitted.
    """

    name: str
    logits: bool

    @property
    def notes(self) -> list[str]:
        """Return sentences for the run's card on what `fit` chose."""
        ...

    def fit(self, data: Dataset) -> Self:
        """Learn as `RoutingMethod.fit` says."""
        ...

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score as `RoutingMethod.score` says; equal to conditioning and scoring."""
        ...

    def condition(self, history: Dataset) -> Conditioned:
        """Return what is believed after the visible history."""
        ...

    def with_half_life(self, half_life: float) -> Self:
        """Return the same fit under which a round counts half after so many later ones; 0: all count alike."""
        ...

    def summary(self) -> dict[str, Any]:
        """Return the settings that `fit` ended with, for the run's card."""
        ...

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return everything `fit` found, as named arrays."""
        ...

    def load_state_dict(self, state: dict[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned, also that of earlier versions.

        Raises:
            KeyError: An entry is missing.
        """
        ...
