"""Compare two evaluations on the targets that both asked, with differences paired over users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from gmt.evaluation.intervals import Interval
from gmt.evaluation.predictions import blocks_of
from gmt.evaluation.results import Result
from gmt.evaluation.score_blocks import METRICS, ScoreBlock, bootstrap

SIDES = ("first", "second")


def pair_results(first: Result, second: Result, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Compare two results number of shots by number of shots.

    Targets are the same where user, conversation, turn, candidates and ratings are; the number of a comparison does not
    count, for it may differ between data folders. Only targets that both asked enter the intervals.

    Args:
        first, second: Two evaluations.
        seed: Chooses the resamples.

    Returns:
        Shots -> `asked` (how many targets each asked, and both: `first`, `second`, `both`, draws counted apart), `same`
        (whether these are all), and `routers`: those of both -> `first`, `second` and `difference` (second less first),
        each metric -> interval. No routers where no target was asked by both.
    """
    sides = [first.predictions, second.predictions]
    shots = [key for key in _values(sides[0], "shots") if key in _values(sides[1], "shots")]
    return {key: _pair(first, second, [_where(side, "shots", key) for side in sides], seed) for key in shots}


def _pair(first: Result, second: Result, sides: list[pa.Table], seed: int) -> dict[str, Any]:
    """Compare the rows of one number of shots."""
    draws = [draw for draw in _values(sides[0], "draw") if draw in _values(sides[1], "draw")]
    asked = {"first": 0, "second": 0, "both": 0}
    kept: list[list[pa.Table]] = [[], []]
    for draw in draws:
        # 1. Targets that stand in both, by what they are and not by their number.
        parts = [_where(side, "draw", draw) for side in sides]
        keys = [_targets(part) for part in parts]
        both = keys[0].keys() & keys[1].keys()
        asked["both"] += len(both)
        for side, (part, numbers) in enumerate(zip(parts, keys, strict=True)):
            asked[SIDES[side]] += len(numbers)
            wanted = np.isin(part["comparison"].to_numpy(), [numbers[key] for key in both])
            kept[side].append(part.filter(pa.array(wanted)))
    same = asked["both"] == asked["first"] == asked["second"]
    found: dict[str, Any] = {"asked": asked, "same": same, "routers": {}}
    if not asked["both"]:
        return found
    # 2. One bootstrap of both sides: only the same resamples of users make differences paired.
    blocks = [
        _blocks(result.summary, pa.concat_tables(tables)) for result, tables in zip((first, second), kept, strict=True)
    ]
    names = [name for name in blocks[0] if name in blocks[1]]
    estimates = bootstrap({f"{side} {name}": blocks[side][name] for name in names for side in (0, 1)}, seed)

    def row(interval: Callable[[str], Interval | None]) -> dict[str, Any]:
        return {
            metric: None if (value := interval(metric)) is None else value.to_json(estimates.has_ends(metric))
            for metric in METRICS
        }

    for name in names:
        one, other = f"0 {name}", f"1 {name}"
        found["routers"][name] = {
            # Names are bound as defaults, for a closure would see the last ones of the loop.
            "first": row(lambda metric, one=one: estimates.interval(one, metric)),
            "second": row(lambda metric, other=other: estimates.interval(other, metric)),
            "difference": row(lambda metric, one=one, other=other: estimates.difference(other, one, metric)),
        }
    return found


def _blocks(summary: Mapping[str, Any], rows: pa.Table) -> dict[str, list[ScoreBlock]]:
    """Return router -> one block per draw."""
    # Blocks are runs of equal router and draw, and tables of several draws stand one behind the other.
    (found,) = blocks_of(rows, summary.get("temperatures", {}), summary.get("rating_range", (0.0, 1.0))).values()
    return found


def _targets(part: pa.Table) -> dict[Hashable, int]:
    """Return what each target is -> its number, from the rows of one draw."""
    router = _where(part, "router", part["router"][0].as_py())
    columns = {name: router[name].to_pylist() for name in ("comparison", "user", "conversation", "turn", "model")}
    rating = router["rating"].to_numpy(zero_copy_only=False)
    # Ratings are stored as they were read, so equal ones are equal to the last digit; NaN is equal to nothing.
    ratings = [None if np.isnan(value) else float(value) for value in rating.astype(float)]
    asked: dict[int, tuple[Hashable, list[tuple[str, str]]]] = {}
    for number, user, talk, turn, model, value in zip(*columns.values(), ratings, strict=True):
        asked.setdefault(number, ((user, talk, turn), []))[1].append((model, repr(value)))
    times: Counter[Hashable] = Counter()
    out: dict[Hashable, int] = {}
    for number, (place, candidates) in asked.items():
        key = (place, tuple(sorted(candidates)))
        # One judged twice alike is two targets.
        out[key, times[key]] = number
        times[key] += 1
    return out


def _values(table: pa.Table, column: str) -> list[Any]:
    return table[column].unique().to_pylist()


def _where(table: pa.Table, column: str, value: Any) -> pa.Table:
    return table.filter(pa.array(table[column].to_numpy(zero_copy_only=False) == value))
