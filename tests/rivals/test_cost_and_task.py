"""Check the rivals that mind task and cost: each finds what it was made for."""

import numpy as np
import pytest

from gmt.data.interactions import TEST, TRAIN
from gmt.evaluation.top_choice import chosen
from gmt.rivals.cascade import Cascade
from gmt.rivals.model_means import model_costs
from gmt.rivals.quality_gap import QualityGap
from gmt.rivals.registry import make_router
from tests.utility.test_utility_router import SCORES, people


def earned(name, data, truth):
    router = make_router(name).fit(data.select(data.table.split != TEST))
    targets = np.flatnonzero(data.table.split == TEST)
    scores = router.score(data.select(data.table.split == TRAIN), data.questions(targets))
    order = np.argsort(data.questions(targets).candidates, axis=1)
    return float(
        (chosen(np.take_along_axis(scores, order, 1)) * truth.rewards(data.table, SCORES)[targets]).sum(1).mean()
    )


@pytest.fixture(scope="module")
def full():
    return people("full", users=20, per_user=100)


@pytest.mark.parametrize("name", ("user_task_mean", "ridge", "boosted_trees"))
def test_who_minds_the_task_and_the_user_beats_one_model_for_all(name, full):
    assert earned(name, *full) > earned("best_single", *full) + 0.02


@pytest.mark.parametrize("name", ("dual_contrastive", "cascade", "quality_gap"))
def test_who_minds_the_query_alone_is_no_worse_than_one_model_for_all(name, full):
    assert earned(name, *full) > earned("best_single", *full) - 0.02


def test_a_cascade_takes_the_cheapest_that_is_good_enough(full):
    data = full[0]
    history = data.select(data.table.split == TRAIN)
    questions = data.questions(np.flatnonzero(data.table.split == TEST)[:10])
    cost = model_costs(history)
    cheapest = np.argmin(cost[questions.candidates], axis=1)
    assert (Cascade(-np.inf).score(history, questions).argmax(axis=1) == cheapest).all()
    proud = Cascade(np.inf)
    assert (proud.score(history, questions) == proud.judge.score(history, questions)).all()


def test_a_wide_gap_serves_the_small_model_and_a_narrow_one_the_large(full):
    data = full[0]
    history = data.select(data.table.split == TRAIN)
    questions = data.questions(np.flatnonzero(data.table.split == TEST)[:10])
    cost = model_costs(history)
    small, large = (
        questions.candidates[np.arange(10), QualityGap(gap).score(history, questions).argmax(axis=1)]
        for gap in (np.inf, -np.inf)
    )
    assert len(set(small)) == len(set(large)) == 1 and cost[small[0]] <= cost[large[0]]
