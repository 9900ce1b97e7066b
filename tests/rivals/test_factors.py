"""Check the rivals that learn factors, or pass residuals between queries, on people and queries with known taste."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

from data_prep.splits import assign
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import TEST, TRAIN, InteractionTable
from gmt.rivals.factor_models import FactorisationMachine, MatrixFactorisation
from gmt.rivals.factors import Contexts, FactorProblem, FactorSettings
from gmt.rivals.propagation import GraphPropagation, QueryGraph
from gmt.rivals.registry import make_router
from gmt.routing.pairwise import votes_of
from tests.factories import dataset_of, random_dataset, random_table

PERSONAL = ("user_elo", "low_rank", "factorisation_machine")
IMPERSONAL = ("matrix_factorisation", "graph_router")


def cut(data, code):
    return np.flatnonzero(data.table.split == code)


def planted(seed=0, users=60, models=8, votes=60, queries=20, taste=2.0, topic=0.0):
    """Draw votes of people whose liking of models has rank 2, on queries that suit models by rank 2."""
    rng = np.random.default_rng(seed)
    own = taste * rng.normal(size=(users, 2)) @ rng.normal(size=(2, models))
    suited = topic * rng.normal(size=(queries, 2)) @ rng.normal(size=(2, models))
    comparisons = []
    for user in range(users):
        for i in range(votes):
            a, b = rng.choice(models, 2, replace=False)
            query = rng.integers(queries)
            worth = own[user] + suited[query]
            won = float(rng.random() < expit(worth[a] - worth[b]))
            pair = (Candidate(f"m{a}", None, won), Candidate(f"m{b}", None, 1 - won))
            comparisons.append(Comparison(f"u{user}", f"u{user}-{i}", 0, f"query {query}", pair))
    table = InteractionTable.from_comparisons(comparisons)
    return dataset_of(table.with_split(assign(table, "seen", seed=seed)))


def accuracy(name, data):
    router = make_router(name).fit(data.select(data.table.split != TEST))
    targets = cut(data, TEST)
    scores, ratings = router.score(data.select(cut(data, TRAIN)), data.questions(targets)), data.table.ratings[targets]
    return (scores.argmax(axis=1) == ratings.argmax(axis=1)).mean()


@pytest.fixture(scope="module")
def tastes():
    return planted()


@pytest.fixture(scope="module")
def topics():
    return planted(1, users=20, votes=120, taste=0.0, topic=2.0)


@pytest.mark.parametrize("name", PERSONAL)
def test_planted_taste_of_low_rank_is_found(tastes, name):
    assert accuracy(name, tastes) > accuracy("bradley_terry", tastes) + 0.1


def test_shared_factors_need_fewer_votes_than_offsets(tastes):
    table = tastes.table
    rank = np.argsort(np.argsort(table.user, kind="stable")) % 60  # which vote of its user each comparison is
    few = tastes.select((table.split != TRAIN) | (rank < 25))
    assert accuracy("low_rank", few) > accuracy("user_bradley_terry", few)


@pytest.mark.parametrize("name", [*IMPERSONAL, "factorisation_machine"])
def test_planted_topics_are_found(topics, name):
    assert accuracy(name, topics) > accuracy("bradley_terry", topics) + 0.1


@pytest.mark.parametrize("name", [*PERSONAL, *IMPERSONAL])
def test_who_asks_counts_only_for_the_personal(tastes, name):
    router = make_router(name)
    table = tastes.table
    history, questions = tastes.select((table.split == TRAIN) & (table.user > 0)), tastes.questions(cut(tastes, TEST))
    asked = router.score(history, questions)
    unknown = router.score(history, replace(questions, user=np.full(len(questions), -1)))
    silent = router.score(history, replace(questions, user=np.zeros(len(questions), dtype=int)))
    assert silent == pytest.approx(unknown, abs=1e-12)
    assert (asked == unknown).all() == (name in IMPERSONAL)
    if name == "low_rank":  # nothing but the model is left: one score each
        assert all(len(set(unknown[questions.candidates == model].round(9))) == 1 for model in range(8))


@pytest.mark.parametrize("name", [*PERSONAL, *IMPERSONAL])
def test_without_votes_all_models_are_one(name):
    data = random_dataset(0)
    blank = data.with_table(data.table.without_ratings())
    for history in (data.select(np.zeros(0, dtype=int)), blank):
        assert (make_router(name).fit(history).score(history, data.questions(np.arange(5))) == 0).all()


@pytest.mark.parametrize("name", [*PERSONAL, *IMPERSONAL])
def test_models_users_and_queries_that_came_later_are_scored(name):
    data = random_dataset(0, users=6)
    router = make_router(name).fit(data.select(data.table.split != TEST))
    pair = (Candidate("model0", None, 0.0), Candidate("newcomer", None, 1.0))
    later = dataset_of(data.table.append([Comparison("zoe", "zoe0", 0, "something else", pair)], TEST))
    history, questions = later.select(later.table.split == TRAIN), later.questions(np.array([len(data.table)]))
    assert np.isfinite(router.score(history, questions)).all()
    assert np.diff(router.score(later, questions)[0])[0] > np.diff(router.score(history, questions)[0])[0]


def test_the_gradient_is_that_of_finite_differences():
    data = dataset_of(random_table(3, users=4, models=4, max_candidates=3))
    votes, settings = votes_of(data.table), FactorSettings(rank=3, user=0.4, query=0.7, strength=0.5)
    contexts = Contexts.of(data, 5, settings)
    features = contexts.features(votes.user, data.table.query[votes.comparison], data.vectors)
    problem = FactorProblem.of(features, votes, 4, settings)
    at = np.random.default_rng(0).normal(size=4 + 3 * (4 + 4 + 5))
    numeric = approx_fprime(at, lambda x: problem.loss(x)[0], 1e-6)
    assert problem.loss(at)[1] == pytest.approx(numeric, rel=1e-4, abs=1e-3)
    assert np.abs(problem.loss(np.concatenate([part.ravel() for part in problem.solve(np.zeros(4))]))[1]).max() < 0.05


def test_visible_queries_have_length_one_on_average():
    data = random_dataset(0)
    contexts = Contexts.of(data, 4, FactorSettings(user=0.0, query=1.0))
    codes = np.unique(data.table.query)
    features = contexts.features(np.full(len(codes), -1), codes, data.vectors).toarray()
    assert features.shape[1] == 4 and (features**2).sum(axis=1).mean() == pytest.approx(1)


def test_a_model_without_votes_is_predicted_from_its_description():
    """Give models two kinds of description, and let one kind win: its new member is better."""
    rng, comparisons = np.random.default_rng(0), []
    for i in range(200):
        pair = (Candidate(f"good{rng.integers(4)}", None, 1.0), Candidate(f"bad{rng.integers(4)}", None, 0.0))
        comparisons.append(Comparison(f"u{i % 5}", f"c{i}", 0, f"q{i % 7}", pair))
    pair = (Candidate("bad new", None, None), Candidate("good new", None, None))
    data = dataset_of(InteractionTable.from_comparisons([*comparisons, Comparison("u0", "new", 0, "q0", pair)]))
    kind = np.array([[1.0, 0.0] if name.startswith("good") else [0.0, 1.0] for name in data.table.models])
    data = replace(data, model_vectors=kind.astype(np.float32))
    scores = MatrixFactorisation().score(data, data.questions(np.array([200])))
    assert scores[0, 1] > scores[0, 0] + 1


def test_residuals_reach_the_same_query_in_full_and_distant_ones_hardly():
    data = dataset_of(random_table(0, questions=3, personal=0.0))
    graph = QueryGraph.of(data, 1.0)
    unit = np.concatenate([graph.unit, -graph.unit[:1]])
    scores = graph.propagate(unit, 0.01, 1.0, 1) - graph.strength
    assert np.abs(scores[0]).max() > 0.05 and np.abs(scores[-1]).max() < 1e-3
    assert graph.propagate(unit, 0.01, 1e12, 2) == pytest.approx(np.tile(graph.strength, (len(unit), 1)), abs=1e-6)


def test_many_queries_are_read_in_parts(monkeypatch):
    data = random_dataset(0)
    questions = data.questions(np.arange(len(data.table)))
    whole = GraphPropagation(rounds=2).score(data, questions)
    monkeypatch.setattr("gmt.rivals.propagation.SIMILARITIES_AT_ONCE", 1)
    assert GraphPropagation(rounds=2).score(data, questions) == pytest.approx(whole, abs=1e-9)


def test_four_thousand_votes_on_fifty_models_are_fitted_to_finite_scores():
    data = dataset_of(random_table(0, users=100, models=52, comparisons_per_user=40, questions=1000), width=64)
    questions = data.questions(np.arange(10))
    scores = FactorisationMachine().score(data, questions)
    assert scores.shape == questions.candidates.shape
    assert np.isfinite(scores[questions.candidates >= 0]).all()
