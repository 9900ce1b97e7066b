"""Copy a run so that it holds nothing of its people: groups of votes stand in the place of everybody's history."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gmt.config import RunConfig
from gmt.data.answer_slots import is_slot
from gmt.data.interactions import InteractionTable
from gmt.data.run_history import RunHistory
from gmt.data.store import EmbeddingStore
from gmt.errors import UserError
from gmt.files import write_json, write_text
from gmt.hybrid.stored_belief import store_belief
from gmt.manifest import seal
from gmt.runs import RunFolder, read_card
from gmt.serving.run_data import RunData
from gmt.serving.run_state import RunState
from gmt.serving.vote_groups import SHARED_BY, VoteGroups

NOT_SHARED = "not shared"
"""Stands in a card in the place of where the data lie."""
PEOPLE = "people"
"""Key of a card: how many people at least stand behind each part of a history that is nobody's."""
COPIED = ("posterior", "weights", "metrics")
"""Files of a run that hold what was fitted to everybody, and nobody's rounds."""
COMPARED = 200
"""Queries of the history on which the copy is compared with the run."""


@dataclass(frozen=True)
class SharedPart:
    """Say what a copy without people holds.

    Args:
        groups: How many groups of queries.
        rounds: How many rounds on them.
        left_out: Rated rounds that are not shared, for too few people asked the like.
        shared_by: Least people and least different queries behind a group.
        queries: Queries of the run that both were asked, for somebody unknown.
        same_model: On what share of them both choose the same model.
        correlation: Between both scores over all of these queries and models, each centred over the models.
    """

    groups: int
    rounds: int
    left_out: int
    shared_by: int
    queries: int = 0
    same_model: float | None = None
    correlation: float | None = None


def write_without_people(
    now: RunData, config: RunConfig, card: Mapping[str, Any], state: RunState, target: Path
) -> SharedPart:
    """Write a run of its own that holds no name, text, hash, vector or history of anybody.

    What was fitted to everybody is copied: how models and users vary, learned traits, thresholds. What is good for
    everybody follows from the shared votes; a user's own effects from what that user adds there.

    Args:
        now: The run, with all that was added and without whoever was forgotten.
        config, card, state: Its settings, card and state.
        target: An empty or missing folder.

    Raises:
        UserError: The run ranks answers, which are people's texts, or too few people are in it.
    """
    if now.data.answers_shown or all(is_slot(name) for name in now.offered):
        raise UserError(
            "this run ranks answers by their texts and cannot be shared without them; pass include_users=True if "
            "everybody in it agreed to that"
        )
    groups = VoteGroups.of(now.data)
    if not groups.rounds:
        raise UserError(
            f"fewer than {SHARED_BY} people rated answers to at least {SHARED_BY} queries in this run, so all of it "
            "is somebody's own; pass include_users=True if everybody in it agreed to that"
        )
    made, source = RunFolder(target), now.folder
    target.mkdir(parents=True, exist_ok=True)
    # 1. What says where data and database are stays here.
    write_settings(made, config)
    nowhere = {"path": NOT_SHARED, "sha256": NOT_SHARED, "seed": None}
    # Tasks keep their codes, and those that too few people asked for lose their names.
    shared = {one.task for one in groups.rounds}
    tasks = [name if name in shared else f"task {number}" for number, name in enumerate(now.data.table.tasks, start=1)]
    write_json(made.card, {**card, "data": nowhere, "tasks": tasks, PEOPLE: SHARED_BY})
    for name in COPIED:
        path: Path = getattr(source, name)
        if path.is_file():
            shutil.copyfile(path, getattr(made, name))
    # 2. The history, and vectors of what it names and of nothing else.
    shutil.copyfile(source.models, made.models)
    known = RunHistory.read(source, card)
    trained = list(known.models)
    InteractionTable.from_comparisons(groups.rounds, models=trained).write(made.history)
    store = EmbeddingStore.create(made.embeddings, now.texts.store.encoder)
    store.add(groups.names, groups.vectors)
    # Descriptions as training read them, for models.json holds those.
    store.add([known.models[name].description for name in trained], known.data.model_vectors[: len(trained)])
    store.save()
    store_belief(made, config, RunHistory.read(made, read_card(made.card)).data)
    run = seal(target, run=str(uuid.uuid4())).run
    # 3. Models that were added or removed since are the operator's doing and nobody's words.
    _copy_models(now, state, target, run)
    return SharedPart(len(groups.names), len(groups.rounds), groups.left_out, SHARED_BY)


def write_settings(made: RunFolder, config: RunConfig) -> None:
    """Write settings that do not say where people's votes are kept: a URL may hold a password."""
    quiet = replace(config, state=replace(config.state, url=None))
    write_text(made.config, yaml.safe_dump(quiet.to_dict(), sort_keys=False))


def _copy_models(now: RunData, state: RunState, target: Path, run: str) -> None:
    own = state.existing()
    kept = {} if own is None else own.kept_models()
    if not kept:
        return
    from gmt.state.state_store import StateStore

    vectors = now.texts.of_added([one.info.description for one in kept.values()], own)
    with StateStore.open(target, run=run, encoder=state.encoder) as store, store.change() as change:
        for (name, one), vector in zip(kept.items(), vectors, strict=True):
            change.add_model(name, one.info, vector)
            if not one.is_offered:
                change.remove_model(name, one.info)


def compared(part: SharedPart, full: RunData, shared: RunData) -> SharedPart:
    """Say how near the copy comes to the run, for somebody unknown, on queries of the run's own history."""
    table, names = full.data.table, [name for name in full.offered if name in shared.offered]
    texts = np.unique(table.query)
    texts = texts[np.unique(np.linspace(0, len(texts) - 1, COMPARED).astype(int))] if len(texts) else texts
    same, ours, theirs = 0, [], []
    for code in texts.tolist():
        vector = np.asarray(full.data.vectors[np.array([code])])[0]
        scores = [_of_unknown(run, f"query {code}", vector, names) for run in (full, shared)]
        same += int(np.argmax(scores[0]) == np.argmax(scores[1]))
        ours.append(scores[0] - scores[0].mean())
        theirs.append(scores[1] - scores[1].mean())
    if not ours or len(names) < 2:
        return part
    one, other = np.concatenate(ours), np.concatenate(theirs)
    apart = one.std() > 0 and other.std() > 0
    correlation = float(np.corrcoef(one, other)[0, 1]) if apart else None
    return replace(part, queries=len(ours), same_model=same / len(ours), correlation=correlation)


def _of_unknown(run: RunData, query: str, vector: np.ndarray, names: list[str]) -> np.ndarray:
    """Return (K,) scores for somebody unknown of a query that no history holds."""
    data, questions = run.builder.build([-1], query, vector, [run.builder.models.code(name) for name in names])
    return run.router.score(data, questions)[0]
