"""Check that more rounds of some users change what is believed of them alone, and as a full solve would."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.simulate.cost import CostSettings, cost_dataset
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import TEST, TRAIN
from gmt.hybrid.gmt_router import GmtRouter
from gmt.hybrid.observed_users import ObservedUsers
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.user_batch import UserBatch
from gmt.utility.utility_router import UtilityRouter
from tests.factories import random_dataset

SETTINGS = HierarchicalSettings(
    quality_variance=0.7, query_kernel_scale=1.5, prior_scale=0.8, style_variance=0.1, answer_variance=0.2
)


def cut(data, users, left):
    """Return the TRAIN history without the newest `left` rounds of some users, and with them behind the rest."""
    table = data.table
    train = np.flatnonzero(table.split == TRAIN)
    late = np.concatenate([train[table.user[train] == user][-left:] for user in users])
    early = np.setdiff1d(train, late)
    return data.select(early), data.select(np.concatenate([early, late])), np.arange(len(early), len(train))


def solved(posterior):
    """Solve for everybody from the start, given the same f."""
    return replace(posterior.effects, solved=None).alpha


@pytest.mark.parametrize("half_life", [0.0, 4.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_more_votes_are_solved_as_if_all_had_been_there(seed, half_life):
    data = random_dataset(seed, users=6, questions=30, max_turns=2, timestamps=True)
    before, after, new = cut(data, (1, 4), 3)
    router = AnswerAwareBradleyTerry(replace(SETTINGS, half_life=half_life))
    posterior = router.condition(before)
    grown = posterior.with_observed(after, new)
    assert len(grown.votes) > len(posterior.votes) and (np.diff(grown.votes.user) >= 0).all()
    assert np.allclose(grown.effects.alpha, solved(grown), atol=1e-7)
    whole = router.prepare(after).votes
    assert np.array_equal(np.sort(grown.votes.comparison), np.sort(whole.comparison))
    assert np.array_equal(
        grown.votes.since[np.argsort(grown.votes.comparison)], whole.since[np.argsort(whole.comparison)]
    )


def test_nobody_else_moves_and_the_user_does():
    data = random_dataset(2, users=6, questions=30)
    before, after, new = cut(data, (3,), 4)
    posterior = AnswerAwareBradleyTerry(SETTINGS).condition(before)
    questions = data.questions(np.flatnonzero(data.table.split == TEST))
    old, grown = posterior.score(before, questions), posterior.with_observed(after, new)
    found = grown.score(after, questions)
    mine = questions.user == 3
    assert np.array_equal(found[~mine], old[~mine]) and not np.allclose(found[mine], old[mine])
    assert np.isfinite(grown.covariances(after, questions)).all()
    said = grown.explain(after, questions, int(np.flatnonzero(mine)[0]))
    assert np.allclose(said.shared + said.votes.sum(axis=0), found[np.flatnonzero(mine)[0]])
    assert set(new.tolist()) <= set(said.comparison.tolist())


def test_only_users_of_new_rounds_are_solved_for(monkeypatch):
    data = random_dataset(4, users=6, questions=30)
    before, after, new = cut(data, (3,), 4)
    posterior = AnswerAwareBradleyTerry(SETTINGS).condition(before)
    posterior.effects.alpha  # noqa: B018 - solved once for all
    solved_for, solve = [], UserBatch.solve

    def noted(users, *arguments):
        solved_for.append(len(users.mask))
        return solve(users, *arguments)

    monkeypatch.setattr(UserBatch, "solve", noted)
    posterior.with_observed(after, new).score(after, data.questions(np.flatnonzero(data.table.split == TEST)))
    assert solved_for == [1]


def test_somebody_new_and_a_query_never_asked_before():
    data = random_dataset(3, users=6, questions=8)
    table = data.table
    before, after, new = cut(data, (5,), int((table.user[table.split == TRAIN] == 5).sum()))
    asked = table.query[new[0]] if len(new) else 0
    posterior = AnswerAwareBradleyTerry(SETTINGS).condition(before)
    grown = posterior.with_observed(after, new)
    questions = data.questions(np.flatnonzero((table.split == TEST) & (table.user == 5)))
    assert not np.allclose(grown.score(after, questions), posterior.score(before, questions))
    assert asked in after.table.query
    reference = AnswerAwareBradleyTerry(SETTINGS).condition(after).score(after, questions)
    one, other = (
        (scores - scores.mean(1, keepdims=True)).ravel() for scores in (grown.score(after, questions), reference)
    )
    assert np.corrcoef(one, other)[0, 1] > 0.9  # all that is missing is what f would have learned of it


def test_a_new_model_asks_for_the_whole_history():
    data = random_dataset(4)
    history = data.select(data.table.split == TRAIN)
    router = GmtRouter(AnswerAwareBradleyTerry(SETTINGS), None, 0.0)
    questions = history.questions(np.arange(3))
    router.score(history, questions)
    pair = (Candidate("stranger", "hello", 1.0), Candidate(data.table.models[0], "hi", 0.0))
    table = history.table.append([Comparison("user0", "new", 0, data.table.texts[int(data.table.query[0])], pair)])
    vectors = np.concatenate([history.vectors, np.eye(2, history.vectors.shape[1], dtype=np.float32)])[
        : len(table.texts)
    ]
    model_vectors = np.concatenate([history.model_vectors, np.eye(1, history.vectors.shape[1], dtype=np.float32)])
    grown = replace(history, table=table, vectors=vectors, model_vectors=model_vectors)
    router.learn(history, grown)
    fresh = GmtRouter(AnswerAwareBradleyTerry(SETTINGS), None, 0.0)
    assert np.array_equal(router.score(grown, questions), fresh.score(grown, questions))


def test_a_weight_of_quality_follows_new_outcomes_of_its_user_alone():
    from tests.utility.test_utility_router import matrix

    settings = CostSettings(users=8, per_user=20, feedback="random", seed=1)
    data, _ = cost_dataset(matrix(), settings, "hash:16", (0.8, 0.0, 0.2))
    before, after, new = cut(data, (2,), 6)
    router = UtilityRouter().fit(before)
    little = router.condition(before)
    grown, whole = little.with_observed(after, new), router.condition(after)
    assert np.allclose(grown.chances[:-1], whole.chances[:-1], atol=1e-3)  # what answers cost is read anew from all
    assert np.array_equal(np.delete(grown.chances, 2, axis=0), np.delete(little.chances, 2, axis=0))
    assert not np.array_equal(grown.chances[2], little.chances[2]) and len(grown.observed) == len(whole.observed)


def test_rewards_of_only_0_and_1_stay_rewards_when_they_are_added():
    """Which kind of outcome a run holds was decided in training, not by the rows at hand."""
    from tests.utility.test_utility_router import matrix

    settings = CostSettings(users=8, per_user=20, feedback="random", seed=1)
    data, _ = cost_dataset(matrix(), settings, "hash:16", (0.8, 0.0, 0.2))
    of_two = data.table.user[data.table.row_comparison] == 2
    rating = np.where(of_two & ~np.isnan(data.table.rating), np.round(data.table.rating), data.table.rating)
    data = data.with_table(replace(data.table, rating=rating))
    before, after, new = cut(data, (2,), 16)
    router = UtilityRouter().fit(data.with_table(data.table))
    whole = router.condition(after).quality_weights[2]
    grown = ObservedUsers.of(router.condition(before)).with_observed(after, new)
    assert grown.quality_weights[2] == pytest.approx(whole, abs=1e-3)
    again = grown.with_observed(after, new[:0])
    assert np.array_equal(again.quality_weights, grown.quality_weights)
