"""Check that controls take the personal part away and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.data.interactions import TEST
from gmt.evaluation.controls import OwnersShuffled, UnknownUser, shuffled_owners
from gmt.evaluation.evaluate import evaluate
from gmt.rivals.registry import RIVALS, make_router
from tests.factories import random_dataset


def fitted(data, name="user_bradley_terry"):
    return make_router(name).fit(data.select(data.table.split != TEST))


@pytest.mark.parametrize("users", [2, 3, 8, 9, 17, 40])
def test_everybody_gets_somebody_elses_history_and_nobody_two(users):
    table = random_dataset(0, users=users).table
    owners = shuffled_owners(table, 3)
    assert sorted(owners.tolist()) == list(range(users)) and (owners != np.arange(users)).all()
    assert (owners == shuffled_owners(table, 3)).all()


def test_histories_go_to_users_with_similar_numbers_of_rounds():
    table = random_dataset(0, users=64, comparisons_per_user=40).table
    kept = np.concatenate([np.flatnonzero(table.user == user)[: 1 + user // 2] for user in range(64)])
    table = table.select(np.sort(kept))
    rounds = np.bincount(table.user, minlength=64)
    owners = shuffled_owners(table, 0)
    assert np.abs(rounds[owners] - rounds).max() <= 8 < np.ptp(rounds)
    assert (shuffled_owners(table, 1) != owners).any()


def test_who_has_no_round_gets_none_and_a_lone_user_nobodys():
    table = random_dataset(0, users=6).table
    owners = shuffled_owners(table.select(table.user < 4), 0)
    assert sorted(owners[:4].tolist()) == [0, 1, 2, 3] and owners[4:].tolist() == [-1, -1]
    assert shuffled_owners(table.select(table.user == 2), 0).tolist() == [-1] * 6


def test_a_shuffled_router_answers_as_it_does_the_owner_of_the_history():
    data = random_dataset(0, users=6, personal=3.0)
    router, shown = fitted(data), data.select(data.table.split != TEST)
    questions = data.questions(np.flatnonzero(data.table.split == TEST))
    owners = shuffled_owners(shown.table, 0)
    found = OwnersShuffled(router, 0).score(shown, questions)
    assert (found == router.score(shown, replace(questions, user=owners[questions.user]))).all()
    unknown = UnknownUser(router).score(shown, questions)
    assert (unknown == router.score(shown, replace(questions, user=np.full(len(questions), -1)))).all()
    assert (found != unknown).any()


def test_an_impersonal_router_loses_nothing_under_its_controls():
    data = random_dataset(0, users=10)
    summary = evaluate(data, [fitted(data, "bradley_terry")], controls=True, reference="bradley_terry").summary
    routers = summary["shots"]["all"]["routers"]
    assert routers["owners_shuffled"] == routers["unknown_user"] == routers["bradley_terry"]


def test_personal_votes_are_worth_nothing_under_another_name():
    data = random_dataset(0, users=24, comparisons_per_user=40, personal=3.0)
    summary = evaluate(data, [fitted(data)], controls=True, reference="user_bradley_terry").summary
    gaps = summary["shots"]["all"]["differences"]
    assert gaps["user_bradley_terry - owners_shuffled"]["auc"]["low"] > 0
    assert gaps["user_bradley_terry - unknown_user"]["auc"]["low"] > 0


@pytest.mark.parametrize("name", [name for name, maker in RIVALS.items() if not maker.personal])
def test_an_impersonal_rival_scores_alike_for_everybody(name):
    data = random_dataset(0, users=6, personal=3.0)
    router, shown = fitted(data, name), data.select(data.table.split != TEST)
    questions = data.questions(np.flatnonzero(data.table.split == TEST))
    assert UnknownUser(router).score(shown, questions) == pytest.approx(router.score(shown, questions), abs=1e-9)


def test_constant_scores_promise_one_half():
    data = random_dataset(0, users=8)
    found = evaluate(data, [fitted(data, "constant")]).summary["shots"]["all"]["routers"]["constant"]
    assert found["auc"]["value"] == found["accuracy"]["value"] == 0.5
    assert found["log_loss"]["value"] == pytest.approx(np.log(2))
