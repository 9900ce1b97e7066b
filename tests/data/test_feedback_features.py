"""Check that feedback of any form becomes the features that design and docs name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmt.data.feedback_features import FEEDBACK, feedback_features

NONE = float("nan")


@pytest.mark.parametrize(
    ("ratings", "wanted"),
    [
        pytest.param([1, 0], [[1, 1, 1, 1, 0], [1, -1, -1, 0, 0]], id="vote"),
        pytest.param([0.5, 0.5], [[1, 0, 0, 0, 1], [1, 0, 0, 0, 1]], id="tie"),
        pytest.param([0.75, 0.25], [[1, 0.5, 0.5, 1, 0], [1, -0.5, -0.5, 0, 0]], id="ratings"),
        pytest.param([1, 1], [[1, 1, 0, 0, 1], [1, 1, 0, 0, 1]], id="two equally good"),
        pytest.param([0, 0.5, 1], [[1, -1, -0.75, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0.75, 1, 0]], id="ranking"),
        pytest.param([1, 1, 0], [[1, 1, 0.5, 0, 0], [1, 1, 0.5, 0, 0], [1, -1, -1, 0, 0]], id="shared first place"),
        pytest.param([1], [[1, 1, 1, 0, 0]], id="thumb up"),
        pytest.param([0], [[1, -1, -1, 0, 0]], id="thumb down"),
        pytest.param([0, NONE], [[1, -1, -1, 0, 0], [0, 0, 0, 0, 0]], id="one of two rated"),
        pytest.param([1, NONE, 0], [[1, 1, 1, 1, 0], [0] * 5, [1, -1, -1, 0, 0]], id="two of three rated"),
        pytest.param([NONE, NONE], [[0] * 5, [0] * 5], id="nothing rated"),
    ],
)
def test_feedback_of_any_form_becomes_features(ratings, wanted):
    assert FEEDBACK == ("rated", "rating", "advantage", "best", "tie", "written")
    padded = np.array([[*map(float, ratings), NONE]])  # padding changes nothing
    found = feedback_features(padded, np.zeros(padded.shape, bool))
    assert found.dtype == np.float32 and np.isfinite(found).all()
    np.testing.assert_allclose(found[0, :-1, :-1], wanted, atol=1e-6)
    assert (found[0, -1] == 0).all() and (found[..., -1] == 0).all()


def test_written_feedback_is_marked_also_without_a_rating():
    found = feedback_features(np.array([[NONE, 1.0]]), np.array([[True, False]]))
    assert found[0, 0].tolist() == [0, 0, 0, 0, 0, 1] and found[0, 1, -1] == 0


@given(st.lists(st.sampled_from([NONE, 0.0, 0.3, 1.0]), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_features_follow_their_candidate(ratings, random):
    order = random.sample(range(len(ratings)), len(ratings))
    row = np.array([ratings])
    found = feedback_features(row, np.zeros(row.shape, bool))
    turned = feedback_features(row[:, order], np.zeros(row.shape, bool))
    np.testing.assert_allclose(turned, found[:, order], atol=1e-6)
