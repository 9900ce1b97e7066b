from dataclasses import replace

import numpy as np
import pytest

from gmt.data.interactions import TEST, TRAIN, Candidate, Comparison, InteractionTable
from gmt.errors import ConfigError
from gmt.rivals.registry import RIVALS, NearestQuestions, UserMean, make_router, model_means
from gmt.routing.protocol import RoutingMethod
from tests.factories import dataset_of, random_dataset


def cut(data, code):
    return np.flatnonzero(data.table.split == code)


@pytest.mark.parametrize("name", RIVALS)
def test_every_baseline_gives_finite_scores_and_infinity_under_padding(name):
    data = random_dataset(0, models=6, max_candidates=4, unrated=0.1)
    router = make_router(name, 0).fit(data.select(data.table.split != TEST))
    assert isinstance(router, RoutingMethod) and router.name == name
    questions = data.questions(cut(data, TEST))
    scores = router.score(data.select(cut(data, TRAIN)), questions)
    offered = questions.candidates >= 0
    assert np.isfinite(scores[offered]).all() and np.isneginf(scores[~offered]).all()


@pytest.mark.parametrize("name", RIVALS)
def test_a_score_depends_on_nothing_asked_beside_it(name):
    data = random_dataset(1)
    router = make_router(name, 0).fit(data.select(data.table.split != TEST))
    history, targets = data.select(cut(data, TRAIN)), cut(data, TEST)
    together = router.score(history, data.questions(targets))
    alone = np.concatenate([router.score(history, data.questions(targets[i : i + 1])) for i in range(len(targets))])
    assert together == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("name", RIVALS)
def test_an_empty_history_and_an_unknown_user_are_no_fault(name):
    data = random_dataset(2)
    router = make_router(name, 0).fit(data.select(np.zeros(len(data.table), dtype=bool)))
    questions = data.questions(cut(data, TEST))
    questions = replace(questions, user=np.full(len(questions), -1))
    assert np.isfinite(router.score(data.select(np.zeros(0, dtype=int)), questions)).all()


POINTWISE = ("ridge", "boosted_trees", "dual_contrastive", "cascade")  # learn from texts: need more votes


@pytest.mark.parametrize("name", [name for name in RIVALS if name not in ("random", "best_single")])
def test_a_planted_best_model_wins(name):
    users, votes = (40, 100) if name in POINTWISE else (20, 40)
    data = random_dataset(0, users=users, comparisons_per_user=votes, personal=0.0, shared=3.0, ties=0.0)
    router = make_router(name, 0).fit(data.select(data.table.split != TEST))
    targets = cut(data, TEST)
    scores, ratings = router.score(data.select(cut(data, TRAIN)), data.questions(targets)), data.table.ratings[targets]
    # Vectors say nothing here, so that who reads them first of all only comes near.
    assert (scores.argmax(axis=1) == ratings.argmax(axis=1)).mean() > (0.6 if name in POINTWISE else 0.7)


def test_best_single_puts_one_model_above_all_others():
    data = random_dataset(0, personal=0.0, shared=3.0)
    questions = data.questions(cut(data, TEST))
    scores = make_router("best_single").score(data.select(cut(data, TRAIN)), questions)
    best = model_means(data.select(cut(data, TRAIN)).table).argmax()
    assert (scores == (questions.candidates == best)).all()


def test_random_is_fixed_by_its_seed_and_even():
    data = random_dataset(0, users=40, comparisons_per_user=50)
    questions = data.questions(np.arange(len(data.table)))
    scores = make_router("random", 1).score(data, questions)
    assert (scores == make_router("random", 1).score(data, questions)).all()
    assert (scores != make_router("random", 2).score(data, questions)).all()
    assert 0.45 < (scores[:, 0] > scores[:, 1]).mean() < 0.55 and 0.45 < scores.mean() < 0.55
    assert scores.min() >= 0 and scores.max() < 1


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


def test_nearest_questions_know_the_asker_and_the_topic():
    data = two_tastes()
    scores = NearestQuestions(neighbours=10, own_weight=16.0).score(data, data.questions(np.arange(4)))
    prefers_x = scores[:, 0] > scores[:, 1]
    assert prefers_x.tolist() == [True, False, False, True]  # ana 0, bo 0, ana 1, bo 1


def test_user_mean_is_drawn_towards_the_models():
    data = random_dataset(0)
    questions, history = data.questions(cut(data, TEST)), data.select(cut(data, TRAIN))
    shared = make_router("model_mean").score(history, questions)
    assert UserMean(1e9).score(history, questions) == pytest.approx(shared, abs=1e-6)
    assert np.abs(UserMean(1.0).score(history, questions) - shared).max() > 0.1


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="knn"):
        make_router("nearest")
