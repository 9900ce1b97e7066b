"""Make users who weigh quality against cost, each in a proportion of their own, on a matrix of real scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.in_memory import split_and_embedded
from data_prep.simulate.rows_out import simulation_files, write_simulated
from data_prep.simulate.truth_files import read_facts, truth_paths
from data_prep.sources.score_matrix import ScoreMatrix
from data_prep.splits import GIVEN
from gmt.data.comparisons import text_id
from gmt.data.dataset import Dataset
from gmt.data.encoders import TextEncoder
from gmt.data.interactions import TEST, TRAIN, InteractionTable
from gmt.errors import ConfigError, DataError

FEEDBACK = ("full", "random", "pair", "chosen")
REWARD_SCALE = (-1.0, 1.0)
# All test questions of a thousand users would be rows without end, and a mean over users hardly gains by them.
FEW_USERS, TARGETS_OF_MANY, TEST_SHARE = 20, 30, 0.2
START, BETWEEN = 1_767_600_000.0, 120.0  # UTC seconds, where users drift
ALL = 2**31  # more questions than there are
FORMULA = "reward = alpha * score - (1 - alpha) * cost; rating = (reward + 1) / 2"


@dataclass(frozen=True)
class CostSettings:
    """State who the users are and what is observed of them.

    Args:
        users: How many.
        alpha: How much quality weighs against cost: `grid:LO,HI` (evenly spaced, ends included),
            `uniform:LO,HI`, `beta:A,B`, or numbers that are dealt out in turn.
        per_user: Training questions of each user, drawn without repeats; None for all.
        test_per_user: Test questions of each user, or `ALL`; None for all where there are at
            most 20 users, and 30 where there are more.
        feedback: What is observed of a training question: the rewards of all models (`full`), the
            reward of one random model (`random`), which of a random pair is better (`pair`; equal
            rewards tie), or which of all models is best (`chosen`: it is rated 1 and all others 0,
            equal bests are all rated 1).
        drift_at: Share of a user's training questions after which their α is drawn anew; test questions
            come after that. None: it never changes.
        seed: Chooses everything.

    Raises:
        ConfigError: A setting is unknown or out of range.
    """

    users: int = 9
    alpha: str = "grid:0.2,1"
    per_user: int | None = 30
    test_per_user: int | None = None
    feedback: str = "full"
    drift_at: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("users", "per_user", "test_per_user"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 1")
        if self.drift_at is not None and not 0 <= self.drift_at <= 1:
            raise ConfigError(f"drift_at is {self.drift_at:g}; expected 0 to 1")
        if self.feedback not in FEEDBACK:
            raise ConfigError(f"feedback is {self.feedback!r}; expected one of {', '.join(FEEDBACK)}")
        _distribution(self.alpha)


@dataclass(frozen=True)
class CostTruth:
    """Hold how much quality weighs for every user.

    Args:
        alpha: User -> how much quality weighs, in [0, 1].
        settings: How they were drawn.
        before: What each weighed before the drift; empty where there is none.
    """

    alpha: dict[str, float]
    settings: dict[str, Any]
    before: dict[str, float] = field(default_factory=dict)

    def rewards(self, table: InteractionTable, matrix: ScoreMatrix) -> np.ndarray:
        """Return (C, M) true rewards of every comparison, columns as in `table.models`; NaN where a score is unknown.

        Raises:
            DataError: The table holds a user, question or model that truth and matrix do not.
        """
        places = {text_id(query): place for place, query in enumerate(matrix.queries)}
        columns = {name: place for place, name in enumerate(matrix.models)}
        try:
            question = np.array([places[name] for name in table.questions], dtype=np.int64)[table.question]
            model = np.array([columns[name] for name in table.models], dtype=np.int64)
            alpha = np.array([self.alpha[name] for name in table.users])[table.user]
        except KeyError as error:
            raise DataError(f"{error} is not in the truth; name the truth and the scores of these very rows") from error
        return rewards(matrix, alpha, question)[:, model]

    def to_json(self) -> dict[str, Any]:
        """Return what `<stem>.truth.json` holds."""
        scale = list(REWARD_SCALE)
        return {
            "kind": "cost",
            "formula": FORMULA,
            "reward_scale": scale,
            "settings": self.settings,
            "alpha": self.alpha,
        } | ({"alpha_before": self.before} if self.before else {})

    @classmethod
    def load(cls, out: Path) -> CostTruth:
        """Read the truth that was written beside the rows in `out`.

        Raises:
            DataError: There is none, or it is another simulation's.
        """
        found = read_facts(Path(out), "cost", {"alpha": dict})
        settings, before = found.get("settings", {}), found.get("alpha_before", {})
        weights = [*found["alpha"].values(), *(before.values() if isinstance(before, dict) else [None])]
        if not isinstance(settings, dict) or not all(type(one) in (int, float) and 0 <= one <= 1 for one in weights):
            raise DataError(
                f"{truth_paths(Path(out))[0]}: a weight is no number from 0 to 1; make it with gmt simulate cost "
                f"--out {out}"
            )
        return cls(found["alpha"], settings, before)


def rewards(matrix: ScoreMatrix, alpha: np.ndarray, question: np.ndarray) -> np.ndarray:
    """Return (C, M) α · score − (1 − α) · cost of (C,) weights and questions."""
    weight = alpha[:, None]
    return weight * matrix.score[question] - (1 - weight) * matrix.cost[question]


def cost_table(matrix: ScoreMatrix, settings: CostSettings) -> tuple[InteractionTable, CostTruth]:
    """Draw users and what is observed of them; test questions always carry all rewards.

    Test is the matrix's own where it states one; else a fifth of the questions, drawn.

    Returns:
        The table, split into TRAIN and TEST, ratings (reward + 1) / 2; and the truth. Nothing in
        the table shows α but the ratings themselves.

    Raises:
        DataError: Costs are not known, or there are too few questions.
    """
    if np.isnan(matrix.cost).any():
        raise DataError("the scores come without prices; add default_llm.json with input_price and output_price")
    # 1. The users. Everything is drawn from one generator, so the order of the draws below is part of the result.
    rng = np.random.default_rng([settings.seed, 0])
    matrix = _with_split(matrix, rng)
    split = np.asarray(matrix.split)
    alpha = _draw_alpha(settings, rng)
    users = tuple(f"c{number:0{max(4, len(str(settings.users)))}d}" for number in range(1, settings.users + 1))
    targets = settings.test_per_user or (ALL if settings.users <= FEW_USERS else TARGETS_OF_MANY)
    # 2. The questions, without repeats within a user.
    parts = []
    for side, count in ((TRAIN, settings.per_user or ALL), (TEST, targets)):
        questions = np.flatnonzero(split == side)
        count = len(questions) if count >= ALL else count
        if count > len(questions):
            raise DataError(f"{count} questions per user were requested and there are {len(questions)}; request fewer")
        drawn = np.stack([rng.permutation(questions)[:count] for _ in users])
        parts.append((np.repeat(np.arange(len(users)), count), drawn.reshape(-1)))
    user, question = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    weight, time, before = alpha[user], np.full(len(user), np.nan), {}
    if settings.drift_at is not None:
        # 3. The drift: α before it is the same set of numbers dealt out otherwise, so that a population as a whole does
        #    not change.
        earlier = rng.permutation(alpha)
        place = np.concatenate([np.tile(np.arange(len(own) // len(users)), len(users)) for own, _ in parts])
        train = split[question] == TRAIN
        known = int(train.sum()) // len(users)
        early = train & (place < round(settings.drift_at * known))
        weight = np.where(early, earlier[user], weight)
        time = START + BETWEEN * (place + np.where(train, 0, known))
        before = dict(zip(users, earlier.tolist(), strict=True))
    # 4. What is observed.
    reward = rewards(matrix, weight, question)
    rating, shown = _observe(reward, split[question] == TRAIN, settings.feedback, rng)
    truth = CostTruth(dict(zip(users, alpha.tolist(), strict=True)), asdict(settings), before)
    return replace(matrix.asked(user, question, users, rating, shown), timestamp=time), truth


def cost_dataset(
    matrix: ScoreMatrix,
    settings: CostSettings,
    encoder: str | TextEncoder = "hash",
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    split_seed: int | None = None,
) -> tuple[Dataset, CostTruth]:
    """Draw users, cut valid from train and embed, as `gmt simulate cost` and `gmt prep jsonl` would."""
    table, truth = cost_table(matrix, settings)
    seed = settings.seed if split_seed is None else split_seed
    low, high = REWARD_SCALE
    card = {"source": "cost", "protocol": GIVEN, "seed": seed, "rating_scale": f"{low:g}..{high:g}"}
    return split_and_embedded(table, matrix.models, encoder, fractions, card), truth


def write_cost(matrix: ScoreMatrix, settings: CostSettings, out: Path) -> dict[str, Any]:
    """Write rows with their split, models, truth and the card that says what ratings stand for."""
    table, truth = cost_table(matrix, settings)
    with simulation_files(out) as (part, final):
        made = final(
            write_simulated(table, matrix.models, truth.to_json(), part, with_split=True, rating_scale=REWARD_SCALE)
        )
    return made | {"train": int((table.split == TRAIN).sum()), "test": int((table.split == TEST).sum())}


def _with_split(matrix: ScoreMatrix, rng: np.random.Generator) -> ScoreMatrix:
    # A split that is published is kept, so that results stand beside published ones.
    if matrix.split is not None and (matrix.split == TEST).any():
        return matrix
    split = np.full(len(matrix.queries), TRAIN, dtype=np.int8)
    split[rng.permutation(len(split))[: round(TEST_SHARE * len(split))]] = TEST
    return replace(matrix, split=split)


def _observe(
    reward: np.ndarray, train: np.ndarray, feedback: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (C, M) ratings and (C, M) models in the order shown, -1 where fewer are."""
    low, high = REWARD_SCALE
    rating = (reward - low) / (high - low)
    known = ~np.isnan(reward)
    # Unknown scores sort behind all others, so that the models shown first are those with a reward.
    order = np.argsort(np.where(known, rng.random(reward.shape), 2.0), axis=1)
    shown = np.where(np.take_along_axis(known, order, axis=1), order, -1)
    if feedback == "random":
        shown[train, 1:] = -1
    elif feedback == "pair":
        shown[train, 2:] = -1
        # A model that is not shown must not decide who won.
        inside = np.zeros_like(known)
        rows = np.flatnonzero(train)
        pair = np.maximum(shown[train, :2], 0)
        inside[rows[:, None], pair] = True
        pool = np.where(inside, reward, np.nan)[train]
        # Of two numbers one is above their mean exactly where it is the greater one; equal ones leave 0, a tie.
        gap = np.sign(pool - np.nanmean(pool, axis=1, keepdims=True)).round()
        rating[train] = (gap + 1) / 2
    elif feedback == "chosen":
        # Equality of floats is meant: two models tie only where score and cost are the same numbers.
        best = np.nanmax(reward[train], axis=1, keepdims=True)
        rating[train] = np.where(known[train], reward[train] == best, np.nan)
    return rating, shown


