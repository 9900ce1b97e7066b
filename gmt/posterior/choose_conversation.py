"""Choose on VALID how queries are read with their conversation, and how much more its own ratings count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.routing.conversation_reading import ConversationReading
from gmt.routing.grid import ValidationVotes, best_setting, paired_gain

DECAYS, WORDS = (0.5, 0.9), (0.0, 8.0)
"""What is tried of a reading, beside own text alone, before earlier answers are."""
ANSWERS = 0.5
"""Weight of earlier answers that is tried with the best reading of queries."""
CONVERSATION_SCALES = (1.0, 3.0)
"""Scales of the user effects within one conversation that are tried beside none."""

Tried = tuple[ConditionedPosterior, np.ndarray]
"""A fit and its (V,) losses of the VALID votes."""
Refit = Callable[[HierarchicalSettings], Iterator[tuple[ConditionedPosterior, np.ndarray]]]
"""Fits TRAIN anew under the settings, and yields every choice of the kernel with its (C, K) scores of VALID."""


def choose_conversation(
    best: ConditionedPosterior, data: Dataset, valid: ValidationVotes, logits: bool, refit: Refit
) -> ConditionedPosterior:
    """Return the best fit with the conversation read as VALID says, the same where it does not say so clearly.

    Several readings are tried on the same votes, so each step must win by two standard errors of the paired difference.
    Where no conversation has two rounds, or none of them is rated, nothing is tried.

    Args:
        best: The fit by own texts alone.
        data: TRAIN and VALID.
        valid: The VALID votes.
        logits: As of the router.
        refit: Fits anew.
    """
    if not (valid.questions.turn > 0).any():
        return best
    standing = best, valid.losses(best.score(data, valid.questions), logits)

    def under(reading: ConversationReading) -> list[Tried]:
        names = {"context_decay": reading.decay, "context_answers": reading.answers, "context_words": reading.words}
        found = refit(replace(best.effects.settings, **names))
        return [(fitted, valid.losses(scores, logits)) for fitted, scores in found]

    # 1. Earlier queries, then earlier answers on top where the history holds any.
    readings = [ConversationReading(decay, words=words) for decay in DECAYS for words in WORDS]
    standing = _better(standing, [one for reading in readings for one in under(reading)])
    reading = standing[0].effects.settings.reading
    if reading.decay and (data.table.response >= 0).any():
        standing = _better(standing, under(replace(reading, answers=ANSWERS)))
    # 2. Ratings of the same conversation, which only questions that show those of earlier rounds can tell of.
    read = standing[0]
    if not _judged_twice(valid.questions) or not read.effects.covariance.any():
        return read
    shown = valid.revealed(data)
    tried = [read, *(read.with_conversations(scale) for scale in CONVERSATION_SCALES)]
    first, *others = [(one, shown.losses(one.score(data, shown.questions), logits)) for one in tried]
    return _better(first, others)[0]


def _better(standing: Tried, tried: list[Tried]) -> Tried:
    """Return the best of what was tried where it beats what stands by two standard errors, else what stands."""
    best = best_setting(tried, lambda one: one[1])
    gain, doubt = paired_gain(standing[1], best[1])
    return best if gain > doubt else standing


def _judged_twice(questions: Questions) -> bool:
    """Tell whether a VALID conversation has several rounds that were judged."""
    return len(np.unique(questions.conversation)) < len(questions)
