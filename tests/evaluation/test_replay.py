"""Test replay: without bias where the log is random, and blind to votes that did not match."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_table
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from gmt.evaluation.replay import Replay, replay, shown_chances
from gmt.evaluation.top_choice import choice_shares


def _table(*rounds: tuple[str, str, float]) -> InteractionTable:
    return InteractionTable.from_comparisons(
        [
            Comparison(f"u{n}", f"c{n}", 0, "q", (Candidate(a, rating=won), Candidate(b, rating=1 - won)))
            for n, (a, b, won) in enumerate(rounds)
        ]
    )


def _scores(table: InteractionTable, *best: str) -> np.ndarray:
    return np.array([[float(name == choice) for name in table.models] for choice in best])


def _reward(found: Replay) -> float:
    share = found.shares()["reward"]
    return float(share.above.sum() / share.below.sum())


def test_only_a_choice_that_was_shown_is_paid_with_its_rating() -> None:
    table = _table(("a", "b", 1.0), ("b", "a", 1.0), ("b", "c", 1.0), ("a", "c", 0.5))
    found = replay(table, _scores(table, "a", "a", "a", "c"))
    assert found.matched.tolist() == [1, 1, 0, 1]
    assert found.reward.tolist() == [1, 0, 0, 0.5]
    assert _reward(found) == pytest.approx(0.5)
    assert found.shares()["matched"].above.sum() == 3 and found.effective == pytest.approx(3)


def test_equal_best_scores_match_in_part() -> None:
    table = _table(("a", "b", 1.0), ("b", "c", 1.0))
    found = replay(table, np.ones((2, 3)))
    assert found.matched == pytest.approx([2 / 3, 2 / 3])
    assert _reward(found) == pytest.approx(0.5)


def test_ratings_of_votes_that_do_not_match_change_nothing() -> None:
    one, other = (_table(("a", "b", 1.0), ("b", "c", won)) for won in (1.0, 0.0))
    assert _reward(replay(one, _scores(one, "a", "a"))) == _reward(replay(other, _scores(other, "a", "a")))


def test_unrated_answers_do_not_match() -> None:
    rounds = [Comparison("u", "c", 0, "q", (Candidate("a"), Candidate("b", rating=1.0)))]
    table = InteractionTable.from_comparisons(rounds)
    assert replay(table, _scores(table, "a")).matched.tolist() == [0]


@pytest.mark.parametrize("seed", range(3))
def test_the_replayed_reward_is_what_the_choice_would_have_earned(seed: int) -> None:
    table, world = planted_table(PlantedSettings(users=150, votes=40, models=6, seed=seed))
    truth = world.table_utilities(table)
    scores = truth + np.random.default_rng(seed).normal(0, 3, truth.shape)  # a router that knows something
    found = replay(table, scores)
    wanted = choice_shares(table.user.astype(str), scores, truth)["win"].above.mean()
    error = np.sqrt(0.25 / found.effective)
    assert abs(_reward(found) - wanted) < 3 * error
    assert found.matched.mean() == pytest.approx(2 / 6, abs=0.02)
    assert 0.55 < wanted < 0.95


def test_weights_undo_that_some_models_are_shown_more_often() -> None:
    # Everybody asks for a or for c alike and a always wins, c never; a is shown three times as often as c.
    rounds = [("a", "b", 1.0), ("c", "b", 0.0)] * 10 + [("a", "b", 1.0)] * 20
    best = ["a", "c"] * 10 + ["a"] * 20
    table = _table(*rounds)
    shown = np.zeros(3)
    for name, chance in (("a", 0.75), ("b", 1.0), ("c", 0.25)):
        shown[table.models.index(name)] = chance
    plain, weighed = (replay(table, _scores(table, *best), chances) for chances in (None, shown))
    assert _reward(plain) == pytest.approx(0.75)
    assert _reward(weighed) == pytest.approx(0.5)
    assert weighed.effective < plain.effective
    assert shown_chances(table, smoothing=0.0)[table.models.index("a")] == pytest.approx(0.75)


def test_scores_that_do_not_fit_and_impossible_chances_are_refused() -> None:
    table = _table(("a", "b", 1.0))
    with pytest.raises(DataError, match="score every model"):
        replay(table, np.zeros((1, 3)))
    with pytest.raises(DataError, match="chance to be shown is 0"):
        replay(table, np.zeros((1, 2)), np.array([0.0, 1.0]))
