"""Ask routers every question of a protocol, keep the answers, and only then reveal the ratings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN, VALID, InteractionTable
from gmt.errors import DataError
from gmt.evaluation.intervals import METRICS, Block, Estimates, bootstrap
from gmt.evaluation.metrics import count_pairs, pairs_of
from gmt.evaluation.protocols import Trial, trials
from gmt.routing.router import Router
from gmt.routing.votes import fit_temperature

ORACLE = "oracle"


@dataclass(frozen=True, eq=False)
class Answers:
    """Hold what every router answered in one trial.

    Args:
        trial: What was visible and what was asked.
        scores: Router -> (C, K) scores, -inf under padding.
    """

    trial: Trial
    scores: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Result:
    """Hold an evaluation.

    Args:
        summary: Counts, metrics and differences in the shape of `results/<protocol>.json`.
        predictions: One row per router, trial and candidate.
    """

    summary: dict[str, Any]
    predictions: pa.Table

    def write(self, path: Path) -> tuple[Path, Path]:
        """Write the summary to `path` and the predictions beside it; return both paths."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = predictions_path(path)
        temporary = beside.with_name(beside.name + ".part")
        pq.write_table(self.predictions, temporary, compression="zstd")
        os.replace(temporary, beside)
        temporary = path.with_name(path.name + ".part")
        temporary.write_text(json.dumps(self.summary, indent=1, allow_nan=False) + "\n", "utf-8")
        os.replace(temporary, path)
        return path, beside


def predictions_path(result: Path) -> Path:
    """Return where the predictions of a results file lie."""
    return Path(result).with_name(Path(result).stem + ".predictions.parquet")


def evaluate(
    data: Dataset,
    routers: Sequence[Router],
    split: str = "test",
    shots: Sequence[int] | None = None,
    draws: int = 3,
    seed: int = 0,
    *,
    reveal_turns: bool = False,
    oracle: bool = True,
    reference: str = "gmt",
    cut: Sequence[Trial] | None = None,
    out: Path | None = None,
    progress: Callable[[str], object] | None = None,
) -> Result:
    """Measure fitted routers on a protocol.

    Args:
        data: All comparisons with their split; `data.card["protocol"]` names the protocol.
        routers: Fitted routers, each with a name of its own.
        split: What is asked, "test" or "valid".
        shots, draws: As in `protocols.trials`.
        seed: Chooses the halvings and the bootstrap resamples.
        reveal_turns: Show the ratings of earlier rounds of the conversations asked.
        oracle: Add the rival that knows the ratings.
        reference: The router whose differences to all others are reported, if it is there.
        cut: Trials to run in place of the protocol's own, as from `protocols.foreign_trials`.
        out: Where the results go; the predictions are written beside it, and first.
        progress: Called with a line for every trial and router.

    Raises:
        DataError: There is nothing to ask, or a router's scores do not fit the questions.
    """
    names = [router.name for router in routers]
    if len(set(names)) < len(names):
        raise DataError(f"two routers share a name ({', '.join(names)}); give each its own")
    protocol = str(data.card.get("protocol", "seen"))
    planned = list(cut) if cut is not None else trials(data.table, protocol, split, shots, draws, seed)
    answers = [Answers(trial, _ask(data, routers, trial, reveal_turns, progress)) for trial in planned]
    temperatures = {router.name: _temperature(data, router, reveal_turns) for router in routers}
    facts = {"protocol": protocol, "split": split, "seed": seed}
    result = Result({}, predictions_of(data.table, answers, facts, oracle))
    if out is not None:
        result.write(out)
    # From here on ratings are revealed; every score stands already.
    summary: dict[str, Any] = {**facts, "draws": len({trial.draw for trial in planned})}
    if reveal_turns:
        summary["reveal_turns"] = True
    summary |= _counts(data.table, np.unique(np.concatenate([trial.targets for trial in planned])))
    summary["temperatures"] = temperatures
    summary["shots"] = {}
    for key in dict.fromkeys(str(trial.shots) for trial in planned):
        group = [answer for answer in answers if str(answer.trial.shots) == key]
        estimates = bootstrap(_blocks(data.table, group, temperatures, oracle), seed)
        summary["shots"][key] = {
            "visible": float(np.mean([len(answer.trial.history) for answer in group])),
            "short_users": float(np.mean([answer.trial.short for answer in group])),
            **report(estimates, reference),
        }
    result = Result(summary, result.predictions)
    if out is not None:
        result.write(out)
    return result


