import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.splits import PROTOCOLS, assign, drift_time
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import TEST, TRAIN, VALID, InteractionTable
from gmt.errors import DataError
from tests.factories import random_table


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(PROTOCOLS), st.integers(1, 4), st.booleans())
def test_no_protocol_cuts_a_conversation(seed, protocol, max_turns, timestamps):
    table = random_table(seed, users=6, models=8, comparisons_per_user=8, max_turns=max_turns, timestamps=timestamps)
    split = assign(table, protocol, seed=seed)
    assert split.dtype == np.int8 and split.shape == (len(table),)
    table.with_split(split)  # raises where a conversation stands in two splits
    assert (split == assign(table, protocol, seed=seed)).all()
    assert (split == TEST).any() and (split == TRAIN).any()


def test_seen_gives_every_user_near_the_stated_shares():
    table = random_table(0, users=10, comparisons_per_user=50, timestamps=True)  # so that no vote repeats another
    split = assign(table, "seen")
    for user in range(10):
        shares = np.bincount(split[table.user == user], minlength=3) / 50
        assert np.abs(shares - [0.7, 0.1, 0.2]).max() <= 1 / 50
    assert (split != assign(table, "seen", seed=1)).any()


def test_seen_leaves_everybody_a_past_and_keeps_shares_over_many_small_users():
    table = random_table(0, users=400, comparisons_per_user=3)
    split = assign(table, "seen")
    assert all((split[table.user == user] == TRAIN).any() for user in range(400))
    assert np.abs(np.bincount(split) / len(split) - [0.7, 0.1, 0.2]).max() < 0.05


def test_new_users_have_no_row_in_train_or_valid():
    table = random_table(0, users=20, comparisons_per_user=20, timestamps=True)
    split = assign(table, "new-users")
    new = np.unique(table.user[split == TEST])
    assert len(new) == 5
    assert not np.isin(table.user[split != TEST], new).any()
    assert (split == VALID).sum() == round(0.15 * 300)


@pytest.mark.parametrize(("models", "held_out"), [(5, 1), (20, 2), (60, 6)])
def test_new_models_hold_out_every_row_that_touches_one(models, held_out):
    table = random_table(0, users=20, models=models, comparisons_per_user=60)
    split = assign(table, "new-models")
    rows = split[table.row_comparison]
    known = np.unique(table.model[rows != TEST])
    new = np.setdiff1d(table.model[rows == TEST], known)
    assert len(new) == held_out
    touches = np.isin(table.candidates, new).any(axis=1)
    assert (touches == (split == TEST)).all()


def test_new_questions_share_none_with_train():
    table = random_table(0, users=20, questions=30)
    split = assign(table, "new-questions")
    test, valid, train = (np.unique(table.question[split == code]) for code in (TEST, VALID, TRAIN))
    assert (len(test), len(valid)) == (6, 3)
    assert not np.isin(test, np.concatenate([valid, train])).any() and not np.isin(valid, train).any()


def test_drift_with_times_trains_on_nothing_later_than_the_stated_time():
    table = random_table(0, max_turns=3, timestamps=True)
    split, times = assign(table, "drift"), drift_time(table)
    assert times is not None
    assert table.timestamp[split == TRAIN].max() <= times[0]
    ends = np.array([table.timestamp[table.conversation == c].max() for c in table.conversation])
    assert ends[split == TEST].min() > times[1]


def test_drift_without_times_follows_each_users_order():
    table = random_table(0, questions=1000)
    split = assign(table, "drift")
    assert drift_time(table) is None
    for user in range(12):
        assert (np.diff(split[table.user == user]) >= 0).all()


def full_matrix():
    candidates = tuple(Candidate(f"m{m}", None, m / 4) for m in range(5))
    return InteractionTable.from_comparisons([Comparison("u", f"c{i}", 0, f"q{i}", candidates) for i in range(4)])


@pytest.mark.parametrize(
    ("protocol", "fractions", "message"),
    [
        ("seeen", (0.7, 0.1, 0.2), "seeen"),
        ("seen", (0.7, 0.1, 0.1), "sum to 1"),
        ("seen", (0.7, 0.3), "sum to 1"),
        ("new-users", (0.7, 0.1, 0.2), "1 user"),
        ("new-models", (0.7, 0.1, 0.2), "held out"),
        ("new-questions", (0.7, 0.1, 0.2), "4 questions"),
    ],
)
def test_a_split_that_cannot_be_made_says_why(protocol, fractions, message):
    with pytest.raises(DataError, match=message):
        assign(full_matrix(), protocol, fractions)


def test_an_empty_table_has_an_empty_split():
    assert assign(InteractionTable.from_comparisons([]), "seen").shape == (0,)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_given_keeps_the_test_part_and_cuts_valid_by_question(seed, max_turns):
    drawn = random_table(seed, users=6, comparisons_per_user=20, max_turns=max_turns)
    table = drawn.with_split(np.where(drawn.question < 5, TEST, TRAIN)[first_of(drawn)])
    split = assign(table, "given", seed=seed)
    assert ((split == TEST) == (table.split == TEST)).all()
    assert set(drawn.question[split == VALID]).isdisjoint(drawn.question[split == TRAIN])
    assert 0 < len(set(drawn.question[split == VALID])) <= 2


def test_given_cuts_valid_by_conversation_where_questions_return():
    drawn = random_table(3, users=6, comparisons_per_user=40)
    table = drawn.with_split(assign(drawn, "seen", (0.8, 0.0, 0.2)))
    split = assign(table, "given")
    assert (split == VALID).sum() == round(((table.split == TRAIN).sum()) / 8)
    assert not set(drawn.question[split == VALID]).isdisjoint(drawn.question[split == TRAIN])
    assert (assign(table.with_split(split), "given", seed=1) == split).all()


def first_of(table):
    """Return (C,) the position of the first round of each round's conversation."""
    _, first, of = np.unique(table.conversation, return_index=True, return_inverse=True)
    return first[of]
