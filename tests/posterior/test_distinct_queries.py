"""Votes on queries that are all distinct are conditioned on exactly, at a cost that grows with the votes alone."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmt.bench.fit_sizes import distinct_queries
from gmt.posterior import answer_features, answer_quality, hierarchical_model
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.answer_features import KnownAnswers
from gmt.posterior.block_low_rank import BlockLowRank
from gmt.routing import kernels, row_parts
from gmt.routing.conversation_reading import ReadQueries
from gmt.routing.kernels import QueryKernel
from gmt.routing.query_keys import QueryKeys
from tests.factories import random_dataset


def believed(data):
    """Return scores and covariances of some questions after all votes, under settings that are not searched."""
    conditioned = AnswerAwareBradleyTerry().condition(data)
    questions = data.questions(np.arange(20))
    return conditioned.score(data, questions), conditioned.covariances(data, questions)


def test_products_between_votes_find_what_products_over_all_answers_find(monkeypatch):
    data = distinct_queries(300)
    monkeypatch.setattr(kernels, "DENSE_QUERIES", 50)
    plain = believed(data)
    # Beyond this many votes no number is formed for each of the G · M answers.
    monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", 50)
    for part, wanted in zip(believed(data), plain, strict=True):
        assert np.isfinite(part).all() and part == pytest.approx(wanted, abs=1e-7)


def test_few_axes_are_exact_where_the_texts_have_no_more(monkeypatch):
    data = distinct_queries(300)
    # Texts of twelve directions around a centre of 0 lose nothing on sixteen axes.
    vectors = np.zeros_like(data.vectors)
    vectors[:, :12] = np.random.default_rng(0).normal(size=(len(vectors), 12))
    vectors[len(vectors) // 2 :] = -vectors[: len(vectors) // 2]
    data = replace(data, vectors=vectors)
    monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", 50)
    dense = believed(data)
    monkeypatch.setattr(kernels, "DENSE_QUERIES", 50)
    for part, wanted in zip(believed(data), dense, strict=True):
        assert part == pytest.approx(wanted, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 40), st.integers(17, 24), st.integers(1, 200))
def test_queries_read_in_parts_are_as_alike_as_read_at_once(seed, count, width, most):
    rng = np.random.default_rng(seed)
    keys = QueryKeys(*(np.arange(count) * factor for factor in (1, 0, 0, 0, 0)))
    read, centre = ReadQueries.by_text(keys, rng.normal(size=(count, width))), rng.normal(size=width)
    every, patch = np.arange(count)[None], pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(kernels, "DENSE_QUERIES", 1)
        whole = QueryKernel.of(read, centre)
        patched.setattr(row_parts, "MOST_NUMBERS", most)
        assert len(row_parts.row_parts(count, width)) == -(-count // max(1, most // width))
        parts = QueryKernel.of(read, centre)
    # An axis may point the other way; what it says of two queries is the same.
    assert parts.between(every, every) == pytest.approx(whole.between(every, every), abs=1e-9)


def test_answers_read_in_parts_are_described_as_read_at_once(monkeypatch):
    data = random_dataset(2, users=3, comparisons_per_user=30)
    whole = KnownAnswers.of(data)
    monkeypatch.setattr(row_parts, "MOST_NUMBERS", 5 * data.vectors.shape[1])
    parts = KnownAnswers.of(data)
    assert np.isfinite(whole.rows).any() and parts.reader.axes is not None
    # φ φᵀ is all that the prior reads of φ, whichever way an axis points.
    assert parts.features @ parts.features.T == pytest.approx(whole.features @ whole.features.T, abs=1e-9)


def test_each_answer_is_read_once(monkeypatch):
    data, read = random_dataset(2, users=3, comparisons_per_user=30), []
    original = answer_features.styles_of
    monkeypatch.setattr(answer_features, "styles_of", lambda *of: read.append("whole") or original(*of))
    monkeypatch.setattr("gmt.posterior.style.styles_of", lambda *of: read.append("again") or original(*of))
    monkeypatch.setattr("gmt.posterior.answer_reader.styles_of", lambda *of: read.append("again") or original(*of))
    KnownAnswers.of(data)
    assert read == ["whole"]


def test_features_of_more_answers_than_fit_are_not_even_read(monkeypatch):
    data = random_dataset(2, users=4, comparisons_per_user=20)
    monkeypatch.setattr(hierarchical_model, "MOST_DESCRIBED", 3)
    router = AnswerAwareBradleyTerry()
    monkeypatch.setattr(router, "describe", lambda history: pytest.fail("read"))
    assert router.prepare(data).answers is None
    assert np.isfinite(router.condition(data).score(data, data.questions(np.arange(9)))).any()


def test_one_preconditioner_serves_all_questions(monkeypatch):
    made, original = [], BlockLowRank.__init__
    monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", 50)
    monkeypatch.setattr(kernels, "DENSE_QUERIES", 50)
    data = distinct_queries(200)
    conditioned = AnswerAwareBradleyTerry().condition(data)
    monkeypatch.setattr(BlockLowRank, "__init__", lambda self, *of: made.append(1) or original(self, *of))
    conditioned.covariances(data, data.questions(np.arange(6)))
    assert made == [1]


def held(value, met):
    """Return how many numbers a value and all that it holds have, each array counted once."""
    if id(value) in met:
        return 0
    met[id(value)] = value
    if isinstance(value, np.ndarray):
        # A view holds what it is a view of.
        return value.size if value.base is None or not isinstance(value.base, np.ndarray) else held(value.base, met)
    if isinstance(value, (tuple, list)):
        return sum(held(one, met) for one in value)
    if hasattr(value, "indptr"):
        return held(value.data, met) + held(value.indices, met) + held(value.indptr, met)
    # Also what was worked out on the way and kept.
    kept = vars(value).values() if hasattr(value, "__dict__") and not isinstance(value, type) else ()
    named = [getattr(value, one.name) for one in fields(value)] if is_dataclass(value) else []
    return sum(held(one, met) for one in (*kept, *named) if not callable(one) or is_dataclass(one))


def test_what_is_believed_holds_numbers_that_grow_with_the_votes(monkeypatch):
    monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", 50)
    monkeypatch.setattr(kernels, "DENSE_QUERIES", 50)
    monkeypatch.setattr(hierarchical_model, "MOST_DESCRIBED", 3)
    sizes = []
    for count in (400, 800, 1600):
        data = distinct_queries(count)
        conditioned, questions = AnswerAwareBradleyTerry().condition(data), data.questions(np.arange(6))
        conditioned.score(data, questions)
        conditioned.covariances(data, questions)
        sizes.append(held(conditioned, {}))
    # What does not depend on the votes (kernels of models, axes) is the same in all three.
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]), rel=0.02)
