"""Check the rivals that mind task and cost: each finds what it was made for, and reads no rating asked."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.data.interactions import TEST, TRAIN
from gmt.evaluation.top_choice import chosen
from gmt.rivals.cascades import Cascade, QualityGap, model_costs
from gmt.rivals.registry import make_router
from gmt.rivals.supervised import best_of, choice_reward
from gmt.rivals.user_means import person_means, person_task_means
from tests.factories import random_dataset
from tests.utility.test_utility_router import SCORES, people

NAMES = ("user_task_mean", "ridge", "boosted_trees", "dual_contrastive", "cascade", "quality_gap")


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
def test_who_minds_the_task_and_the_person_beats_one_model_for_all(name, full):
    assert earned(name, *full) > earned("best_single", *full) + 0.02


@pytest.mark.parametrize("name", ("dual_contrastive", "cascade", "quality_gap"))
def test_who_minds_the_query_alone_is_no_worse_than_one_model_for_all(name, full):
    assert earned(name, *full) > earned("best_single", *full) - 0.02


@pytest.mark.parametrize("name", NAMES)
def test_no_rating_or_cost_asked_reaches_a_score(name, full):
    data, table = full[0], full[0].table
    asked = (table.split == TEST)[table.row_comparison]
    changed = replace(
        table, rating=np.where(asked, 1 - table.rating, table.rating), cost=np.where(asked, 0.5, table.cost)
    )
    questions = data.questions(np.flatnonzero(table.split == TEST)[:40])
    found = []
    for one in (data, data.with_table(changed)):
        router = make_router(name).fit(one.select(table.split != TEST))
        found.append(router.score(one.select(table.split == TRAIN), questions))
    assert (found[0] == found[1]).all()


def test_the_means_of_a_person_and_task_are_drawn_to_wider_ones():
    data = random_dataset(0)
    table = replace(data.table, tasks=("a", "b"), task=data.table.question % 2)
    rows = np.flatnonzero(~np.isnan(table.rating))
    at, model = table.row_comparison[rows], table.model[rows]
    wide = person_means(table.user[at], model, table.rating[rows], (len(table.users), len(table.models)), 2.0)
    found = person_task_means(table, 2.0, np.array([3, -1]), np.array([1, 0]))
    own = (table.user[at] == 3) & (table.task[at] == 1) & (model == 0)
    wanted = (table.rating[rows][own].sum() + 2 * wide.of(np.array([3]))[0, 0]) / (own.sum() + 2)
    assert found[0, 0] == pytest.approx(wanted)
    assert found[1] == pytest.approx(wide.of(np.array([-1]))[0])
    first = np.flatnonzero((table.user[at] == 3) & (model == 0))[0]
    less = person_means(
        np.delete(table.user[at], first), np.delete(model, first), np.delete(table.rating[rows], first),
        (len(table.users), len(table.models)), 2.0,
    )  # fmt: skip
    left = replace(wide, overall=less.overall).without(np.array([3]), 0, table.rating[rows][[first]])
    assert left == pytest.approx(less.of(np.array([3]))[:, 0])


def test_the_reward_of_a_choice_shares_equal_scores_and_passes_over_the_unrated():
    scores = np.array([[1.0, 1.0, 9.0], [2.0, 1.0, 0.0], [1.0, 2.0, 3.0]])
    ratings = np.array([[1.0, 0.0, np.nan], [0.2, 0.9, 0.9], [np.nan, np.nan, 1.0]])
    assert choice_reward(scores, ratings) == pytest.approx((0.5 + 0.2) / 2)
    assert choice_reward(scores[2:], ratings[2:]) == 0.0


def test_validation_chooses_the_best_paid_and_the_first_of_equals(full):
    data = full[0]
    routers = [make_router("random", 1), make_router("user_task_mean"), make_router("user_task_mean")]
    assert best_of(routers, data) is routers[1]


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
