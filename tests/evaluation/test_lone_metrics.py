"""Compare within-user metrics with definitions written out, and with what must not move them."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from gmt.evaluation import lone_metrics
from gmt.evaluation.lone_metrics import LoneScores, ordered_share, spearman
from gmt.evaluation.score_blocks import ScoreBlock, bootstrap


def drawn(seed: int = 0, users: int = 8, each: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (C, 2) scores and ratings with one rated answer each, and (C,) users."""
    rng = np.random.default_rng(seed)
    count = users * each
    scores, ratings = rng.normal(size=(count, 2)), np.full((count, 2), np.nan)
    slot = rng.integers(2, size=count)
    ratings[np.arange(count), slot] = np.clip(np.round(scores[np.arange(count), slot] + rng.normal(size=count)), -2, 2)
    return scores, (ratings + 2) / 4, np.repeat(np.arange(users), each)


def test_they_are_the_mean_over_users_of_their_own():
    scores, ratings, user = drawn()
    lone = LoneScores.of(scores, ratings, user)
    found = lone.metrics(np.ones((1, 8)))
    own = [spearmanr(lone.score[lone.who == u], lone.rating[lone.who == u])[0] for u in range(8)]
    assert found["rank_correlation"] == pytest.approx([np.mean(own)])
    shares = []
    for u in range(8):
        score, rating = lone.score[lone.who == u], lone.rating[lone.who == u]
        pairs = [(i, j) for i in range(12) for j in range(12) if rating[i] > rating[j]]
        shares.append(np.mean([score[i] > score[j] for i, j in pairs]))
    assert found["lone_auc"] == pytest.approx([np.mean(shares)])


def test_a_kind_user_and_a_strict_one_are_not_compared():
    scores, ratings, user = drawn()
    moved = scores + 10.0 * user[:, None]  # scores of other users lie elsewhere
    one, other = (LoneScores.of(values, ratings, user).metrics(np.ones((1, 8))) for values in (scores, moved))
    assert one["lone_auc"] == pytest.approx(other["lone_auc"])
    assert one["rank_correlation"] == pytest.approx(other["rank_correlation"])


def test_equal_scores_count_half_and_correlate_with_nothing():
    rating = np.array([0.0, 0.5, 1.0, 1.0])
    assert ordered_share(np.zeros(4), rating) == 0.5 and spearman(np.zeros(4), rating) == 0.0
    assert ordered_share(np.arange(4.0), np.ones(4)) is None
    assert ordered_share(rating, rating) == 1.0


def test_a_user_of_many_ratings_is_read_block_by_block(monkeypatch):
    rng = np.random.default_rng(1)
    score, rating = rng.normal(size=60), rng.integers(3, size=60) / 2
    whole = ordered_share(score, rating)
    monkeypatch.setattr(lone_metrics, "ROWS_AT_ONCE", 7 * 60)
    assert ordered_share(score, rating) == pytest.approx(whole)
    assert (whole > 0.5) == (kendalltau(score, rating)[0] > 0)


def test_blocks_report_them_beside_the_metrics_of_pairs():
    scores, ratings, user = drawn()
    block = ScoreBlock(user.astype(str), scores, ratings)
    found = bootstrap({"it": [block]}, draws=50)
    interval = found.interval("it", "rank_correlation")
    assert interval is not None and 0 < interval.low < interval.value < interval.high
    assert found.users_of("rank_correlation") == 8 and found.interval("it", "auc") is None
    pairs = ScoreBlock(np.array(["x"]), np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]))
    assert bootstrap({"it": [pairs]}, draws=5).interval("it", "lone_auc") is None
