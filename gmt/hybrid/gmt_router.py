"""Put the trained parts together: the router called gmt."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gmt.config import RunConfig
from gmt.data.dataset import Dataset, Questions
from gmt.data.vocabulary import Vocabulary
from gmt.errors import RunError
from gmt.hybrid.closed_form import load_posterior
from gmt.hybrid.observed_users import ObservedUsers
from gmt.manifest import MANIFEST
from gmt.routing.protocol import NETWORK, ClosedForm, Conditioned
from gmt.runs import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

    from gmt.hybrid.network_router import NetworkRouter


class GmtRouter:
    """Score with a closed-form posterior plus what a graph network knows beyond it: s = s_posterior + w · s_network.

    Both halves read the same turns. The posterior answers in closed form: what everybody's votes say of
    each answer, and what a user's own say of their effects. The network is added with a weight w that
    validation chose, 0 where it did not earn its place; without a posterior it scores alone.

    Limitations: any number of threads may ask; the first question after a history conditions on it once, and others
    wait for that. The posterior of the last history is kept, so threads that ask about different histories each wait
    for theirs.

    Args:
        posterior: The fitted closed-form half, or None.
        graph: The graph network, or None.
        weight: w; 1 where the network scores alone.
        user_offsets: User name -> (D,) offset of the user's state learned by `gmt adapt --steps`.
        texts: Whether text vectors are read.
    """

    name = "gmt"

    def __init__(
        self,
        posterior: ClosedForm | None,
        graph: NetworkRouter | None,
        weight: float = 1.0,
        user_offsets: Mapping[str, Tensor] | None = None,
        texts: bool = True,
    ) -> None:
        self.posterior, self.graph, self.weight, self.texts = posterior, graph, weight, texts
        self.user_offsets = dict(user_offsets or {})
        self._conditioned: tuple[Dataset, Conditioned] | None = None
        self._conditioning = threading.Lock()

    @classmethod
    def load(
        cls,
        folder: RunFolder,
        config: RunConfig,
        card: Mapping[str, Any],
        data: Dataset,
        user_offsets: Mapping[str, Tensor] | None = None,
    ) -> Self:
        """Read the trained parts of a run.

        Args:
            folder: The run.
            config: Its settings.
            card: Its card.
            data: Its history.
            user_offsets: As on the class.

        Raises:
            RunError: Training did not end, a file is missing, or it does not fit the settings.
        """
        # The card is given its weight when training ends, so a card without one is of a training cut short.
        if "network_weight" not in card:
            raise RunError(f"the training of {folder.root} did not end; go on with --resume, or train it again")
        posterior = load_posterior(config, folder, data.vectors.shape[1], len(card["models"]))
        graph, weight = None, float(card["network_weight"])
        # A network that validation switched off is never asked, and loading it takes seconds. Only where no manifest
        # vouches for its file is it read all the same, to be refused where it is damaged.
        sealed = (folder.root / MANIFEST).is_file()
        if config.posterior.network and (weight or posterior is None or not sealed):
            # Here, for it brings torch along.
            from gmt.hybrid.network_router import NetworkRouter

            graph = NetworkRouter.load(folder, config, data.vectors.shape[1], len(card["models"]))
        return cls(posterior, graph, weight, user_offsets, config.graph.texts)

    def fit(self, data: Dataset) -> Self:
        """Return itself: training made it what it is."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates as `Router.score` says."""
        history = self._seen(history)
        conditioned = self._condition(history, questions)
        if conditioned is None:
            return self._network(history, questions)
        scores = conditioned.score(history, questions)
        # At weight 0 the network is not asked at all: a forward pass would change nothing.
        return scores + self.weight * self._network(history, questions) if self.weight else scores

    def effects(self, history: Dataset, question: Questions, choice: int) -> dict[int, float]:
        """Return what each of the user's past rounds adds to one candidate, all ways of `effect_parts` together."""
        found = self.effect_parts(history, question, choice)
        return {position: sum(parts.values()) for position, parts in found.items()}

    def effect_parts(self, history: Dataset, question: Questions, choice: int) -> dict[int, dict[str, float]]:
        """Say how far each of the user's past rounds moved one candidate, and in which way.

        The posterior's score is a sum over the user's votes, so its part is exact; the network's is what
        leaving the round out would change.

        Args:
            history: The visible comparisons.
            question: One question.
            choice: Slot of the candidate.

        Returns:
            Position in `history` -> way, as `gmt.routing.protocol` names them -> what the round adds to the candidate's
            score, centred over the candidates.
        """
        effects: dict[int, dict[str, float]] = {}
        history = self._seen(history)
        if self.graph is not None and self.weight:
            found = self.graph.effects(history, question, choice)
            effects = {position: {NETWORK: self.weight * effect} for position, effect in found.items()}
        conditioned = self._condition(history, question)
        if conditioned is not None:
            explained = conditioned.explain(history, question, 0)
            for way, votes in explained.parts.items():
                # What moves all candidates alike changes no choice, and is no effect of the round.
                centred = votes[:, choice] - votes.mean(axis=1)
                for position, effect in zip(explained.comparison.tolist(), centred.tolist(), strict=True):
                    # A comparison of several answers is several votes; their effects add up to the round's.
                    parts = effects.setdefault(position, {})
                    parts[way] = parts.get(way, 0.0) + effect
        return effects

    def covariance(self, history: Dataset, question: Questions) -> np.ndarray | None:
        """Return the (K, K) posterior covariance of one question's scores, or None without a posterior."""
        history = self._seen(history)
        conditioned = self._condition(history, question)
        return None if conditioned is None else conditioned.covariances(history, question)[0]

    def quality_weights(self, history: Dataset) -> np.ndarray | None:
        """Return (U + 1,) weight of quality against cost of every user, last of an unknown one; None without any."""
        return None if self.posterior is None else self.posterior.condition(self._seen(history)).quality_weights

    def learn(self, before: Dataset, after: Dataset) -> None:
        """Take note that a history grew: only what is believed of the users of the new rounds is solved anew.

        Where that alone is not enough, the whole history is conditioned on at the next question.

        Args:
            before: The history as it was.
            after: The same with more rounds behind the others.
        """
        # Read once, for another thread may condition on another history meanwhile.
        kept, before, after = self._conditioned, self._seen(before), self._seen(after)
        # What is kept is of another history; the next question conditions on the right one.
        if kept is None or not _covers(kept[0], before, len(after.table.models)):
            return
        new = np.arange(len(before.table), len(after.table))
        found = ObservedUsers.of(kept[1]).with_observed(after, new)
        self._conditioned = None if found is None else (after, found)

    def grown(self, before: Dataset, after: Dataset) -> Self:
        """Return a router that took note of a longer history, as `learn` says; this one stays as it is."""
        out = type(self)(self.posterior, self.graph, self.weight, self.user_offsets, self.texts)
        # A belief is never written into, so two routers may share it.
        out._conditioned = self._conditioned
        out.learn(before, after)
        return out

    def with_offsets(self, user_offsets: Mapping[str, Tensor]) -> Self:
        """Return the same router with other offsets of users' states."""
        out = type(self)(self.posterior, self.graph, self.weight, user_offsets, self.texts)
        # The posterior reads no offsets, so what it believes stands.
        out._conditioned = self._conditioned
        return out

    def adopt(self, history: Dataset, belief: Conditioned) -> None:
        """Take over what was believed after a history when its run was trained, so that nothing is solved again."""
        self._conditioned = self._seen(history), belief

    def refresh(self) -> None:
        """Condition on the whole history again at the next question."""
        self._conditioned = None

    def _seen(self, history: Dataset) -> Dataset:
        return history if self.texts else history.without_vectors()

    def _network(self, history: Dataset, questions: Questions) -> np.ndarray:
        if self.graph is None:
            raise RunError("the router has neither a posterior nor a network that could score; train one of them")
        users = Vocabulary.of(history.table.users) if self.user_offsets else Vocabulary.of(())
        # Offsets are stored by name, for codes are those of one history only.
        offsets = {users.code(name): offset for name, offset in self.user_offsets.items() if name in users}
        return self.graph.score(history, questions, offsets or None)

    def _condition(self, history: Dataset, questions: Questions) -> Conditioned | None:
        """Condition on a history once; texts or models joining the vocabularies do not change it.

        Returns:
            None without a posterior.
        """
        if self.posterior is None:
            return None
        # One tuple, so that a thread never sees a history with the belief about another.
        kept, models = self._conditioned, int(questions.candidates.max(initial=-1)) + 1
        if kept is None or not _covers(kept[0], history, models):
            with self._conditioning:
                kept = self._conditioned  # another thread may have done it meanwhile
                if kept is None or not _covers(kept[0], history, models):
                    kept = self._conditioned = history, self.posterior.condition(history)
        return kept[1]


def _covers(kept: Dataset, history: Dataset, models: int) -> bool:
    """Tell whether two histories are the same rounds, and the first has the last one's models, at least so many."""
    one, other = kept.table, history.table
    # Rounds are the same where their arrays are the very same objects: a table is never written into.
    columns = [item.name for item in fields(one) if isinstance(getattr(one, item.name), np.ndarray)]
    if any(getattr(one, name) is not getattr(other, name) for name in columns):
        return False
    # An unknown model of one question may be another one of the next, under the same code.
    shared = min(len(one.models), len(other.models))
    if models > shared:
        return False
    # Two models under one code differ in their texts' vectors.
    vectors, others = kept.model_vectors, history.model_vectors
    return vectors is others or np.array_equal(vectors[:shared], others[:shared])
