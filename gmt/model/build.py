"""Build the network that a schema asks for."""

from __future__ import annotations

from gmt.config import ModelConfig
from gmt.data.graph import GraphSchema
from gmt.model.outcome_scorer import OutcomeScorer
from gmt.model.scorer import GraphScorer

Scorer = GraphScorer | OutcomeScorer


def scorer_for(config: ModelConfig, schema: GraphSchema, text_width: int, models: int) -> Scorer:
    """Return an untrained scorer whose encoder passes messages along the edges of the schema.

    Args:
        config: Widths and switches.
        schema: Node and edge types.
        text_width: W, the width of the text vectors.
        models: Number of models trained on.
    """
    kind = GraphScorer if "turn" in schema.node_types else OutcomeScorer
    return kind(config, schema, text_width, models)
