"""Check gains, calibration and each person's gain by people and scores whose answers are plain."""

import numpy as np
import pytest

from gmt.errors import DataError
from gmt.evaluation.score_blocks import ScoreBlock
from gmt.report.prediction_numbers import calibration_of, gain_routers, gains_over, user_gains_of

PEOPLE, PAIRS = 12, 10


def block(right, strength=1.0, temperature=1.0):
    """Return pairs of which a share is told right, the same in every person."""
    users = np.repeat([f"u{n:02}" for n in range(PEOPLE)], PAIRS)
    ratings = np.tile([1.0, 0.0], (len(users), 1))
    won = np.tile(np.arange(PAIRS) < right * PAIRS, PEOPLE)
    scores = np.where(won[:, None], [strength, 0.0], [0.0, strength])
    return ScoreBlock(users, scores, ratings, temperature)


def test_gains_are_paired_so_what_all_people_gain_alike_has_no_width():
    blocks = {"0": {"gmt": [block(0.8)], "bradley_terry": [block(0.6)]}}
    gain = gains_over(blocks, "bradley_terry")["0"]["gmt"]["accuracy"]
    assert gain["value"] == pytest.approx(0.2) and gain["low"] == pytest.approx(gain["high"])
    assert gains_over(blocks, "gmt")["0"]["bradley_terry"]["accuracy"]["value"] == pytest.approx(-0.2)


def test_a_gain_in_log_loss_is_turned_so_that_more_is_better():
    blocks = {"all": {"gmt": [block(1.0, 2.0)], "bradley_terry": [block(1.0, 0.5)]}}
    assert gains_over(blocks, "bradley_terry")["all"]["gmt"]["log_loss"]["value"] > 0


def test_shots_come_in_order_of_their_numbers_and_the_reference_is_needed():
    blocks = {shot: {"gmt": [block(0.8)], "knn": [block(0.6)]} for shot in ("10", "0", "2")}
    assert list(gains_over(blocks, "knn")) == ["0", "2", "10"]
    with pytest.raises(DataError, match="--baselines"):
        gains_over(blocks, "bradley_terry")


def test_promises_that_are_kept_lie_on_the_line():
    # A logit of log 4 promises 80 %, and 80 % are right.
    bins = calibration_of({"gmt": [block(0.8, np.log(4.0))]}, ["gmt"])["gmt"]
    assert len(bins) == 1 and bins[0]["pairs"] == PEOPLE * PAIRS
    assert bins[0]["promised"] == pytest.approx(0.8) and bins[0]["won"] == pytest.approx(0.8)
    assert bins[0]["low"] <= 0.8 <= bins[0]["high"]


def test_a_router_without_promises_has_no_calibration_and_no_gain_of_people():
    blocks = {"gmt": [block(0.8)], "knn": [block(0.8, temperature=None)]}
    assert calibration_of(blocks, ["gmt", "knn"]).keys() == {"gmt"}
    assert user_gains_of(blocks, "gmt", "knn") == []


def test_every_person_has_a_gain_and_none_has_a_name():
    blocks = {"gmt": [block(0.9, 2.0)], "bradley_terry": [block(0.6, 2.0)]}
    gains = user_gains_of(blocks, "gmt", "bradley_terry")
    assert len(gains) == PEOPLE and all(one["gain"] > 0 and one["pairs"] == PAIRS for one in gains)
    assert all(one["low"] < one["gain"] < one["high"] for one in gains)
    assert not any("u0" in str(value) for one in gains for value in one.values())
    assert user_gains_of(blocks, "gmt", "bradley_terry", least=PAIRS + 1) == []


def test_routers_of_a_figure_of_gains_end_in_the_reference():
    assert gain_routers(["random", "knn", "gmt", "bradley_terry"], "bradley_terry") == ["gmt", "knn", "bradley_terry"]
