"""Let the posterior read learned traits: describe answers by them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.growing_rows import Vectors
from gmt.posterior.asked_queries import AskedQueries
from gmt.routing.conversation_reading import ConversationReading

if TYPE_CHECKING:
    from torch import Tensor

    from gmt.model.trait_ensemble import LearnedTraits
    from gmt.model.trait_network import TraitNetwork
    from gmt.posterior.visible_answers import DrawnAnswers, VisibleAnswers

TRAIT_PREFIX = "traits."
"""Begins the names of the traits' weights in a saved posterior."""
EARLIER_TRAIT_PREFIX = "taste."
"""Begins them in runs saved before they were called traits."""
ASKED_AT_ONCE = 4096
"""Queries that one graph is drawn around; bounds memory, changes no score."""


def answer_traits(network: TraitNetwork, drawn: DrawnAnswers, candidates: Tensor) -> Tensor:
    """Return (N, K, F) traits φ(q, m, r) of the answers of (N, K) models, whose codes under padding are any.

    Args:
        network: What reads them.
        drawn: The graph around the N queries.
        candidates: The models.
    """
    graph, asked = drawn.graph, len(drawn.task)
    heard = network.heard(graph)
    traits = network.of_models(graph.llm, None if heard is None else heard.llm)
    weights = network.weights(graph.query[:asked], drawn.task, None if heard is None else heard.query[:asked])
    found = traits[candidates] * weights[drawn.node].unsqueeze(1)
    if heard is None or not len(heard.response):
        return found
    # An answer that is not visible has no state, and adds nothing.
    said = network.of_answers(heard.response)[drawn.response.clamp_min(0)]
    return found + said * (drawn.response >= 0).unsqueeze(-1)


@dataclass(frozen=True, eq=False)
class TraitFeatures:
    """Describe answers by traits read from the query as it was asked, the model and the answer where it is visible.

    Args:
        visible: The answers that the history shows.
        traits: What reads them.
        reading: How queries are read with what came before them.
    """

    visible: VisibleAnswers
    traits: LearnedTraits
    reading: ConversationReading

    def of_rows(self, history: Dataset) -> np.ndarray:
        """Return (R, F) traits of every row."""
        table, every = history.table, np.arange(len(history.table))
        asked = AskedQueries.rounds(table, every, self.reading.read(history, table))
        found = self.read(asked, table.candidates, history.vectors)
        # Rows of a comparison lie side by side, so a row less the first is its slot.
        return found[table.row_comparison, np.arange(len(table.model)) - table.start[:-1][table.row_comparison]]

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) traits of the candidates."""
        asked = AskedQueries.of(questions, self.reading.read(data, questions))
        return self.read(asked, questions.candidates, data.vectors)

    def read(self, asked: AskedQueries, candidates: np.ndarray, vectors: Vectors) -> np.ndarray:
        """Return (N, K, F) traits of the answers of (N, K) models to N queries.

        Args:
            asked: The queries.
            candidates: The models; what stands under padding means nothing.
            vectors: (T, W) text vectors, at least of the texts asked about.
        """
        # Here, for a run without traits is routed without torch, which takes seconds to load.
        import torch

        from gmt.model.trait_ensemble import networks_of

        networks, visible = networks_of(self.traits), replace(self.visible, vectors=vectors)
        # Without an encoder nobody reads the answers, and the graph is of queries and models alone.
        answers = any(network.encoder is not None for network in networks)
        models, share = torch.from_numpy(np.maximum(candidates, 0)), len(networks) ** -0.5
        out = np.zeros((*candidates.shape, sum(network.traits for network in networks)))
        with torch.inference_mode():
            for start in range(0, len(asked), ASKED_AT_ONCE):
                at = np.arange(start, min(start + ASKED_AT_ONCE, len(asked)))
                drawn = visible.draw(asked.select(at), candidates[at], answers)
                found = [answer_traits(network, drawn, models[at]) for network in networks]
                out[at] = share * torch.cat(found, dim=-1).numpy().astype(float)
        return out


@dataclass(frozen=True, eq=False)
class TraitFeatureMaker:
    """Build `TraitFeatures` for whatever a history shows."""

    traits: LearnedTraits
    reading: ConversationReading = field(default_factory=ConversationReading)

    def __call__(self, history: Dataset) -> TraitFeatures:
        from gmt.posterior.visible_answers import VisibleAnswers

        return TraitFeatures(VisibleAnswers.of(history), self.traits, self.reading)
