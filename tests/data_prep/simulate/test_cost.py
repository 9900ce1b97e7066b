"""Check people who weigh quality against cost: what they tell follows from α, and α itself is nowhere to be read."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.prepare import PrepOptions, prepare
from data_prep.simulate.cost import CostSettings, CostTruth, cost_dataset, cost_table, write_cost
from data_prep.sources.jsonl import read
from data_prep.sources.score_matrix import ScoreMatrix
from data_prep.sources.source import SourceOptions
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.errors import ConfigError, DataError


def matrix(questions: int = 60, models: int = 4, seed: int = 0, split: bool = True) -> ScoreMatrix:
    """Draw scores of models that cost the more the better they are."""
    rng = np.random.default_rng(seed)
    score = np.round(np.clip(rng.normal(np.linspace(0.3, 0.7, models), 0.3, (questions, models)), 0, 1), 1)
    cost = np.clip(np.linspace(0, 1, models) + rng.normal(0, 0.02, (questions, models)), 0, 1)
    side = np.where(np.arange(questions) < 15, TEST, TRAIN)
    return ScoreMatrix(
        tuple(f"question {n} é" for n in range(questions)), tuple(f"task{n % 3}" for n in range(questions)),
        {f"m{m}": ModelInfo(f"model {m}", 1.0, 2.0) for m in range(models)}, score, cost, side if split else None,
    )  # fmt: skip


SCORES = matrix()


def test_nine_people_span_the_stated_weights_in_no_order() -> None:
    truth = cost_table(SCORES, CostSettings())[1]
    assert sorted(truth.alpha.values()) == pytest.approx(np.arange(2, 11) / 10)
    assert list(truth.alpha.values()) != sorted(truth.alpha.values())


def test_full_feedback_is_the_scaled_reward() -> None:
    table, truth = cost_table(SCORES, CostSettings(users=5))
    rewards = np.take_along_axis(truth.rewards(table, SCORES), table.candidates, axis=1)
    assert np.allclose(2 * table.ratings - 1, rewards)
    assert ((table.split == TRAIN).sum(), (table.split == TEST).sum()) == (5 * 30, 5 * 15)
    first = (table.user == 0) & (table.split == TRAIN)
    assert len(np.unique(table.question[first])) == 30


@pytest.mark.parametrize("feedback", ["random", "pair", "chosen"])
def test_partial_feedback_tells_what_it_says_and_test_is_whole(feedback: str) -> None:
    table, truth = cost_table(SCORES, CostSettings(users=20, feedback=feedback, alpha="uniform:0.2,1"))
    train = table.split == TRAIN
    shown = table.candidates
    rewards = np.where(shown >= 0, np.take_along_axis(truth.rewards(table, SCORES), np.maximum(shown, 0), 1), np.nan)
    assert np.allclose(2 * table.ratings[~train] - 1, rewards[~train])
    told, rewards, shown = table.ratings[train], rewards[train], shown[train]
    if feedback == "random":
        assert ((shown >= 0).sum(axis=1) == 1).all()
        assert np.allclose(2 * told[:, 0] - 1, rewards[:, 0])
        assert np.bincount(shown[:, 0], minlength=4).min() > 100
    elif feedback == "pair":
        assert ((shown >= 0).sum(axis=1) == 2).all()
        gap = np.sign(rewards[:, 0] - rewards[:, 1])
        assert (told[:, 0] == (1 + gap) / 2).all() and (told[:, 0] + told[:, 1] == 1).all()
    else:
        assert ((told == 1) == (rewards == rewards.max(axis=1, keepdims=True))).all()
        assert set(np.unique(told)) == {0.0, 1.0}


def test_what_people_weigh_is_not_in_the_rows(tmp_path: Path) -> None:
    settings = CostSettings(users=12, alpha="uniform:0.2,1", feedback="pair")
    write_cost(SCORES, settings, tmp_path / "people.jsonl")
    text = (tmp_path / "people.jsonl").read_text("utf-8")
    truth = CostTruth.load(tmp_path / "people.jsonl")
    assert len(truth.alpha) == 12 and "alpha" not in text
    trained = "".join(line for line in text.splitlines() if '"train"' in line)
    assert "rating" not in trained and not any(repr(value) in trained for value in truth.alpha.values())
    allowed = {
        "user", "conversation", "turn", "question", "task", "query", "split", "comparison", "model", "rating", "cost",
        "model_a", "model_b", "winner", "cost_a", "cost_b",
    }  # fmt: skip
    assert set().union(*map(json.loads, text.splitlines())) <= allowed


@pytest.mark.parametrize("name", ["people.jsonl", "people.parquet"])
@pytest.mark.parametrize("feedback", ["full", "random", "pair", "chosen"])
def test_written_rows_are_the_table_in_memory(tmp_path: Path, name: str, feedback: str) -> None:
    settings = CostSettings(users=3, feedback=feedback)
    write_cost(SCORES, settings, tmp_path / name)
    data = read(tmp_path / name, SourceOptions())
    table, _ = cost_table(SCORES, settings)
    assert data.rejected == [] and data.rating_scale == "-1..1"
    assert data.comparisons == table.to_comparisons()
    assert (data.as_table().split == table.split).all()


def test_the_prepared_folder_keeps_the_split_and_says_what_ratings_mean(tmp_path: Path) -> None:
    made = write_cost(SCORES, CostSettings(feedback="pair"), tmp_path / "people.jsonl")
    options = PrepOptions("jsonl", tmp_path / "out", made["out"], "hash:32", models=Path(made["models"]))
    card = prepare(options)
    stored = Dataset.load(tmp_path / "out")
    live, truth = cost_dataset(SCORES, CostSettings(feedback="pair"), "hash:32")
    assert (card["protocol"], card["rating_scale"]) == ("given", "-1..1")
    assert live.table.to_comparisons() == stored.table.to_comparisons()
    assert (live.table.split == stored.table.split).all() and (live.table.split == VALID).any()
    assert truth == CostTruth.load(tmp_path / "people.jsonl")
    low, high = (float(end) for end in card["rating_scale"].split(".."))
    asked = stored.table.select(stored.table.split == TEST)
    wanted = np.take_along_axis(truth.rewards(asked, SCORES), asked.candidates, axis=1)
    assert np.allclose(low + (high - low) * asked.ratings, wanted)


def test_many_people_are_asked_thirty_test_questions(tmp_path: Path) -> None:
    many = matrix(questions=100)
    table, _ = cost_table(many, CostSettings(users=21, test_per_user=7, per_user=None))
    assert [(table.split == side).sum() for side in (TRAIN, TEST)] == [21 * 85, 21 * 7]
    with pytest.raises(DataError, match="30 questions per user were requested and there are 15"):
        cost_table(many, CostSettings(users=21))


def test_a_matrix_without_a_split_gets_one() -> None:
    table, _ = cost_table(matrix(split=False), CostSettings(users=2))
    train, test = (set(table.question[table.split == side]) for side in (TRAIN, TEST))
    assert len(test) == 12 and train.isdisjoint(test)


def test_a_model_that_was_not_asked_is_not_shown() -> None:
    gappy = matrix()
    gappy.score[:, 2] = np.nan
    for feedback in ("full", "random", "pair", "chosen"):
        table, _ = cost_table(gappy, CostSettings(users=3, feedback=feedback))
        assert 2 not in table.model and not np.isnan(table.rating).any()


def test_scores_without_prices_are_refused() -> None:
    poor = matrix()
    poor.cost[:] = np.nan
    with pytest.raises(DataError, match="come without prices; add default_llm.json"):
        cost_table(poor, CostSettings())


@pytest.mark.parametrize("alpha", ["grid:1,0.2", "uniform:0", "normal:0,1", "0.5,2", "grid:", "beta:0,1"])
def test_strange_distributions_are_named(alpha: str) -> None:
    with pytest.raises(ConfigError, match="expected grid:LO,HI, uniform:LO,HI or beta:A,B, or numbers from 0 to 1"):
        CostSettings(alpha=alpha)


def test_other_distributions_are_drawn() -> None:
    values = [cost_table(SCORES, CostSettings(users=300, alpha=a, test_per_user=1))[1].alpha.values()
              for a in ("beta:2,6", "0.3,0.7")]  # fmt: skip
    assert np.mean(list(values[0])) == pytest.approx(0.25, abs=0.03)
    assert sorted(set(values[1])) == [0.3, 0.7]
