"""Draw training episodes: comparisons shown as history, others as targets, nothing of the future."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gmt.config import EpisodeConfig
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError


@dataclass(frozen=True, eq=False)
class Episode:
    """Hold the history and the targets of one training step, as positions in a table.

    Args:
        table: Where the positions point.
        history: (H,) comparisons whose ratings are visible.
        targets: (C,) comparisons to be predicted.
        rows: (N,) every comparison of the users of this step, in table order; a step reads no other.

    Raises:
        DataError: A comparison is both, or history holds a round of a target's conversation at
            or after the target's turn.
    """

    table: InteractionTable
    history: np.ndarray
    targets: np.ndarray
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if len(np.intersect1d(self.history, self.targets)):
            raise DataError("a comparison is both history and target; expected them apart")
        table = self.table
        talks = table.conversation[np.concatenate([self.targets, self.history])]
        _, talk = np.unique(talks, return_inverse=True)
        target_talk, shown = np.split(talk.reshape(-1), [len(self.targets)])
        first_target = np.full(len(talks), np.iinfo(np.int64).max)
        # The first target of a conversation is the strictest: nothing from its turn on may be visible.
        np.minimum.at(first_target, target_talk, table.turn[self.targets])
        if (table.turn[self.history] >= first_target[shown]).any():
            raise DataError(
                "history shows a round of a target's conversation at or after its turn; show earlier ones only"
            )


class EpisodeSampler:
    """Draw the episode of any step from a seed; equal (seed, step) give equal episodes everywhere.

    Whole conversations are drawn as targets or as history, so no rating of a target's
    conversation is ever shown.

    Args:
        table: The comparisons to learn from.
        config: Sizes.
        seed: With the step number, decides the draw.

    Raises:
        DataError: No user in the table has a rated comparison.
    """

    def __init__(self, table: InteractionTable, config: EpisodeConfig, seed: int) -> None:
        self.table, self.config, self.seed = table, config, seed
        # Sorted once, so that a step cuts out the rounds of its users without searching the table.
        self.by_user = np.argsort(table.user, kind="stable")
        sorted_users = table.user[self.by_user]
        users = np.unique(table.user[table.rated])
        if not len(users):
            raise DataError("no comparison carries a rating; training needs at least one rated comparison")
        self.users = users
        self.begin = np.searchsorted(sorted_users, users, side="left")
        self.end = np.searchsorted(sorted_users, users, side="right")

    def draw(self, step: int) -> Episode:
        """Return the episode of a step."""
        generator = np.random.default_rng([self.seed, step])
        config, table = self.config, self.table
        # 1. Some users, and all their comparisons.
        chosen = generator.choice(len(self.users), min(config.users, len(self.users)), replace=False)
        rows = np.concatenate([self.by_user[self.begin[i] : self.end[i]] for i in chosen])
        # 2. Their conversations in a random order, the rounds of each in theirs.
        _, talk = np.unique(table.conversation[rows], return_inverse=True)
        talk = talk.reshape(-1)
        draw_of = generator.permutation(int(talk.max(initial=-1)) + 1)[talk]
        order = np.lexsort((table.turn[rows], draw_of, table.user[rows]))
        rows = rows[order]
        owner, conversation = table.user[rows], table.conversation[rows]
        starts_user = np.concatenate([[True], owner[1:] != owner[:-1]])
        starts_talk = starts_user | np.concatenate([[True], conversation[1:] != conversation[:-1]])
        rank = np.arange(len(rows)) - np.maximum.accumulate(np.where(starts_user, np.arange(len(rows)), 0))
        # 3. A conversation goes where its first comparison falls, so that it is never cut.
        rank = rank[np.maximum.accumulate(np.where(starts_talk, np.arange(len(rows)), 0))]
        # 4. The first are targets, those behind them history, of a length that is mostly drawn too.
        place = np.cumsum(starts_user) - 1
        sizes = np.bincount(place)
        count = np.minimum(config.targets, np.maximum(sizes // 2, 1))
        longest = np.minimum(config.history, np.maximum(sizes - count, 0))
        if config.history_length == "varied":
            # The root makes long histories likelier than short ones.
            longest = np.floor(generator.random(len(sizes)) ** 0.5 * (longest + 1)).astype(np.int64)
            # Some have none at all, so that cold-start users are trained for too.
            longest = np.where(generator.random(len(sizes)) < 0.08, 0, longest)
        is_target = (rank < count[place]) & table.rated[rows]
        is_history = (rank >= count[place]) & (rank < count[place] + longest[place])
        targets = rows[is_target]
        if config.target_pairs and len(targets) > config.target_pairs:
            targets = np.sort(generator.choice(targets, config.target_pairs, replace=False))
        return Episode(table, rows[is_history], targets, np.sort(rows))
