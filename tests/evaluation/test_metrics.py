import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from gmt.evaluation.metrics import calibration_error, count_pairs, mean_user_auc, pairs_of, weighted_auc
from gmt.routing.pairwise import choices

ONE = np.ones((1, 1))


def auc(d):
    return weighted_auc(np.asarray(d, float), np.zeros(len(d), int), ONE)[0]


def sklearn_auc(d, weight=None):
    both = None if weight is None else np.tile(weight, 2)
    return roc_auc_score(np.repeat([1, 0], len(d)), np.concatenate([d, -d]), sample_weight=both)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.booleans())
def test_auc_is_that_of_scikit_learn_over_both_orders(seed, count, coarse):
    rng = np.random.default_rng(seed)
    d = rng.normal(0.5, 1, count)
    d = np.round(d) if coarse else d  # coarse: many equal scores
    assert auc(d) == pytest.approx(sklearn_auc(d))
    who, weights = rng.integers(4, size=count), rng.integers(0, 4, (5, 4))
    found = weighted_auc(d, who, weights)
    for draw, weight in zip(found, weights[:, who], strict=True):
        assert draw == pytest.approx(sklearn_auc(d, weight)) if weight.any() else np.isnan(draw)


def test_auc_in_small_batches_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    d, who, weights = rng.normal(size=30), rng.integers(5, size=30), rng.integers(0, 3, (7, 5))
    whole = weighted_auc(d, who, weights)
    monkeypatch.setattr("gmt.evaluation.metrics.NUMBERS_AT_ONCE", 1)
    assert weighted_auc(d, who, weights) == pytest.approx(whole)


def test_auc_of_nothing_is_not_a_number():
    assert np.isnan(auc([])) and auc([0.0, 0.0]) == 0.5 and auc([1.0, 2.0]) == 1 and auc([-1.0]) == 0


def test_user_auc_leaves_out_users_with_under_five_pairs():
    rng = np.random.default_rng(0)
    who = np.repeat([0, 1, 2], [5, 4, 9])
    d = rng.normal(0.3, 1, len(who))
    own = [sklearn_auc(d[who == user]) for user in (0, 2)]
    weights = np.array([[1, 1, 1], [2, 5, 1], [0, 3, 0]])
    found = mean_user_auc(d, who, weights)
    assert found[:2] == pytest.approx([np.mean(own), (2 * own[0] + own[1]) / 3]) and np.isnan(found[2])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_pairs_are_all_pairs_with_different_ratings(seed, width):
    rng = np.random.default_rng(seed)
    ratings = rng.choice([0, 0.5, 1, np.nan], (8, width))
    wanted, ties = set(), 0
    for c in range(8):
        for i, j in itertools.permutations(range(width), 2):
            if ratings[c, i] > ratings[c, j]:
                wanted.add((c, i, j))
            ties += i < j and ratings[c, i] == ratings[c, j]
    pairs = pairs_of(ratings)
    found = list(zip(pairs.comparison.tolist(), pairs.winner.tolist(), pairs.loser.tolist(), strict=True))
    assert set(found) == wanted and len(found) == len(wanted)
    assert count_pairs(ratings) == (len(wanted), ties)


def test_choice_splits_equal_scores_evenly_and_skips_what_is_unrated():
    nan = np.nan
    ratings = np.array([[1, 0, 0.5], [1, 0, nan], [nan, nan, 1], [0.2, 0.8, nan]])
    scores = np.array([[3, 3, 1], [0, 1, 9], [1, 2, 3], [-5, -6, -np.inf]], float)
    reward, best, asked = choices(scores, ratings)
    assert asked.tolist() == [0, 1, 3]
    assert reward.tolist() == [0.5, 0.0, 0.2] and best.tolist() == [1, 1, 0.8]


def test_calibration_error_is_zero_for_kept_promises_and_the_gap_otherwise():
    who = np.zeros(1000, int)
    assert calibration_error(np.zeros(1000), who, ONE)[0] == pytest.approx(0)
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 40_000)
    honest = np.where(rng.random(40_000) < expit(logit), logit, -logit)  # the odds given to whoever won
    assert calibration_error(honest, np.zeros(40_000, int), ONE)[0] < 0.01
    bold = np.where(rng.random(1000) < 0.7, 3.0, -3.0)
    assert calibration_error(bold, who, ONE)[0] == pytest.approx(expit(3.0) - (bold > 0).mean())


def test_pairs_are_the_same_in_blocks_of_any_size(monkeypatch):
    rng = np.random.default_rng(0)
    ratings = np.where(rng.random((40, 5)) < 0.3, np.nan, rng.integers(3, size=(40, 5)).astype(float))
    whole = pairs_of(ratings)
    monkeypatch.setattr("gmt.evaluation.metrics.NUMBERS_AT_ONCE", 30)
    parts = pairs_of(ratings)
    for name in ("comparison", "winner", "loser"):
        assert (getattr(parts, name) == getattr(whole, name)).all()
    assert len(whole.comparison) and not len(pairs_of(ratings[:0]).comparison)