def _draw_alpha(settings: CostSettings, rng: np.random.Generator) -> np.ndarray:
    kind, numbers = _distribution(settings.alpha)
    count = settings.users
    if kind == "uniform":
        return rng.uniform(numbers[0], numbers[1], count)
    if kind == "beta":
        return rng.beta(numbers[0], numbers[1], count)
    # Rounded, so that a grid such as 0.2 to 1 reads 0.3 and not 0.30000000000000004 in the truth.
    values = np.linspace(numbers[0], numbers[1], count) if kind == "grid" else np.resize(numbers, count)
    return rng.permutation(np.round(values, 6))  # so that no user's name shows what they weigh


def _distribution(text: str) -> tuple[str, list[float]]:
    """Read `grid:LO,HI`, `uniform:LO,HI`, `beta:A,B` or plain numbers.

    Raises:
        ConfigError: The text is none of these.
    """
    kind, colon, rest = text.rpartition(":")
    wanted = "grid:LO,HI, uniform:LO,HI or beta:A,B, or numbers from 0 to 1"
    try:
        numbers = [float(part) for part in rest.split(",")]
    except ValueError:
        raise ConfigError(f"alpha is {text!r}; expected {wanted}") from None
    if not colon:
        kind = "values"
    # Only the parameters of a Beta distribution may exceed 1, and they alone need no order.
    shares = kind != "beta"
    fine = all(0 <= number <= 1 for number in numbers) if shares else all(number > 0 for number in numbers)
    pair = kind == "values" or (len(numbers) == 2 and (not shares or numbers[0] <= numbers[1]))
    if kind not in ("grid", "uniform", "beta", "values") or not fine or not pair:
        raise ConfigError(f"alpha is {text!r}; expected {wanted}")
    return kind, numbers
