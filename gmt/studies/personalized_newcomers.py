"""Let users and models join a router that was trained without them, and let users change their mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_prep.simulate.cost import cost_dataset
from data_prep.sources.score_matrix import ScoreMatrix
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.errors import ConfigError
from gmt.hybrid.gmt_router import GmtRouter
from gmt.rivals.registry import make_router
from gmt.studies.harness import fit, score_targets, write
from gmt.studies.personalized_data import ENCODER, THOUSAND, WHOLE, Extent, config_of, cost_users
from gmt.studies.rewards import Rewards, compared, earn, reward_table

SHOTS = (0, 1, 2, 5, 10, 20)


def newcomers(
    matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str], extent: Extent = WHOLE
) -> None:
    """Train on 800 of 1,000 users; score the others at k votes, beside gmt trained with all of their votes."""
    rows: dict[str, Rewards] = {str(shots): {} for shots in SHOTS}
    for seed in seeds:
        # 1. One router with all users, and one that has not met two hundred of them.
        data, _ = cost_users(matrix, replace(THOUSAND, feedback="pair"), seed, extent)
        config = config_of("personalized_1000", seed)
        whole, _ = fit(data, config)
        table = data.table
        # Two hundred of a thousand; of another number as large a share.
        fresh = np.random.default_rng([seed, 3]).permutation(len(table.users))[: max(1, len(table.users) // 5)]
        new = np.isin(table.user, fresh)
        part, _ = fit(data.select(~new | (table.split == TEST)), config)
        # 2. What more votes could come to at most: a router that was trained on all of them, with all of them visible.
        best = score_targets(_targets_of_users(data, fresh), {"trained": whole})["trained"]
        # 3. The other one is shown ever more votes of users it has not met.
        for shots in SHOTS:
            shown = _targets_of_users(data.select(~new | (table.split == TEST) | _first(data, new, shots)), fresh)
            scores = {"gmt": score_targets(shown, {"gmt": part})["gmt"], "trained on them": best}
            for name in rivals:
                router = make_router(name, seed).fit(data.select(~new & (table.split != TEST)))
                scores[name] = score_targets(shown, {name: router})[name]
            earn(rows[str(shots)], _targets_of_users(data, fresh), scores, seed)
    found = {f"{shots} votes": {"seeds": list(seeds), **compared(one)} for shots, one in rows.items()}
    write(out, "newcomers", found, reward_table(found))


def models(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str], extent: Extent = WHOLE) -> None:
    """Train without one model; let it join with k outcomes, beside gmt trained with all of them."""
    counts = (0, 5, 20, 50)
    rows: dict[str, Rewards] = {str(shots): {} for shots in counts}
    for seed in seeds:
        # 1. The model held out comes last, so that a vocabulary without it numbers all others alike.
        held = seed % len(matrix.models)
        order = [name for at, name in enumerate(matrix.models) if at != held] + [list(matrix.models)[held]]
        columns = [list(matrix.models).index(name) for name in order]
        ordered = replace(
            matrix,
            models={name: matrix.models[name] for name in order},
            score=matrix.score[:, columns],
            cost=matrix.cost[:, columns],
        )
        data, _ = cost_users(ordered, replace(THOUSAND, feedback="pair"), seed, extent)
        # 2. One router is trained with every outcome of it, the other without a trace of it.
        config = config_of("personalized_1000", seed)
        whole, _ = fit(data, config)
        table = data.table
        touched = np.zeros(len(table), bool)
        touched[table.row_comparison[table.model == len(order) - 1]] = True
        known = (table.split != TEST) & ~touched
        part, _ = fit(_without_last(data.select(known)), config)
        best = score_targets(data, {"trained": whole})["trained"]
        # 3. The other one is shown ever more of the outcomes it was not trained on.
        outcomes = np.flatnonzero(touched & (table.split == TRAIN))
        outcomes = np.random.default_rng([seed, 4]).permutation(outcomes)
        for shots in counts:
            keep = (table.split == TEST) | known
            keep[outcomes[:shots]] = True
            scores = {"gmt": score_targets(data.select(keep), {"gmt": part})["gmt"], "trained with it": best}
            earn(rows[str(shots)], data, scores, seed)
    found = {f"{shots} outcomes": {"seeds": list(seeds), **compared(one)} for shots, one in rows.items()}
    write(out, "models", found, reward_table(found))


def drift(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str], extent: Extent = WHOLE) -> None:
    """Let users change after thirty votes; score them after n more, with and without a half-life."""
    lives, since = (0.0, 3.0, 10.0, 30.0), (0, 1, 2, 5, 10, 20, 30)
    rows: dict[str, Rewards] = {f"{count} votes after": {} for count in since}
    for seed in seeds:
        settings = extent.of(replace(THOUSAND, users=300, per_user=60, feedback="random", drift_at=0.5, seed=seed))
        data, _ = cost_dataset(matrix, settings, extent.encoder or ENCODER, (0.8, 0.0, 0.2))
        table = data.table
        router, _ = fit(data, config_of("personalized_1000", seed))
        # A half-life weighs votes in the posterior's solve; the network has nothing like it.
        if router.posterior is None:
            raise ConfigError("personalized_1000.yaml trains no posterior, and a half-life is one's; enable it")
        # A vote's number in its user's order of time: a drift has to be met in time, not in the order of rows.
        order = np.lexsort((table.timestamp, table.user))
        place = np.empty(len(table), int)
        place[order] = np.arange(len(table)) - np.searchsorted(table.user[order], table.user[order])
        for count in since:
            shown = data.select((table.split == TEST) | (place < 30 + count))
            scores = {}
            for life in lives:
                name = f"half-life {life:g}" if life else "all alike"
                scores[name] = score_targets(
                    shown, {name: GmtRouter(router.posterior.with_half_life(life), None, 0.0)}
                )[name]
            earn(rows[f"{count} votes after"], shown, scores, seed)
    found = {
        label: {"seeds": list(seeds), **compared({"gmt" if n == "all alike" else n: b for n, b in one.items()})}
        for label, one in rows.items()
    }
    write(out, "drift", found, reward_table(found).replace("**gmt**", "all votes alike"))


def _targets_of_users(data: Dataset, users: np.ndarray) -> Dataset:
    """Return the data in which only these users' TEST comparisons are targets."""
    return data.select((data.table.split != TEST) | np.isin(data.table.user, users))


def _first(data: Dataset, new: np.ndarray, shots: int) -> np.ndarray:
    """Return (C,) true for the first `shots` TRAIN comparisons of every new user."""
    table = data.table
    rows = np.flatnonzero(new & (table.split == TRAIN))
    order = rows[np.argsort(table.user[rows], kind="stable")]
    user = table.user[order]
    place = np.arange(len(order)) - np.searchsorted(user, user)
    out = np.zeros(len(table), bool)
    out[order[place < shots]] = True
    return out


def _without_last(data: Dataset) -> Dataset:
    """Return the data with vocabularies that do not hold the last model."""
    shorter = replace(data.table, models=data.table.models[:-1])
    return replace(data, table=shorter, model_vectors=data.model_vectors[:-1])
