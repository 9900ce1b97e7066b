import itertools

import numpy as np
import pytest
from scipy.special import expit

from gmt.data.interactions import InteractionTable
from gmt.routing.pairwise import fit_temperature, log_loss, votes_of
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
