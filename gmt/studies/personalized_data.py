"""Make users who weigh quality against cost, and name the configs that are fitted to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from data_prep.simulate.cost import CostSettings, CostTruth, cost_dataset
from data_prep.sources.score_matrix import ScoreMatrix
from gmt.config import RunConfig, load_config, shipped_config
from gmt.data.dataset import Dataset

THOUSAND = CostSettings(users=1000, alpha="uniform:0.2,1", per_user=30)
NINE = CostSettings(users=9, alpha="grid:0.2,1", per_user=None)
ENCODER = "minilm"
FRACTIONS = (0.76, 0.04, 0.2)  # what is not test is cut 95 to 5, for few votes are cast


@dataclass(frozen=True)
class Extent:
    """Say how much of a study is run; by default all of it.

    Args:
        users: People, in place of the study's own number.
        questions: Questions, in place of all.
        encoder: Of the texts, in place of `ENCODER`.
        feedback: Forms of feedback of 1,000 users.
        layers: Depths of the network.
        steps: Training steps of networks, in place of each study's own.
    """

    users: int | None = None
    questions: int | None = None
    encoder: str | None = None
    feedback: tuple[str, ...] = ("pair", "full", "random", "chosen")
    layers: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    steps: int | None = None

    def of(self, settings: CostSettings) -> CostSettings:
        """Return a population with the number of people that is wanted."""
        return settings if self.users is None else replace(settings, users=self.users)

    def part_of(self, matrix: ScoreMatrix) -> ScoreMatrix:
        """Return a matrix with the number of questions that is wanted, one drawn subset whatever the seed."""
        if self.questions is None or self.questions >= len(matrix.queries):
            return matrix
        keep = np.zeros(len(matrix.queries), bool)
        keep[np.random.default_rng(0).permutation(len(keep))[: self.questions]] = True
        return matrix.select(keep)

    def trained(self, steps: int | None = None) -> list[str]:
        """Return the settings of a network's training; `steps` are the study's own, the config's where None."""
        chosen = steps if self.steps is None else self.steps
        return [] if chosen is None else [f"train.steps={chosen}"]


WHOLE = Extent()


def cost_users(
    matrix: ScoreMatrix, settings: CostSettings, seed: int, extent: Extent = WHOLE
) -> tuple[Dataset, CostTruth]:
    """Draw users of one seed over the questions of a matrix of scores."""
    return cost_dataset(matrix, replace(extent.of(settings), seed=seed), extent.encoder or ENCODER, FRACTIONS)


def config_of(name: str, seed: int, *changes: str) -> RunConfig:
    """Return a shipped config with a seed and some settings changed."""
    return load_config(shipped_config(name), changes, seed)
