"""The sample that settings are chosen on is bounded, holds whole users, and is the same every time."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.routing import search_sample as module
from gmt.routing.pairwise import votes_of
from gmt.routing.search_sample import search_sample, votes_on
from tests.factories import random_dataset


@pytest.fixture
def data():
    return random_dataset(2, users=12, comparisons_per_user=20, questions=15)


def test_few_votes_are_all_read(data):
    assert search_sample(data) is data


def test_votes_are_counted_as_they_are_read(data):
    votes = votes_of(data.table)
    counted = votes_on(data.table)
    pairs = np.bincount(votes.comparison, minlength=len(data.table))
    assert (counted[pairs > 0] == pairs[pairs > 0]).all()


def test_whole_users_are_drawn_up_to_the_bound(monkeypatch, data):
    monkeypatch.setattr(module, "SEARCH_VOTES", 100)
    sample = search_sample(data)
    assert 0 < votes_on(sample.table).sum() <= 100 and sample.models == data.models
    assert sample.table.users == data.table.users and sample.table.texts == data.table.texts
    own, everybody = (np.bincount(table.user, minlength=12) for table in (sample.table, data.table))
    assert ((own == 0) | (own == everybody)).all() and 1 < (own > 0).sum() < 12
    assert (search_sample(data).table.comparison == sample.table.comparison).all()


def test_of_one_user_with_too_many_some_whole_conversations_are_read(monkeypatch, data):
    monkeypatch.setattr(module, "SEARCH_VOTES_OF_USER", 30)
    conversation = np.arange(len(data.table)) // 2
    table = replace(
        data.table,
        user=np.where(np.arange(len(data.table)) < 200, 0, data.table.user),
        conversation=conversation,
        conversations=tuple(f"c{number}" for number in range(conversation.max() + 1)),
        turn=np.arange(len(data.table)) % 2,
        split=np.zeros(len(data.table), np.int8),
    )
    sample = search_sample(data.with_table(table)).table
    own = sample.user == 0
    assert 0 < votes_on(sample)[own].sum() <= 30
    before = np.bincount(table.conversation)
    kept = np.bincount(sample.conversation, minlength=len(before))
    assert ((kept == 0) | (kept == before)).all()
    assert (~own).sum() == (table.user != 0).sum()
