"""Extend the hierarchical model by what the visible answers say, look like and cost."""

from __future__ import annotations

from gmt.posterior.answer_features import KnownAnswers
from gmt.posterior.candidate_features import JoinedFeatures
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.routing.costs import CostFeatures

TIE_RATE = 0.2
"""Share of ties before any vote is seen; `fit` tries that of TRAIN in its place, beside none."""


class AnswerAwareBradleyTerry(HierarchicalBradleyTerry):
    """Extend the hierarchical model by what the visible answers look like and say.

    Answer quality also depends on the answer's features (length, lists, code, nearness to the query, principal
    components of its vector), f ~ … + answer_variance · φᵀφ, and a user's weight of style is read from the very answer
    where the history holds it. VALID decides whether a tie is half a win or says that a difference is too small for
    its voter (`with_tie_widths`). With `settings.answer_variance` and `settings.tie_rate` 0 and no answer visible it is
    the model it extends.
    """

    name = "answer_aware_bradley_terry"
    # A user has weights of form alone; what an answer says is read by the prior of f, through `describe`. Where answers
    # are ranked themselves, no model carries a user's taste, and users have weights of what they say too.
    style = staticmethod(lambda history: KnownAnswers.of(history, texts=history.answers_shown))
    describe = staticmethod(KnownAnswers.of)
    initial = HierarchicalSettings(answer_variance=0.1, tie_rate=TIE_RATE)

    def style_choices(self) -> tuple[float, ...]:
        """Return the variance of style that stands; style read from the very answers is never left out."""
        return (self.settings.style_variance,)


class CostAwareBradleyTerry(AnswerAwareBradleyTerry):
    """Extend the answer-aware model by how much each user minds what an answer costs.

    Cost joins the features of style, so that style and thrift are learned from the same votes. Where
    the visible history states no cost it is the model it extends.
    """

    name = "cost_aware_bradley_terry"
    style = staticmethod(
        lambda history: JoinedFeatures(
            (KnownAnswers.of(history, texts=history.answers_shown), CostFeatures.of(history))
        )
    )
