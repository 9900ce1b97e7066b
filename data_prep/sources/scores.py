"""Read models' scores with their prices: a question x model matrix, or one row per user, question and model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.read.cells import answer, label, needed, number, scale_text, text
from data_prep.read.parallel import parse_input
from data_prep.read.row import Rejected, Row, in_file_order
from data_prep.sources.router_data import is_matrix, read_matrix
from data_prep.sources.score_matrix import EVERYBODY
from data_prep.sources.score_rows import ScoreRows
from data_prep.sources.source import RawData, SourceOptions
from gmt.errors import DataError

REWARD_SCALE = (-1.0, 1.0)
NEEDED = ("query", "llm")


@dataclass(frozen=True)
class ScoreRow:
    """Hold what one row says of a model's answer to a query.

    Args:
        line: Where it stands, from where its piece of the file begins.
        user, task, query, model, response, cost: As in the table.
        preference: What the user weighs, as `performance_preference`.
        rating: In [0, 1], where the row says it by itself.
        is_reward: Whether the rating is a scaled reward.
        best: The best model, by name or by its number in order of appearance, where that is what the row says.
    """

    line: int
    user: str
    task: str | None
    query: str
    model: str
    response: str | None
    cost: float | None
    preference: float | None
    rating: float | None
    is_reward: bool
    best: str | None


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read a folder of `dcrouter_*.json`, or CSV of `query, llm, effect` and what else is known.

    A CSV may add `user_id, performance_preference, task_id, cost, reward, best_llm, best_answer,
    response`; other columns, such as embeddings written as text, are passed over. It is read row by
    row, and only what is kept stays in memory. The rating is, by what the file has,

    - `reward`, or preference · effect − (1 − preference) · cost: from -1 to 1, scaled to
      (reward + 1) / 2, and the card says "-1..1";
    - `best_answer` (0 or 1), or whether the row's model is `best_llm`;
    - `effect`, from 0 to 1.

    What users weigh (`performance_preference`) goes to `truth.json` and is no part of the table.

    Args:
        input: A folder or a file.
        options: None of them is used.
    """
    rejected: list[Rejected] = []
    if is_matrix(input):
        matrix = read_matrix(Path(str(input)), rejected)
        return RawData(
            table=matrix.table(), models=matrix.models, rejected=rejected, splits=matrix.split,
            notes=list(matrix.notes),
        )  # fmt: skip
    rows, preference = ScoreRows(), dict[str, float]()
    rewards: bool | None = None
    for found in parse_input(input, _score_row):
        rejected += found.rejected
        for row in found.rows:
            # A rating that is a reward here and an effect there would be two scales in one table.
            if rewards not in (None, row.is_reward):
                reason = "some rows state a reward and others do not; expected the same columns in all rows"
                rejected.append(Rejected(found.file, row.line + found.before, reason))
                continue
            rewards = row.is_reward
            if row.preference is not None:
                preference.setdefault(row.user, row.preference)
            rating = row.rating if row.best is None else rows.is_model(row.model, row.best)
            rows.add((row.user, row.task), (row.query, row.response), row.model, rating, row.cost)
    data = RawData(table=rows.table(), rejected=in_file_order(rejected), rows=len(rows))
    # The card says what 0 and 1 stood for, so that rewards can be told from effects later.
    data.rating_scale = scale_text(REWARD_SCALE if rewards else None)
    # Beside the table, so that no router can see what it is to learn.
    if preference:
        truth = {"kind": "cost", "formula": "reward = alpha * effect - (1 - alpha) * cost", "alpha": preference}
        data.extras["truth.json"] = json.dumps(truth, indent=1, ensure_ascii=False) + "\n"
    return data


def _score_row(file: str, line: int, row: Row) -> Sequence[ScoreRow]:
    absent = [name for name in NEEDED if name not in row]
    if absent:
        raise DataError(f"there is no column {absent[0]}; expected query, llm and effect, reward or best_llm")
    query, model = needed(text(row["query"], "query"), "query"), needed(label(row["llm"], "llm"), "llm")
    # Files without users hold scores that are the same for everybody.
    user, task = label(row.get("user_id"), "user_id") or EVERYBODY, label(row.get("task_id"), "task_id")
    cost, response = number(row.get("cost"), "cost"), answer(row.get("response"), "response")
    preference = number(row.get("performance_preference"), "performance_preference")
    effect = _within(row, "effect", 0.0, 1.0)
    reward = _reward(row, preference, effect, cost)
    # In the order of how directly a row says what the user got: reward, then best answer, then effect.
    rating, best = reward, None
    if reward is None:
        rating = _within(row, "best_answer", 0.0, 1.0)
        best = None if rating is not None else label(row.get("best_llm"), "best_llm")
        rating = effect if rating is None else rating
    if rating is None and best is None:
        raise DataError("effect is empty; expected a number from 0 to 1")
    return [ScoreRow(line, user, task, query, model, response, cost, preference, rating, reward is not None, best)]


def _reward(row: Row, preference: float | None, effect: float | None, cost: float | None) -> float | None:
    """Return the reward in [0, 1] that a row states, or that what it states makes."""
    reward = _within(row, "reward", *REWARD_SCALE)
    if reward is None:
        # PersonalizedRouter's reward, where the file has its parts and not the number itself.
        if preference is None or effect is None or cost is None:
            return None
        reward = _checked(preference * effect - (1 - preference) * cost, "reward", *REWARD_SCALE)
    low, high = REWARD_SCALE
    return (reward - low) / (high - low)


def _within(row: Row, name: str, low: float, high: float) -> float | None:
    found = number(row.get(name), name)
    return None if found is None else _checked(found, name, low, high)


def _checked(value: float, name: str, low: float, high: float) -> float:
    if not low <= value <= high:
        raise DataError(f"{name} is {value:g}; expected a number from {low:g} to {high:g}")
    return value
