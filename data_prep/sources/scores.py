"""Read models' scores with their prices: a question x model matrix, or one row per person, question and model."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

import numpy as np

from data_prep.read.cells import answer, label, needed, number, scale_text, text
from data_prep.read.row_files import Row, data_files, read_rows
from data_prep.sources.registry import RawData, Rejected, SourceOptions
from data_prep.sources.router_data import is_matrix, read_matrix
from data_prep.sources.score_matrix import EVERYBODY
from gmt.data.interactions import InteractionTable, text_id
from gmt.errors import DataError

REWARD_SCALE = (-1.0, 1.0)
NEEDED = ("query", "llm")


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read a folder of `dcrouter_*.json`, or CSV of `query, llm, effect` and what else is known.

    A CSV may add `user_id, performance_preference, task_id, cost, reward, best_llm, best_answer,
    response`; other columns, such as embeddings written as text, are passed over. It is read row by
    row, and only what is kept stays in memory. The rating is, by what the file has,

    - `reward`, or preference · effect − (1 − preference) · cost: from -1 to 1, scaled to
      (reward + 1) / 2, and the card says "-1..1";
    - `best_answer` (0 or 1), or whether the row's model is `best_llm`;
    - `effect`, from 0 to 1.

    What people weigh (`performance_preference`) goes to `truth.json` and is no part of the table.

    Args:
        input: A folder or a file.
        options: None of them is used.
    """
    if is_matrix(input):
        rejected: list[Rejected] = []
        matrix = read_matrix(Path(str(input)), rejected)
        return RawData(
            [], matrix.models, rejected, table=matrix.table(), splits=matrix.split, notes=list(matrix.notes),
            rating_scale="0..1",
        )  # fmt: skip
    columns, rejected = _Columns(), []
    for path in data_files(input):
        for line, row in read_rows(path, rejected):
            try:
                columns.add(row)
            except DataError as error:
                rejected.append(Rejected(path.name, line, str(error)))
    scale = scale_text(REWARD_SCALE if columns.rewards else None)
    data = RawData(rejected=rejected, rows=len(columns.model), table=columns.table(), rating_scale=scale)
    if columns.preference:
        truth = {"kind": "cost", "formula": "reward = alpha * effect - (1 - alpha) * cost", "alpha": columns.preference}
        data.extras["truth.json"] = json.dumps(truth, indent=1, ensure_ascii=False) + "\n"
    return data


