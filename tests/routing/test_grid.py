from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from gmt.data.interactions import TEST, VALID
from gmt.routing.grid import ValidationVotes, best_setting, paired_gain
from tests.factories import dataset_of, random_dataset, random_table


def data():
    return random_dataset(0, models=5, max_candidates=4, unrated=0.2, ties=0.3)


def loss(difference, y, temperature=1.0):
    win = 1 / (1 + np.exp(-difference / temperature))
    return -y * np.log(win) - (1 - y) * np.log(1 - win)


def test_the_votes_are_those_of_valid_and_the_history_is_train():
    table, votes = data().table, ValidationVotes.of(data())
    rated = np.flatnonzero((table.split == VALID) & table.rated)
    assert votes.questions.comparison.tolist() == table.comparison[rated].tolist()
    assert (votes.history.table.split == 0).all()
    pairs = sum(count * (count - 1) // 2 for count in (~np.isnan(table.ratings[rated])).sum(axis=1))
    assert len(votes) == pairs and (votes.votes.y == 0.5).any()


def test_a_difference_is_the_first_answers_score_less_the_seconds():
    votes = ValidationVotes.of(data())
    scores = np.where(votes.questions.mask, np.random.default_rng(0).normal(size=votes.questions.mask.shape), -np.inf)
    for vote, difference in enumerate(votes.differences(scores)):
        at = votes.votes.comparison[vote]
        models = votes.questions.candidates[at].tolist()
        a, b = (models.index(code[vote]) for code in (votes.votes.a, votes.votes.b))
        assert difference == scores[at, a] - scores[at, b]


def test_log_odds_are_taken_at_their_word_and_other_scores_at_the_best_temperature():
    votes = ValidationVotes.of(data())
    scores = np.where(votes.questions.mask, np.random.default_rng(0).normal(size=votes.questions.mask.shape), 0.0)
    difference, y = votes.differences(scores), votes.votes.y
    assert votes.losses(scores, logits=True) == pytest.approx(loss(difference, y))
    best = minimize_scalar(lambda t: loss(difference, y, t).mean(), bounds=(0.01, 1000), method="bounded").fun
    assert votes.losses(scores, logits=False).mean() == pytest.approx(best, abs=1e-5)
    assert votes.losses(1000 * scores, logits=False).mean() == pytest.approx(best, abs=1e-5)


def test_equal_scores_lose_a_coins_flip_with_ties_and_without():
    votes = ValidationVotes.of(data())
    for part in (votes, votes.untied()):
        for logits in (True, False):
            assert part.losses(np.zeros(votes.questions.mask.shape), logits) == pytest.approx(np.log(2))
    assert (votes.untied().votes.y != 0.5).all() and 0 < len(votes.untied()) < len(votes)


def test_there_is_nothing_to_choose_by_without_votes_on_either_side():
    every = data()
    for code in (0, VALID):
        assert ValidationVotes.of(every.select(every.table.split != code)) is None
        hidden = (every.table.split == code)[every.table.row_comparison]
        blank = every.with_table(replace(every.table, rating=np.where(hidden, np.nan, every.table.rating)))
        assert ValidationVotes.of(blank) is None
        tied = every.with_table(replace(every.table, rating=np.where(hidden, 0.5, every.table.rating)))
        assert (ValidationVotes.of(tied) is None) == (code == VALID)  # ties alone choose nothing
    assert ValidationVotes.of(dataset_of(random_table(0))) is None
    assert ValidationVotes.of(every.select(every.table.split != TEST)) is not None


def test_the_smallest_mean_loss_wins_and_the_first_of_equals():
    losses = {"a": [1.0, 3.0], "b": [0.0, 3.0], "c": [3.0, 0.0 + 1e-12], "d": [2.0, 2.0]}
    assert best_setting(losses, lambda choice: np.array(losses[choice])) == "b"
    assert best_setting(["c", "b"], lambda choice: np.array(losses[choice])) == "c"


def test_a_gain_is_paired():
    before, after = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 1.5, 2.5, 3.5])
    assert paired_gain(before, after) == pytest.approx((0.5, 0.0))
    assert paired_gain(before, np.zeros(4)) == pytest.approx((2.5, 2 * np.sqrt(1.25) / 2))


def test_what_is_counted_twice_says_no_more():
    before, after, each = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 3.0, 1.0, 4.0]), np.arange(4)
    assert paired_gain(before, after, each) == pytest.approx(paired_gain(before, after))
    twice = np.repeat(before, 2), np.repeat(after, 2), np.repeat(each, 2)
    assert paired_gain(*twice) == pytest.approx(paired_gain(before, after))
    assert paired_gain(*twice[:2])[1] < paired_gain(before, after)[1]
