"""Check what a graph shows: all that is visible, once, to whom it belongs, and nothing of a target's outcome."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmt.config import EpisodeConfig, GraphConfig
from gmt.data.build_graph import build_graph
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.episodes import EpisodeSampler
from gmt.data.feedback_features import FEEDBACK, feedback_features
from gmt.data.graph_batch import GraphBatch
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from tests.data.strategies import tables
from tests.data.test_dataset import talk
from tests.factories import dataset_of, random_dataset

TENSORS = [name for name in GraphBatch.__dataclass_fields__ if name != "schema"]


def rows_of_turns(graph, data):
    """Return the table row of each turn node, known by its answer; every answer must be a text of its own."""
    row = {data.vectors[code].tobytes(): number for number, code in enumerate(data.table.response)}
    assert len(row) == len(data.table.response)
    return np.array([row[vector.tobytes()] for vector in graph.response[graph.turn_response].numpy()], dtype=np.int64)


def reaching(graph, node, depth=20):
    """Return every turn node from which `node` can be reached, over all edges."""
    seen = {("user", node)}
    for _ in range(depth):
        before = len(seen)
        for (source, _, target), index in graph.edges.items():
            for a, b in index.T.tolist():
                if (target, b) in seen:
                    seen.add((source, a))
        if len(seen) == before:
            break
    return sorted(number for kind, number in seen if kind == "turn")


def cut_by_conversation(table, random):
    asked = np.array([random.random() < 0.5 for _ in table.conversations])[table.conversation]
    return np.flatnonzero(~asked), np.flatnonzero(asked)


def assert_same(graph, other, but=()):
    for name in TENSORS:
        a, b = getattr(graph, name), getattr(other, name)
        if name not in but:
            assert (a is None) == (b is None), name
            assert a is None or torch.equal(torch.nan_to_num(a, 7.0), torch.nan_to_num(b, 7.0)), name


@given(tables(), st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_no_message_comes_from_a_target_or_a_later_round_or_another_user(table, random, reveal, turn_edges):
    data = dataset_of(table)
    history, targets = cut_by_conversation(table, random)
    questions = data.questions(targets, reveal)
    graph = build_graph(data.select(history), questions, GraphConfig(turn_edges=turn_edges))
    rows = rows_of_turns(graph, data)
    of = table.row_comparison
    wanted = np.zeros(table.ratings.shape, bool)
    wanted[of, np.arange(len(of)) - table.start[:-1][of]] = table.feedback >= 0
    shown_features = feedback_features(table.ratings, wanted)[of, np.arange(len(of)) - table.start[:-1][of]]
    for number, target in enumerate(targets):
        node = int(graph.target_user[number])
        assert int(graph.user_code[node]) == table.user[target]
        direct = graph.updates[0][graph.updates[1] == node].numpy()
        found_turns = np.array(reaching(graph, node), dtype=np.int64)
        for turn in found_turns:
            comparison = of[rows[turn]]
            assert table.user[comparison] == table.user[target] and comparison != target
            if table.conversation[comparison] == table.conversation[target]:
                assert table.turn[comparison] < table.turn[target]
                shown = shown_features[rows[turn]] if reveal else np.zeros(len(FEEDBACK))
                np.testing.assert_array_equal(graph.feedback[turn].numpy(), shown)
            else:
                assert comparison in history
                np.testing.assert_array_equal(graph.feedback[turn].numpy(), shown_features[rows[turn]])
        own = np.flatnonzero(table.user == table.user[target])
        visible = [c for c in own if c in history] + [
            c for c in own if table.conversation[c] == table.conversation[target] and table.turn[c] < table.turn[target]
        ]
        assert sorted(rows[direct]) == sorted(np.flatnonzero(np.isin(of, visible)))  # all of it, and once
        assert set(found_turns) == set(direct)


@given(tables(), st.randoms(use_true_random=False), st.integers(0, 100))
def test_outcomes_of_what_is_asked_reach_no_tensor_but_the_rating(table, random, step):
    if not table.rated.any():
        return
    data = dataset_of(table)
    episode = EpisodeSampler(table, EpisodeConfig(users=2, targets=3, history=4), 0).draw(step)
    rows = np.isin(table.row_comparison, episode.targets)
    changed = replace(table, rating=np.where(rows, 1 - table.rating, table.rating))
    blank = replace(table, rating=np.where(rows, np.nan, table.rating), feedback=np.where(rows, -1, table.feedback))

    def graph_of(table):
        shown = data.with_table(table)
        ratings = table.select(episode.targets).ratings
        return build_graph(shown.select(episode.history), shown.questions(episode.targets), GraphConfig(), ratings)

    graph = graph_of(table)
    for other in (changed, blank):
        assert_same(graph, graph_of(other), but=("rating",))
    assert not torch.isnan(graph.rating).all() or not len(episode.targets)
    assert torch.isnan(graph_of(blank).rating).all()


def test_ratings_to_learn_from_are_those_asked_and_nan_elsewhere():
    data = random_dataset(0, max_candidates=4, unrated=0.2)
    targets = np.arange(30)
    ratings = data.table.select(targets).ratings
    graph = build_graph(data.select(np.arange(30, 60)), data.questions(targets), GraphConfig(), ratings)
    np.testing.assert_array_equal(graph.rating.numpy(), ratings.astype(np.float32))
    assert torch.isnan(graph.rating[~graph.mask]).all() and (~graph.mask).any()
    asked = build_graph(data.select(np.arange(30, 60)), data.questions(targets), GraphConfig())
    assert torch.isnan(asked.rating).all()
    assert_same(graph, asked, but=("rating",))
    # what a caller puts under padding is dropped, and a batch that carries it is refused
    filled = np.nan_to_num(ratings, nan=1.0)
    assert torch.isnan(build_graph(data, data.questions(targets), GraphConfig(), filled).rating[~graph.mask]).all()
    with pytest.raises(DataError, match="under padding"):
        replace(graph, rating=torch.from_numpy(filled))


def test_no_turn_updates_an_unknown_user():
    data = random_dataset(0)
    questions = data.questions(np.arange(4))
    questions = replace(questions, user=np.array([-1, 0, -1, 1]))
    graph = build_graph(data.select(np.arange(20, 200)), questions, GraphConfig())
    assert graph.user_code.tolist() == [-1, 0, 1]
    assert graph.target_user.tolist() == [0, 1, 0, 2]
    assert not (graph.updates[1] == 0).any() and not (graph.turn_user == 0).any()
    assert len(build_graph(data, replace(questions, user=np.full(4, -1)), GraphConfig()).turn_user) == 0


def test_an_unknown_user_still_sees_the_conversation_so_far():
    data = dataset_of(InteractionTable.from_comparisons(talk(1, 0, 1)))
    questions = replace(data.questions(np.array([2])), user=np.array([-1]))
    graph = build_graph(data.select(np.zeros(0, int)), questions, GraphConfig())
    assert graph.user_code.tolist() == [-1, -1] and graph.target_user.tolist() == [1]
    assert graph.turn_user.tolist() == [1] * 4 and (graph.feedback == 0).all()


def test_the_conversation_switch_hides_earlier_rounds():
    data = dataset_of(InteractionTable.from_comparisons(talk(1, 0, 1)))
    graph = build_graph(data.select(np.zeros(0, int)), data.questions(np.array([2])), GraphConfig(conversation=False))
    assert len(graph.turn_user) == 0 and graph.user_code.tolist() == [0]


def test_history_limit_keeps_the_last_of_the_table():
    rounds = [talk(1, user="bo", name=f"b{n}")[0] for n in range(3)] + [talk(1, name=f"a{n}")[0] for n in range(5)]
    data = dataset_of(InteractionTable.from_comparisons([*rounds, talk(1, name="now")[0]]))
    graph = build_graph(data.select(np.arange(8)), data.questions(np.array([8])), GraphConfig(history_limit=2))
    assert sorted(set(data.table.row_comparison[rows_of_turns(graph, data)])) == [6, 7]
    everything = build_graph(data.select(np.arange(8)), data.questions(np.array([8])), GraphConfig(history_limit=99))
    assert sorted(set(data.table.row_comparison[rows_of_turns(everything, data)])) == [3, 4, 5, 6, 7]


@given(tables(), st.randoms(use_true_random=False))
def test_precedes_joins_a_model_to_its_next_turn_in_the_same_conversation(table, random):
    data = dataset_of(table)
    history, targets = cut_by_conversation(table, random)
    graph = build_graph(data.select(history), data.questions(targets), GraphConfig())
    rows = rows_of_turns(graph, data)
    of = table.row_comparison
    found = {(int(a), int(b)) for a, b in graph.precedes.T}
    wanted = set()
    for b in range(len(rows)):
        before = [
            a
            for a in range(len(rows))
            if graph.turn_user[a] == graph.turn_user[b]
            and table.model[rows[a]] == table.model[rows[b]]
            and table.conversation[of[rows[a]]] == table.conversation[of[rows[b]]]
            and table.turn[of[rows[a]]] < table.turn[of[rows[b]]]
        ]
        if before:
            wanted.add((max(before, key=lambda a: table.turn[of[rows[a]]]), b))
    assert found == wanted and len(found) == graph.precedes.shape[1]
    flat = build_graph(data.select(history), data.questions(targets), GraphConfig(turn_edges=False))
    assert flat.precedes.shape == (2, 0) and ("turn", "precedes", "turn") not in flat.edges


def test_turns_read_their_own_query_answer_and_model():
    data = dataset_of(InteractionTable.from_comparisons([*talk(1, 0), *talk(0, user="bo", name="b")]))
    graph = build_graph(data.select(np.arange(2)), data.questions(np.array([2, 0])), GraphConfig(conversation=False))
    rows = rows_of_turns(graph, data)
    for turn, row in enumerate(rows):
        query = data.vectors[data.table.query[data.table.row_comparison[row]]]
        np.testing.assert_array_equal(graph.query[graph.turn_query[turn]].numpy(), query)
        np.testing.assert_array_equal(
            graph.llm[graph.turn_llm[turn]].numpy(), data.model_vectors[data.table.model[row]]
        )
    np.testing.assert_array_equal(graph.target_query.numpy(), data.vectors[data.table.query[[2, 0]]])
    written = graph.written
    assert written is not None
    assert [bool(row.any()) for row in written[graph.turn_written]] == (data.table.feedback[rows] >= 0).tolist()


def test_no_history_at_all_is_a_graph():
    data = random_dataset(0)
    graph = build_graph(data.select(np.zeros(0, int)), data.questions(np.arange(3)), GraphConfig())
    assert len(graph.turn_user) == 0 and graph.feedback.shape == (0, len(FEEDBACK)) and graph.written is None
    nothing = build_graph(data, data.questions(np.zeros(0, int)), GraphConfig())
    assert nothing.candidates.shape[0] == 0 and len(nothing.user_code) == 0


def test_an_index_out_of_range_is_refused():
    data = random_dataset(0)
    graph = build_graph(data, data.questions(np.arange(3)), GraphConfig())
    for name in (
        "turn_user",
        "turn_query",
        "turn_response",
        "turn_llm",
        "turn_written",
        "updates",
        "target_user",
        "candidates",
    ):
        for value in (-1, 10_000):
            wrong = getattr(graph, name).clone()
            wrong.view(-1)[0] = value
            with pytest.raises(DataError, match=f"{name} reaches outside"):
                replace(graph, **{name: wrong})


def test_two_votes_on_one_round_are_both_shown_once_and_not_joined():
    first, second = talk(1, 0)
    again = Comparison("ana", "talk", 0, "again", (Candidate("x", "other x", 0.0), Candidate("y", "other y", 1.0)))
    data = dataset_of(InteractionTable.from_comparisons([first, again, second]))
    graph = build_graph(data.select(np.zeros(0, int)), data.questions(np.array([2, 1])), GraphConfig())
    assert sorted(rows_of_turns(graph, data)) == [0, 1, 2, 3]  # for the later round; the second vote sees nothing
    assert graph.precedes.shape == (2, 0) and graph.target_user.tolist() == [1, 0]
