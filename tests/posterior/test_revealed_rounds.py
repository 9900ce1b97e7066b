"""Check that ratings shown with a question count for its asker as votes would, and nothing else does."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.data.interactions import TEST, TRAIN
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from tests.factories import random_dataset, with_lone_ratings

SETTINGS = HierarchicalSettings(
    quality_variance=0.7, query_kernel_scale=1.5, prior_scale=0.8, answer_variance=0.2, conversation_scale=2.0,
    context_decay=0.5, context_answers=0.5, context_words=3.0,
)  # fmt: skip


@pytest.fixture(scope="module", params=[False, True], ids=["votes", "lone ratings too"])
def data(request):
    found = random_dataset(2, users=6, questions=30, comparisons_per_user=30, max_turns=4, timestamps=True)
    return with_lone_ratings(found) if request.param else found


@pytest.fixture(scope="module")
def posterior(data):
    return AnswerAwareBradleyTerry(SETTINGS).condition(data.select(data.table.split == TRAIN))


def later_targets(data):
    """Return the TEST rounds after the second one of their conversations."""
    return np.flatnonzero((data.table.split == TEST) & (data.table.turn >= 2))


def scores(posterior, data, at, reveal=True):
    return posterior.score(data, data.questions(np.asarray(at), reveal_earlier=reveal))


@pytest.mark.parametrize("half_life", [0.0, 4.0])
def test_ratings_shown_count_as_if_they_were_the_users_newest_votes(data, half_life):
    table = data.table
    train = np.flatnonzero(table.split == TRAIN)
    router = AnswerAwareBradleyTerry(replace(SETTINGS, half_life=half_life))
    known, at = router.condition(data.select(train)), int(later_targets(data)[0])
    before = np.flatnonzero((table.conversation == table.conversation[at]) & (table.turn < table.turn[at]))
    after = data.select(np.concatenate([train, before]))
    # A round told is newer than all others, whatever time it bears.
    time = after.table.timestamp.copy()
    time[len(train) :] += 1e9
    after = after.with_table(replace(after.table, timestamp=time))
    told = known.with_observed(after, np.arange(len(train), len(after.table)))
    wanted = told.score(data, data.questions(np.array([at])))
    assert np.allclose(scores(known, data, [at]), wanted, atol=1e-6)
    assert not np.allclose(scores(known, data, [at]), scores(known, data, [at], reveal=False), atol=1e-3)
    asked = data.questions(np.array([at]), reveal_earlier=True)
    wanted = told.covariances(data, data.questions(np.array([at])))
    assert np.allclose(known.covariances(data, asked), wanted, atol=1e-6)


def test_together_and_alone_questions_get_the_same(data, posterior):
    targets = np.flatnonzero(data.table.split == TEST)
    together = scores(posterior, data, targets)
    for place in range(0, len(targets), 5):
        assert np.allclose(scores(posterior, data, targets[[place]])[0], together[place], atol=1e-7)
    # Openings have nothing before them.
    opening = data.table.turn[targets] == 0
    assert np.allclose(together[opening], scores(posterior, data, targets, reveal=False)[opening], atol=1e-7)


def test_no_target_no_later_turn_and_no_other_conversation_is_seen(data, posterior):
    table = data.table
    rows = table.row_comparison
    for at in later_targets(data)[:6].tolist():
        mine = table.conversation == table.conversation[at]
        plain = scores(posterior, data, [at])
        # 1. Ratings and answers of this round, of later ones and of all other conversations of TEST.
        hidden = (table.split == TEST) & (~mine | (table.turn >= table.turn[at]))
        rating = np.where(hidden[rows], 1 - table.rating, table.rating)
        response = np.where(hidden[rows], (table.response + 7) % len(table.texts), table.response)
        query = np.where(hidden & (np.arange(len(table)) != at), (table.query + 3) % len(table.texts), table.query)
        changed = data.with_table(replace(table, rating=rating, response=response, query=query))
        assert np.array_equal(scores(posterior, changed, [at]), plain)
        # 2. Those of the rounds before it are: the check above can fail.
        shown = mine & (table.turn < table.turn[at])
        other = data.with_table(replace(table, rating=np.where(shown[rows], 1 - table.rating, table.rating)))
        tied = (table.rating[shown[rows]] == 0.5).all()
        assert tied or not np.allclose(scores(posterior, other, [at]), plain, atol=1e-6)


def test_rounds_of_another_users_conversation_do_not_count(data, posterior):
    at = int(later_targets(data)[0])
    asked = data.questions(np.array([at, at]), reveal_earlier=True)
    strange = replace(asked, conversation=np.array([asked.conversation[0], -1]))
    found = posterior.score(data, strange)
    alone = data.questions(np.array([at]))
    bare = replace(alone, conversation=np.array([-1]), earlier=alone.earlier.select(np.zeros(0, int)))
    assert np.allclose(found[1], posterior.score(data, bare)[0], atol=1e-7)
    assert not np.allclose(found[0], found[1], atol=1e-3)


def test_an_explanation_names_the_rounds_shown(data, posterior):
    at = int(later_targets(data)[0])
    asked = data.questions(np.array([at]), reveal_earlier=True)
    found, total = posterior.explain(data, asked, 0), posterior.score(data, asked)
    assert np.allclose(found.shared + found.votes.sum(axis=0), total[0], atol=1e-7)
    shown = -1 - found.comparison[found.comparison < 0]
    assert set(shown.tolist()) == set(np.flatnonzero(asked.earlier.turn < data.table.turn[at]).tolist())
    assert np.abs(found.votes[found.comparison < 0]).max() > 0.01


def test_a_lone_rating_shown_counts_once_there_are_thresholds_to_read_it_by():
    data = with_lone_ratings(random_dataset(2, users=6, comparisons_per_user=30, max_turns=4))
    table = data.table
    lone = np.flatnonzero((np.diff(table.start) == 1) & (table.turn == 0))
    at = np.flatnonzero((table.turn == 1) & np.isin(table.conversation, table.conversation[lone]))
    alone = np.diff(table.start) == 1
    for history, counts in ((np.flatnonzero(table.split == TRAIN), True), (np.flatnonzero(~alone), False)):
        known = AnswerAwareBradleyTerry(SETTINGS).condition(data.select(np.setdiff1d(history, [*lone, *at])))
        # Where the form is new nothing tells how to read it, so it says nothing.
        same = np.allclose(scores(known, data, at), scores(known, data, at, reveal=False), atol=1e-6)
        assert same != counts


def test_an_unknown_user_is_known_by_what_the_question_shows(data, posterior):
    at = int(later_targets(data)[0])
    asked = replace(data.questions(np.array([at]), reveal_earlier=True), user=np.array([-1]))
    hidden = replace(asked, earlier=asked.earlier.without_ratings())
    assert not np.allclose(posterior.score(data, asked), posterior.score(data, hidden), atol=1e-3)
    assert np.allclose(posterior.score(data, hidden), posterior.impersonal(data, hidden))
