"""Make users who weigh quality, cost, length and rare words of real answers, each in a way of their own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.answer_traits import TRAITS, raw_traits, round_keys, standardised
from data_prep.simulate.feedback import FORMATS, rate
from data_prep.simulate.in_memory import split_and_embedded
from data_prep.simulate.response_table import ResponseTable
from data_prep.simulate.rows_out import simulation_files, write_simulated
from data_prep.simulate.truth_files import read_arrays, read_facts, truth_paths, write_arrays
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset
from gmt.data.encoders import TextEncoder
from gmt.data.interactions import InteractionTable
from gmt.errors import ConfigError, DataError

# Half a day between conversations: longer than any conversation lasts, so that no two of a user overlap.
START, BETWEEN_CONVERSATIONS, BETWEEN_ROUNDS = 1_767_600_000.0, 43_200.0, 120.0  # UTC seconds
RANKED = 4
FORMULA = (
    "P(a preferred to b) = sigmoid((utility_a - utility_b) / noise); utility = sum over traits of weight * z; "
    "z = (trait - mean of the round over models) / standard deviation of such differences over the table; "
    "quality as the source states it, cost = log $, length = log(1 + words), rare words = mean over words of "
    "log(N / answers using it)"
)


@dataclass(frozen=True)
class TraitSettings:
    """State who the users are and how they rate.

    A user's weights are four standard normal numbers, made positive for quality and negative for
    cost, 0 for what is not known of any answer, and scaled to length 1; utility = Σ weight · z with the z-scores of
    `trait_features.standardised`; answers are compared by utility plus Gumbel noise of scale `noise`, so
    that P(a preferred to b) = sigmoid((utility_a − utility_b) / noise).

    Args:
        users, votes: Users, and rounds each of them rates; a conversation goes on for as many
            rounds as its question has, with the same models.
        noise: Scale of the noise in utilities, which are about 1 apart; 0 for none.
        feedback: votes, ratings (five stars), rankings or thumbs.
        candidates: Answers shown in a round; two, or four for a ranking, where left out.
        ties: Share of votes that tie, the closest ones.
        seed: Chooses everything.

    Raises:
        ConfigError: A setting is unknown or out of range.
    """

    users: int = 100
    votes: int = 40
    noise: float = 0.3
    feedback: str = "votes"
    candidates: int | None = None
    ties: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("users", "votes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.noise < 0 or not 0 <= self.ties <= 1:
            raise ConfigError(f"noise is {self.noise:g} and ties {self.ties:g}; expected 0 or more, and a share")
        if self.feedback not in FORMATS[:-1]:
            raise ConfigError(f"feedback is {self.feedback!r}; expected one of {', '.join(FORMATS[:-1])}")
        # A vote has two answers in every format that is read; a ranking and the others may have more.
        if self.candidates is not None and (self.candidates < 2 or (self.feedback == "votes" and self.candidates > 2)):
            raise ConfigError(f"candidates is {self.candidates}; expected 2 or more, and 2 for votes")

    @property
    def shown(self) -> int:
        """Answers shown in a round."""
        return self.candidates or (RANKED if self.feedback == "rankings" else 2)


@dataclass(frozen=True, eq=False)
class TraitTruth:
    """Hold every user's true weights, and every answer's traits.

    Args:
        users: Names of the users.
        weights: (U, 4) in the order of `TRAITS`.
        rounds: (R) question and turn.
        models: Names.
        z: (R, M, 4) z-scores; 0 where nothing is known, NaN where a model gave no answer.
        settings: How the users were drawn.
    """

    users: tuple[str, ...]
    weights: np.ndarray
    rounds: tuple[tuple[str, int], ...]
    models: tuple[str, ...]
    z: np.ndarray
    settings: dict[str, Any]

    def utilities(self, user: np.ndarray, round_: np.ndarray) -> np.ndarray:
        """Return (C, M) utilities of (C,) users and rounds, NaN where a model gave no answer."""
        # NaN comes through by itself: z-scores of an answer that is not there are NaN in all traits.
        return np.einsum("ck,cmk->cm", self.weights[user], self.z[round_])

    def table_utilities(self, table: InteractionTable) -> np.ndarray:
        """Return (C, M) true utilities of every comparison, columns as in `table.models`, matched by name.

        NaN stands where a model gave no answer.

        Raises:
            DataError: The table holds a user, round or model that the truth does not.
        """
        users = {name: place for place, name in enumerate(self.users)}
        rounds = {key: place for place, key in enumerate(self.rounds)}
        columns = {name: place for place, name in enumerate(self.models)}
        try:
            user = np.array([users[name] for name in table.users], dtype=np.int64)[table.user]
            column = np.array([columns[name] for name in table.models], dtype=np.int64)
            # Matched by name and turn, for `gmt prep` numbers everything anew.
            keys = zip(table.question.tolist(), table.turn.tolist(), strict=True)
            place = np.array([rounds[table.questions[q], t] for q, t in keys], dtype=np.int64)
        except KeyError as error:
            raise DataError(f"{error} is not in the truth; name the truth of these very rows") from error
        return self.utilities(user, place)[:, column]

    def table_scores(self, table: InteractionTable) -> np.ndarray:
        """Return (C, K) true utilities of the candidates shown, -inf under padding."""
        found = np.take_along_axis(self.table_utilities(table), np.maximum(table.candidates, 0), axis=1)
        return np.where(table.candidates >= 0, found, -np.inf)

    def to_json(self) -> dict[str, Any]:
        """Return what `<stem>.truth.json` holds: everything but the z-scores."""
        users = {
            # Rounded for the reader; the arrays beside this file hold every digit.
            name: dict(zip(TRAITS, map(float, weights.round(6)), strict=True))
            for name, weights in zip(self.users, self.weights, strict=True)
        }
        return {
            "kind": "traits", "formula": FORMULA, "traits": list(TRAITS), "settings": self.settings, "users": users,
            "models": list(self.models), "rounds": [list(key) for key in self.rounds],
        }  # fmt: skip

    def save_z(self, out: Path) -> Path:
        """Write the z-scores to `<stem>.truth.npz`."""
        path = truth_paths(out)[1]
        write_arrays(path, {"z": self.z, "weights": self.weights})
        return path

    @classmethod
    def load(cls, out: Path) -> TraitTruth:
        """Read the truth that was written beside the rows in `out`.

        Raises:
            DataError: A file is missing, or it is another simulation's.
        """
        out = Path(out)
        found = read_facts(out, "traits", {"users": dict, "rounds": list, "models": list, "settings": dict})
        sizes = {"U": len(found["users"]), "N": len(found["rounds"]), "M": len(found["models"]), "4": len(TRAITS)}
        arrays = read_arrays(out, "traits", {"weights": "U4", "z": "NM4"}, sizes, gaps=("z",))
        if not all(isinstance(one, list) and list(map(type, one)) == [str, int] for one in found["rounds"]):
            raise DataError(
                f"{truth_paths(out)[0]}: a round is not [question, turn]; make it with gmt simulate traits --out {out}"
            )
        rounds = tuple((question, turn) for question, turn in found["rounds"])
        return cls(
            tuple(found["users"]), arrays["weights"], rounds, tuple(found["models"]), arrays["z"], found["settings"]
        )


def draw_weights(users: int, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw (U, 4) weights of length 1: those of quality are positive, of cost negative, of the others either.

    Args:
        users: U.
        known: (4,) true for traits that differ between answers; the others weigh nothing.
        rng: Source of randomness.
    """
    drawn = rng.normal(size=(users, len(TRAITS))) * known
    # Scaled to length 1 after the zeros, so that users are equally decided whatever is known of the answers.
    drawn[:, 0], drawn[:, 1] = np.abs(drawn[:, 0]), -np.abs(drawn[:, 1])
    return drawn / np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-9)


