import numpy as np
import pytest

from gmt.errors import DataError
from gmt.evaluation.score_blocks import METRICS, ScoreBlock, bootstrap


def block(seed, users=8, comparisons=60, width=3, skill=1.0, first=0, temperature=0.8):
    """Make answers whose scores are the ratings plus noise; the questions depend on `seed` alone."""
    rng = np.random.default_rng(seed)
    names = np.array([f"user{first + u}" for u in rng.integers(users, size=comparisons)])
    ratings = rng.choice([0, 0.5, 1, np.nan], (comparisons, width), p=[0.3, 0.2, 0.4, 0.1])
    scores = skill * np.nan_to_num(ratings) + rng.normal(size=ratings.shape)
    return ScoreBlock(names, scores, ratings, temperature)


def repeated(one, counts):
    """Return the block of a resample, every user's rows written out as often as they are drawn."""
    rows = np.concatenate([np.flatnonzero(one.users == name).repeat(count) for name, count in counts.items()])
    return ScoreBlock(one.users[rows], one.scores[rows], one.ratings[rows], one.temperature)


def test_weights_do_what_writing_rows_out_would():
    one = block(0)
    names = np.unique(one.users)
    rng = np.random.default_rng(1)
    for _ in range(20):
        counts = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        weighted = one.measure(names, counts[None])
        written = repeated(one, dict(zip(names, counts, strict=True)))
        plain = written.measure(names, np.ones((1, len(names))))
        for metric in METRICS:
            if metric not in ("user_auc", "calibration_error"):  # users written twice are one; bins are fixed
                assert weighted[metric] == pytest.approx(plain[metric], nan_ok=True), metric


def test_interval_is_the_bootstrap_quantile_of_resampled_users():
    one = block(0)
    names = np.unique(one.users)
    estimates = bootstrap({"a": [one]}, seed=5, draws=200)
    rng, drawn = np.random.default_rng(5), []
    for _ in range(200):
        counts = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        written = repeated(one, dict(zip(names, counts, strict=True)))
        drawn.append(written.measure(names, np.ones((1, len(names))))["auc"][0])
    found = estimates.interval("a", "auc")
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert found.low <= found.value <= found.high


def test_differences_are_paired():
    good, bad = block(0, skill=3.0), block(0, skill=0.0)
    estimates = bootstrap({"good": [good], "bad": [bad], "twin": [good]}, draws=100)
    for metric in [name for name in METRICS if name not in ("lone_auc", "rank_correlation")]:
        same = estimates.difference("good", "twin", metric)
        assert same is not None and (same.value, same.low, same.high) == (0, 0, 0)
    gap = estimates.difference("good", "bad", "auc")
    assert gap is not None and gap.excludes_zero and gap.low > 0
    ours, theirs = estimates.interval("good", "auc"), estimates.interval("bad", "auc")
    assert ours is not None and theirs is not None and gap.value == pytest.approx(ours.value - theirs.value)


def test_blocks_are_averaged_and_users_joined_by_name():
    parts = [block(0), block(1, first=4)]
    estimates = bootstrap({"a": parts}, draws=50)
    alone = [bootstrap({"a": [part]}, draws=1).interval("a", "auc") for part in parts]
    joint = estimates.interval("a", "auc")
    assert joint is not None and joint.value == pytest.approx(np.mean([one.value for one in alone if one]))
    twice = bootstrap({"a": [block(0), block(0)]}, draws=50).interval("a", "accuracy")
    assert twice == bootstrap({"a": [block(0)]}, draws=50).interval("a", "accuracy")


def test_a_resample_without_a_blocks_users_leaves_that_block_out():
    lonely = ScoreBlock(np.array(["only"]), np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]))
    found = bootstrap({"a": [block(0), lonely]}, draws=300).interval("a", "accuracy")
    assert found is not None and np.isfinite([found.value, found.low, found.high]).all()


def test_what_cannot_be_computed_is_missing():
    ties = ScoreBlock(np.array(["u"]), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))
    estimates = bootstrap({"a": [ties]}, draws=10)
    assert estimates.interval("a", "auc") is None and estimates.interval("a", "log_loss") is None
    reward = estimates.interval("a", "reward")
    assert reward is not None and reward.value == 0.5


def test_the_side_a_model_is_shown_on_does_not_matter():
    one = block(0)
    flipped = ScoreBlock(one.users, one.scores[:, ::-1], one.ratings[:, ::-1], one.temperature)
    estimates = bootstrap({"a": [one], "b": [flipped]}, draws=20)
    for metric in METRICS:
        assert estimates.samples["a"][metric] == pytest.approx(estimates.samples["b"][metric], nan_ok=True)


def test_a_rated_candidate_without_a_score_is_refused():
    with pytest.raises(DataError, match="finite"):
        ScoreBlock(np.array(["u"]), np.array([[np.nan, 0.0]]), np.array([[1.0, 0.0]]))
    with pytest.raises(DataError, match="align"):
        ScoreBlock(np.array(["u"]), np.zeros((1, 3)), np.zeros((1, 2)))
