"""Check the part of the kernel that votes of one conversation share, dense, as products, and as rounds come in."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.data.interactions import TEST, TRAIN
from gmt.posterior import linear_effects, user_effects, vote_history
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.conversation_term import ConversationTerm
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.kernel_terms import blended, query_kernel_covariance
from gmt.posterior.model_covariance import MatrixCovariance
from gmt.posterior.user_batch import UserBatch
from tests.factories import random_dataset, with_lone_ratings

SETTINGS = HierarchicalSettings(
    quality_variance=0.7, query_kernel_scale=1.5, prior_scale=0.8, answer_variance=0.2, conversation_scale=2.0,
    context_decay=0.5, context_answers=0.5, context_words=3.0,
)  # fmt: skip


lone_or_not = pytest.mark.parametrize("lone", [False, True], ids=["votes", "lone ratings too"])


def talks(seed=3, lone=False, **settings):
    data = random_dataset(seed, users=4, comparisons_per_user=30, questions=12, max_turns=4, **settings)
    return with_lone_ratings(data) if lone else data


@lone_or_not
def test_the_kernel_is_the_formula_and_positive(lone):
    prepared = AnswerAwareBradleyTerry(SETTINGS).prepare(talks(lone=lone))
    votes, covariance = prepared.votes, prepared.user_covariance
    own = np.arange(len(votes))[votes.user == 1][None]
    batch = UserBatch(votes, own, np.zeros(len(votes)), covariance)
    models, row = votes.models, np.arange(own.shape[1])
    second = votes.b[own[0]] >= 0
    assert second.all() != lone and len(covariance) == models + 2 + lone
    delta = np.zeros((own.shape[1], models))
    delta[row, votes.a[own[0]]] += 1
    delta[row[second], votes.b[own[0]][second]] -= 1
    shared = delta @ query_kernel_covariance(covariance, models) @ delta.T
    talk = votes.conversation[own[0]]
    wanted = shared * (talk[:, None] == talk)
    terms = batch.among()
    assert terms.conversation is not None and np.allclose(terms.conversation[0], wanted)
    without = blended(terms, replace(SETTINGS, conversation_scale=0.0))
    assert np.allclose(blended(terms, SETTINGS) - without, SETTINGS.prior_scale * 2.0 * terms.conversation)
    assert np.linalg.eigvalsh(blended(terms, SETTINGS)[0]).min() > -1e-9
    # The same as products.
    shared_by = MatrixCovariance(query_kernel_covariance(covariance, models))
    term = ConversationTerm(talk, votes.a[own[0]], votes.b[own[0]], shared_by, models)
    assert np.allclose(term.apply(np.eye(len(row))), wanted)


@lone_or_not
def test_users_of_many_votes_are_solved_as_others_are(lone, monkeypatch):
    data = talks(lone=lone)
    router, asked = AnswerAwareBradleyTerry(SETTINGS), data.questions(np.arange(12))

    def found():
        known = router.condition(data)
        # Targets of conversations that were voted in, so that the term reaches them.
        return known.score(data, asked), known.covariances(data, asked), known.explain(data, asked, 3).votes

    plain = found()
    for module in (user_effects, linear_effects):
        monkeypatch.setattr(module, "MOST_DENSE_VOTES", 8)
    monkeypatch.setattr(vote_history, "NUMBERS_AT_ONCE", 1)
    for part, wanted in zip(found(), plain, strict=True):
        assert part == pytest.approx(wanted, abs=2e-8)


@lone_or_not
def test_rounds_observed_later_join_their_conversation(lone):
    data = talks(5, lone, timestamps=True)
    table = data.table
    train = np.flatnonzero(table.split == TRAIN)
    last = int(train[(table.user[train] == 2) & (table.turn[train] > 0)][-1])
    early = np.setdiff1d(train, [last])
    history = data.select(np.concatenate([early, [last]]))
    known = AnswerAwareBradleyTerry(SETTINGS).condition(data.select(early))
    grown = known.with_observed(history, np.array([len(early)]))
    assert np.allclose(grown.effects.alpha, replace(grown.effects, solved=None).alpha, atol=1e-7)
    assert table.conversation[last] in known.votes.conversation
    assert np.array_equal(np.sort(grown.votes.conversation), np.sort(history.table.conversation))
    asked = replace(data.questions(np.array([last])), turn=table.turn[[last]] + 1)
    elsewhere = replace(asked, conversation=np.array([-1]))
    near, far = (known.score(data, one) for one in (asked, elsewhere))
    assert not np.allclose(near, far, atol=1e-3)


def test_without_the_term_nothing_is_formed_and_saved_states_hold_it():
    data = talks()
    plain = AnswerAwareBradleyTerry(replace(SETTINGS, conversation_scale=0.0))
    votes = plain.prepare(data).votes
    batch = UserBatch(votes, np.arange(3)[None], np.zeros(len(votes)), plain.user_covariance(data))
    assert batch.among().conversation is None
    router = AnswerAwareBradleyTerry(conversation=True).fit(data)
    router.settings = replace(
        router.settings, **{name: getattr(SETTINGS, name) for name in ("conversation_scale", "context_decay")}
    )
    again = AnswerAwareBradleyTerry().load_state_dict(router.state_dict())
    targets = data.questions(np.flatnonzero(data.table.split == TEST))
    history = data.select(data.table.split == TRAIN)
    assert again.settings == router.settings
    assert np.allclose(again.score(history, targets), router.score(history, targets))
