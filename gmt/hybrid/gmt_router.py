"""Put the trained parts together: the router called gmt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from gmt.config import RunConfig
from gmt.data.dataset import Dataset, Questions
from gmt.data.schema import graph_schema
from gmt.errors import RunError
from gmt.hybrid.graph_router import GraphRouter
from gmt.model.build import scorer_for
from gmt.model.checkpoint import load_tensors, load_weights, save_tensors
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.hierarchical import AnswerAwareBradleyTerry, CostAwareBradleyTerry, HierarchicalBradleyTerry
from gmt.posterior.learned_features import TraitFeatureMaker
from gmt.posterior.posterior import Posterior
from gmt.runs import RunFolder
from gmt.utility.utility_router import UtilityRouter, Weighed

TRAITS = "traits."
"""Begins the names of the traits' weights in posterior.safetensors."""


ClosedForm = HierarchicalBradleyTerry | UtilityRouter
"""The half that answers without a network; whichever it is, it is conditioned on a history and then asked."""


def new_posterior(config: RunConfig) -> ClosedForm | None:
    """Return the unfitted closed-form half that the settings ask for."""
    if not config.posterior.enabled:
        return None
    if config.utility.enabled:
        return UtilityRouter(config.utility.half_life)
    aware = CostAwareBradleyTerry if config.posterior.cost else AnswerAwareBradleyTerry
    router = aware() if config.posterior.answers else HierarchicalBradleyTerry()
    switches = {"query_quality": "cells", "query_kernel": "memory", "discrimination": "reliability"}
    off = [term for switch, term in switches.items() if not getattr(config.posterior, switch)]
    off += [] if config.posterior.user_effects else ["liking", "side", "reliability", "memory", "style"]
    settings = replace(router.settings, **dict.fromkeys(off, 0.0))
    return type(router)(settings, drift=config.posterior.drift and config.posterior.user_effects)


def save_posterior(posterior: ClosedForm, folder: RunFolder) -> None:
    """Write all that a fitted posterior needs to answer, the network of its learned traits included."""
    state = {name: torch.from_numpy(np.asarray(value)) for name, value in posterior.state_dict().items()}
    if isinstance(posterior, HierarchicalBradleyTerry) and isinstance(posterior.features, TraitFeatureMaker):
        state |= {f"{TRAITS}{name}": value for name, value in posterior.features.network.state_dict().items()}
    save_tensors(folder.posterior, state)


def load_posterior(config: RunConfig, folder: RunFolder) -> ClosedForm | None:
    """Read what `save_posterior` wrote; None where the settings have no posterior.

    Raises:
        RunError: The file is missing or does not fit the settings.
    """
    posterior = new_posterior(config)
    if posterior is None:
        return None
    state = load_tensors(folder.posterior)
    traits = {name.removeprefix(TRAITS): value for name, value in state.items() if name.startswith(TRAITS)}
    try:
        if traits and isinstance(posterior, HierarchicalBradleyTerry):
            posterior.features = TraitFeatureMaker(TraitNetwork.from_state(traits))
        own = {name: value.numpy() for name, value in state.items() if not name.startswith(TRAITS)}
        return posterior.load_state_dict(own)
    except KeyError as error:
        raise RunError(f"{folder.posterior} holds no {error.args[0]}; train the run again") from error


