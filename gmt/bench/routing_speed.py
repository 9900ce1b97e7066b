"""Time routing, scoring in batches, remembering a vote, and preparing data."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.prepare import PrepOptions, prepare
from data_prep.sources.source import SourceOptions
from gmt.bench.made_data import made_dataset, made_run
from gmt.bench.timing import Timing, peak_memory
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.data.store import EmbeddingStore
from gmt.errors import UserError
from gmt.hybrid.observed_users import ObservedUsers
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.answer_quality import QualityFit
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.vote_kernel import signed
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.serving.text_vectors import TextVectors

BATCH = 20_000


class OneVector(TextVectors):
    """Give every text one vector at once, for encoding it is not what is timed.

    Args:
        store: As for `TextVectors`.
        vector: (D,) the vector.
    """

    def __init__(self, store: EmbeddingStore, vector: np.ndarray) -> None:
        super().__init__(store)
        self.vector = vector

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (T, D) the vector as often as there are texts."""
        return np.stack([self.vector] * len(texts))


def routing(run: Path, repeats: int) -> dict[str, Any]:
    """Time single decisions of a run for users it knows, beyond encoding the text, and scoring in batches.

    Returns:
        Percentiles of a decision in milliseconds, and (user, query, model) triples a second.
    """
    router = Router.from_pretrained(run)
    users, vector = router.users, np.asarray(router.data.vectors[0])
    # Encoding depends on the encoder chosen and would hide what the router itself takes.
    router.live.answer_with(OneVector(router.run_data.texts.store, vector))
    # Not timed: the first decision loads and solves what all later ones share.
    router.rank(users[0], "warm up", with_uncertainty=False)
    seconds = []
    for number in range(repeats):
        started = time.perf_counter()
        router.rank(
            # Another text each time, so that nothing kept of an earlier one can answer.
            users[number % len(users)],
            f"a question never asked before, number {number}",
            with_uncertainty=False,
        )
        seconds.append(time.perf_counter() - started)
    table, models = router.data.table, len(router.data.table.models)
    asked = router.data.questions(np.resize(np.arange(len(table)), max(BATCH // models, 1)))
    # All models of every question, as a service that chooses among all of them asks.
    asked = replace(asked, candidates=np.tile(np.arange(models), (len(asked), 1)))
    router.router.score(router.data, asked)
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        router.router.score(router.data, asked)
        rates.append(asked.candidates.size / (time.perf_counter() - started))
    # Percentiles and not a mean: who waits for a decision notices the slow ones.
    low, middle, high, last = np.quantile(np.array(seconds) * 1e3, [0.1, 0.5, 0.9, 0.99])
    return {
        "votes known": int(table.rated.sum()),
        "decision, ms": {"p10": low, "p50": middle, "p90": high, "p99": last},
        "triples/s": float(np.median(rates)),
    }


def adapting(sizes: Sequence[int], others: int, repeats: int) -> list[dict[str, Any]]:
    """Time what one more vote costs until its user is asked again, beyond encoding and the disk.

    Answer quality and everybody else are not fitted, for a vote solves for its own user alone.

    Args:
        sizes: How many votes the user cast before.
        others: How many all others cast, about.
        repeats: Votes that are timed, one behind the other.
    """
    out = []
    for own in sizes:
        data = made_dataset(1 + max(others // own, 1), own, width=64)
        data = data.select(data.table.split == TRAIN).append([], _OneText(64), {})
        belief = ObservedUsers(_unfitted(data))
        rounds = data.select(data.table.of_user(0)).table.to_comparisons()
        question = data.questions(data.table.of_user(0)[:1])
        seconds, processor = [], []
        for number in range(repeats + 1):
            # A query that the user rated before, in a conversation of its own.
            told = replace(rounds[number % len(rounds)], conversation=f"told {number}")
            started, worked = time.perf_counter(), time.process_time()
            longer = data.append([told], _OneText(64), {})
            found = belief.with_observed(longer, np.array([len(data.table)]))
            if found is None:
                raise UserError("a vote was not taken in by itself; measure with models that are known")
            found.score(longer, question)
            seconds.append(time.perf_counter() - started)
            processor.append(time.process_time() - worked)
            data, belief = longer, found
        # The first one solves for a user of whom nothing was solved, as no run that is loaded does.
        later, worked = (Timing.of(found[1:]).to_json() for found in (seconds, processor))
        found = {"votes": len(rounds), "others": len(data.table) - len(rounds)}
        # Processor time too, which says the same on a busy machine.
        out.append(found | {"one more vote": later, "processor": worked})
    return out


class _OneText:
    """Give texts vectors of which nothing is read.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        self.width = width

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return (T, D) vectors."""
        return np.zeros((len(texts), self.width), np.float32)


def _unfitted(data: Dataset) -> ConditionedPosterior:
    """Return what is believed before anything is fitted, around the votes of a history."""
    model = AnswerAwareBradleyTerry()
    prepared = model.prepare(data)
    votes, prior = prepared.votes, model.prior(data, prepared, model.settings)
    design = signed(votes.query * prior.models + votes.a, votes.query * prior.models + votes.b,
                    len(votes.queries.keys) * prior.models)  # fmt: skip
    nothing = np.zeros(len(votes))
    quality = QualityFit(prior, design, nothing, nothing)
    found = prepared.conditioned(model.settings, quality, prepared.user_covariance, votes)
    return replace(found, effects=replace(found.effects, solved=nothing))


def remembering(sizes: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """Time adding one more vote to a run, and ranking, against how many comparisons it remembers.

    The run is made, of users with 40 votes each on 320 queries, with hashed text vectors of 64 numbers; every vote and
    every query is a text that was never seen.
    """
    out = []
    for comparisons in sizes:
        with tempfile.TemporaryDirectory() as folder:
            made_run(RunFolder(Path(folder)), made_dataset(max(comparisons // 40, 1), 40, width=64))
            router = Router.from_pretrained(folder)
            router.rank("u0", "warm up", with_uncertainty=False)
            router.add("u0", [_vote(-1)])
            found = {"comparisons": len(router.data.table)}
            talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello", "model": "m1"}]
            works = {
                # Bound as defaults: the loop's own names are others' by the time a closure would read them.
                "add": lambda n, router=router: router.add("u0", [_vote(n)]),
                # A user the run does not know grows its vocabularies too.
                "add, another user": lambda n, router=router: router.add(f"new {n}", [_vote(n)]),
                "rank": lambda n, router=router: router.rank("u0", f"asked {n}", with_uncertainty=False),
                "rank in a conversation": lambda n, router=router, talk=talk: router.rank(
                    "u0", f"asked {n}", conversation=talk, with_uncertainty=False
                ),
            }
            for name, work in works.items():
                seconds = []
                for number in range(repeats):
                    started = time.perf_counter()
                    work(number)
                    seconds.append(time.perf_counter() - started)
                found |= {name: Timing.of(seconds).to_json()}
            router.close()  # before its folder is removed
        out.append(found)
    return out


def _vote(number: int) -> dict[str, str]:
    return {"query": f"a text never seen, number {number}", "model_a": "m0", "model_b": "m1", "winner": "model_a"}


def preparing(rows: int) -> dict[str, Any]:
    """Time `gmt prep` of a CSV of votes with hashed text vectors."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["user", "query", "a", "b", "winner"])
            # Ten votes a user over 2000 queries: names and texts repeat, as in a real log.
            users, queries = rng.integers(max(rows // 10, 1), size=rows), rng.integers(2000, size=rows)
            for user, query, first in zip(users.tolist(), queries.tolist(), rng.integers(10, size=rows), strict=True):
                out.writerow([f"u{user}", f"query number {query}", f"m{first}", f"m{(first + 3) % 10}", "a"])
        options = SourceOptions(
            user="user", query="query", winner="winner", model_a="a", model_b="b", labels=("a", "b", "tie")
        )
        started = time.perf_counter()
        # Hashing instead of a model: what is timed is reading, grouping and writing.
        prepare(PrepOptions("votes", Path(folder) / "data", path, encoder="hash:64", columns=options))
        seconds = time.perf_counter() - started
    return {"rows": rows, "seconds": seconds, "rows/s": rows / seconds, "peak GiB": peak_memory()}
