"""Save a fitted utility as named arrays, and read what was saved, also under earlier names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.routing.costs import CostModel
from gmt.utility.ability import Ability
from gmt.utility.outcome_reader import OutcomeReader

EARLIER_NUMBERS = ("half_life", "text_variance", "tasks", "scale", "log_noise", "lapse", "mean_cost")
"""What stood where in the one array `numbers` of earlier states."""
EARLIER_NAMES = {"unknown_user": "stranger", "log_difficulty_scale": "log_spread"}
"""What other entries were called in earlier states."""


@dataclass(frozen=True, eq=False)
class FittedUtility:
    """Hold what training found.

    Args:
        reader: How histories and queries are read.
        ability: Of the models trained on.
        costs: What their answers cost.
        unknown_user: (G,) the distribution of α over the users trained on.
        text_variance: How much texts may say of abilities, as VALID chose it.
    """

    reader: OutcomeReader
    ability: Ability
    costs: CostModel
    unknown_user: np.ndarray
    text_variance: float

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return every number by its name."""
        reader, ability, costs = self.reader, self.ability, self.costs
        numbers = {
            "half_life": reader.half_life,
            "text_variance": self.text_variance,
            "tasks": reader.tasks,
            "scale": reader.scale,
            "log_noise": ability.log_noise,
            "lapse": ability.lapse,
            "mean_cost": costs.overall,
        }
        # A fit read from an earlier state does not know what its training held, and must not learn it by being saved.
        if reader.rewards is not None:
            numbers["rewards"] = reader.rewards
        return {
            "weights": ability.weights,
            "log_difficulty_scale": ability.log_difficulty_scale,
            "unknown_user": self.unknown_user,
            "centre": reader.centre,
            "basis": reader.basis,
            "cost_line": costs.line,
            "cost_means": costs.means,
            **{name: np.array(value, float) for name, value in numbers.items()},
        }

    @classmethod
    def from_arrays(cls, state: dict[str, np.ndarray]) -> FittedUtility:
        """Read what `to_arrays` returned, today or in an earlier version.

        Raises:
            KeyError: An entry is missing.
        """
        # The oldest form first: what it unpacks may itself bear an earlier name.
        if "numbers" in state:
            state = {**state, **dict(zip(EARLIER_NUMBERS, state["numbers"], strict=True))}
        state = state | {name: state[old] for name, old in EARLIER_NAMES.items() if old in state}
        # One number serves both parts below: costs are shares of the largest that training saw.
        scale = float(state["scale"])
        rewards = bool(state["rewards"]) if "rewards" in state else None
        return cls(
            OutcomeReader(
                int(state["tasks"]), state["centre"], state["basis"], scale, rewards, float(state["half_life"])
            ),
            Ability(state["weights"], state["log_difficulty_scale"], float(state["log_noise"]), float(state["lapse"])),
            CostModel(state["cost_line"], state["cost_means"], float(state["mean_cost"]), scale),
            state["unknown_user"],
            float(state["text_variance"]),
        )
