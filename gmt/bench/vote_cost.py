"""Measure what a vote and the decision behind it cost: `python -m gmt.bench.vote_cost [VOTES …]`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gmt.bench.made_data import MODELS, made_dataset, made_run
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router

QUERIES = 50
"""Different queries that are voted on."""


def vote_cost(sizes: Sequence[int], repeats: int = 12) -> list[dict[str, float]]:
    """Let a new person vote and ask in turn, through a run's state in SQLite, and take the processor time of each.

    Args:
        sizes: How many votes the person cast before, each with words.
        repeats: Votes, each with a decision behind it.

    Returns:
        For each size the medians, ms: of a vote, of the decision that knows it, and of one more decision.
    """
    out = []
    with tempfile.TemporaryDirectory() as folder:
        made_run(RunFolder(Path(folder)), made_dataset(50, 5, width=64))
        router, rng = Router.from_pretrained(folder), np.random.default_rng(0)
        for own in sizes:
            user = f"voted {own}"
            router.add(user, [_vote(rng, number) for number in range(own)])
            vote, knows, again = [], [], []
            # The first solves from nothing, as after no other vote.
            for number in range(repeats + 1):
                times = [time.process_time()]
                router.add(user, [_vote(rng, own + number)])
                times.append(time.process_time())
                for _ in range(2):
                    router.rank(user, f"query {number}", with_uncertainty=False)
                    times.append(time.process_time())
                for found, took in zip((vote, knows, again), np.diff(times), strict=True):
                    found.append(1e3 * took)
            middle = [float(np.median(found[1:])) for found in (vote, knows, again)]
            out.append({"votes": own, "vote": middle[0], "decision": middle[1], "one more decision": middle[2]})
        router.close()
    return out


def _vote(rng: np.random.Generator, number: int) -> dict[str, str]:
    a, b = rng.choice(MODELS, 2, replace=False)
    said = {"query": f"query {number % QUERIES}", "model_a": f"m{a}", "model_b": f"m{b}"}
    return {**said, "winner": "model_a" if rng.integers(2) else "model_b", "feedback_a": f"remark {number}"}


if __name__ == "__main__":
    for one in vote_cost([int(word) for word in sys.argv[1:]] or [10, 100, 1000, 4000]):
        print(
            ", ".join(f"{name} {value:,.1f}" if name != "votes" else f"{value:,} votes" for name, value in one.items())
        )
