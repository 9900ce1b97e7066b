"""Make users who weigh quality against cost, and name the configs that are fitted to them."""

from __future__ import annotations

from dataclasses import replace

from data_prep.simulate.cost import CostSettings, CostTruth, cost_dataset
from data_prep.sources.score_matrix import ScoreMatrix
from gmt.config import RunConfig, load_config, shipped_config
from gmt.data.dataset import Dataset

THOUSAND = CostSettings(users=1000, alpha="uniform:0.2,1", per_user=30)
NINE = CostSettings(users=9, alpha="grid:0.2,1", per_user=None)
ENCODER = "minilm"
FRACTIONS = (0.76, 0.04, 0.2)  # what is not test is cut 95 to 5, for few votes are cast


def cost_users(matrix: ScoreMatrix, settings: CostSettings, seed: int) -> tuple[Dataset, CostTruth]:
    """Draw users of one seed over the questions of a matrix of scores."""
    return cost_dataset(matrix, replace(settings, seed=seed), ENCODER, FRACTIONS)


def config_of(name: str, seed: int, *changes: str) -> RunConfig:
    """Return a shipped config with a seed and some settings changed."""
    return load_config(shipped_config(name), changes, seed)
