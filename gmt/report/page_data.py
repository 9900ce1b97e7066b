"""Say of a run's data what a page shows: where from, how large, which feedback, when, and in which scripts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from gmt.data.feedback_counts import FeedbackCounts
from gmt.data.interactions import InteractionTable
from gmt.data.text_keys import stated_key
from gmt.report.run_facts import RunFacts
from gmt.report.user_cards import day_of

SAMPLE = 2_000
"""Queries in which scripts are counted."""


def data_rows(facts: RunFacts, history: InteractionTable) -> list[tuple[str, str]]:
    """Say what the data are: where from, how large, who, which feedback, when, in which scripts.

    Args:
        facts: The run.
        history: What it was trained on, which is read where the data folder is gone.
    """
    card, rows = facts.data_card, []
    if card is not None:
        counts = card["counts"]
        rows += [("Source", " · ".join(str(card[key]) for key in ("source", "input") if card.get(key)))]
        rows += [("Size", _size(counts))]
        forms = FeedbackCounts(*(counts.get(key, 0) for key in ("pairs", "lone_ratings", "remarks", "signals")))
        ties = f", {counts['ties']:,} of equal rating" if counts.get("ties") else ""
        rows += [("Feedback", f"{forms}{ties}"), ("Ratings", str(card.get("rating_scale", "")))]
        parts = [f"{name} {part['comparisons']:,}" for name, part in card["splits"].items()]
        rows += [("Split", f"{card['protocol']}, by whole conversations: {', '.join(parts)} comparisons")]
        rows += [("Notes", note) for note in card.get("notes", [])]
    else:
        gone = "is gone" if facts.data_state == "gone" else "has changed since"
        users = len(np.unique(history.user))
        rows += [("Source", f"the data folder {gone}; below is what the run itself keeps, its training part")]
        rows += [("Size", f"{len(history):,} comparisons of {users:,} users, {len(history.models):,} models")]
        rows += [("Feedback", str(FeedbackCounts.of(history)))]
    rows += [("Rounds of a user", _per_user(history)), ("Time", _days(history)), ("Writing", _scripts(history))]
    return [(name, value) for name, value in rows if value]


def _size(counts: Mapping[str, Any]) -> str:
    names = ("comparisons", "users", "models", "conversations", "questions")
    return ", ".join(f"{counts[name]:,} {name}" for name in names if name in counts)


def _per_user(history: InteractionTable) -> str:
    """Say how many rated rounds users have in the training part."""
    counts = np.bincount(history.user[history.rated], minlength=len(history.users))
    counts = counts[counts > 0]
    if not len(counts):
        return ""
    low, middle, high = np.quantile(counts, [0.1, 0.5, 0.9])
    return f"median {middle:.0f} rated rounds each in the training part, {low:.0f} to {high:.0f} for the middle 80 %"


def _days(history: InteractionTable) -> str:
    times = history.timestamp[np.isfinite(history.timestamp)]
    if not len(times):
        return "the data state no time"
    first, last = day_of(float(times.min())), day_of(float(times.max()))
    return f"{first} to {last}" if first and last else "the times that the data state are on no calendar"


def _scripts(history: InteractionTable) -> str:
    """Say in which scripts the queries are written, which is what is known of their languages."""
    codes = np.unique(history.query)
    codes = codes[np.linspace(0, len(codes) - 1, min(SAMPLE, len(codes))).astype(int)] if len(codes) else codes
    texts = [history.texts[code] for code in codes.tolist()]
    # Of each query the script of most of its letters: a name in Latin letters makes no English of Russian.
    found = Counter(script for text in texts if stated_key(text) is None and (script := _script(text)))
    total = sum(found.values())
    if not total:
        return ""
    shares = ", ".join(f"{name.title()} {count / total:.1%}" for name, count in found.most_common(5))
    return f"letters of the queries: {shares}; the data state no language"


def _script(text: str) -> str | None:
    letters = (unicodedata.name(sign, "").split(" ")[0] for sign in text[:200] if sign.isalpha())
    found = Counter(name.removesuffix("-HALFWIDTH") for name in letters if name)
    return found.most_common(1)[0][0] if found else None
