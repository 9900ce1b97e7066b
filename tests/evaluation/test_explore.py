"""Test that meeting new people is fair, and that exploring learns them faster than always showing the best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from data_prep.simulate.world import World
from gmt.data.dataset import Dataset
from gmt.errors import DataError
from gmt.evaluation.explore import compare_proposals, interact
from gmt.evaluation.intervals import Interval
from gmt.evaluation.new_users import LearningCurve, NewUsers
from gmt.evaluation.proposals import PROPOSALS
from gmt.evaluation.shares import bootstrap_shares
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.hierarchical import HierarchicalBradleyTerry

KNOWN, NEW, ROUNDS, HELD = 160, 60, 15, 15
AFTER = (0, 5, 10, 15)


@pytest.fixture(scope="module")
def people() -> tuple[Dataset, World]:
    settings = PlantedSettings(users=KNOWN + NEW, votes=40, questions=160)
    data, world = planted_dataset(settings, fractions=(0.8, 0.1, 0.1))
    return data.select(data.table.user < KNOWN), world


@pytest.fixture(scope="module")
def posterior(people: tuple[Dataset, World]) -> ConditionedPosterior:
    data, _ = people
    return HierarchicalBradleyTerry().fit(data).condition(data)


@pytest.fixture(scope="module")
def meeting(people: tuple[Dataset, World]) -> NewUsers:
    data, world = people
    _, first = np.unique(data.table.query, return_index=True)
    numbers = {name: number for number, name in enumerate(world.question_ids)}
    asked = np.array([numbers[data.table.questions[code]] for code in data.table.question[first]])
    new = np.arange(KNOWN, KNOWN + NEW)
    utilities = world.utilities(np.repeat(new, len(asked)), np.tile(asked, NEW)).reshape(NEW, len(asked), -1)
    return NewUsers.draw(data.questions(first), utilities, ROUNDS, HELD, np.random.default_rng(0))


@pytest.fixture(scope="module")
def courses(
    people: tuple[Dataset, World], posterior: ConditionedPosterior, meeting: NewUsers
) -> dict[str, LearningCurve]:
    tried = ("best two", "one draw", "two draws", "best and a draw", "at random")
    return compare_proposals(posterior, people[0], meeting, AFTER, proposals={way: PROPOSALS[way] for way in tried})


def _difference(courses: dict[str, LearningCurve], way: str, rival: str, metric: str) -> Interval:
    found = bootstrap_shares({name: course.shares() for name, course in courses.items()}).difference(way, rival, metric)
    assert found is not None
    return found


def test_drawing_learns_a_new_person_faster_than_the_two_best(courses: dict[str, LearningCurve]) -> None:
    # Of the ways to draw, two draws gain the most; sixty people are too few to be sure of the others.
    for votes in (10, 15):
        assert _difference(courses, "two draws", "best two", f"order@{votes}").low > 0


def test_exploring_is_paid_for_in_the_answers_shown(courses: dict[str, LearningCurve]) -> None:
    assert _difference(courses, "one draw", "best two", "shown@15").low > 0
    assert _difference(courses, "at random", "one draw", "shown@15").low > 0


def test_everybody_begins_alike_and_votes_help(courses: dict[str, LearningCurve]) -> None:
    begun = [course.order[0] for course in courses.values()]
    assert all((order == begun[0]).all() for order in begun)
    for course in courses.values():
        assert course.after == AFTER
        assert course.order[-1].mean() > course.order[0].mean() + 0.05
        assert course.regret[-1].mean() < course.regret[0].mean()
        assert (course.first >= 0).all() and (course.shown >= 0).all()


def test_the_measures_agree_with_each_other(courses: dict[str, LearningCurve]) -> None:
    course = courses["at random"]
    shares = course.shares("s/")
    assert shares["order@15"].users[0] == "s/0"
    assert shares["first@5"].above == pytest.approx(course.first[:5].sum(axis=0))
    block = course.block(-1)
    right = (1 + np.sign(block.scores[:, 0] - block.scores[:, 1])) / 2
    assert right.mean() == pytest.approx(((1 + np.sign(course.difference[-1])) / 2).mean())
    assert right.mean() > 0.6


def test_held_out_votes_are_never_read(
    people: tuple[Dataset, World], posterior: ConditionedPosterior, meeting: NewUsers, courses: dict[str, LearningCurve]
) -> None:
    assert not any(np.intersect1d(*both).size for both in zip(meeting.queries, meeting.held, strict=True))
    other = replace(meeting, won=~meeting.won)
    rng = np.random.default_rng([0, list(courses).index("one draw")])
    course = interact(posterior, people[0], other, PROPOSALS["one draw"], AFTER, rng)
    assert (course.order == courses["one draw"].order).all()
    assert (course.difference == -courses["one draw"].difference).all()


def test_one_persons_votes_change_nobody_else(
    people: tuple[Dataset, World], posterior: ConditionedPosterior, meeting: NewUsers
) -> None:
    luck = np.stack([meeting.luck, meeting.luck])
    luck[:, 0] = [[0.0], [1.0]]
    best = PROPOSALS["best two"]
    one, other = (
        interact(posterior, people[0], replace(meeting, luck=drawn), best, (10,), np.random.default_rng(0))
        for drawn in luck
    )
    assert one.order[:, 1:] == pytest.approx(other.order[:, 1:])
    assert one.difference[:, 0] != pytest.approx(other.difference[:, 0])


@pytest.mark.parametrize("way", list(PROPOSALS))
def test_two_different_models_are_proposed_and_drawn_as_often_as_they_may_be_best(way: str) -> None:
    rng = np.random.default_rng(1)
    mean = np.tile([0.0, 1.0, -8.0], (4000, 1))
    covariance = np.tile(np.diag([1.0, 1.0, 0.01]), (4000, 1, 1))
    first, second = PROPOSALS[way](mean, covariance, rng)
    assert (first != second).all()
    share = (first == 1).mean()
    wanted = {"one draw": 0.760, "two draws": 0.760, "cautious draw": 0.921, "at random": 1 / 3}.get(way, 1.0)
    assert share == pytest.approx(wanted, abs=0.03)  # Φ(1 / √2), Φ(√2)


def test_more_rounds_than_questions_are_refused(meeting: NewUsers) -> None:
    count = len(meeting.questions)
    with pytest.raises(DataError, match="need as many questions"):
        NewUsers.draw(meeting.questions, meeting.utilities, count, 1, np.random.default_rng(0))