def report(estimates: Estimates, reference: str = "gmt") -> dict[str, Any]:
    """Return every router's metrics and the reference's differences to the others, null where none."""
    names = list(estimates.samples)

    def table(value: Callable[[str], Any]) -> dict[str, Any]:
        found = {metric: value(metric) for metric in METRICS}
        return {metric: None if interval is None else interval.to_json() for metric, interval in found.items()}

    return {
        "routers": {name: table(lambda metric, name=name: estimates.interval(name, metric)) for name in names},
        "differences": {
            f"{reference} - {name}": table(lambda metric, name=name: estimates.difference(reference, name, metric))
            for name in names
            if reference in names and name != reference
        },
    }


def _ask(
    data: Dataset, routers: Sequence[Router], trial: Trial, reveal: bool, progress: Callable[[str], object] | None
) -> dict[str, np.ndarray]:
    """Score the targets of a trial with every router; no rating of a target is within their reach."""
    history, table = data.select(trial.history), data.table
    scores = {}
    for router in routers:
        if progress is not None:
            progress(f"{router.name}, shots {trial.shots}, draw {trial.draw}")
        scores[router.name] = _score(data, router, history, trial.targets, reveal)
        offered = table.candidates[trial.targets] >= 0
        if scores[router.name].shape != offered.shape or not np.isfinite(scores[router.name][offered]).all():
            raise DataError(
                f"{router.name} gave scores of shape {scores[router.name].shape}, some maybe not finite, for "
                f"{offered.shape} candidates; a router gives each candidate one finite score"
            )
    return scores


def _score(data: Dataset, router: Router, history: Dataset, targets: np.ndarray, reveal: bool) -> np.ndarray:
    width = data.table.candidates.shape[1]
    scores = np.full((len(targets), width), -np.inf)
    # With ratings revealed, turns are asked one after the other: the rounds shown with a question
    # must not hold the rating of another question asked beside it.
    turns = data.table.turn[targets]
    for turn in np.unique(turns) if reveal else [None]:
        part = np.flatnonzero(turns == turn) if turn is not None else np.arange(len(targets))
        asked = router.score(history, data.questions(targets[part], reveal_earlier=reveal))
        scores[part, : asked.shape[1]] = asked
    return scores


def _temperature(data: Dataset, router: Router, reveal: bool) -> float | None:
    """Fit on VALID, asked with TRAIN visible, what the router's score differences are divided by."""
    train, valid = (np.flatnonzero(data.table.rated & (data.table.split == code)) for code in (TRAIN, VALID))
    if not len(valid):
        return None
    scores = _score(data, router, data.select(train), valid, reveal)
    return fit_temperature(pairs_of(data.table.ratings[valid]).differences(scores))


def _counts(table: InteractionTable, targets: np.ndarray) -> dict[str, int]:
    ratings = table.ratings[targets]
    pairs, ties = count_pairs(ratings)
    offered = table.candidates[targets] >= 0
    return {
        "comparisons": len(targets),
        "pairs": pairs,
        "ties": ties,
        "unrated": int((np.isnan(ratings) & offered).sum()),
        "users": len(np.unique(table.user[targets])),
    }


def _oracle(table: InteractionTable, targets: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(table.ratings[targets]), -np.inf, table.ratings[targets])


def _blocks(
    table: InteractionTable, group: Sequence[Answers], temperatures: Mapping[str, float | None], oracle: bool
) -> dict[str, list[Block]]:
    """Gather each router's answers of one number of shots, one block a draw."""
    blocks: dict[str, list[Block]] = {}
    users = np.array(table.users, dtype=str)
    for answer in group:
        targets = answer.trial.targets
        scores = {**answer.scores, **({ORACLE: _oracle(table, targets)} if oracle else {})}
        for name, values in scores.items():
            block = Block(users[table.user[targets]], values, table.ratings[targets], temperatures.get(name))
            blocks.setdefault(name, []).append(block)
    return blocks


def predictions_of(
    table: InteractionTable, answers: Sequence[Answers], facts: Mapping[str, Any], oracle: bool = True
) -> pa.Table:
    """Lay the answers out as rows, one per trial, router and candidate; ratings stand beside the scores."""
    parts = []
    for answer in answers:
        targets, trial = answer.trial.targets, answer.trial
        asked = table.select(targets).to_arrow()
        slots = table.candidates[targets] >= 0
        common = asked.select(["comparison", "user", "conversation", "turn", "model"])
        scores = {**answer.scores, **({ORACLE: _oracle(table, targets)} if oracle else {})}
        for name, values in scores.items():
            flat = values[slots]
            columns = {
                **{key: _constant(value, len(flat)) for key, value in facts.items()},
                "draw": _constant(trial.draw, len(flat)),
                "shots": _constant(str(trial.shots), len(flat)),
                "router": _constant(name, len(flat)),
                **{key: common[key] for key in common.column_names},
                "score": pa.array(flat, mask=~np.isfinite(flat)),
                "rating": asked["rating"],
            }
            parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def _constant(value: object, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)