class _Columns:
    """Collect rows as numbers; a text that repeats is held once."""

    def __init__(self) -> None:
        self.codes: dict[str, dict[str, int]] = {name: {} for name in ("user", "task", "text", "model")}
        self.user, self.task, self.query = array("q"), array("q"), array("q")
        self.model, self.response = array("q"), array("q")
        self.rating, self.cost = array("d"), array("d")
        self.preference: dict[str, float] = {}
        self.rewards: bool | None = None

    def code(self, kind: str, value: str | None) -> int:
        """Return the number of a name or text, -1 for none."""
        known = self.codes[kind]
        return -1 if value is None else known.setdefault(value, len(known))

    def add(self, row: Row) -> None:
        """Take a row in whole or not at all.

        Raises:
            DataError: A cell cannot be read.
        """
        absent = [name for name in NEEDED if name not in row]
        if absent:
            raise DataError(f"there is no column {absent[0]}; expected query, llm and effect, reward or best_llm")
        query, model = needed(text(row["query"], "query"), "query"), needed(label(row["llm"], "llm"), "llm")
        user, task = label(row.get("user_id"), "user_id") or EVERYBODY, label(row.get("task_id"), "task_id")
        cost, said = number(row.get("cost"), "cost"), answer(row.get("response"), "response")
        preference = number(row.get("performance_preference"), "performance_preference")
        rating, is_reward = self._rating(row, model, preference, cost)
        if self.rewards not in (None, is_reward):
            raise DataError("some rows state a reward and others do not; expected the same columns in all rows")
        self.rewards = is_reward
        if preference is not None:
            self.preference.setdefault(user, preference)
        self.user.append(self.code("user", user))
        self.task.append(self.code("task", task))
        self.query.append(self.code("text", query))
        self.model.append(self.code("model", model))
        self.response.append(self.code("text", said))
        self.rating.append(rating)
        self.cost.append(np.nan if cost is None else cost)

    def _rating(self, row: Row, model: str, preference: float | None, cost: float | None) -> tuple[float, bool]:
        """Return the rating in [0, 1], and whether it is a scaled reward."""
        effect = _within(row, "effect", 0.0, 1.0)
        reward = _within(row, "reward", *REWARD_SCALE)
        if reward is None and None not in (preference, effect, cost):
            reward = _checked(preference * effect - (1 - preference) * cost, "reward", *REWARD_SCALE)  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        if reward is not None:
            low, high = REWARD_SCALE
            return (reward - low) / (high - low), True
        chosen = _within(row, "best_answer", 0.0, 1.0)
        best = label(row.get("best_llm"), "best_llm")
        if chosen is None and best is not None:
            place = self.codes["model"].get(model, len(self.codes["model"]))
            chosen = float(best in (model, str(place)))
        found = effect if chosen is None else chosen
        if found is None:
            raise DataError("effect is empty; expected a number from 0 to 1")
        return found, False

    def table(self) -> InteractionTable:
        """Return one comparison per person, task and query; a model met again starts the next."""
        user, task, query, model, response = (
            np.array(column, dtype=np.int64) for column in (self.user, self.task, self.query, self.model, self.response)
        )
        _, key = np.unique(np.stack([user, task, query], axis=1), axis=0, return_inverse=True)
        key = key.reshape(-1)
        again = _occurrence(key * (model.max(initial=0) + 1) + model)
        _, first, of = np.unique(np.stack([key, again], axis=1), axis=0, return_index=True, return_inverse=True)
        place = np.empty(len(first), dtype=np.int64)
        place[np.argsort(first, kind="stable")] = np.arange(len(first))  # in order of first appearance
        of, first = place[of.reshape(-1)], np.sort(first)
        order = np.argsort(of, kind="stable")
        names = {name: tuple(codes) for name, codes in self.codes.items()}
        asked, question = np.unique(query[first], return_inverse=True)
        repeat = again[first]
        return InteractionTable(
            users=names["user"],
            models=names["model"],
            texts=names["text"],
            conversations=tuple(
                f"{names['user'][u]}/{'' if t < 0 else names['task'][t] + '/'}{q}" + (f"#{n + 1}" if n else "")
                for u, t, q, n in zip(user[first], task[first], query[first], repeat, strict=True)
            ),
            questions=tuple(text_id(names["text"][q]) for q in asked),
            tasks=names["task"],
            comparison=np.arange(len(first)),
            user=user[first],
            conversation=np.arange(len(first)),
            turn=np.zeros(len(first), np.int64),
            question=question.reshape(-1),
            task=task[first],
            query=query[first],
            timestamp=np.full(len(first), np.nan),
            split=np.zeros(len(first), np.int8),
            start=np.concatenate([[0], np.cumsum(np.bincount(of, minlength=len(first)))]).astype(np.int64),
            model=model[order],
            response=response[order],
            feedback=np.full(len(order), -1),
            rating=np.array(self.rating)[order],
            cost=np.array(self.cost)[order],
        )


def _occurrence(keys: np.ndarray) -> np.ndarray:
    """Return how often each key stood before in the array."""
    order = np.argsort(keys, kind="stable")
    fresh = np.concatenate([[True], np.diff(keys[order]) != 0])[: len(keys)]
    start = np.maximum.accumulate(np.where(fresh, np.arange(len(keys)), 0))
    found = np.empty(len(keys), dtype=np.int64)
    found[order] = np.arange(len(keys)) - start
    return found


def _within(row: Row, name: str, low: float, high: float) -> float | None:
    found = number(row.get(name), name)
    return None if found is None else _checked(found, name, low, high)


def _checked(value: float, name: str, low: float, high: float) -> float:
    if not low <= value <= high:
        raise DataError(f"{name} is {value:g}; expected a number from {low:g} to {high:g}")
    return value
