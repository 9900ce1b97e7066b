"""Ask a trained run what sets its people apart, and why it decides as it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gmt.data.dataset import Dataset
from gmt.errors import UserError
from gmt.evaluation.top_choice import with_all_models
from gmt.routing.protocol import RoutingMethod
from gmt.serving.pretrained import Router

MOST_QUERIES, MOST_CELLS, LEAST_VOTES = 24, 400_000, 3


def likings_of(router: RoutingMethod, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return how much more each person likes each model than somebody unknown does, on average over past queries.

    Returns:
        (U,) codes of the people with `LEAST_VOTES` rated rounds, and (U, M) likings, each row centred.
    """
    table = data.table
    votes = np.bincount(table.user[table.rated], minlength=len(table.users))
    users = np.flatnonzero(votes >= LEAST_VOTES)
    # Evenly over the queries that were asked, so that no subject of the history is left out.
    _, first = np.unique(table.query, return_index=True)
    most = max(1, min(MOST_QUERIES, MOST_CELLS // max(1, len(users) * len(table.models))))
    at = first[np.unique(np.linspace(0, len(first) - 1, min(most, len(first))).astype(int))]
    everybody = np.append(users, -1)
    questions = with_all_models(data.questions(np.tile(at, len(everybody))), len(table.models))
    asked = replace(questions, user=np.repeat(everybody, len(at)))
    scores = router.score(data, asked).reshape(len(everybody), len(at), -1).mean(axis=1)
    own = scores[:-1] - scores[-1]
    return users, own - own.mean(axis=1, keepdims=True)


def map_of(likings: np.ndarray, votes: np.ndarray, models: list[str]) -> dict[str, Any] | None:
    """Return people and models in the plane in which the people differ most; None where they do not differ.

    Args:
        likings: (U, M).
        votes: (U,) rated rounds of each person.
        models: M names.
    """
    if len(likings) < 3 or likings.shape[1] < 2:
        return None
    left, size, right = np.linalg.svd(likings, full_matrices=False)
    if size[0] < 1e-9:
        return None
    # Signs are arbitrary: the heaviest model of each axis goes to its positive side, so that equal runs look alike.
    signs = np.sign(right[np.arange(2), np.abs(right[:2]).argmax(axis=1)])
    people, arrows = left[:, :2] * size[:2] * signs, right[:2].T * size[:2] * signs
    shares = (size**2 / (size**2).sum())[:2]
    return {
        "users": [
            {"x": round(float(x), 4), "y": round(float(y), 4), "votes": int(count)}
            for (x, y), count in sorted(zip(people.tolist(), votes.tolist(), strict=True))
        ],
        "models": [
            {"name": name, "x": round(float(x), 4), "y": round(float(y), 4)}
            for name, (x, y) in zip(models, arrows.tolist(), strict=True)
        ],
        "explained": [round(float(share), 4) for share in shares],
    }


def decision_of(
    router: Router, users: np.ndarray, likings: np.ndarray, query: str | None = None, most: int = 6
) -> dict[str, Any] | None:
    """Return a decision for the person whom the run knows to differ most; names of people stay out.

    Args:
        router: The run.
        users, likings: As `likings_of` returned them.
        query: What is asked; by default what somebody else asked in the history.
        most: How many candidates are kept.
    """
    table = router.data.table
    if not len(users):
        return None
    user = int(users[np.linalg.norm(likings, axis=1).argmax()])
    own = set(table.query[table.user == user].tolist())
    others = [code for code in np.unique(table.query).tolist() if code not in own] or sorted(own)
    query = query or table.texts[others[len(others) // 2]]
    try:
        ranked = router.rank(table.users[user], query)
        # Six at most, or the figure is a list: the best, and of the others those that the person's votes moved most.
        rest = sorted(ranked.ranking[1:], key=lambda one: -abs(one.margin))[: most - 1]
        decision = router.rank(table.users[user], query, [ranked.model, *(one.model for one in rest)], explain=True)
    except UserError:
        # A text without its vector and an encoder that is not here: there is nothing to ask with.
        return None
    found = decision.to_json()
    # The strongest alone: a figure shows a handful, and a file of all would keep every round of a person.
    kept = [{key: one[key] for key in ("query", "models", "ratings", "effect")} for one in found["reasons"][: 2 * most]]
    shown = [{key: one[key] for key in ("model", "score", "margin")} for one in found["ranking"]]
    return {"ranking": shown, "reasons": kept, "others": len(found["reasons"]) - len(kept), "query": query}
