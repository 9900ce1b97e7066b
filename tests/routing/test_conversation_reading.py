"""Check how queries are read with what came before them, against the formula and against what must not be read."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.data.text_keys import key_of, stand_in
from gmt.routing.conversation_reading import ConversationReading
from gmt.routing.query_keys import QueryKeys
from tests.factories import dataset_of, random_dataset

READING = ConversationReading(decay=0.5, answers=0.25, words=3.0)
LONG = "please write a long poem about the sea"


def talk(name, user, *queries, task=None):
    """Return the rounds of a conversation, the first of them with a task."""
    return [
        Comparison(
            user,
            name,
            turn,
            query,
            (Candidate("a", f"a on {query}", 1.0), Candidate("b", f"b on {query}", 0.0)),
            task=task if turn == 0 else None,
        )
        for turn, query in enumerate(queries)
    ]


@pytest.fixture
def data():
    rounds = [
        *talk("one", "ana", LONG, "shorter", "why though", task="poems"),
        *talk("two", "bo", "what is ice", "shorter"),
    ]
    return dataset_of(InteractionTable.from_comparisons(rounds))


def vector(data, text):
    return data.vectors[data.table.texts.index(text)].astype(float)


def unit(value):
    return value / np.linalg.norm(value)


def test_a_round_is_read_by_the_formula(data):
    found = READING.read(data, data.table).vectors
    said = [n / (n + 3) * vector(data, text) for text, n in ((LONG, 8), ("shorter", 1), ("why though", 2))]
    answers = [(vector(data, f"a on {text}") + vector(data, f"b on {text}")) / 2 for text in (LONG, "shorter")]
    first = said[0] + 0.25 * answers[0]
    second = said[1] + 0.25 * answers[1] + 0.5 * first
    assert np.allclose(found[0], vector(data, LONG)) and np.allclose(found[3], vector(data, "what is ice"))
    assert np.allclose(found[1], unit(said[1] + 0.5 * first))
    assert np.allclose(found[2], unit(said[2] + 0.5 * second))


def test_own_text_alone_is_what_it_always_was(data):
    read = ConversationReading().read(data, data.table)
    assert not len(read.later) and np.array_equal(read.vectors, data.vectors[data.table.query])
    assert read.keys.tuples() == QueryKeys.of(data.table).tuples()


def test_one_text_in_two_conversations_is_two_queries_and_openings_are_shared(data):
    keys = READING.read(data, data.table).keys.tuples()
    assert keys[1][0] == keys[4][0] and keys[1] != keys[4]  # "shorter"
    again = dataset_of(
        InteractionTable.from_comparisons([*talk("one", "ana", LONG, "shorter"), *talk("two", "bo", LONG, "shorter")])
    )
    keys = READING.read(again, again.table).keys.tuples()
    assert keys[0] == keys[2] and keys[1] == keys[3]


def test_a_round_without_a_task_is_of_its_conversations_last_one(data):
    assert READING.read(data, data.table).keys.task.tolist() == [0, 0, 0, -1, -1]


@pytest.mark.parametrize("answers", [0.0, 0.5])
def test_questions_are_read_as_the_rounds_of_a_table_are(answers):
    reading = replace(READING, answers=answers)
    data = random_dataset(3, users=6, max_turns=4)
    whole = reading.read(data, data.table)
    some = np.random.default_rng(0).permutation(len(data.table))[:30]
    found = reading.read(data, data.questions(some))
    assert np.allclose(found.vectors, whole.vectors[some]) and len(found.later) > 5
    assert found.keys.tuples() == whole.select(some).keys.tuples()
    # Also where the table is in another order.
    mixed = reading.read(data, data.table.select(some))
    alone = np.isin(
        data.table.conversation[some], data.table.conversation[np.setdiff1d(np.arange(len(data.table)), some)]
    )
    assert np.array_equal(mixed.vectors[~alone], whole.vectors[some][~alone])


def test_neither_later_rounds_nor_ratings_nor_own_answers_nor_other_conversations_are_read():
    data = random_dataset(4, users=6, max_turns=4)
    table = data.table
    before = READING.read(data, table).vectors
    rng, at = np.random.default_rng(0), int(np.flatnonzero(table.turn == 1)[0])
    own, mine = table.row_comparison, table.conversation == table.conversation[at]
    hidden = ~mine | (table.turn > table.turn[at])
    # 1. Whatever is said later or elsewhere, the round's own answers, and every rating.
    query = np.where(hidden, rng.integers(len(table.texts), size=len(table)), table.query)
    response = np.where(hidden[own] | (own == at), rng.integers(len(table.texts), size=len(own)), table.response)
    changed = replace(table, query=query, response=response, rating=1 - table.rating)
    found = READING.read(data.with_table(changed), changed).vectors
    assert np.array_equal(found[at], before[at])
    asked = READING.read(data.with_table(changed), data.with_table(changed).questions(np.array([at]))).vectors
    assert np.allclose(asked[0], before[at])
    # 2. What was said before moves it, so the check above can fail.
    first = int(np.flatnonzero(mine & (table.turn == 0))[0])
    other = table.query.copy()
    other[first] = (other[first] + 1) % len(table.texts)
    assert not np.allclose(READING.read(data, replace(table, query=other)).vectors[at], before[at])


def test_rounds_of_one_key_with_other_answers_before_them_share_a_vector_between_theirs():
    data = random_dataset(5, users=8, max_turns=3, questions=3)
    read = READING.read(data, data.table)
    several, code = read.distinct()
    plain, own = replace(READING, answers=0.0).read(data, data.table).distinct()
    assert len(several) == len(plain) and np.array_equal(code, own)
    for node in np.unique(code[read.later]).tolist():
        near = read.vectors[code == node] @ several.vectors[node]
        assert np.linalg.norm(several.vectors[node]) == pytest.approx(1.0) and (near > 0).all()
    # The order of the table reaches no number.
    order = np.random.default_rng(1).permutation(len(data.table))
    assert np.array_equal(READING.read(data, data.table.select(order)).distinct()[0].vectors, several.vectors)


def test_a_text_that_is_not_kept_counts_as_its_stand_in_states_and_else_whole():
    texts = (f"text:{key_of('x')}", "shorter", "", f"text:{key_of('x')}:9.9.0.0.0", stand_in("make it shorter"))
    found = READING.content(texts, np.array([0, 1, 2, 1, 3, 4]))
    assert found == pytest.approx([1.0, 0.25, 0.0, 0.25, 1.0, 0.5], abs=1e-6)
