"""Let routers score every target of a protocol, keep the scores, and only then reveal the ratings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from gmt.evaluation.ceiling import SharedVotes, impersonal_ceiling
from gmt.evaluation.controls import with_controls
from gmt.evaluation.history_curve import history_curve
from gmt.evaluation.metrics import count_pairs
from gmt.evaluation.predictions import ScoredTargets, blocks_of, predictions_of
from gmt.evaluation.protocols import trials
from gmt.evaluation.results import Result, predictions_path, report, write_predictions, write_summary
from gmt.evaluation.score_blocks import bootstrap
from gmt.evaluation.score_targets import ValidTargets, score_targets
from gmt.evaluation.trial import ALL, Trial
from gmt.evaluation.verdict import verdict_of
from gmt.routing.protocol import RoutingMethod

__all__ = ["Result", "evaluate"]


def evaluate(
    data: Dataset,
    routers: Sequence[RoutingMethod],
    split: str = "test",
    shots: Sequence[int] | None = None,
    draws: int = 3,
    seed: int = 0,
    *,
    reveal_turns: bool = False,
    oracle: bool = True,
    controls: bool = False,
    reference: str = "gmt",
    cut: Sequence[Trial] | None = None,
    protocol: str | None = None,
    source: str | None = None,
    out: Path | None = None,
    progress: Callable[[str], object] | None = None,
) -> Result:
    """Measure fitted routers on a protocol.

    Args:
        data: All comparisons with their split; `data.card["protocol"]` names the protocol.
        routers: Fitted routers, each with a name of its own.
        split: Where the targets are, "test" or "valid".
        shots, draws: As in `protocols.trials`.
        seed: Chooses the halvings and the bootstrap resamples.
        reveal_turns: Show the ratings of earlier rounds of the targets' conversations.
        oracle: Add the rival that knows the ratings.
        controls: Add the reference's controls, its curve over thinner histories, and the verdict.
        reference: The router whose differences to all others are reported, if it is there.
        cut: Trials to run in place of the protocol's own, as from `protocols.foreign_trials`.
        protocol: Name of the protocol in place of the card's.
        source: Name of the data, where it is not the run's own.
        out: Where the results go; the predictions are written beside it, and first.
        progress: Called with a line for every trial and router.

    Raises:
        DataError: There is no target, or a router's scores do not fit the questions.
    """
    routers = with_controls(routers, reference, seed) if controls else routers
    # Results are kept by name, so one of two equal names would overwrite the other.
    names = [router.name for router in routers]
    if len(set(names)) < len(names):
        raise DataError(f"two routers share a name ({', '.join(names)}); give each its own")
    protocol = protocol or str(data.card.get("protocol", "seen"))
    # 1. Every router scores all targets of all trials, with no rating of a target in its reach.
    planned = list(cut) if cut is not None else trials(data.table, protocol, split, shots, draws, seed)
    scored = [ScoredTargets(trial, _score_trial(data, routers, trial, reveal_turns, progress)) for trial in planned]
    # Fit on VALID with TRAIN visible, so that no TEST vote helps the win probabilities it is measured by.
    valid = ValidTargets(data, reveal_turns)
    temperatures = {router.name: valid.temperature(router) for router in routers}
    facts = {"protocol": protocol, "split": split, "seed": seed}
    # 2. Scores are on disk before the first metric, so that nothing later can change or lose them.
    predictions = predictions_of(data.table, scored, facts, oracle)
    if out is not None:
        write_predictions(predictions, predictions_path(out))
    # 3. From here on ratings are revealed; every score stands already.
    summary: dict[str, Any] = {**facts, "draws": len({trial.draw for trial in planned})}
    summary |= ({"reveal_turns": True} if reveal_turns else {}) | ({"data": source} if source else {})
    targets = np.unique(np.concatenate([trial.targets for trial in planned]))
    summary |= _counts(data.table, targets)
    summary["ceiling"] = _ceiling(data.table, targets, scored)
    summary["temperatures"] = temperatures
    summary["rating_range"] = list(data.rating_range)
    summary["shots"] = {}
    for key, blocks in blocks_of(predictions, temperatures, data.rating_range).items():
        group = [trial for trial in planned if str(trial.shots) == key]
        summary["shots"][key] = {
            "visible": float(np.mean([len(trial.history) for trial in group])),
            "short_users": float(np.mean([trial.short for trial in group])),
            **report(bootstrap(blocks, seed), reference),
        }
    ours = next((router for router in routers if router.name == reference), None)
    if controls and ours is not None and split == "test":
        # New users' own shots are a curve already; where everybody is known, their rounds are thinned instead.
        last = max(planned, key=lambda trial: (int(trial.shots) if trial.shots != ALL else 0, -trial.draw))
        summary["history_curve"] = history_curve(data, ours, last, seed, reveal_turns, protocol != "new-users")
        summary["verdict"] = verdict_of(summary, reference)
    if out is not None:
        write_summary(summary, out)
    return Result(summary, predictions)


def _score_trial(
    data: Dataset,
    routers: Sequence[RoutingMethod],
    trial: Trial,
    reveal: bool,
    progress: Callable[[str], object] | None,
) -> dict[str, np.ndarray]:
    """Score the targets of a trial with every router; no rating of a target is within their reach."""
    history, scores = data.select(trial.history), {}
    for router in routers:
        if progress is not None:
            progress(f"{router.name}, shots {trial.shots}, draw {trial.draw}")
        scores[router.name] = score_targets(data, router, history, trial.targets, reveal)
    return scores


def _ceiling(table: InteractionTable, targets: np.ndarray, scored: Sequence[ScoredTargets]) -> dict[str, Any] | None:
    """Return the bound on blind routers, and shots -> router -> accuracy over the very votes it is about."""
    shared = SharedVotes.of(table, targets)
    ceiling = impersonal_ceiling(shared)
    if ceiling is None:
        return None
    groups: dict[str, list[ScoredTargets]] = {}
    for one in scored:
        groups.setdefault(str(one.trial.shots), []).append(one)
    return ceiling | {"accuracy": {shots: shared.accuracy(group) for shots, group in groups.items()}}


def _counts(table: InteractionTable, targets: np.ndarray) -> dict[str, int]:
    ratings = table.ratings[targets]
    pairs, ties = count_pairs(ratings)
    offered = table.mask[targets]
    return {
        "comparisons": len(targets),
        "pairs": pairs,
        "ties": ties,
        "lone_ratings": int(((~np.isnan(ratings)).sum(axis=1) == 1).sum()),
        "unrated": int((np.isnan(ratings) & offered).sum()),
        "users": len(np.unique(table.user[targets])),
    }
