"""Users of many votes, and many models, give what the plain forms give, without a matrix of all votes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmt.posterior import (
    alternating_fit,
    answer_quality,
    hierarchical_model,
    large_user,
    linear_effects,
    user_effects,
    vote_history,
)
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.large_user import LargeUser
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.vote_kernel import QueryTerm
from gmt.routing import kernels
from tests.factories import random_dataset, with_lone_ratings


def found_with(monkeypatch, data, most, plain=10_000):
    """Return what a fit, its scores, covariances and explanations are with users of over `most` votes being large."""
    for module in (user_effects, linear_effects):
        monkeypatch.setattr(module, "MOST_DENSE_VOTES", most)
    monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", plain)
    monkeypatch.setattr(vote_history, "NUMBERS_AT_ONCE", 1)
    router = AnswerAwareBradleyTerry().fit(data)
    conditioned, questions = router.condition(data), data.questions(np.arange(12))
    return (
        router.covariance,
        conditioned.score(data, questions),
        conditioned.covariances(data, questions),
        conditioned.explain(data, questions, 3).votes,
    )


@pytest.mark.parametrize("lone", [False, True])
@pytest.mark.parametrize("dense_queries", [1500, 5])
def test_users_of_many_votes_are_solved_as_others_are(monkeypatch, dense_queries, lone):
    monkeypatch.setattr(kernels, "DENSE_QUERIES", dense_queries)
    data = random_dataset(3, users=4, comparisons_per_user=30, questions=12)
    data = with_lone_ratings(data) if lone else data
    plain = found_with(monkeypatch, data, 1500)
    for part, wanted in zip(found_with(monkeypatch, data, 8), plain, strict=True):
        # Thresholds are searched until the gain is small, not to the last digit.
        assert part == pytest.approx(wanted, abs=1e-4 if lone else 2e-8)


@pytest.mark.parametrize("lone", [False, True])
def test_answer_quality_of_many_votes_is_that_of_few(monkeypatch, lone):
    data = random_dataset(4, users=4, comparisons_per_user=30, questions=12)
    data = with_lone_ratings(data) if lone else data
    plain = found_with(monkeypatch, data, 1500)
    for part, wanted in zip(found_with(monkeypatch, data, 1500, plain=10), plain, strict=True):
        assert part == pytest.approx(wanted, abs=1e-4 if lone else 1e-6)


@pytest.mark.parametrize("lone", [False, True])
def test_many_models_are_fitted_through_their_texts(monkeypatch, lone):
    data = random_dataset(5, users=4, comparisons_per_user=20, questions=12)
    data = with_lone_ratings(data) if lone else data
    monkeypatch.setattr(alternating_fit, "MANY_MODELS", 2)
    monkeypatch.setattr(kernels, "DENSE_QUERIES", 5)
    plain = found_with(monkeypatch, data, 1500)
    monkeypatch.setattr(hierarchical_model, "MANY_MODELS", 2)
    for part, wanted in zip(found_with(monkeypatch, data, 1500), plain, strict=True):
        assert part == pytest.approx(wanted, abs=1e-4 if lone else 1e-6)


def one_user(seed, votes):
    data = random_dataset(seed, users=1, comparisons_per_user=votes, questions=10)
    router = AnswerAwareBradleyTerry()
    prepared = router.prepare(data)
    offset = np.random.default_rng(seed).normal(size=len(prepared.votes))
    return prepared.votes, np.arange(len(prepared.votes)), offset, prepared.user_covariance


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 40))
def test_the_linear_part_has_one_mode_in_votes_and_in_models(seed, count):
    votes, index, offset, covariance = one_user(seed, count)
    batch = UserBatch(votes, index[None], offset, covariance)
    kernel = batch.linear()
    alpha = batch.solve(kernel)
    mean = batch.mean(alpha)
    found, moments = LargeUser(votes, index, offset, covariance).linear_mode()
    assert found == pytest.approx(mean[0], abs=1e-9)
    assert moments == pytest.approx(batch.moments(mean, alpha, kernel), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 64]), st.sampled_from([1500, 3]))
def test_the_query_term_multiplies_like_its_matrix(seed, few, dense):
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(kernels, "DENSE_QUERIES", dense)
        patched.setattr("gmt.posterior.vote_kernel.FEW_VOTES", few)
        votes, index, offset, covariance = one_user(seed, 25)
        own = LargeUser(votes, index, offset, covariance).own
        term = QueryTerm(votes.queries, votes.query, votes.a, votes.b, own, len(covariance) - 2)
        wanted = UserBatch(votes, index[None], offset, covariance).among().query[0]
        assert term.apply(np.eye(len(votes))) == pytest.approx(wanted, abs=1e-9)


def test_a_user_of_many_votes_holds_numbers_that_grow_with_them():
    sizes = []
    for count in (200, 400, 800):
        votes, index, offset, covariance = one_user(1, count)
        patch = pytest.MonkeyPatch()
        with patch.context() as patched:
            patched.setattr(large_user, "MOST_DENSE_VOTES", 10)
            terms = LargeUser(votes, index, offset, covariance).terms
        arrays = [*terms.features, terms.design.data, terms.query.answers.data]
        sizes.append(sum(array.size for array in arrays) / len(votes))
    assert max(sizes) == pytest.approx(min(sizes))
