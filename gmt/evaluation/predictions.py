"""Lay scores out as prediction rows, and read them back as blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gmt.data.interactions import InteractionTable
from gmt.evaluation.score_blocks import ScoreBlock
from gmt.evaluation.trial import Trial

ORACLE = "oracle"
COLUMNS = (
    *("protocol", "split", "seed", "draw", "shots", "router"),
    *("comparison", "user", "conversation", "turn", "model", "score", "rating"),
)


@dataclass(frozen=True, eq=False)
class ScoredTargets:
    """Hold every router's scores of the targets of one trial.

    Args:
        trial: What was visible and what was scored.
        scores: Router -> (C, K) scores, -inf under padding.
    """

    trial: Trial
    scores: Mapping[str, np.ndarray]


def predictions_of(
    table: InteractionTable, scored: Sequence[ScoredTargets], facts: Mapping[str, Any], oracle: bool = True
) -> pa.Table:
    """Lay scores out as rows; the ratings are put beside scores that stand already.

    Args:
        table: All comparisons, with their ratings.
        scored: One for each trial.
        facts: Protocol, split and seed.
        oracle: Add the rival whose scores are the ratings; where there is none its score is null.
    """
    parts = []
    for one in scored:
        trial, targets = one.trial, table.select(one.trial.targets)
        columns, mask = targets.to_arrow(), targets.mask
        # Targets of one trial may have fewer candidates than the widest comparison that the routers were given.
        scores = {name: values[:, : mask.shape[1]][mask] for name, values in one.scores.items()}
        if oracle:
            scores[ORACLE] = targets.rating
        for name, values in scores.items():
            same = {**facts, "draw": trial.draw, "shots": str(trial.shots), "router": name}
            part = {key: pa.repeat(pa.scalar(value), len(values)) for key, value in same.items()}
            part |= {key: columns[key] for key in ("comparison", "user", "conversation", "turn", "model", "rating")}
            # Null where there is no score, which readers of Parquet leave out; NaN would spoil their sums.
            part["score"] = pa.array(values, mask=np.isnan(values))
            parts.append(pa.table({key: part[key] for key in COLUMNS}))
    return pa.concat_tables(parts)


def blocks_of(
    predictions: pa.Table, temperatures: Mapping[str, float | None], scale: Sequence[float] = (0.0, 1.0)
) -> dict[str, dict[str, list[ScoreBlock]]]:
    """Read predictions back as shots -> router -> one block per draw.

    Args:
        predictions: Rows in the order `predictions_of` wrote them.
        temperatures: Router -> temperature; those missing have none.
        scale: The rewards that ratings 0 and 1 stand for.
    """
    shots, router, users = (_strings(predictions[name]) for name in ("shots", "router", "user"))
    draw, comparison = (predictions[name].to_numpy() for name in ("draw", "comparison"))
    score, rating = (predictions[name].to_numpy().astype(float) for name in ("score", "rating"))
    fresh = np.ones(len(draw), dtype=bool)  # rows that open a block
    fresh[1:] = (shots[1:] != shots[:-1]) | (router[1:] != router[:-1]) | (draw[1:] != draw[:-1])
    opening = fresh.copy()  # rows that open a comparison
    opening[1:] |= comparison[1:] != comparison[:-1]
    out: dict[str, dict[str, list[ScoreBlock]]] = {}
    edges = np.append(np.flatnonzero(fresh), len(draw))
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        new = opening[start:stop]
        row = np.cumsum(new) - 1
        slot = np.arange(stop - start) - np.flatnonzero(new)[row]
        scores, ratings = (np.full((row[-1] + 1, slot.max() + 1), np.nan) for _ in range(2))
        scores[row, slot], ratings[row, slot] = score[start:stop], rating[start:stop]
        name = str(router[start])
        block = ScoreBlock(users[start:stop][new], scores, ratings, temperatures.get(name), (scale[0], scale[1]))
        out.setdefault(str(shots[start]), {}).setdefault(name, []).append(block)
    return out


def _strings(column: pa.ChunkedArray) -> np.ndarray:
    # Millions of rows hold a few thousand names: each is made a Python string once.
    coded = column.combine_chunks().dictionary_encode()
    return np.asarray(coded.dictionary.to_pylist(), dtype=str)[coded.indices.to_numpy()]
