"""Test the measures of a choice among all models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from gmt.errors import DataError
from gmt.evaluation.shares import Share, bootstrap_shares
from gmt.evaluation.top_choice import choice_shares, chosen, with_all_models
from tests.factories import random_dataset


def _value(share: Share) -> float:
    return float(share.above.sum() / share.below.sum())


def test_every_model_is_asked_and_nothing_else_changes() -> None:
    data = random_dataset(0)
    questions = data.questions(np.array([3, 5]))
    asked = with_all_models(questions, len(data.table.models))
    assert (asked.candidates == np.arange(len(data.table.models))).all()
    assert (asked.user == questions.user).all() and (asked.query == questions.query).all()


def test_equal_best_scores_share_the_choice() -> None:
    assert chosen(np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])).tolist() == [[0, 0.5, 0.5], [1, 0, 0]]


def test_a_choice_is_held_against_the_truly_best() -> None:
    utilities = np.array([[-3.0, -1.0, -2.0], [0.0, 1.0, 4.0]])
    shares = choice_shares(np.array(["x", "y"]), np.array([[0, 0, 1], [0, 0, 1]]), utilities)
    assert shares["regret"].above == pytest.approx([1.0, 0.0])  # also where all utilities are negative
    assert shares["lost"].above == pytest.approx([0.5 - expit(-1.0), 0.0])
    assert _value(shares["best"]) == 0.5
    assert shares["win"].above == pytest.approx([(expit(1.0) + expit(-1.0)) / 2, (expit(4.0) + expit(3.0)) / 2])


@given(seed=st.integers(0, 10_000), models=st.integers(2, 6))
def test_the_oracle_has_no_regret_nobody_has_less_and_only_order_counts(seed: int, models: int) -> None:
    rng = np.random.default_rng(seed)
    utilities, scores = rng.normal(size=(2, 7, models))
    users = np.arange(7).astype(str)
    assert _value(choice_shares(users, utilities, utilities)["regret"]) == 0
    assert _value(choice_shares(users, utilities, utilities)["lost"]) == pytest.approx(0)
    found = choice_shares(users, scores, utilities)
    assert (found["regret"].above >= 0).all() and (found["lost"].above >= -1e-12).all()
    again = choice_shares(users, 3 * scores + 2, utilities + 5.0)
    assert again["regret"].above == pytest.approx(found["regret"].above)


def test_a_score_that_is_missing_is_refused() -> None:
    with pytest.raises(DataError, match="no finite score"):
        chosen(np.array([[1.0, -np.inf]]))


def test_shares_are_resampled_by_person_and_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    users = np.repeat([f"u{n}" for n in range(50)], 4)
    level = np.repeat(rng.normal(size=50), 4)
    one = np.ones(200)
    shares = {"a": {"m": Share(users, level + 0.1, one)}, "b": {"m": Share(users, level, one)}}
    found = bootstrap_shares(shares)
    gap, alone = found.difference("a", "b", "m"), found.interval("a", "m")
    assert gap is not None and (gap.value, gap.low, gap.high) == pytest.approx((0.1, 0.1, 0.1))
    assert alone is not None and alone.high - alone.low > 0.2
    error = found.error("a", "m")
    assert error == pytest.approx(level.std() / np.sqrt(50), rel=0.15)


def test_pooling_shares_adds_their_questions() -> None:
    parts = [Share(np.array(["x"]), np.array([1.0]), np.array([2.0])), Share(np.array(["y"]), np.ones(1), np.ones(1))]
    assert _value(Share.joined(parts)) == pytest.approx(2 / 3)


def test_a_share_without_anything_to_divide_by_has_no_interval() -> None:
    none = Share(np.array(["x"]), np.zeros(1), np.zeros(1))
    found = bootstrap_shares({"a": {"m": none}})
    assert found.interval("a", "m") is None and found.error("a", "m") is None and found.error("a", "other") is None
