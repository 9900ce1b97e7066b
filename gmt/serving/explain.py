"""Say which of a user's rounds moved a decision, how far, and in which way they speak about the question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import InteractionTable
from gmt.data.signals import SIGNALS
from gmt.hybrid.gmt_router import GmtRouter

SHOWN, WINNER, OTHERS = "shown", "winner", "others"
"""Kinds of rounds, in the order in which they are understood: those of this conversation, those in which the chosen
model was judged, and those about other models alone."""


@dataclass(frozen=True)
class Reason:
    """Hold one past round and how far it moved the winner.

    Args:
        query: Its query.
        models: Who answered.
        ratings: How the answers were rated, None where one was not.
        effect: What the round adds to the winner's score against the mean of the candidates, in the score's unit.
        ways: What it adds in each way of `gmt.routing.protocol`, such as "any query" and "near query"; they add up to
            `effect`.
        said: What was said or done of each answer beside its rating, None where nothing was.
        shown: Whether it is a round of the conversation that the question came with.
    """

    query: str
    models: tuple[str, ...]
    ratings: tuple[float | None, ...]
    effect: float
    ways: Mapping[str, float] = field(default_factory=dict)
    said: tuple[str | None, ...] = ()
    shown: bool = False

    @classmethod
    def of(cls, table: InteractionTable, position: int, ways: Mapping[str, float], shown: bool = False) -> Self:
        """Read the round at a position of a table."""
        rows = range(table.start[position], table.start[position + 1])
        ratings = tuple(None if np.isnan(table.rating[row]) else float(table.rating[row]) for row in rows)
        models = tuple(table.models[table.model[row]] for row in rows)
        said = tuple(_said(table, row) for row in rows)
        return cls(table.texts[table.query[position]], models, ratings, sum(ways.values()), dict(ways), said, shown)

    def kind(self, winner: str) -> str:
        """Return `SHOWN`, `WINNER` or `OTHERS`."""
        return SHOWN if self.shown else WINNER if winner in self.models else OTHERS

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "ways": dict(self.ways)}


@dataclass(frozen=True)
class Explanation:
    """Hold why a candidate was chosen: groups of rounds whose effects and `rest` add up to its margin.

    Args:
        model: The chosen one.
        margin: What the user's rounds add to its score, over an unknown user's.
        groups: Kind -> rounds, those first that are understood most easily, then the strongest.
    """

    model: str
    margin: float
    groups: Mapping[str, tuple[Reason, ...]]

    @classmethod
    def of(cls, model: str, margin: float, reasons: Iterable[Reason]) -> Self:
        """Put the reasons of a decision into groups."""
        ordered = sorted(reasons, key=lambda reason: -abs(reason.effect))
        groups = {kind: tuple(one for one in ordered if one.kind(model) == kind) for kind in (SHOWN, WINNER, OTHERS)}
        return cls(model, margin, {kind: own for kind, own in groups.items() if own})

    @property
    def ways(self) -> dict[str, float]:
        """What all rounds add in each way, the largest first."""
        total: dict[str, float] = {}
        for reason in (one for own in self.groups.values() for one in own):
            for way, effect in reason.ways.items():
                total[way] = total.get(way, 0.0) + effect
        return dict(sorted(total.items(), key=lambda item: -abs(item[1])))

    @property
    def rest(self) -> float:
        """What of the margin is no single round's: 0 but for a network, in which rounds act together."""
        return self.margin - sum(reason.effect for own in self.groups.values() for reason in own)


def reasons_of(router: GmtRouter, data: Dataset, question: Questions, winner: int) -> tuple[Reason, ...]:
    """Return the past rounds that moved a candidate, the strongest first.

    Args:
        router: Who decided.
        data: The visible history.
        question: The question, with what came before it in its conversation.
        winner: Slot of the candidate.
    """
    # A round shown with the question stands under -1 less its place among those.
    found = [
        Reason.of(data.table, at, ways) if at >= 0 else Reason.of(question.earlier, -1 - at, ways, shown=True)
        for at, ways in router.effect_parts(data, question, winner).items()
    ]
    return tuple(sorted(found, key=lambda reason: -abs(reason.effect)))


def _said(table: InteractionTable, row: int) -> str | None:
    """Return what was said or done of an answer beside its rating."""
    if table.feedback[row] >= 0:
        return table.texts[table.feedback[row]]
    return SIGNALS[table.signal[row]] if table.signal[row] >= 0 else None