def trait_table(responses: ResponseTable, settings: TraitSettings) -> tuple[InteractionTable, TraitTruth]:
    """Draw users and their ratings of the answers.

    Returns:
        The table, all TRAIN, and the truth.

    Raises:
        DataError: No question was answered by two models.
    """
    # 1. Users. A trait that no answer differs in weighs nothing, or part of every user's weight would be lost.
    rng = np.random.default_rng(settings.seed)
    names = tuple(f"t{number:05d}" for number in range(settings.users))
    keys = round_keys(responses)
    z = standardised(raw_traits(responses))
    weights = draw_weights(settings.users, (np.nan_to_num(z) != 0).any(axis=(0, 1)), rng)
    truth = TraitTruth(names, weights, tuple(keys), tuple(responses.models), z, asdict(settings))
    # 2. What each of them is shown.
    user, talk, place, shown = _conversations(responses, settings, keys, rng)
    there = shown >= 0
    utility = np.take_along_axis(truth.utilities(user, place), np.maximum(shown, 0), axis=1)
    # 3. How they rate: utilities are divided by the noise and not multiplied with it, for the rules in `feedback`
    #    expect Gumbel noise of scale 1; the floor keeps a noise of 0 finite.
    noise = max(settings.noise, 1e-6)
    felt = utility / noise + rng.gumbel(size=shown.shape)
    width = _tie_width(felt, settings.ties)
    kind = np.full(len(user), FORMATS.index(settings.feedback))
    rating = rate(felt, there, kind, float(utility[there].std()) / noise, width)
    comparisons = [
        _comparison(responses, truth, keys[place[c]], names[user[c]], int(talk[c]), shown[c], rating[c])
        for c in range(len(user))
    ]
    return InteractionTable.from_comparisons(comparisons), truth


