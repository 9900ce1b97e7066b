import itertools

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from gmt.data.interactions import InteractionTable
from gmt.routing.pairwise import ALL_PAIRS_UP_TO, fit_temperature, log_loss, rated_pairs, votes_of
from tests.factories import random_table


def test_every_pair_of_rated_candidates_is_one_vote():
    table = random_table(3, max_candidates=4, unrated=0.2)
    votes = votes_of(table)
    wanted = []
    for c in range(len(table)):
        rows = range(table.start[c], table.start[c + 1])
        for a, b in itertools.combinations(rows, 2):
            gap = table.rating[a] - table.rating[b]
            if not np.isnan(gap):
                wanted.append((c, table.user[c], table.model[a], table.model[b], a, b, 0.5 + 0.5 * np.sign(gap)))
    columns = (votes.comparison, votes.user, votes.a, votes.b, votes.row_a, votes.row_b, votes.y)
    assert sorted(zip(*(column.tolist() for column in columns), strict=True)) == sorted(wanted)
    assert (votes.question == table.question[votes.comparison]).all()
    assert (votes.turn == table.turn[votes.comparison]).all()


def test_no_votes_without_rated_pairs():
    assert len(votes_of(InteractionTable.from_comparisons([]))) == 0
    assert len(votes_of(random_table(0, unrated=1.0))) == 0


def test_temperature_undoes_a_scale():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    y = (rng.random(20_000) < expit(logits)).astype(float)
    assert fit_temperature(7 * logits, y) == pytest.approx(7, rel=0.05)
    assert fit_temperature(np.zeros(5)) is None and fit_temperature(np.zeros(0)) is None


def test_temperature_is_the_best_of_a_grid():
    differences = np.random.default_rng(1).normal(0.3, 1, 200)
    found = fit_temperature(differences)
    assert found is not None
    assert (
        log_loss(differences, 1, found) <= min(log_loss(differences, 1, t) for t in np.geomspace(0.05, 50, 200)) + 1e-6
    )


@pytest.mark.parametrize("count", [10, 11, 14, 40, 101])
def test_pairs_of_many_answers_grow_with_them_reach_all_and_ignore_the_ratings(count):
    rated = np.ones((3, count + 2), bool)
    rated[:, [1, 4]] = False
    comparison, first, second = rated_pairs(rated)
    assert np.bincount(comparison).tolist() == [3 * count] * 3
    assert (first < second).all() and rated[comparison, first].all() and rated[comparison, second].all()
    own = comparison == 0
    ends = np.concatenate([first[own], second[own]])
    assert (np.bincount(ends, minlength=count + 2)[rated[0]] == 6).all()
    graph = coo_matrix((np.ones(own.sum()), (first[own], second[own])), shape=(count + 2, count + 2))
    assert connected_components(graph, directed=False)[0] == 1 + 2  # the two that are not rated stand alone


def test_pairs_of_few_answers_are_all_and_evaluation_has_all_of_many():
    for count in range(2, ALL_PAIRS_UP_TO + 1):
        found = rated_pairs(np.ones((1, count), bool))
        assert list(zip(*found[1:], strict=True)) == list(itertools.combinations(range(count), 2))
    table = random_table(1, users=2, models=12, max_candidates=12, comparisons_per_user=4)
    count = np.diff(table.start)
    assert len(votes_of(table, every=True)) == (count * (count - 1) // 2).sum()
    assert len(votes_of(table)) < len(votes_of(table, every=True))
