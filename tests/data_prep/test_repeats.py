"""Check which conversations count as repeats of one another."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.repeats import first_occurrences
from data_prep.splits import PROTOCOLS, assign
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from tests.factories import random_table

VOTE = Comparison("u", "a", 0, "q", (Candidate("x", "so", 1.0), Candidate("y", "no", 0.0)), timestamp=1.0)


def repeats(*comparisons: Comparison) -> list[int]:
    return first_occurrences(InteractionTable.from_comparisons(comparisons)).tolist()


def test_the_same_vote_is_a_repeat_and_what_differs_is_none() -> None:
    assert repeats(VOTE, replace(VOTE, conversation="b"), replace(VOTE, conversation="c")) == [0, 0, 0]
    one, two = VOTE.candidates
    for other in (
        replace(VOTE, user="v"),
        replace(VOTE, query="r"),
        replace(VOTE, task="t"),
        replace(VOTE, timestamp=2.0),
        replace(VOTE, candidates=(two, one)),
        replace(VOTE, candidates=(replace(one, rating=0.0), replace(two, rating=1.0))),
        replace(VOTE, candidates=(replace(one, response=None), two)),
        replace(VOTE, candidates=(replace(one, feedback="!"), two)),
        replace(VOTE, candidates=(one, two, Candidate("z"))),
    ):
        assert repeats(VOTE, replace(other, conversation="b")) == [0, 1]


def test_a_conversation_repeats_as_a_whole_and_unrated_ones_do_not() -> None:
    later = replace(VOTE, turn=1, query="more")
    other = [replace(item, conversation="b") for item in (later, VOTE)]
    assert repeats(VOTE, later, *other) == [0, 0]
    assert repeats(VOTE, later, other[1]) == [0, 1]
    shown = replace(VOTE, candidates=tuple(replace(c, rating=None) for c in VOTE.candidates))
    assert repeats(shown, replace(shown, conversation="b")) == [0, 1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(PROTOCOLS), st.integers(1, 3))
def test_a_doubled_table_is_split_like_the_single_one(seed: int, protocol: str, max_turns: int) -> None:
    table = random_table(seed, users=6, models=8, comparisons_per_user=8, max_turns=max_turns, timestamps=True)
    single = table.to_comparisons()
    again = [replace(item, conversation=f"again {item.conversation}") for item in single]
    doubled = InteractionTable.from_comparisons([*single, *again])
    split = assign(doubled, protocol, seed=seed)
    assert (split[: len(single)] == split[len(single) :]).all()
    assert (split[: len(single)] == assign(table, protocol, seed=seed)).all() or protocol == "new-questions"
    assert np.array_equal(first_occurrences(doubled)[: len(table.conversations)], first_occurrences(table))
