"""Check user effects that drift: newer ratings count more, validation decides, and where they stay nothing changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from gmt.config import load_config
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.hybrid.closed_form import new_posterior
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.routing.recency import rated_since, recency_weight
from tests.factories import random_dataset, random_table

CHANGED = PlantedSettings(users=120, votes=40, models=6, drift_at=0.5, seed=3)


def test_what_was_rated_since_counts_a_users_own_ratings_by_time():
    table = random_table(0, users=3, comparisons_per_user=8, unrated=0.3, timestamps=True)
    table = replace(table, timestamp=table.timestamp[::-1].copy())  # the table's order is not time's
    since = rated_since(table)
    for at in np.flatnonzero(table.rated):
        later = (table.user == table.user[at]) & table.rated & (table.timestamp > table.timestamp[at])
        assert since[at] == later.sum()
    undated = rated_since(replace(table, timestamp=np.full(len(table), np.nan)))
    own = np.flatnonzero((table.user == 0) & table.rated)
    assert undated[own].tolist() == list(range(len(own)))[::-1]
    first = replace(table, timestamp=np.where(np.arange(len(table)) == own[0], np.nan, table.timestamp))
    assert rated_since(first)[own[0]] == 0  # one without a time was added last


@given(st.integers(0, 30), st.floats(0.5, 50))
@settings(deadline=None, max_examples=30)
def test_half_is_left_after_a_half_life(gap, life):
    assert recency_weight(np.array([gap]), life)[0] == pytest.approx(0.5 ** (gap / life))
    assert recency_weight(np.array([gap]), 0.0)[0] == 1


def fitted(data, **more):
    router = AnswerAwareBradleyTerry(HierarchicalSettings(answer_variance=0.1, **more))
    router.covariance = router.user_covariance(data)
    return router.condition(data.select(data.table.split == TRAIN))


def test_drifting_effects_have_a_kernel_that_fades_with_what_lies_between():
    data = random_dataset(1, users=3, timestamps=True)
    steady, drifting = fitted(data), fitted(data, half_life=4.0)
    kernels = []
    for posterior in (steady, drifting):
        index = next(iter(posterior.votes.batches(posterior.votes.user)))[1]
        users = posterior.effects.batch(index)
        kernels.append((users.among().blend(1.0, 1.0, (0.05,)), users.since, users.mask))
    (plain, _, mask), (faint, since, _) = kernels
    gap = np.abs(since[:, :, None] - since[:, None, :])
    both = mask[:, :, None] & mask[:, None, :]
    assert np.allclose(faint[both], (plain * 0.5 ** (gap / 4.0))[both])
    assert np.linalg.eigvalsh(faint * both).min() > -1e-9


def test_the_newest_of_two_opposite_votes_wins_where_effects_drift():
    data = random_dataset(2, users=4, timestamps=True)
    table = data.table
    history = data.select((table.split == TRAIN) & (table.user == 0))
    posterior = fitted(data, half_life=2.0)
    question = history.questions(np.arange(1))
    before = posterior.score(data, question)
    flipped = data.with_table(replace(table, timestamp=-table.timestamp))
    after = fitted(flipped, half_life=2.0).score(flipped, question)
    assert not np.allclose(before, after)
    assert np.allclose(fitted(data).score(data, question), fitted(flipped).score(flipped, question))


def test_the_parts_of_a_drifting_score_add_up():
    data = random_dataset(3, timestamps=True)
    posterior = fitted(data, half_life=3.0)
    questions = data.questions(np.flatnonzero(data.table.split == TEST))
    scores = posterior.score(data, questions)
    for at in range(3):
        said = posterior.explain(data, questions, at)
        assert np.allclose(said.shared + said.votes.sum(axis=0), scores[at])


def auc(router, data):
    from gmt.evaluation.metrics import pairs_of, weighted_auc

    targets = np.flatnonzero(data.table.split == TEST)
    scores = router.score(data.select(data.table.split == TRAIN), data.questions(targets))
    gap = pairs_of(data.table.ratings[targets]).differences(scores)
    return float(weighted_auc(gap, np.zeros(len(gap), np.int64), np.ones((1, 1)))[0])


def test_validation_notices_that_people_changed_and_that_others_did_not():
    data, _ = planted_dataset(CHANGED, "hash:64", "drift")
    learn = data.select(data.table.split != TEST)
    drifting, steady = (AnswerAwareBradleyTerry(drift=drift).fit(learn) for drift in (True, False))
    assert drifting.settings.half_life > 0 and steady.settings.half_life == 0
    assert auc(drifting, data) > auc(steady, data) + 0.01
    again = AnswerAwareBradleyTerry(drift=True).load_state_dict(drifting.state_dict())
    assert again.settings == drifting.settings and auc(again, data) == auc(drifting, data)
    same, _ = planted_dataset(replace(CHANGED, drift_at=None), "hash:64", "seen")
    assert AnswerAwareBradleyTerry(drift=True).fit(same.select(same.table.split != TEST)).settings.half_life == 0


def test_without_times_effects_stay_and_old_runs_are_read():
    data, _ = planted_dataset(replace(CHANGED, users=40), "hash:64", "drift")
    undated = data.with_table(replace(data.table, timestamp=np.full(len(data.table), np.nan)))
    router = AnswerAwareBradleyTerry(drift=True).fit(undated.select(data.table.split != TEST))
    assert router.settings.half_life == 0
    state = router.state_dict()
    del state["settings.half_life"]
    assert AnswerAwareBradleyTerry().load_state_dict(state).settings == router.settings
    del state["settings.style_variance"]
    with pytest.raises(KeyError):
        AnswerAwareBradleyTerry().load_state_dict(state)


def test_targets_never_decide_whether_effects_drift():
    data, _ = planted_dataset(replace(CHANGED, users=40), "hash:64", "drift")
    table = data.table
    asked = np.isin(table.row_comparison, np.flatnonzero(table.split == TEST))
    flipped = data.with_table(replace(table, rating=np.where(asked, 1 - table.rating, table.rating)))
    one, other = (
        AnswerAwareBradleyTerry(drift=True).fit(some.select(some.table.split != TEST)) for some in (data, flipped)
    )
    assert one.settings == other.settings
    history = data.select(np.isin(table.split, (TRAIN, VALID)))
    questions = data.questions(np.flatnonzero(table.split == TEST))
    assert np.array_equal(one.score(history, questions), other.score(history, questions))


def test_the_setting_switches_it():
    assert new_posterior(load_config(None)).drift
    assert not new_posterior(load_config(None, ["posterior.drift=false"])).drift