def trait_dataset(
    responses: ResponseTable,
    settings: TraitSettings,
    encoder: str | TextEncoder = "hash",
    protocol: str = "seen",
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    split_seed: int | None = None,
) -> tuple[Dataset, TraitTruth]:
    """Draw users, split and embed, as `gmt simulate traits` and `gmt prep jsonl` would."""
    table, truth = trait_table(responses, settings)
    seed = settings.seed if split_seed is None else split_seed
    card = {"source": "traits", "protocol": protocol, "fractions": list(fractions), "seed": seed}
    return split_and_embedded(table, responses.models, encoder, fractions, card), truth


def write_traits(responses: ResponseTable, settings: TraitSettings, out: Path) -> dict[str, Any]:
    """Write rows, models and truth."""
    table, truth = trait_table(responses, settings)
    with simulation_files(out) as (part, final):
        made = write_simulated(table, responses.models, truth.to_json(), part)
        made = final(made | {"truth_arrays": str(truth.save_z(part)), "notes": responses.notes})
    return made


def _conversations(
    responses: ResponseTable, settings: TraitSettings, keys: list[tuple[str, int]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw who is shown what: (C,) user, (C,) conversation, (C,) round, (C, K) models, -1 under padding."""
    first = {question: place for place, (question, turn) in enumerate(keys) if turn == 0}
    column = {name: place for place, name in enumerate(responses.models)}
    offered = {name: np.array([column[m] for m in responses.complete(name)]) for name in responses.rounds}
    questions = [name for name, models in offered.items() if len(models) >= 2]
    if not questions:
        raise DataError(
            "no question was answered by two models in all its rounds; expected answers to the same questions"
        )
    rows: list[tuple[int, int, int]] = []
    shown: list[np.ndarray] = []
    for user in range(settings.users):
        wanted, talk = len(rows) + settings.votes, 0
        while len(rows) < wanted:
            # All questions once before any comes again; nobody should rate the same answers twice without need.
            for pick in rng.permutation(len(questions)):
                name = questions[pick]
                # One draw for a whole conversation: its models stay, as in a real one, so every round has the same
                # width.
                drawn = rng.permutation(offered[name])[: settings.shown]
                drawn = np.pad(drawn, (0, settings.shown - len(drawn)), constant_values=-1)
                # The last conversation is cut short rather than left out, so that all users rate equally many rounds.
                for turn in range(min(len(responses.rounds[name]), wanted - len(rows))):
                    rows.append((user, talk, first[name] + turn))
                    shown.append(drawn)
                talk += 1
                if len(rows) == wanted:
                    break
    user, talk, place = np.array(rows, dtype=np.int64).T
    return user, talk, place, np.stack(shown)


def _tie_width(felt: np.ndarray, share: float) -> float:
    return float(np.quantile(np.abs(felt[:, 0] - felt[:, 1]), share)) if share else 0.0


def _comparison(
    responses: ResponseTable, truth: TraitTruth, key: tuple[str, int], user: str, talk: int, shown: np.ndarray,
    rating: np.ndarray,
) -> Comparison:  # fmt: skip
    question, turn = key
    item = responses.rounds[question][turn]
    names = [truth.models[m] for m in shown if m >= 0]
    candidates = tuple(
        Candidate(name, item.answers[name].text, float(value))
        # Not strict: ratings are padded to K, names are not.
        for name, value in zip(names, rating, strict=False)
    )  # fmt: skip
    time = START + BETWEEN_CONVERSATIONS * talk + BETWEEN_ROUNDS * turn
    task = responses.tasks.get(question)
    return Comparison(user, f"{user}-{talk:03d}", turn, item.query, candidates, question, task, time)
