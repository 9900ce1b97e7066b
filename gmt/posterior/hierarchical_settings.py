"""Hold the variances of the hierarchical model, and read them from runs of earlier versions too."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gmt.routing.conversation_reading import ConversationReading

PREFIX = "settings."
"""Begins the names of the settings among the arrays of a saved state."""
EARLIER_NAMES = {
    "strength_variance": "base",
    "user_variance": "liking",
    "position_bias_variance": "side",
    "discrimination_variance": "reliability",
    "trait_variance": "extra",
    "quality_variance": "cells",
    "query_kernel_scale": "memory",
    "prior_scale": "spread",
    "style_variance": "style",
    "answer_variance": "answer",
}
"""What each setting was called in runs saved before it had its name of today."""
CHOSEN_LATER = ("half_life", "conversation_scale", "context_decay", "context_answers", "context_words")
"""Settings that `fit` chooses once all others stand."""
ADDED_LATER = (*CHOSEN_LATER, "leniency_variance", "trait_quality_variance", "tie_rate")
"""Settings that earlier runs do not state: effects stayed, queries were read alone, nothing was judged alone, users
alone read traits, and a tie was half a win."""


@dataclass(frozen=True)
class HierarchicalSettings:
    """Hold the variances of the model, in squared logits; those from `quality_variance` on `fit` chooses on VALID.

    Args:
        strength_variance: Of a model's strength on all queries.
        user_variance, position_bias_variance, discrimination_variance: Of what a user adds to a model's score (θ), of
            their pull to the answer shown left (π), and of how much more or less their votes follow answer quality
            (ρ); the start of S, which `fit` learns.
        leniency_variance: Of how much better a user rates answers judged alone; the start of S too.
        trait_variance: Of the weight a user gives to each of the learned features, where the router has some.
        quality_variance: Of an answer's quality around its model's strength.
        query_kernel_scale: Of a user effect on one kind of query only, as a multiple of S.
        prior_scale: What S is multiplied by.
        style_variance: Of the weight a user gives to each feature of style.
        answer_variance: Of what each feature of an answer adds to its quality; 0 leaves answers undescribed.
        trait_quality_variance: Of what each learned trait of an answer adds to its quality; 0 leaves it to users alone.
        half_life: No variance, but the comparisons a user rates until their effects are half other ones; 0: they stay.
        conversation_scale: Of a user effect within one conversation only, as a multiple of S.
        context_decay, context_answers, context_words: No variances, but how a query is read with what came before it,
            as `ConversationReading` says.
        tie_rate: No variance either, but the share of ties among all votes, from which and from their own votes every
            user has a width within which they call a tie; `fit` reads it from TRAIN, and VALID chooses between it and
            0: a tie is half a win. A start of 0 leaves nothing to choose.
    """

    strength_variance: float = 0.5
    user_variance: float = 0.5
    position_bias_variance: float = 0.2
    discrimination_variance: float = 0.05
    leniency_variance: float = 1.0
    trait_variance: float = 0.0
    quality_variance: float = 1.0
    query_kernel_scale: float = 1.0
    prior_scale: float = 1.0
    style_variance: float = 0.05
    answer_variance: float = 0.0
    trait_quality_variance: float = 0.0
    half_life: float = 0.0
    conversation_scale: float = 0.0
    context_decay: float = 0.0
    context_answers: float = 0.0
    context_words: float = 0.0

    @property
    def reading(self) -> ConversationReading:
        """Return how queries are read with what came before them in their conversations."""
        return ConversationReading(self.context_decay, self.context_answers, self.context_words)

    tie_rate: float = 0.0

    @property
    def feature_variances(self) -> tuple[float, float]:
        """Return the variances of the two groups of features: style, and the learned ones."""
        return self.style_variance, self.trait_variance

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return every setting as an array of no dimension, by its name in a saved state."""
        return {f"{PREFIX}{item.name}": np.array(getattr(self, item.name), float) for item in fields(self)}

    @classmethod
    def from_arrays(cls, state: dict[str, np.ndarray]) -> HierarchicalSettings:
        """Read what `to_arrays` returned, today or under the earlier names.

        Raises:
            KeyError: A setting is missing.
        """
        values = {}
        for item in fields(cls):
            key = f"{PREFIX}{item.name}"
            if key not in state and item.name in ADDED_LATER:
                continue
            earlier = f"{PREFIX}{EARLIER_NAMES.get(item.name, item.name)}"
            values[item.name] = float(state[earlier] if key not in state and earlier in state else state[key])
        return cls(**values)