class GmtRouter:
    """Score with a hierarchical posterior plus what a graph network knows beyond it.

    Both halves read the same turns. The posterior answers in closed form: what everybody's votes say of
    each answer, and what a person's own say of their taste. The network is added with a weight that
    validation chose, 0 where it did not earn its place; without a posterior it scores alone.

    Args:
        posterior: The fitted closed-form half, or None.
        graph: The graph network, or None.
        weight: What the network's scores are multiplied by; 1 where it scores alone.
        shifts: User name -> (D,) shift learned by `gmt adapt --steps`.
        texts: Whether text vectors are read.
    """

    name = "gmt"

    def __init__(
        self,
        posterior: ClosedForm | None,
        graph: GraphRouter | None,
        weight: float = 1.0,
        shifts: Mapping[str, Tensor] | None = None,
        texts: bool = True,
    ) -> None:
        self.posterior, self.graph, self.weight, self.texts = posterior, graph, weight, texts
        self.shifts = dict(shifts or {})
        self._conditioned: tuple[Dataset, Posterior | Weighed] | None = None

    @classmethod
    def load(
        cls,
        folder: RunFolder,
        config: RunConfig,
        card: Mapping[str, Any],
        data: Dataset,
        shifts: Mapping[str, Tensor] | None = None,
    ) -> Self:
        """Read the trained parts of a run.

        Args:
            folder: The run.
            config: Its settings.
            card: Its card.
            data: What it remembers.
            shifts: As on the class.

        Raises:
            RunError: Training did not end, a file is missing, or it does not fit the settings.
        """
        if "network_weight" not in card:
            raise RunError(f"the training of {folder.root} did not end; go on with --resume, or train it again")
        posterior = load_posterior(config, folder)
        graph = None
        if config.posterior.network:
            schema = graph_schema(config.graph)
            scorer = scorer_for(config.model, schema, data.vectors.shape[1], len(card["models"]))
            load_weights(scorer, folder.weights)
            graph = GraphRouter(scorer, config.graph)
        return cls(posterior, graph, float(card["network_weight"]), shifts, config.graph.texts)

    def fit(self, data: Dataset) -> Self:
        """Return itself: training made it what it is."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates as `Router.score` says."""
        history = self._seen(history)
        if self.posterior is None:
            return self._network(history, questions)
        scores = self._condition(history, questions).score(history, questions)
        return scores + self.weight * self._network(history, questions) if self.weight else scores

    def effects(self, history: Dataset, question: Questions, choice: int) -> dict[int, float]:
        """Say how far each of the asker's past rounds moved one candidate.

        The posterior's score is a sum over the asker's votes, so its part is exact; the network's is what
        leaving the round out would change.

        Args:
            history: The visible comparisons.
            question: One question.
            choice: Slot of the candidate.

        Returns:
            Position in `history` -> what the round adds to the candidate's score, centred over the candidates.
        """
        effects: dict[int, float] = {}
        history = self._seen(history)
        if self.graph is not None and self.weight:
            found = self.graph.effects(history, question, choice)
            effects = {position: self.weight * effect for position, effect in found.items()}
        if self.posterior is not None:
            explained = self._condition(history, question).explain(history, question, 0)
            centred = explained.votes - explained.votes.mean(axis=1, keepdims=True)
            for position, effect in zip(explained.comparison.tolist(), centred[:, choice].tolist(), strict=True):
                effects[position] = effects.get(position, 0.0) + effect
        return effects

    def covariance(self, history: Dataset, question: Questions) -> np.ndarray | None:
        """Return the (K, K) posterior covariance of one question's scores, or None without a posterior."""
        if self.posterior is None:
            return None
        history = self._seen(history)
        return self._condition(history, question).covariances(history, question)[0]

    def learn(self, before: Dataset, after: Dataset) -> None:
        """Take note that a history grew: only what is believed of the people of the new rounds is solved anew.

        Where that cannot be told apart, the whole history is conditioned on at the next question.

        Args:
            before: The history as it was.
            after: The same with more rounds behind the others.
        """
        kept, before, after = self._conditioned, self._seen(before), self._seen(after)
        if kept is None or not _covers(kept[0], before, len(after.table.models)):
            return
        found = kept[1].learned(after, np.arange(len(before.table), len(after.table)))
        self._conditioned = None if found is None else (after, found)

    def refresh(self) -> None:
        """Condition on the whole history again at the next question."""
        self._conditioned = None

    def _seen(self, history: Dataset) -> Dataset:
        return history if self.texts else history.without_vectors()

    def _network(self, history: Dataset, questions: Questions) -> np.ndarray:
        assert self.graph is not None
        users = {name: code for code, name in enumerate(history.table.users)} if self.shifts else {}
        shifts = {users[name]: shift for name, shift in self.shifts.items() if name in users}
        return self.graph.score(history, questions, shifts or None)

    def _condition(self, history: Dataset, questions: Questions) -> Posterior | Weighed:
        """Fit the posterior to a history once; texts or models joining the vocabularies do not change it."""
        assert self.posterior is not None
        kept = self._conditioned
        if kept is None or not _covers(kept[0], history, int(questions.candidates.max(initial=-1)) + 1):
            kept = self._conditioned = history, self.posterior.condition(history)
        return kept[1]


def _covers(kept: Dataset, history: Dataset, models: int) -> bool:
    """Tell whether two histories are the same rounds, and the first has the last one's models, at least so many."""
    one, other = kept.table, history.table
    columns = [item.name for item in fields(one) if isinstance(getattr(one, item.name), np.ndarray)]
    if any(getattr(one, name) is not getattr(other, name) for name in columns):
        return False
    shared = min(len(one.models), len(other.models))  # a stranger of one conversation may be another one of the next
    return models <= shared and np.array_equal(kept.model_vectors[:shared], history.model_vectors[:shared])
