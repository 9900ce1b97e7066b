"""Measure what users may weigh in an answer: quality, cost, length and rare words."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from data_prep.simulate.response_table import ResponseTable

TRAITS = ("quality", "cost", "length", "rare words")
# The usual rule for English; only ratios of costs count, for the logarithm is centred in each round.
CHARACTERS_PER_TOKEN = 4
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def round_keys(table: ResponseTable) -> list[tuple[str, int]]:
    """Return (question, turn) of every round, in order."""
    return [(question, turn) for question, rounds in table.rounds.items() for turn in range(len(rounds))]


def raw_traits(table: ResponseTable) -> np.ndarray:
    """Measure every answer.

    Quality as the table states it; cost as the logarithm of its price in $, at four characters a
    token; length as the logarithm of one more than its words; rare words as the mean over its words
    of log(N / number of the N answers that use the word).

    Returns:
        (R, M, 4) traits in the order of `TRAITS`, NaN where there is no answer or nothing is known.
    """
    keys, names = round_keys(table), list(table.models)
    words = {
        (r, m): [word.lower() for word in WORD.findall(table.rounds[question][turn].answers[name].text)]
        for r, (question, turn) in enumerate(keys)
        for m, name in enumerate(names)
        if name in table.rounds[question][turn].answers
    }
    # In how many answers, not how often: one answer that repeats a word does not make it common.
    used = Counter(word for found in words.values() for word in set(found))
    rarity = {word: np.log(len(words) / count) for word, count in used.items()}
    out = np.full((len(keys), len(names), len(TRAITS)), np.nan)
    for (r, m), found in words.items():
        question, turn = keys[r]
        item, card = table.rounds[question][turn], table.models[names[m]]
        answer = item.answers[names[m]]
        dollars = (
            len(item.query) * (card.input_price or 0) + len(answer.text) * (card.output_price or 0)
        ) / CHARACTERS_PER_TOKEN / 1e6  # fmt: skip
        out[r, m] = (
            np.nan if answer.quality is None else answer.quality,
            # The floor, for a local model may cost nothing; far below the price of any other answer.
            np.log(dollars + 1e-9),
            np.log1p(len(found)),
            float(np.mean([rarity[word] for word in found])) if found else 0.0,
        )
    return out


def standardised(raw: np.ndarray) -> np.ndarray:
    """Return (R, M, 4) z-scores: the difference to the round's mean over models, in standard deviations of the table.

    A trait that is not known of an answer, or equal everywhere, counts as 0; where there is no answer all are NaN.
    """
    known = ~np.isnan(raw)
    # By hand and not by `nanmean`, which warns of every round in which nothing is known.
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, raw, 0.0).sum(axis=1, keepdims=True) / count
    gap = np.where(known, raw - mean, 0.0)
    deviation = np.sqrt((gap**2).sum(axis=(0, 1)) / np.maximum(known.sum(axis=(0, 1)), 1))
    # A trait that never differs has a deviation of rounding errors; dividing by it would make them weigh.
    z = gap / np.where(deviation > 1e-9, deviation, np.inf)
    return np.where(np.isnan(raw).all(axis=2, keepdims=True), np.nan, z)
