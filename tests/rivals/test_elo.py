from dataclasses import replace

import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import TEST, TRAIN, VALID, InteractionTable
from gmt.rivals.elo import UserElo, in_order, own_ratings, shared_ratings
from gmt.rivals.registry import make_router
from gmt.routing.pairwise import votes_of
from tests.factories import dataset_of, random_dataset, random_table


def cut(data, code):
    return np.flatnonzero(data.table.split == code)


def one_vote(winner="a", loser="b", rating=1.0, timestamp=None, name="c"):
    pair = (Candidate(winner, None, rating), Candidate(loser, None, 1 - rating))
    return Comparison("ana", name, 0, "q", pair, timestamp=timestamp)


def test_one_vote_moves_half_a_step_and_a_tie_moves_nothing():
    won = votes_of(InteractionTable.from_comparisons([one_vote()]))
    assert shared_ratings(won, 3, 0.2) == pytest.approx([0.1, -0.1, 0])
    tied = votes_of(InteractionTable.from_comparisons([one_vote(rating=0.5)]))
    assert (shared_ratings(tied, 2, 0.2) == 0).all()


def test_own_ratings_begin_at_the_shared_and_shrink_to_them():
    votes = votes_of(random_table(0, users=4, models=4))
    shared = shared_ratings(votes, 4, 0.1)
    free, drawn, held = (own_ratings(votes, 5, shared, 0.3, shrinkage) for shrinkage in (0.0, 20.0, 1e12))
    assert (free[4] == shared).all() and np.abs(free[:4] - shared).min() > 0
    assert drawn - shared == pytest.approx((free - shared) / 2)  # each user has 20 votes
    assert held == pytest.approx(np.tile(shared, (5, 1)))


def test_votes_are_played_by_time_and_those_without_one_last():
    times = [30.0, None, 10.0, 20.0]
    table = InteractionTable.from_comparisons([one_vote(name=f"c{i}", timestamp=t) for i, t in enumerate(times)])
    assert in_order(table).comparison.tolist() == [2, 3, 0, 1]
    untimed = InteractionTable.from_comparisons([one_vote(name=f"c{i}") for i in range(4)])
    assert in_order(untimed).comparison.tolist() == [0, 1, 2, 3]


def test_a_huge_step_stays_finite():
    votes = votes_of(random_table(0, models=4))
    assert np.isfinite(shared_ratings(votes, 4, 1e6)).all()


def test_unknown_users_get_the_shared_ratings_and_own_votes_count():
    data = random_dataset(0, users=20, comparisons_per_user=40, personal=3.0)
    router = UserElo().fit(data.select(data.table.split != TEST))
    history, questions = data.select(cut(data, TRAIN)), data.questions(cut(data, TEST))
    shared = shared_ratings(in_order(history.table), 5, router.step)
    unknown = replace(questions, user=np.full(len(questions), -1))
    assert router.score(history, unknown) == pytest.approx(shared[questions.candidates])
    assert np.abs(router.score(history, questions) - shared[questions.candidates]).max() > 0.1
    assert router.shrinkage < 100


def test_fit_reads_only_train_and_valid():
    data = random_dataset(1, users=10, comparisons_per_user=30)
    table = data.table
    other = replace(table, rating=np.where((table.split == TEST)[table.row_comparison], 1 - table.rating, table.rating))
    one, two = (make_router("user_elo").fit(data.with_table(t)) for t in (table, other))
    assert vars(one) == vars(two)
    swapped = replace(
        table, rating=np.where((table.split == VALID)[table.row_comparison], 1 - table.rating, table.rating)
    )
    assert vars(make_router("user_elo").fit(data.with_table(swapped))) != vars(one)


def test_nothing_to_validate_on_keeps_the_settings():
    data = dataset_of(random_table(0))
    assert vars(UserElo(0.07, 0.3, 5.0).fit(data)) == vars(UserElo(0.07, 0.3, 5.0))
