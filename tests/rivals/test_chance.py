import numpy as np

from gmt.rivals.chance import Random
from tests.factories import random_dataset


def test_random_is_fixed_by_its_seed_and_even():
    data = random_dataset(0, users=40, comparisons_per_user=50)
    questions = data.questions(np.arange(len(data.table)))
    scores = Random(1).score(data, questions)
    assert (scores == Random(1).score(data, questions)).all()
    assert (scores != Random(2).score(data, questions)).all()
    assert 0.45 < (scores[:, 0] > scores[:, 1]).mean() < 0.55 and 0.45 < scores.mean() < 0.55
    assert scores.min() >= 0 and scores.max() < 1
