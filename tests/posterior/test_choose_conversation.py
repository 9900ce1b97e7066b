"""Check that the conversation is read where VALID says clearly that it pays, and never tried where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from gmt.data.interactions import TEST, VALID
from gmt.posterior import choose_conversation as choosing
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.routing.grid import ValidationVotes
from gmt.studies.harness import block, score_targets
from tests.factories import random_dataset

FOLLOWING = PlantedSettings(users=30, votes=40, turns=4, topic_taste=0.8, follow_ups=0.6, seed=1)


def test_single_rounds_are_fitted_to_the_last_digit_as_without(monkeypatch):
    data = random_dataset(1, users=8)
    learn = data.select(data.table.split != TEST)
    plain = HierarchicalBradleyTerry().fit(learn)
    monkeypatch.setattr(HierarchicalBradleyTerry, "_refitted", None)  # nothing may be fitted again
    found = HierarchicalBradleyTerry(conversation=True).fit(learn)
    assert found.settings == plain.settings and np.array_equal(found.covariance, plain.covariance)
    asked = data.questions(np.flatnonzero(data.table.split == TEST))
    assert np.array_equal(found.score(learn, asked), plain.score(learn, asked))


def test_follow_ups_without_content_are_read_with_their_conversation():
    data, _ = planted_dataset(FOLLOWING)
    learn = data.select(data.table.split != TEST)
    routers = {"own": HierarchicalBradleyTerry(), "talk": HierarchicalBradleyTerry(conversation=True)}
    for router in routers.values():
        router.fit(learn)
    assert routers["talk"].settings.context_decay > 0 == routers["own"].settings.context_decay
    assert "A query is read with its conversation" in routers["talk"].notes[0]
    scores, auc = score_targets(data, routers), {}
    for name, found in scores.items():
        measured = block(data, found)
        users = np.unique(measured.users)
        auc[name] = float(measured.measure(users, np.ones((1, len(users))))["auc"][0])
    assert auc["talk"] > auc["own"] + 0.01


def test_ratings_shown_choose_the_scale_within_conversations():
    data = random_dataset(3, users=8, max_turns=3)
    valid = ValidationVotes.of(data)
    assert valid is not None
    shown = valid.revealed(data)
    assert np.array_equal(shown.questions.comparison, valid.questions.comparison)
    assert shown.questions.earlier.rated.any() and not valid.questions.earlier.rated.any()
    assert (data.table.split[np.isin(data.table.comparison, shown.questions.comparison)] == VALID).all()


def test_a_change_must_win_by_two_standard_errors():
    standing, rng = np.full(100, 0.5), np.random.default_rng(0)
    luck = 0.5 - 0.001 + rng.normal(0, 0.1, 100)
    best = (None, standing)
    assert choosing._better(best, [(None, luck)]) is best
    clear = (None, standing - 0.1 + rng.normal(0, 0.01, 100))
    assert choosing._better(best, [(None, luck), clear]) is clear


@pytest.mark.parametrize("turn", [0, 1])
def test_conversations_of_one_rated_round_have_no_scale_to_choose(turn):
    data = random_dataset(5, users=8, max_turns=2)
    rated = (data.table.turn == turn)[data.table.row_comparison]
    few = replace(data.table, rating=np.where(rated, data.table.rating, np.nan))
    several, one = (ValidationVotes.of(data.with_table(table)).questions for table in (data.table, few))
    assert choosing._judged_twice(several) and not choosing._judged_twice(one)
