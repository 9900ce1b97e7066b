"""Hold the scores and costs of every model on every question, and make tables of users who ask them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmt.data.comparisons import text_id
from gmt.data.dataset import ModelInfo
from gmt.data.interactions import TEST, TRAIN, InteractionTable
from gmt.errors import DataError

EVERYBODY = "everybody"
ANSWER_TOKENS, CHARACTERS_PER_TOKEN = 512, 4


@dataclass(frozen=True, eq=False)
class ScoreMatrix:
    """Hold Q questions and M models.

    Args:
        queries, tasks: (Q) texts, and names of tasks or None.
        models: (M) name -> description and prices.
        score: (Q, M) in [0, 1], NaN where a model has no score.
        cost: (Q, M) from 0, the cheapest answer within a task, to 1, the dearest; NaN where unknown.
        split: (Q,) TRAIN or TEST as the source cuts its questions; None where it does not.
        notes: What was left out, in words.
    """

    queries: tuple[str, ...]
    tasks: tuple[str | None, ...]
    models: dict[str, ModelInfo]
    score: np.ndarray
    cost: np.ndarray
    split: np.ndarray | None
    notes: tuple[str, ...] = ()

    def select(self, keep: np.ndarray) -> ScoreMatrix:
        """Return the questions in a (Q,) mask."""
        places = np.flatnonzero(keep)
        return replace(
            self,
            queries=tuple(self.queries[q] for q in places),
            tasks=tuple(self.tasks[q] for q in places),
            score=self.score[places],
            cost=self.cost[places],
            split=None if self.split is None else self.split[places],
        )

    def table(self) -> InteractionTable:
        """Return one comparison a question, of no user in particular, rated with the scores."""
        asked = np.arange(len(self.queries))
        return self.asked(np.zeros(len(asked), np.int64), asked, (EVERYBODY,), self.score)

    def asked(
        self, user: np.ndarray, question: np.ndarray, users: Sequence[str], rating: np.ndarray,
        shown: np.ndarray | None = None,
    ) -> InteractionTable:  # fmt: skip
        """Return a table in which users asked these questions.

        Args:
            user, question: (C,) numbers of user and question.
            users: Names of the users.
            rating: (C, M) in [0, 1], NaN where unrated.
            shown: (C, K) models in the order shown, -1 under padding; all with a rating where left out.
        """
        if shown is None:
            # In the order of `models`, with a hole where one has no score.
            shown = np.where(np.isnan(rating), -1, np.arange(len(self.models)))
        there = shown >= 0
        row, model = np.repeat(np.arange(len(user)), there.sum(axis=1)), shown[there]
        # Only questions that somebody asked enter the table, each text once.
        used, code = np.unique(question, return_inverse=True)
        queries = [self.queries[q] for q in used]
        distinct = list(dict.fromkeys(queries))
        at = {query: place for place, query in enumerate(distinct)}
        place = np.array([at[query] for query in queries], dtype=np.int64)
        tasks = list(dict.fromkeys(task for task in self.tasks if task is not None))
        task = np.array([-1 if task is None else tasks.index(task) for task in self.tasks], dtype=np.int64)
        names, conversation = _conversations(user, question, users)
        return InteractionTable(
            users=tuple(users),
            models=tuple(self.models),
            texts=tuple(distinct),
            conversations=names,
            questions=tuple(text_id(query) for query in distinct),
            tasks=tuple(tasks),
            comparison=np.arange(len(user)),
            user=user,
            conversation=conversation,
            turn=np.zeros(len(user), np.int64),
            question=place[code],
            task=task[question],
            query=place[code],
            timestamp=np.full(len(user), np.nan),
            split=np.zeros(len(user), np.int8) if self.split is None else self.split[question].astype(np.int8),
            start=np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64),
            model=model,
            response=np.full(len(model), -1),
            feedback=np.full(len(model), -1),
            rating=rating[row, model],
            cost=self.cost[question[row], model],
        )

    @classmethod
    def of_table(cls, table: InteractionTable, models: dict[str, ModelInfo], stated: bool) -> ScoreMatrix:
        """Read the matrix back from a table of one user, as `table` or `gmt prep scores` makes it.

        Args:
            table: One comparison a question.
            models: Cards of the models.
            stated: Whether the split of the table is the source's own.

        Raises:
            DataError: The table holds several users, whose ratings are no scores.
        """
        # Several users' ratings of one question and model would overwrite each other in one cell.
        if len(table.users) != 1:
            raise DataError(
                f"the data hold {len(table.users)} people; expected scores of models, made by gmt prep scores"
            )
        # NaN where the table has no row: which models have a score may differ by question.
        score = np.full((len(table), len(table.models)), np.nan)
        cost = score.copy()
        score[table.row_comparison, table.model] = table.rating
        cost[table.row_comparison, table.model] = table.cost
        return cls(
            tuple(table.texts[q] for q in table.query),
            tuple(table.tasks[t] if t >= 0 else None for t in table.task),
            {name: models[name] for name in table.models},
            score,
            cost,
            np.where(table.split == TEST, TEST, TRAIN) if stated else None,
        )


def _conversations(user: np.ndarray, question: np.ndarray, users: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Name each round's conversation by user and question; a repeat gets a number."""
    codes: dict[str, int] = {}
    for u, q in zip(user.tolist(), question.tolist(), strict=True):
        name, again = f"{users[u]}/{q}", 1
        # One user may ask one question again; each is a conversation of its own.
        while name in codes:
            again += 1
            name = f"{users[u]}/{q}#{again}"
        codes[name] = len(codes)
    return tuple(codes), np.arange(len(user))


def answer_costs(queries: Sequence[str], tasks: Sequence[str | None], models: dict[str, ModelInfo]) -> np.ndarray:
    """Return (Q, M) costs: characters / 4 · input price + 512 · output price, min-max scaled within each task.

    NaN for all where some model's price is not known.
    """
    # RouterData's costs: the query's length is known, the answer's is taken as 512 tokens for all.
    prices = np.array(
        [[np.nan if price is None else price for price in (info.input_price, info.output_price)]
         for info in models.values()], dtype=float,
    ).reshape(-1, 2)  # fmt: skip
    read = np.array([len(query) / CHARACTERS_PER_TOKEN for query in queries])
    cost = read[:, None] * prices[:, 0] + ANSWER_TOKENS * prices[:, 1]
    # One unknown price would leave its task without a lowest and highest cost, so then no cost is known.
    if np.isnan(cost).any():
        return np.full_like(cost, np.nan)
    # "=" before each name, so that a task called "" differs from none.
    known = np.array(["" if task is None else f"={task}" for task in tasks])
    for task in np.unique(known):
        inside = known == task
        low, high = cost[inside].min(), cost[inside].max()
        # Equal costs within a task tell nothing apart: all are the cheapest.
        cost[inside] = (cost[inside] - low) / (high - low) if high > low else 0.0
    return cost
