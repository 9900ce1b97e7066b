"""Collect what the figures of a run show: from its results, its training log, its history and the router itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.interactions import SPLITS, InteractionTable
from gmt.errors import DataError
from gmt.evaluation.results import Result, predictions_path
from gmt.files import read_json
from gmt.report.cost_numbers import quality_costs
from gmt.report.figure_file import FigureFile
from gmt.report.result_figures import Found, files_of_results
from gmt.report.result_values import LEFT_OUT, end_of, shots_of
from gmt.report.user_graph import longest_talk, picture_of
from gmt.runs import RunFolder, read_jsonl, read_run_json

MOST_LINES = 5


def files_of_run(run: Path, truth: Path | None = None) -> Found:
    """Return every figure of a run, and why some are missing.

    Args:
        run: Its folder.
        truth: What `gmt simulate cost` wrote of its people, where they are simulated.
    """
    folder, name = RunFolder(run), run.resolve().name
    files: list[FigureFile] = []
    notes: list[str] = []
    for path in sorted(folder.results.glob("*.json")):
        found, said = files_of_results(f"{name}-{path.stem}", [path])
        files, notes = files + found, notes + said
        files += _of_costs(folder, f"{name}-{path.stem}", path, truth)
    if lines := list(read_jsonl(folder.metrics)):
        files.append(_training(folder, name, lines))
    if folder.history.is_file():
        table = InteractionTable.read(folder.history)
        if len(table):
            picture = picture_of(table, longest_talk(table))
            caption = (
                "The longest conversation of the history as the graph that the network sees. A turn joins one "
                "answer with its user, question, text and model; arrows lead to the model's next turn. The line from a "
                "turn to a model has that model's colour: it wrote the answer. At most three rounds and eight answers."
            )
            made = f"gmt figures {name}"
            files.append(FigureFile("user-graph", f"{name}-user-graph", picture.to_json(), caption, made))
    files += _of_router(folder, name)
    return files, notes


def _training(folder: RunFolder, name: str, lines: Sequence[Mapping[str, Any]]) -> FigureFile:
    card = read_run_json(folder.card) if folder.card.is_file() else {}
    weight, said = card.get("network_weight"), [note for note in card.get("notes", []) if "network" in note]
    alone = not card.get("posterior")
    if alone:
        became = "It scores alone: no other part stands beside it."
    elif weight:
        became = f"It was let in, with weight {weight:g} beside the closed form."
    else:
        became = "No score depends on this curve. " + (said[-1] if said else "The network was switched off.")
    kept = [{key: line.get(key) for key in ("step", "loss", "valid_auc")} for line in lines]
    caption = f"How the graph network of run {name} learned; the step with the best validation AUC is kept. {became}"
    data = {"lines": kept, "part": "the graph network", "became": became}
    return FigureFile("training", f"{name}-training", data, caption, f"gmt train DATA --run {name}")


def _of_router(folder: RunFolder, name: str) -> list[FigureFile]:
    """Return the figures that need the trained router: a map of its people, and one decision taken apart."""
    from gmt.report.run_likings import decision_of, likings_of, map_of
    from gmt.serving.pretrained import Router

    if not folder.posterior.is_file() or not folder.card.is_file():
        return []
    router = Router.from_pretrained(folder.root)
    try:
        data = router.data
        users, likings = likings_of(router.router, data)
        votes = np.bincount(data.table.user[data.table.rated], minlength=len(data.table.users))[users]
        files, made = [], f"gmt figures {name}"
        if (found := map_of(likings, votes, list(data.table.models))) is not None:
            caption = (
                f"The people of run {name} by what they like beyond what all like, in the plane in which they differ "
                "most. Whoever stands in the direction of an arrow prefers that model more than others do; larger dots "
                "have rated more. The cross is somebody of whom nothing is known."
            )
            files.append(FigureFile("user-map", f"{name}-user-map", found, caption, made))
        if (found := decision_of(router, users, likings)) is not None:
            caption = (
                "One decision taken apart. Left: what each model scores for somebody unknown (bar), and how far the "
                "person's own votes move it (arrow). Right: the rounds that moved the winner; they add up exactly."
            )
            files.append(FigureFile("decision", f"{name}-decision", found, caption, made))
        return files
    finally:
        router.close()


def _of_costs(folder: RunFolder, name: str, path: Path, truth: Path | None) -> list[FigureFile]:
    """Return quality against cost, where the run's data lie where they lay and say what answers cost."""
    result = read_run_json(path)
    facts = read_run_json(folder.card)["data"] if folder.card.is_file() else {}
    data = Path(facts.get("path", "")) / "interactions.parquet"
    if not data.is_file() or not predictions_path(path).is_file() or not result.get("shots"):
        return []
    table = InteractionTable.read(data)
    table = table.select(table.split == SPLITS.index(result.get("split", "test")))
    # A choice of one among two is no choice among models, and without a cost for every answer there is no point.
    if not len(table) or np.isnan(table.cost).any() or np.diff(table.start).max() < 3:
        return []
    shots, alpha = shots_of(result)[-1], _weights(truth)
    found = Result.read(path).predictions
    found = found.filter(
        [one["shots"] == shots and one["draw"] == 0 for one in found.select(["shots", "draw"]).to_pylist()]
    )
    there = result["shots"][shots]["routers"]
    strength = {one: end_of(metrics, "reward", "value") for one, metrics in there.items() if one not in LEFT_OUT}
    routers = sorted(strength, key=lambda one: (one != "gmt", -strength[one]))[:MOST_LINES]
    drawn = quality_costs(found, table, routers, result.get("rating_range", (0.0, 1.0)), alpha)
    who = "a point for people who mind cost alike, from left to right less and less" if alpha else "over all people"
    caption = (
        f"What quality routers get at what cost, {who}. Above the black line nothing can be reached: it is the hull of "
        "an oracle that knows every outcome before it chooses. Grey dots: one model for everybody."
    )
    drawn |= {"quality": "mean quality of an answer" if alpha else "mean rating of an answer"}
    return [FigureFile("quality-cost", f"{name}-quality-cost", drawn, caption, "gmt eval --run RUN")]


def _weights(truth: Path | None) -> dict[str, float] | None:
    """Return user -> weight of quality, as a simulation stored them."""
    if truth is None:
        return None
    found = read_json(truth, DataError, "name the .truth.json that gmt simulate cost wrote")
    if not isinstance(found, dict) or found.get("kind") != "cost" or not isinstance(found.get("alpha"), dict):
        raise DataError(f"{truth} holds no weights of people; name the .truth.json that gmt simulate cost wrote")
    return found["alpha"]
