"""Check thresholds against the scale that made the ratings, and that they stay ordered whatever is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmt.posterior.observations import GAP, LONE, VOTE, WEAK, Observations
from gmt.posterior.rating_scales import MOST_LEVELS, RatingScales


def said(kind: int, value: np.ndarray) -> Observations:
    none = np.zeros(len(value), int)
    return Observations(none, none, none, np.full(len(value), kind), value.astype(float), np.ones(len(value)))


def fitted(kind: int, value: np.ndarray, z: np.ndarray) -> RatingScales:
    observed = said(kind, value)
    return RatingScales.of(observed).fitted(observed.kind, observed.value, observed.weight, z)


def test_thresholds_are_those_that_made_the_ratings():
    rng = np.random.default_rng(0)
    z, cuts = rng.normal(0, 2, 6000), np.array([-1.5, 0.2, 2.0])
    stars = np.searchsorted(cuts, z + rng.logistic(size=6000)) / 3
    assert fitted(LONE, stars, z).lone_cuts == pytest.approx(cuts, abs=0.15)


def test_cut_points_of_a_difference_are_symmetric():
    rng = np.random.default_rng(1)
    z, cuts = rng.normal(0, 2, 6000), np.array([0.4, 2.0])
    felt = z + rng.logistic(size=6000)
    gap = np.sign(felt) * np.searchsorted(cuts, np.abs(felt)) / 2
    scales = fitted(GAP, gap, z)
    assert scales.gap_cuts == pytest.approx(cuts, abs=0.15)
    one, other = (scales.outcomes(np.full(3, GAP), sign * np.array([0, 0.5, 1.0]), np.ones(3)) for sign in (1, -1))
    assert one.log_likelihood(np.full(3, 0.7)) == pytest.approx(other.log_likelihood(np.full(3, -0.7)))


@given(
    level=st.lists(st.integers(0, 4), min_size=1, max_size=30),
    seed=st.integers(0, 99),
    kind=st.sampled_from([LONE, GAP]),
)
@settings(max_examples=40, deadline=None)
def test_thresholds_stay_ordered_and_finite(level, seed, kind):
    value = np.array(level) / 4
    if kind == GAP and not (value > 0).any():
        return
    z = np.random.default_rng(seed).normal(0, 3, len(value))
    scales = fitted(kind, value, z)
    cuts = scales.lone_cuts if kind == LONE else scales.gap_cuts
    assert cuts is not None and np.isfinite(cuts).all() and (np.diff(cuts) > 0).all()
    outcomes = scales.outcomes(np.full(len(value), kind), value, np.ones(len(value)))
    assert np.isfinite(outcomes.log_likelihood(z)).all() and (outcomes.curvature(z) >= 0).all()


def test_two_levels_are_one_threshold_and_a_fine_scale_is_binned():
    thumbs = RatingScales.of(said(LONE, np.array([0.0, 1, 1, 1])))
    assert thumbs.lone_cuts is not None and len(thumbs.lone_cuts) == 1
    outcome = thumbs.outcomes(np.array([LONE]), np.ones(1), np.ones(1))
    assert outcome.lower == outcome.upper == thumbs.lone_cuts
    fine = RatingScales.of(said(LONE, np.linspace(0, 1, 101)))
    assert fine.lone_cuts is not None and len(fine.lone_cuts) == MOST_LEVELS - 1
    one = RatingScales.of(said(LONE, np.ones(5)))  # everybody was glad: still a scale of two
    assert one.lone_cuts is not None and len(one.lone_cuts) == 1


def test_a_fine_scale_of_which_most_is_one_rating_has_two_levels():
    skewed = RatingScales.of(said(LONE, np.concatenate([np.ones(300), np.linspace(0, 0.9, 20)])))
    assert skewed.lone_cuts is not None and len(skewed.lone_cuts) == 1
    sizes = RatingScales.of(said(GAP, np.concatenate([np.ones(300), np.linspace(0.1, 0.9, 20)])))
    assert sizes.gap_cuts is not None and (np.diff(sizes.gap_cuts) > 0).all()


def test_votes_have_no_thresholds_and_stay_votes_among_others():
    assert RatingScales.of(said(VOTE, np.array([1.0, 0.5]))).to_arrays() == {}
    scales = RatingScales.of(said(WEAK, np.array([1.0, 0, 0])))
    mixed = scales.outcomes(np.array([VOTE, WEAK]), np.array([0.5, 1.0]), np.array([1.0, 0.4]))
    assert mixed.residual(np.zeros(2))[0] == 0.0 and mixed.residual(np.zeros(2))[1] < 0.4
    again = RatingScales.from_arrays(scales.to_arrays())
    assert np.array_equal(again.weak_cut, scales.weak_cut) and again.lone_cuts is None
