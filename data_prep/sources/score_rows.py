"""Collect scores of single answers as numbers, and put them into a table."""

from __future__ import annotations

from array import array

import numpy as np

from gmt.data.comparisons import text_id
from gmt.data.interactions import InteractionTable


class ScoreRows:
    """Collect N rows; a name or text that repeats is held once."""

    def __init__(self) -> None:
        self._codes: dict[str, dict[str, int]] = {name: {} for name in ("user", "task", "text", "model")}
        # Machine numbers and not lists of Python's: the files have millions of rows.
        self._user, self._task, self._query = array("q"), array("q"), array("q")
        self._model, self._response = array("q"), array("q")
        self._rating, self._cost = array("d"), array("d")

    def __len__(self) -> int:
        return len(self._model)

    def is_model(self, model: str, best: str) -> float:
        """Return 1 where the best model, given by its name or its number, is the one of the next row, else 0."""
        # A model not met yet gets the next number, which is that of the row about to be added.
        place = self._codes["model"].get(model, len(self._codes["model"]))
        return float(best in (model, str(place)))

    def add(
        self, asker: tuple[str, str | None], texts: tuple[str, str | None], model: str, rating: float | None,
        cost: float | None,
    ) -> None:  # fmt: skip
        """Take a row.

        Args:
            asker: User and task.
            texts: Query and response.
            model: Who answered.
            rating: In [0, 1].
            cost: What the answer cost.
        """
        self._user.append(self._code("user", asker[0]))
        self._task.append(self._code("task", asker[1]))
        self._query.append(self._code("text", texts[0]))
        self._model.append(self._code("model", model))
        self._response.append(self._code("text", texts[1]))
        self._rating.append(np.nan if rating is None else rating)
        self._cost.append(np.nan if cost is None else cost)

    def _code(self, kind: str, value: str | None) -> int:
        """Return the number of a name or text, -1 for none."""
        known = self._codes[kind]
        return -1 if value is None else known.setdefault(value, len(known))

    def table(self) -> InteractionTable:
        """Return one comparison per user, task and query; a model met again starts the next."""
        user, task, query, model, response = (
            np.array(column, dtype=np.int64)
            for column in (self._user, self._task, self._query, self._model, self._response)
        )
        _, key = np.unique(np.stack([user, task, query], axis=1), axis=0, return_inverse=True)
        key = key.reshape(-1)
        # (key, model) as one integer; the second time a model answers one query of one user is the next comparison.
        again = _occurrence(key * (model.max(initial=0) + 1) + model)
        _, first, of = np.unique(np.stack([key, again], axis=1), axis=0, return_index=True, return_inverse=True)
        place = np.empty(len(first), dtype=np.int64)
        place[np.argsort(first, kind="stable")] = np.arange(len(first))  # in order of first appearance
        of, first = place[of.reshape(-1)], np.sort(first)
        order = np.argsort(of, kind="stable")
        names = {name: tuple(codes) for name, codes in self._codes.items()}
        # A question is a text, whoever asked it and under whichever task.
        distinct, question = np.unique(query[first], return_inverse=True)
        repeat = again[first]
        return InteractionTable(
            users=names["user"],
            models=names["model"],
            texts=names["text"],
            conversations=tuple(
                f"{names['user'][u]}/{'' if t < 0 else names['task'][t] + '/'}{q}" + (f"#{n + 1}" if n else "")
                for u, t, q, n in zip(user[first], task[first], query[first], repeat, strict=True)
            ),
            questions=tuple(text_id(names["text"][q]) for q in distinct),
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
            rating=np.array(self._rating)[order],
            cost=np.array(self._cost)[order],
        )


def _occurrence(keys: np.ndarray) -> np.ndarray:
    """Return how often each key stood before in the array."""
    order = np.argsort(keys, kind="stable")
    # In sorted order equal keys are neighbours: the distance to the first of them is the count. Cut for empty input.
    fresh = np.concatenate([[True], np.diff(keys[order]) != 0])[: len(keys)]
    start = np.maximum.accumulate(np.where(fresh, np.arange(len(keys)), 0))
    found = np.empty(len(keys), dtype=np.int64)
    found[order] = np.arange(len(keys)) - start
    return found
