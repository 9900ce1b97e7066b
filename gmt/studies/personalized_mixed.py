"""Measure planted users who like cheap models besides what an answer is like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from data_prep.sources.score_matrix import ScoreMatrix
from gmt.config import load_config
from gmt.data.interactions import TEST
from gmt.rivals.registry import make_router
from gmt.routing.protocol import RoutingMethod
from gmt.studies.harness import Blocks, add, block, fit, joined, score_targets, targets_of, write
from gmt.studies.personalized_data import ENCODER, WHOLE, Extent
from gmt.studies.rewards import auc_table


def mixed(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str], extent: Extent = WHOLE) -> None:
    """Planted users who like cheap models besides what an answer is like: with and without `posterior.cost`."""
    # Without the network, and with one trait network: the question is what one more kernel adds, not what all parts do.
    settings = ["posterior.network=false", "traits.networks=1"]
    # Few steps, where they are stated, serve to see that it runs.
    settings += [] if extent.steps is None else [f"traits.steps={extent.steps}"]
    columns = {"seen, 40 votes": (40, "seen"), "seen, 10 votes": (10, "seen"), "new models": (40, "new-models")}
    found: dict[str, dict[str, Any]] = {}
    for label, (votes, protocol) in columns.items():
        blocks: Blocks = {}
        for seed in seeds:
            people = PlantedSettings(mix_cost=0.3, votes=votes, seed=seed)
            people = people if extent.users is None else replace(people, users=extent.users)
            data, world = planted_dataset(people, extent.encoder or ENCODER, protocol)
            learn = data.select(data.table.split != TEST)
            routers: dict[str, RoutingMethod] = {
                "gmt": fit(data, load_config(None, [*settings, "posterior.cost=true"], seed))[0],
                "posterior.cost off": fit(data, load_config(None, settings, seed))[0],
            }
            for name in ("bradley_terry", "user_bradley_terry", "hierarchical_bradley_terry"):
                routers[name] = make_router(name, seed).fit(learn)
            # The oracle scores by true utilities, so what it lacks to 1 is the noise of the votes.
            scores = score_targets(data, routers) | {"oracle": world.table_scores(data.table.select(targets_of(data)))}
            add(blocks, {name: block(data, one, f"{seed}:") for name, one in scores.items()})
        found[label] = {"seeds": list(seeds), **joined(blocks, "gmt")}
        write(out, "mixed", found, auc_table(found))
        print(f"mixed {label} done", flush=True)
