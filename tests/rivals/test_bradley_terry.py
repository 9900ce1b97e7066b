import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.rivals.bradley_terry import BradleyTerry, UserBradleyTerry, offsets, strengths
from gmt.routing.pairwise import votes_of
from tests.factories import dataset_of, random_dataset, random_table


def test_planted_strengths_are_recovered():
    rng = np.random.default_rng(0)
    planted = np.array([-1.5, -0.5, 0.0, 0.7, 1.3])
    comparisons = []
    for i in range(6000):
        a, b = rng.choice(5, 2, replace=False)
        won = float(rng.random() < expit(planted[a] - planted[b]))
        pair = (Candidate(f"m{a}", None, won), Candidate(f"m{b}", None, 1 - won))
        comparisons.append(Comparison("u", f"c{i}", 0, "q", pair))
    table = InteractionTable.from_comparisons(comparisons, models=[f"m{m}" for m in range(5)])
    assert strengths(votes_of(table), 5, 10.0) == pytest.approx(planted, abs=0.15)


def test_newton_finds_the_penalised_optimum():
    votes = votes_of(random_table(1, users=3, models=4, comparisons_per_user=15, max_candidates=3))

    def loss(s):
        logit = s[votes.a] - s[votes.b]
        return np.sum(np.logaddexp(0, logit) - votes.y * logit) + s @ s / (2 * 0.7)

    assert strengths(votes, 4, 0.7) == pytest.approx(minimize(loss, np.zeros(4)).x, abs=1e-4)


def test_offsets_of_all_users_at_once_equal_one_user_at_a_time(monkeypatch):
    votes = votes_of(random_table(2, users=7, models=4))
    strength = strengths(votes, 4, 1.0)
    together = offsets(votes, 9, strength, 0.5)
    monkeypatch.setattr("gmt.rivals.bradley_terry.NUMBERS_AT_ONCE", 1)
    assert together == pytest.approx(offsets(votes, 9, strength, 0.5), abs=1e-9)
    assert (together[7:] == 0).all() and (together[:7] != 0).any(axis=1).all()


def test_a_model_without_votes_has_the_mean_strength():
    votes = votes_of(random_table(0, models=4))
    found = strengths(votes, 6, 1.0)
    assert (found[4:] == 0).all() and found[:4].mean() == pytest.approx(0, abs=1e-9)


def test_a_landslide_stays_finite():
    pair = (Candidate("a", None, 1.0), Candidate("b", None, 0.0))
    table = InteractionTable.from_comparisons([Comparison("u", f"c{i}", 0, "q", pair) for i in range(5000)])
    found = strengths(votes_of(table), 2, 100.0)
    assert np.isfinite(found).all() and found[0] > 3


def test_two_users_of_opposite_taste_get_opposite_rankings():
    comparisons = []
    for i in range(30):
        for user, rating in (("ana", 1.0), ("bo", 0.0)):
            pair = (Candidate("x", None, rating), Candidate("y", None, 1 - rating))
            comparisons.append(Comparison(user, f"{user}{i}", 0, "q", pair))
    data = dataset_of(InteractionTable.from_comparisons(comparisons))
    scores = UserBradleyTerry().score(data, data.questions(np.array([0, 1])))
    assert scores[0, 0] > scores[0, 1] and scores[1, 0] < scores[1, 1]
    shared = BradleyTerry().score(data, data.questions(np.array([0, 1])))
    assert shared == pytest.approx(0, abs=1e-9)


def test_shots_count_and_an_unknown_user_gets_the_shared_strengths():
    data = random_dataset(0, personal=3.0, protocol="new-users")
    train, test = (np.flatnonzero(data.table.split == code) for code in (0, 2))
    router = UserBradleyTerry()
    questions = data.questions(test)
    cold = router.score(data.select(train), questions)
    assert cold == pytest.approx(BradleyTerry().score(data.select(train), questions))
    warm = router.score(data.select(np.arange(len(data.table))), questions)
    assert np.abs(warm - cold).max() > 0.1


def test_fit_chooses_little_personality_where_there_is_none():
    settings = {"users": 30, "comparisons_per_user": 40, "shared": 1.5}
    alike = UserBradleyTerry().fit(random_dataset(0, personal=0.0, **settings)).offset_variance
    apart = UserBradleyTerry().fit(random_dataset(0, personal=3.0, **settings)).offset_variance
    assert alike < apart
