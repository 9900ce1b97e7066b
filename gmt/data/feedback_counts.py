"""Count what a table holds that a router can learn from, by its form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.interactions import InteractionTable


@dataclass(frozen=True)
class FeedbackCounts:
    """Count forms of feedback.

    Args:
        pairs: Two rated answers of one comparison, ties included.
        lone: Answers rated alone.
        remarks: Answers of rounds without a rating with words of their own.
        signals: Answers of rounds without a rating with a signal.
    """

    pairs: int
    lone: int
    remarks: int
    signals: int

    @classmethod
    def of(cls, table: InteractionTable) -> FeedbackCounts:
        """Count the forms in a table."""
        rated = np.bincount(table.row_comparison[~np.isnan(table.rating)], minlength=len(table))
        silent = rated[table.row_comparison] == 0
        said = np.flatnonzero(silent & (table.feedback >= 0))
        # Words that stand at several answers of a comparison name none of them.
        keys = np.stack([table.row_comparison[said], table.feedback[said]], axis=1)
        own = (np.unique(keys, axis=0, return_counts=True)[1] == 1).sum() if len(said) else 0
        return cls(
            int((rated * (rated - 1) // 2).sum()),
            int((rated == 1).sum()),
            int(own),
            int((silent & (table.signal >= 0)).sum()),
        )

    @property
    def any(self) -> bool:
        """Tell whether there is anything to learn from."""
        return self.pairs + self.lone + self.remarks + self.signals > 0

    def __str__(self) -> str:
        """Say it in words, pairs always, other forms where there are some."""
        parts = [_many(self.pairs, "pair")]
        parts += [_many(count, name) for count, name in ((self.lone, "lone rating"),) if count]
        parts += [f"{_many(self.remarks, 'remark')} without a rating"] if self.remarks else []
        parts += [f"{_many(self.signals, 'signal')} without a rating"] if self.signals else []
        return ", ".join(parts)


def _many(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"
