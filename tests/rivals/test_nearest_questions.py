from dataclasses import replace

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.rivals.nearest_questions import NearestQuestions
from tests.factories import dataset_of


def two_tastes():
    """Make ana like x on topic 0 and y on topic 1; bo the other way round."""
    comparisons = []
    for i in range(40):
        for user in ("ana", "bo"):
            rating = float((user == "ana") == (i % 2 == 0))
            pair = (Candidate("x", None, rating), Candidate("y", None, 1 - rating))
            comparisons.append(Comparison(user, f"{user}{i}", 0, f"topic {i % 2}", pair))
    data = dataset_of(InteractionTable.from_comparisons(comparisons))
    vectors = np.zeros_like(data.vectors)
    for code, text in enumerate(data.table.texts):
        vectors[code, int(text.endswith("1"))] = 1
    return replace(data, vectors=vectors)


def test_nearest_questions_know_the_user_and_the_topic():
    data = two_tastes()
    scores = NearestQuestions(neighbours=10, own_weight=16.0).score(data, data.questions(np.arange(4)))
    prefers_x = scores[:, 0] > scores[:, 1]
    assert prefers_x.tolist() == [True, False, False, True]  # ana 0, bo 0, ana 1, bo 1
