"""Hold the tastes of planted users, and return the true utility of any model's answer to any question for any user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.truth_files import NUMBER, read_arrays, read_facts, truth_paths, write_arrays
from gmt.data.dataset import ModelInfo, cards_of
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from gmt.files import write_json

ARRAYS = {
    "strength": "M", "topic_strength": "MT", "traits": "Mr", "modulation": "Tr", "cheapness": "M",
    "question_topic": "Q", "taste": "Ur", "taste_after": ("U?", "r"), "topic_taste": ("U?", "T", "r"),
    "cost_weight": "U",
}  # fmt: skip
"""The arrays of a truth and the letters of their shapes."""
FACTS = {
    "models": dict, "questions": list, "topics": list, "scale": NUMBER, "shares": list, "topic_share": NUMBER,
    "settings": dict,
}  # fmt: skip
"""What the JSON of a truth holds."""
FOLLOWS = "+"
"""Stands in the id of a follow-up behind that of the question it is about."""


@dataclass(frozen=True, eq=False)
class World:
    """Hold the truth about U users, M models, T topics and Q questions with rank-r tastes.

    utility(u, q, m) = scale · (√a · strength_m + √b · topic_strength_mt + √c · personal), t the topic of q,
    a + b + c = 1, with
    personal = √(1 - w_u) · taste_ut · (traits_m ∘ modulation_t) + √w_u · cheapness_m,
    taste_ut = √(1 - s²) · taste_u + s · topic_taste_ut. From `drift_time` on, taste_after_u
    stands for taste_u. Of two answers, a is preferred to b with chance sigmoid(utility_a - utility_b).
    Every term has mean 0 over the models and, at w = 0, variance 1 over users and models.

    Args:
        models: (M) name -> description and prices.
        questions: (Q) texts; the question's id is its topic and its number, as in `question_ids`.
        topics: (T) names.
        scale: Logits per unit of taste.
        shares: a, b and c.
        topic_share: s².
        strength, cheapness: (M,). topic_strength: (M, T). traits: (M, r). modulation: (T, r).
        question_topic: (Q,) topic numbers.
        taste, taste_after: (U, r); (0, r) in `taste_after` where no user changes.
        topic_taste: (U, T, r), or (0, T, r) where taste does not depend on topic.
        cost_weight: (U,) w in [0, 1].
        drift_time: UTC seconds from which `taste_after` counts; None where taste stays.
        settings: How the world was drawn.
    """

    models: dict[str, ModelInfo]
    questions: tuple[str, ...]
    topics: tuple[str, ...]
    scale: float
    shares: tuple[float, float, float]
    topic_share: float
    strength: np.ndarray
    topic_strength: np.ndarray
    traits: np.ndarray
    modulation: np.ndarray
    cheapness: np.ndarray
    question_topic: np.ndarray
    taste: np.ndarray
    taste_after: np.ndarray
    topic_taste: np.ndarray
    cost_weight: np.ndarray
    drift_time: float | None
    settings: dict[str, Any]

    @cached_property
    def question_ids(self) -> tuple[str, ...]:
        """(Q) the ids that stand in the column `question`."""
        return tuple(f"{self.topics[t]}-{n:04d}" for n, t in enumerate(self.question_topic))

    def utilities(self, user: np.ndarray, question: np.ndarray, time: np.ndarray | None = None) -> np.ndarray:
        """Return (C, M) the utility of each model's answer to each user, in logits.

        Args:
            user, question: (C,) numbers of user and question.
            time: (C,) UTC seconds; before any change of taste when left out.
        """
        # Square roots, for a, b and c are shares of variance and what is added up are deviations.
        topic, shares = self.question_topic[question], np.sqrt(self.shares)
        shared = (shares[0] * self.strength[:, None] + shares[1] * self.topic_strength).T  # (T, M)
        # Optimised, einsum is one matrix product; it would go through all C · M · r terms one by one otherwise.
        style = np.einsum("cr,mr->cm", self.weights(user, topic, time), self.traits, optimize=True)
        cost = self.cost_weight[user][:, None]
        # The squares of both weights add up to 1, so that the variance of utility does not depend on the cost weight.
        personal = np.sqrt(1 - cost) * style + np.sqrt(cost) * self.cheapness
        return self.scale * (shared[topic] + shares[2] * personal)

    def weights(self, user: np.ndarray, topic: np.ndarray, time: np.ndarray | None = None) -> np.ndarray:
        """Return (C, r) how much each trait counts for a user on a topic at a time."""
        # Tastes are stored in single precision, for a million users are held at once; what is added up is not.
        taste = self.taste[user].astype(float)
        if time is not None and self.drift_time is not None:
            changed = time >= self.drift_time
            taste = np.where(changed[:, None], self.taste_after[user], taste)
        if len(self.topic_taste):
            taste = np.sqrt(1 - self.topic_share) * taste + np.sqrt(self.topic_share) * self.topic_taste[user, topic]
        return taste * self.modulation[topic]

    def table_utilities(self, table: InteractionTable) -> np.ndarray:
        """Return (C, M) true utilities of every comparison, columns as in `table.models`.

        Users, questions and models are matched by name, so any table made from these users will do.

        Raises:
            DataError: The table holds a user, question or model that this world does not.
        """
        users = _codes(table.users, user_number, "user", len(self.taste))
        known = {name: number for number, name in enumerate(self.question_ids)}
        # A follow-up is felt as the question that it is about.
        asked = [name.partition(FOLLOWS)[0] for name in table.questions]
        questions = _codes(asked, lambda name: known.get(name, -1), "question", len(known))
        names = {name: number for number, name in enumerate(self.models)}
        columns = _codes(table.models, lambda name: names.get(name, -1), "model", len(names))
        # A round without a time counts as one before the drift, as it does where `utilities` gets no time.
        time = np.where(np.isnan(table.timestamp), -np.inf, table.timestamp)
        return self.utilities(users[table.user], questions[table.question], time)[:, columns]

    def table_scores(self, table: InteractionTable) -> np.ndarray:
        """Return (C, K) true utilities of the candidates shown, -inf under padding."""
        found = np.take_along_axis(self.table_utilities(table), np.maximum(table.candidates, 0), axis=1)
        return np.where(table.candidates >= 0, found, -np.inf)

    def save(self, out: Path) -> tuple[Path, Path]:
        """Write `<stem>.truth.json` and `<stem>.truth.npz` beside the rows in `out`; return both paths."""
        text, arrays = truth_paths(out)
        # JSON comes last: it is what `load` reads first, so it names no arrays that are not there yet.
        write_arrays(arrays, {name: getattr(self, name) for name in ARRAYS})
        write_json(
            text,
            {
                "kind": "planted",
                "formula": "P(a preferred to b) = sigmoid(utility_a - utility_b); utility = scale * (sqrt(a) * strength"
                " + sqrt(b) * topic_strength[topic] + sqrt(c) * (sqrt(1 - w) * taste . (traits * modulation[topic])"
                " + sqrt(w) * cheapness)); w is cost_weight; arrays in the .npz, people by number",
                "settings": self.settings,
                "scale": self.scale,
                "shares": list(self.shares),
                "topic_share": self.topic_share,
                "drift_time": self.drift_time,
                "topics": list(self.topics),
                "models": {name: info.to_json() for name, info in self.models.items()},
                "questions": list(self.questions),
            },
        )
        return text, arrays

    @classmethod
    def load(cls, out: Path) -> World:
        """Read the truth that was written beside the rows in `out`.

        Raises:
            DataError: A file is missing or is no truth of planted users.
        """
        found = read_facts(out, "planted", FACTS)
        models = cards_of(found["models"], truth_paths(out)[0])
        sizes = {"M": len(models), "T": len(found["topics"]), "Q": len(found["questions"])}
        arrays = read_arrays(out, "planted", ARRAYS, sizes)
        topic, drift = arrays["question_topic"], found.get("drift_time")
        if (
            not {str} >= {type(text) for text in (*found["questions"], *found["topics"])}
            or not (len(found["shares"]) == 3 and all(isinstance(share, NUMBER) for share in found["shares"]))
            or not (drift is None or isinstance(drift, NUMBER))
            or (len(topic) and not (topic.dtype.kind in "iu" and topic.min() >= 0 and topic.max() < sizes["T"]))
        ):
            raise DataError(
                f"{truth_paths(out)[0]} holds other questions, topics, shares or times than were planted; make it with "
                f"gmt simulate planted --out {out}"
            )
        return cls(
            models, tuple(found["questions"]), tuple(found["topics"]), found["scale"], tuple(found["shares"]),
            found["topic_share"], drift_time=drift, settings=found["settings"], **arrays,
        )  # fmt: skip


def user_name(number: int) -> str:
    """Name a user."""
    return f"p{number:07d}"


def user_number(name: str) -> int:
    """Return the number of a user, -1 for a name that is none of ours."""
    digits = name[1:]
    # No error here, for `_codes` names the kind of thing and the repair.
    return int(digits) if name.startswith("p") and digits.isdigit() else -1


def _codes(names: Sequence[str], number: Callable[[str], int], what: str, size: int) -> np.ndarray:
    codes = np.array([number(name) for name in names], dtype=np.int64)
    # Both ends: a well-formed name may be that of a larger population.
    if len(codes) and (codes.min() < 0 or codes.max() >= size):
        unknown = names[int(np.flatnonzero((codes < 0) | (codes >= size))[0])]
        raise DataError(f"{what} {unknown} is not in the truth; name the truth of these very rows")
    return codes
