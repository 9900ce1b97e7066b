"""Find test questions of a user in the data folder of a run, with what the user then said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from gmt.data.comparisons import Comparison
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST
from gmt.report.run_facts import RunFacts


@dataclass(frozen=True, eq=False)
class HeldOutRounds:
    """Hold the data that a run was trained on, for its TEST part.

    Args:
        data: All of it.
    """

    data: Dataset

    @classmethod
    def of(cls, facts: RunFacts) -> Self | None:
        """Load the data of a run; None where the folder is gone or is not what the run was trained on."""
        if facts.data_card is None:
            return None
        return cls(Dataset.load(Path(facts.card["data"]["path"])))

    def of_user(self, user: str, count: int) -> list[tuple[Comparison, np.ndarray]]:
        """Return TEST rounds that open a conversation and in which the user liked one answer better, evenly chosen.

        Args:
            user: Whose.
            count: How many at most.

        Returns:
            Each round, with the (D,) vector of its query.
        """
        table = self.data.table
        if user not in table.users:
            return []
        own = np.flatnonzero((table.user == table.users.index(user)) & (table.split == TEST))
        # Later rounds are asked with what came before, which a page has no room for.
        own = own[table.turn[own] == 0]
        ratings = table.ratings[own] if len(own) else np.zeros((0, 1))
        decided = [np.ptp(row[~np.isnan(row)]) > 0 if (~np.isnan(row)).any() else False for row in ratings]
        own = own[np.array(decided, dtype=bool)] if len(own) else own
        chosen = own[np.linspace(0, len(own) - 1, min(count, len(own))).astype(int)] if len(own) else own
        rounds = table.select(chosen).to_comparisons()
        return [(one, self.data.vectors[table.query[at]]) for one, at in zip(rounds, chosen, strict=True)]
