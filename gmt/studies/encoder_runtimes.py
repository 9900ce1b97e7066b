"""Measure whether faster ways to encode a query rank models as torch does: Kendall's tau over a trained run's rankings.

Usage: python -m gmt.studies.encoder_runtimes --run RUN --data DATA [--asked DATA …] --out OUT
       [--users 4] [--seed 0]

DATA is the folder that RUN was trained on, best prepared with `--protocol new-questions`, for a query of the history
has its vector already. All models are ranked for the TEST rows' users and queries, and for the queries of other
folders, each put by a few users who are drawn. Vectors of the history are the run's own, as where a run is served by
another runtime than it was prepared with. AUC is of VALID's votes, with TRAIN visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gmt.bench.encoding_speed import TORCH, Way, ways_to_encode
from gmt.data.dataset import Dataset
from gmt.data.encoder_by_name import local_encoder
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.errors import DataError
from gmt.evaluation.metrics import pairs_of, weighted_auc
from gmt.evaluation.score_targets import score_targets
from gmt.hybrid.gmt_router import GmtRouter
from gmt.report.markdown import table
from gmt.serving.pretrained import Router
from gmt.studies.entry import run_study, study_parser
from gmt.studies.harness import write


@dataclass(frozen=True)
class Ranked:
    """Hold what one way to encode makes of the questions.

    Args:
        test: (C, M) scores of all models for the TEST questions.
        asked: (Q, M) those for the queries of other folders.
        auc: Of VALID's votes.
    """

    test: np.ndarray
    asked: np.ndarray
    auc: float


def ranked_by(
    router: GmtRouter, data: Dataset, way: Way, asked: Sequence[str], users: np.ndarray, most: int = 1000
) -> Ranked:
    """Score all models with the vectors that one way gives to new queries.

    Args:
        router: Of a run trained on the data.
        data: All its comparisons.
        way: Encodes.
        asked: Q queries of elsewhere.
        users: (Q, U) codes of the users who put each of them.
        most: TEST questions at most, the first ones.
    """
    old, models = data.table, np.arange(len(data.table.models))
    # 1. New queries get this way's vectors; what the history holds keeps its own.
    known = set(old.query[old.split == TRAIN].tolist())
    fresh = np.array([code for code in np.unique(old.query) if code not in known], np.int64)
    vectors = np.array(data.vectors[np.arange(len(old.texts))])
    for code in fresh:
        vectors[code] = way(old.texts[code])
    added = np.array([way(text) for text in asked], np.float32).reshape(-1, vectors.shape[1])
    # A name of its own makes each a text of its own, whether the history has the same one or not.
    grown = old.grown(texts=(*old.texts, *(f"asked {at}: {text}" for at, text in enumerate(asked))))
    data = replace(data, table=grown, vectors=np.concatenate([vectors, added]))
    history = data.select(np.flatnonzero(grown.split == TRAIN))
    # 2. All models for every question of TEST, and for queries of elsewhere outside of any conversation.
    test = np.flatnonzero(grown.split == TEST)[:most]
    questions = data.questions(test)
    offered = router.score(history, replace(questions, candidates=np.tile(models, (len(test), 1))))
    count = users.size
    nowhere = np.full(count, -1)
    elsewhere = replace(
        data.questions(np.zeros(0, np.int64)), comparison=np.arange(count), user=users.reshape(-1),
        conversation=nowhere, turn=np.zeros(count, np.int64), question=nowhere, task=nowhere,
        timestamp=np.full(count, np.nan),
        query=np.repeat(len(old.texts) + np.arange(len(asked)), users.shape[1]), candidates=np.tile(models, (count, 1)),
    )  # fmt: skip
    away = router.score(history, elsewhere) if count else np.zeros((0, len(models)))
    # 3. Votes, each a pair of its own.
    valid = np.flatnonzero(grown.rated & (grown.split == VALID))
    gaps = pairs_of(grown.ratings[valid]).differences(score_targets(data, router, history, valid))
    auc = weighted_auc(gaps, np.zeros(len(gaps), np.int64), np.ones((1, 1)))
    return Ranked(offered, away, float(auc[0]))


def agreement(found: np.ndarray, wanted: np.ndarray) -> dict[str, float] | None:
    """Return how alike two (C, M) scores rank: mean and least Kendall tau, share of questions with the same first."""
    from scipy.stats import kendalltau

    if not len(found):
        return None
    taus = [float(kendalltau(one, other).statistic) for one, other in zip(found, wanted, strict=True)]
    same = float((found.argmax(axis=1) == wanted.argmax(axis=1)).mean())
    return {"tau": float(np.mean(taus)), "least": min(taus), "same first": same}


def measure(run: Path, folder: Path, asked: Sequence[Path], users: int, seed: int) -> dict[str, Any]:
    """Return way -> agreement with torch on TEST and on queries of elsewhere, and AUC on VALID."""
    data = Dataset.load(folder)
    router = Router.from_pretrained(run, autosave=False).router
    if data.encoder.id.partition(":")[0] == "hash":
        raise DataError(f"{folder} has hashed vectors, which have no weights to run; prepare it with --encoder minilm")
    tables = [Dataset.load(one).table for one in asked]
    queries = list(dict.fromkeys(one.texts[code] for one in tables for code in np.unique(one.query)))
    who = np.random.default_rng(seed).integers(0, len(data.table.users), (len(queries), users))
    ways = ways_to_encode(local_encoder(data.encoder.id))
    found = {name: ranked_by(router, data, way, queries, who) for name, way in ways.items()}
    return {
        name: {
            "test": agreement(one.test, found[TORCH].test),
            "asked": agreement(one.asked, found[TORCH].asked),
            "valid_auc": one.auc,
        }
        for name, one in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one run and write the table."""
    parser = study_parser(__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--asked", type=Path, nargs="*", default=[])
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    found = measure(chosen.run, chosen.data, chosen.asked, chosen.users, chosen.seed)
    cells = {
        name: [*(_cell(one[kind]) for kind in ("test", "asked")), f"{one['valid_auc']:.4f}"]
        for name, one in found.items()
    }
    heads = ["TEST: tau, least, same first", "asked: tau, least, same first", "VALID AUC"]
    write(chosen.out, "encoder-runtimes", found, table("encoded by", heads, cells))


def _cell(one: dict[str, float] | None) -> str:
    return "" if one is None else f"{one['tau']:.4f}, {one['least']:.3f}, {one['same first']:.3f}"


if __name__ == "__main__":
    run_study(main)
