"""Build the network that reads the graphs of a schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gmt.config import ModelConfig
from gmt.data.schema import GraphSchema, OutcomeSchema, TurnSchema
from gmt.model.outcome_scorer import OutcomeScorer
from gmt.model.scorer import GraphScorer

Scorer = GraphScorer | OutcomeScorer

NETWORKS: dict[str, Callable[[ModelConfig, Any, int, int], Scorer]] = {
    TurnSchema.name: GraphScorer,
    OutcomeSchema.name: OutcomeScorer,
}
"""Name of a schema -> the network that reads its graphs."""


def scorer_for(config: ModelConfig, schema: GraphSchema, text_width: int, models: int) -> Scorer:
    """Return an untrained scorer whose encoder passes messages along the edges of the schema.

    Args:
        config: Widths and switches.
        schema: Node and edge types.
        text_width: W, the width of the text vectors.
        models: Number of models trained on.
    """
    return NETWORKS[schema.name](config, schema, text_width, models)
